#include "link.h"

#include <time.h>

#include "buildtime.h"

namespace {

// The chip's own code reconnects within this time, if it does at all.
constexpr uint32_t WifiPatience = 20000, WifiPatienceMost = 300000;
constexpr uint32_t RetryLeast = 1000, RetryMost = 300000;
// A connection that lasted so long was a good one: the next wait is short again.
// Else a broker that throws us out at once would be asked every second.
constexpr uint32_t GoodConnection = 30000;
constexpr uint32_t ClockWordEvery = 60000;
// For connecting and for each answer in the handshake, in milliseconds.
constexpr uint32_t TlsTimeout = 5000;
// A receive buffer below 16 KiB makes BearSSL ask for short TLS records, which
// Mosquitto (OpenSSL 1.1.1 and later) grants. The certificates must fit, too.
constexpr int TlsReceive = 4096, TlsSend = 512;

}  // namespace

Link::Link(const LinkSettings &settings, const mqtt::Options &options)
    : client(*this, options),
      settings_(settings),
      wifiBackoff_(WifiPatience, WifiPatienceMost),
      backoff_(RetryLeast, RetryMost) {}

void Link::begin(uint32_t now) {
  if (settings_.fingerprint != nullptr) {
    Serial.println(F("tls: only a SHA-1 fingerprint is checked; see README.md for the risk"));
    if (!tls_.setFingerprint(settings_.fingerprint)) Serial.println(F("tls: FINGERPRINT is not 20 bytes in hex"));
  } else {
    if (!anchors_.append(settings_.ca)) Serial.println(F("tls: CA_CERT holds no certificate in PEM"));
    tls_.setTrustAnchors(&anchors_);
    configTime(0, 0, settings_.ntp, settings_.host);
  }
  tls_.setBufferSizes(TlsReceive, TlsSend);
  tls_.setTimeout(TlsTimeout);
  WiFi.persistent(false);
  WiFi.mode(WIFI_STA);
  WiFi.setAutoReconnect(true);
  WiFi.begin(settings_.ssid, settings_.password);
  wifiWait_.start(now, wifiBackoff_.next(chance()));
}

void Link::poll(uint32_t now) {
  if (!wifiUp(now)) {
    if (client.state() != mqtt::State::Closed) client.drop(mqtt::Failure::Ended);
  } else if (client.state() != mqtt::State::Closed) {
    client.poll(now);
  } else if (retryWait_.over(now) && clockReady(now)) {
    connect(now);
    now = millis();
  }
  watch(now);
}

void Link::finish(uint32_t now) {
  client.disconnect(now);
  watch(now);
}

bool Link::wifiUp(uint32_t now) {
  bool up = WiFi.status() == WL_CONNECTED;
  if (up && !wifiIsUp_) {
    wifiCount_++;
    wifiSince_ = now;
    wifiBackoff_.reset();
    retryWait_.start(now, 0);
    Serial.printf_P(PSTR("wifi: up, %d dBm\n"), static_cast<int>(WiFi.RSSI()));
  } else if (!up && wifiIsUp_) {
    Serial.println(F("wifi: lost"));
    wifiWait_.start(now, wifiBackoff_.next(chance()));
  } else if (!up && wifiWait_.over(now)) {
    Serial.println(F("wifi: begin again"));
    WiFi.disconnect();
    WiFi.begin(settings_.ssid, settings_.password);
    wifiWait_.start(now, wifiBackoff_.next(chance()));
  }
  wifiIsUp_ = up;
  return up;
}

// clockReady tells whether the dates of certificates can be checked. A clock
// before the build is none: it has not been set, or somebody turned it back to
// when an old certificate was good.
bool Link::clockReady(uint32_t now) {
  if (settings_.fingerprint != nullptr) return true;
  time_t clock = time(nullptr);
  if (buildtime::trusted(clock, settings_.built)) {
    tls_.setX509Time(clock);
    return true;
  }
  if (settings_.clockWaitMillis != 0 && elapsed(now, wifiSince_, settings_.clockWaitMillis)) {
    tls_.setX509Time(settings_.built);
    return true;
  }
  if (clockWord_.over(now)) {
    Serial.println(F("clock: not set, or before the sketch was built; waiting for NTP"));
    clockWord_.start(now, ClockWordEvery);
  }
  return false;
}

void Link::connect(uint32_t now) {
  if (tls_.connect(settings_.host, settings_.port)) {
    tlsError_ = 0;
    client.begin(millis());
    // Watched in both states: one that failed at once must wait, too.
    seen_ = mqtt::State::Connecting;
    return;
  }
  char why[64] = "";
  int error = tls_.getLastSSLError(why, sizeof why);
  lastFailure_ = error == 0 ? "tcp" : "tls";
  tlsError_ = error;
  tls_.stop();
  Serial.printf_P(PSTR("%s: no connection to %s:%u, error %d %s\n"), lastFailure_, settings_.host, settings_.port,
                  error, why);
  retry(now);
}

// watch notes when the client's state has changed.
void Link::watch(uint32_t now) {
  mqtt::State state = client.state();
  if (state == seen_) return;
  seen_ = state;
  if (state == mqtt::State::Connected) {
    mqttCount_++;
    wasConnected_ = true;
    connectedSince_ = now;
    Serial.println(F("mqtt: connected"));
    return;
  }
  if (state != mqtt::State::Closed || client.failure() == mqtt::Failure::None) return;
  lastFailure_ = mqtt::name(client.failure());
  if (client.failure() == mqtt::Failure::Refused) {
    Serial.printf_P(PSTR("mqtt: refused, %s\n"), mqtt::refusalName(client.refusal()));
    if (client.refusal() != mqtt::ServerUnavailable) backoff_.jump();
  } else if (wasConnected_ && elapsed(now, connectedSince_, GoodConnection)) {
    backoff_.reset();
  }
  wasConnected_ = false;
  retry(now);
}

void Link::retry(uint32_t now) {
  retryWait_.start(now, backoff_.next(chance()));
  Serial.printf_P(PSTR("link: lost (%s), next try in %u ms\n"), lastFailure_,
                  static_cast<unsigned>(retryWait_.millis()));
}

// chance differs from chip to chip and from moment to moment; it need be no
// secret.
uint32_t Link::chance() { return (micros() ^ ESP.getChipId()) * 2654435761u >> 8; }

int Link::read(uint8_t *data, size_t size) {
  int waiting = tls_.available();
  if (waiting <= 0) return tls_.connected() ? 0 : -1;
  return tls_.read(data, size);
}

bool Link::write(const uint8_t *data, size_t size) { return tls_.write(data, size) == size; }

void Link::close() { tls_.stop(); }
