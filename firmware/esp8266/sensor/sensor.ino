// Humidity and temperature of a DHT22 by MQTT over TLS, from an ESP8266.
//
// A value is sent to <PREFIX><FEED_HUM> and <PREFIX><FEED_TEM> when it has changed
// by HUM_DELTA or TEM_DELTA, or when the last one is MAX_AGE old; it counts as sent
// when the broker has acknowledged it. <PREFIX>/status tells online or offline,
// <PREFIX>/health how the device is. README.md in the folder above explains all of it.

#include "secrets.h"

/***** MQTT *****/

// Address or name of the broker, as its certificate has it among its DNS names.
#ifndef IP_BROKER
#define IP_BROKER "192.168.0.4"
#endif
// 8883 is MQTT over TLS; 1883 is plain text, which this sketch does not speak.
#ifndef PUERTO_BROKER
#define PUERTO_BROKER 8883
#endif
// What all topics begin with.
#ifndef PREFIX
#define PREFIX USUARIO
#endif
#ifndef FEED_HUM
#define FEED_HUM "/feeds/0/humid"
#endif
#ifndef FEED_TEM
#define FEED_TEM "/feeds/0/temp"
#endif

// Least change that is sent: percent of humidity, degrees Celsius; steps of 0.1.
#ifndef HUM_DELTA
#define HUM_DELTA 1
#endif
#ifndef TEM_DELTA
#define TEM_DELTA 0.1
#endif

/***** Times, in milliseconds *****/

// From one reading to the next; 2000 at least.
#ifndef SLEEP_TIME
#define SLEEP_TIME 60000
#endif
// A value is sent again when the last one is so old, changed or not. 0: never.
#ifndef MAX_AGE
#define MAX_AGE 900000
#endif
// From one health message to the next.
#ifndef HEALTH_TIME
#define HEALTH_TIME 300000
#endif
// Without a broker for so long the chip starts anew. 0: never.
#ifndef RESTART_AFTER
#define RESTART_AFTER 3600000
#endif
// How long the broker may take for an answer.
#ifndef BROKER_TIMEOUT
#define BROKER_TIMEOUT 20000
#endif
// Seconds; after one and a half the broker publishes our will.
#ifndef KEEPALIVE
#define KEEPALIVE 90
#endif

/***** Clock *****/

// The broker's address is asked as well: a Pi can serve the time of a LAN.
#ifndef NTP_SERVER
#define NTP_SERVER "pool.ntp.org"
#endif
// Without an answer from NTP for so many milliseconds, certificates are checked
// against the time of the build. 0: never, wait for NTP.
#ifndef CLOCK_WAIT
#define CLOCK_WAIT 0
#endif

/***** Wiring *****/

#ifndef DHT_PIN
#define DHT_PIN 12
#endif
// 1: sleep between readings, for batteries. GPIO16 must be wired to RST.
#ifndef DEEP_SLEEP
#define DEEP_SLEEP 0
#endif
// With DEEP_SLEEP: how long one waking may last, in milliseconds.
#ifndef AWAKE_TIME
#define AWAKE_TIME 30000
#endif

/***** End of the settings *****/

#include <Arduino.h>

#include "buildtime.h"
#include "dht22_pin.h"
#include "feed.h"
#include "health.h"
#include "link.h"
#include "snapshot.h"
#include "text.h"
#include "timing.h"

static_assert(tenths(HUM_DELTA) >= 1 && tenths(TEM_DELTA) >= 1, "HUM_DELTA and TEM_DELTA are 0.1 at least");
static_assert(DHT_PIN != 16, "GPIO16 has no interrupt");
static_assert(SLEEP_TIME >= 2000, "a DHT22 may be read every 2 s: SLEEP_TIME is 2000 at least");
// The chip's timer ends at some three and a half hours.
static_assert(!DEEP_SLEEP || SLEEP_TIME <= 10800000, "with DEEP_SLEEP a SLEEP_TIME is 10800000 (3 h) at most");
static_assert(!DEEP_SLEEP || CLOCK_WAIT < AWAKE_TIME, "with DEEP_SLEEP a CLOCK_WAIT is less than AWAKE_TIME");
static_assert(isTopic(PREFIX FEED_HUM) && isTopic(PREFIX FEED_TEM), "PREFIX, FEED_HUM and FEED_TEM hold no # and +");
static_assert(KEEPALIVE > 0 && KEEPALIVE <= 65535, "KEEPALIVE is 1 to 65535 seconds");
static_assert(sizeof(PREFIX FEED_HUM) <= 100 && sizeof(PREFIX FEED_TEM) <= 100, "a topic is 100 characters at most");

#ifndef BUILD_EPOCH
#define BUILD_EPOCH buildtime::epoch(__DATE__, __TIME__)
#endif
constexpr uint32_t Built = BUILD_EPOCH;

// A sensor that did not answer is asked twice more before the next period.
constexpr uint32_t RetryReading = 2500;
constexpr uint8_t MoreTries = 2;
// A DHT22 needs so long after power-on.
constexpr uint32_t SensorStart = 2000;

const LinkSettings linkSettings = {
    WLAN_SSID, WLAN_PASS, IP_BROKER, PUERTO_BROKER,
#ifdef FINGERPRINT
    nullptr, FINGERPRINT,
#else
    CA_CERT, nullptr,
#endif
    NTP_SERVER, Built, CLOCK_WAIT,
};

static char clientId[20];
const mqtt::Options mqttOptions = {
    clientId, USUARIO, PASSWORD, DEEP_SLEEP ? nullptr : PREFIX "/status", "offline", KEEPALIVE, BROKER_TIMEOUT,
};

static Link uplink(linkSettings, mqttOptions);
static Dht22Pin dht(DHT_PIN);
static Feed humidity(PREFIX FEED_HUM, tenths(HUM_DELTA), MAX_AGE);
static Feed temperature(PREFIX FEED_TEM, tenths(TEM_DELTA), MAX_AGE);
static Uptime uptime;
static Counters counters = {};

// The newest reading, and when the next is due.
static struct {
  dht22::Values values;
  dht22::Fault fault;
  bool good;   // what values hold
  bool known;  // read at least once, with all its tries
  bool sound;  // whether the newest of these ended well
} reading = {};
static Wait nextReading;
static uint8_t tries = 0;

static Wait nextHealth;
static uint16_t healthId = 0;
static bool healthDue = true;
static uint16_t statusId = 0;
static bool announced = false;  // on this connection
static bool told = false;       // acknowledged, if only on an earlier one
static Wait lost;

// For deep sleep.
static uint32_t began = 0;
static bool woken = false;
static bool radio = !DEEP_SLEEP;
static uint32_t failures = 0, skip = 0;

void restore(uint32_t now) {
  Snapshot s;
  ESP.rtcUserMemoryRead(SnapshotBlock, reinterpret_cast<uint32_t *>(&s), sizeof s);
  if (!intact(s, Built)) return;
  woken = DEEP_SLEEP;
  uptime.begin(now, s.uptimeSeconds);
  if (s.humidity.have) humidity.gate.sent(s.humidity.value, now - s.humidity.ageMillis);
  if (s.temperature.have) temperature.gate.sent(s.temperature.value, now - s.temperature.ageMillis);
  counters = s.counters;
  failures = s.failures;
  skip = s.skip;
  told = s.told != 0;
  healthDue = !DEEP_SLEEP || s.healthAgeMillis >= HEALTH_TIME;
  nextHealth.start(now - s.healthAgeMillis, HEALTH_TIME);
  // It is used once: after a reset by the watchdog it would be an old one.
  s.checksum++;
  ESP.rtcUserMemoryWrite(SnapshotBlock, reinterpret_cast<uint32_t *>(&s), sizeof s);
}

Counters countersNow() {
  Counters c = counters;
  c.wifi += uplink.wifiCount();
  c.mqtt += uplink.mqttCount();
  c.resent += uplink.client.resent();
  return c;
}

FeedState stateOf(const Feed &feed, uint32_t now, uint32_t sleep) {
  FeedState s = {};
  s.have = feed.gate.have();
  s.value = feed.gate.last();
  s.ageMillis = feed.gate.age(now) + sleep;
  return s;
}

// remember writes what must live through a sleep of so many milliseconds.
void remember(uint32_t now, uint32_t sleep) {
  Snapshot s = {};
  s.built = Built;
  s.uptimeSeconds = uptime.seconds() + sleep / 1000;
  s.healthAgeMillis = nextHealth.age(now) + sleep;
  s.failures = failures;
  s.skip = skip;
  s.told = told;
  s.humidity = stateOf(humidity, now, sleep);
  s.temperature = stateOf(temperature, now, sleep);
  s.counters = countersNow();
  seal(s);
  ESP.rtcUserMemoryWrite(SnapshotBlock, reinterpret_cast<uint32_t *>(&s), sizeof s);
}

void readSensor(uint32_t now) {
  if (!dht.busy()) {
    if (nextReading.over(now)) dht.start(now);
    return;
  }
  if (!dht.ready(now)) return;
  dht22::Values values;
  reading.fault = dht.take(values);
  counters.reads[static_cast<uint8_t>(reading.fault)]++;
  reading.good = reading.fault == dht22::Fault::None;
  if (reading.good) {
    reading.values = values;
  } else if (tries < MoreTries) {
    tries++;
    nextReading.start(now, RetryReading);
    return;
  }
  // A sensor that fell silent, or speaks again, is told at once.
  if (reading.known && reading.sound != reading.good) healthDue = true;
  tries = 0;
  reading.known = true;
  reading.sound = reading.good;
  nextReading.start(now, SLEEP_TIME);
}

bool valuesDue(uint32_t now) {
  return reading.good && (humidity.gate.due(reading.values.humidity, now) ||
                          temperature.gate.due(reading.values.temperature, now));
}

// announce publishes the birth message, which takes the place of the will. A
// sleeper has no will, so once is enough.
void announce(uint32_t now) {
  const char *word = DEEP_SLEEP ? "asleep" : "online";
  announced = woken && told;
  if (announced) return;
  statusId = uplink.client.publish(now, PREFIX "/status", word, strlen(word), true);
  announced = statusId != 0;
}

void publishHealth(uint32_t now) {
  Health h = {};
  h.uptimeSeconds = uptime.seconds();
  h.resetReason = resetReasonName(ESP.getResetInfoPtr()->reason);
  h.freeHeap = ESP.getFreeHeap();
  h.rssi = WiFi.RSSI();
  h.sensor = dht22::name(reading.fault);
  h.lastFailure = uplink.lastFailure();
  h.tlsError = uplink.tlsError();
  h.counters = countersNow();
  static char message[mqtt::MaxPayload];
  size_t length = healthMessage(message, sizeof message, h);
  uint16_t id = uplink.client.publish(now, PREFIX "/health", message, length, false);
  if (id == 0) return;
  healthId = id;
  healthDue = false;
  nextHealth.start(now, HEALTH_TIME);
}

void publish(uint32_t now) {
  if (humidity.settle(uplink.client)) Serial.println(F("sent: humidity"));
  if (temperature.settle(uplink.client)) Serial.println(F("sent: temperature"));
  if (statusId != 0 && !uplink.client.pending(statusId)) told = true;
  if (nextHealth.over(now)) healthDue = true;
  if (!uplink.client.connected()) {
    announced = false;
    return;
  }
  if (!announced) announce(now);
  if (reading.good) {
    humidity.offer(uplink.client, reading.values.humidity, now);
    temperature.offer(uplink.client, reading.values.temperature, now);
  }
  if (healthDue && reading.known && !uplink.client.pending(healthId)) publishHealth(now);
}

// restartWhenLost is the last resort against what only a new start mends.
void restartWhenLost(uint32_t now) {
  if (uplink.client.connected()) lost.start(now, RESTART_AFTER);
  if (RESTART_AFTER == 0 || !lost.over(now)) return;
  Serial.println(F("link: no broker for too long, restart"));
  remember(now, 0);
  ESP.restart();
}

// sleepWhenDone ends a waking: when nothing is due, when all that was due is
// acknowledged, or when it has lasted too long.
void sleepWhenDone(uint32_t now) {
  uint32_t awake = now - began;
  bool late = awake >= AWAKE_TIME;
  bool due = valuesDue(now) || healthDue;
  if (!reading.known && !late) return;
  if (!radio && due && !late) {
    if (skip == 0) {
      radio = true;
      uplink.begin(now);
      return;
    }
    skip--;
  } else if (radio && (due || uplink.client.unacknowledged() != 0)) {
    if (!late) return;
    failures++;
    skip = wakesToSkip(failures);
  } else if (radio) {
    failures = 0;
  }
  uplink.finish(now);
  // The last bytes need a moment to leave.
  if (radio) delay(50);
  uint32_t sleep = SLEEP_TIME > awake + 1000 ? SLEEP_TIME - awake : 1000;
  remember(now, sleep);
  Serial.printf_P(PSTR("sleep: %u ms\n"), static_cast<unsigned>(sleep));
  ESP.deepSleep(static_cast<uint64_t>(sleep) * 1000);
}

void setup() {
  uint32_t now = millis();
  began = now;
  Serial.begin(115200);
  Text(clientId, sizeof clientId).add("esp8266-").number(ESP.getChipId());
  Serial.printf_P(PSTR("\nsensor: %s, %s\n"), clientId, resetReasonName(ESP.getResetInfoPtr()->reason));
  uptime.begin(now, 0);
  nextHealth.start(now, HEALTH_TIME);
  lost.start(now, RESTART_AFTER);
  restore(now);
  dht.begin();
  nextReading.start(now, woken ? 0 : SensorStart);
  if (radio) uplink.begin(now);
}

void loop() {
  uint32_t now = millis();
  uptime.update(now);
  readSensor(now);
  if (radio) uplink.poll(now);
  // Opening a connection takes its time.
  now = millis();
  publish(now);
  if (DEEP_SLEEP) {
    sleepWhenDone(now);
  } else {
    restartWhenLost(now);
  }
  delay(5);
}
