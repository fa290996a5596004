// Humidity and temperature of a DHT22, and the health of the board, over the
// serial port of an Arduino Uno, Nano or Mega. One line each per period:
//
//   {"t":"sensor","seq":2,"hum":55.3,"tem":21.4}*15
//   {"t":"health","seq":3,"up_s":2,"ram_free":1337,"vcc_mv":5006,"dht_ok":1,"dht_timeout":0,"dht_checksum":0,"dht_range":0,"loop_us":3788,"rst":"external"}*3C
//
// README.md in the folder above explains lines, commands and wiring.

/***** Settings *****/

// The name of this device: no blanks, quotes, backslashes or stars.
#ifndef DEVICE_ID
#define DEVICE_ID "avr-sensor"
#endif
// Bits per second of the serial port; the reader must use the same.
#ifndef BAUD
#define BAUD 115200
#endif
// Digital pin of the sensor's data wire.
#ifndef DHT_PIN
#define DHT_PIN 2
#endif
// Milliseconds from one reading to the next, 2000 to 86400000. The command
// "period" changes it until the next start.
#ifndef PERIOD_MS
#define PERIOD_MS 10000
#endif
// The format at the start: Json or KeyValue. The command "format" changes it.
#ifndef FORMAT
#define FORMAT Json
#endif
// The chip's own reference in millivolts: 1000 to 1200 from chip to chip. For an
// exact vcc_mv multiply it by the voltage measured and divide by vcc_mv.
#ifndef REFERENCE_MV
#define REFERENCE_MV 1100
#endif

/***** End of the settings *****/

#include <Arduino.h>
#include <avr/wdt.h>

#include "command.h"
#include "device.h"
#include "dht22_pin.h"
#include "line.h"
#include "report.h"
#include "timing.h"

#define FIRMWARE_VERSION "1.0.0"

static_assert(sizeof(DEVICE_ID) > 1 && sizeof(DEVICE_ID) <= 33, "DEVICE_ID is 1 to 32 characters");
static_assert(isWord(DEVICE_ID), "DEVICE_ID is one word without quotes, backslashes, stars and equal signs");
static_assert(PERIOD_MS >= MinPeriod && PERIOD_MS <= MaxPeriod, "PERIOD_MS is 2000 to 86400000");
static_assert(REFERENCE_MV >= 1000 && REFERENCE_MV <= 1200, "REFERENCE_MV is 1000 to 1200");

static const char deviceId[] PROGMEM = DEVICE_ID;
static const char firmwareVersion[] PROGMEM = FIRMWARE_VERSION;

static Reporter reporter(reinterpret_cast<const FlashText *>(deviceId), reinterpret_cast<const FlashText *>(firmwareVersion));
static CommandReader commands;
static Schedule schedule(PERIOD_MS, MinPeriod);
static Uptime uptime;
static Health health;
static Dht22Pin sensor(DHT_PIN);

// The line that is going out, and how much of it has gone.
static Line line;
static uint8_t written;

// Where a measurement is: the wire is held low, then the answer is heard in one
// go, then the supply is converted.
enum class Step : uint8_t { Waiting, Starting, Converting };
static Step step = Step::Waiting;

static bool measure();
static bool listen();
static void obey(const Command &command);
static bool speak();
static bool quiet();

// The program never waits: what can't be done now is done in a later turn. Should
// it hang nevertheless, the watchdog resets it after two seconds.
void setup() {
  wdt_enable(WDTO_2S);
  Serial.begin(BAUD);
  sensor.begin();
  uptime.begin(millis());
  schedule.begin(millis());
  reporter.setFormat(Format::FORMAT);
  reporter.setPeriod(PERIOD_MS);
  reporter.hello(device::cause());
}

void loop() {
  wdt_reset();
  uint32_t began = micros();
  uptime.tick(millis());
  bool measured = measure();
  bool heard = listen();
  bool said = speak();
  uint32_t took = micros() - began;
  if (took > health.loopMicros) health.loopMicros = took;
  if (!measured && !heard && !said) device::idle();
}

// measure does one step of a measurement and tells whether there was one to do.
static bool measure() {
  switch (step) {
    case Step::Waiting:
      // Bytes going out would disturb the timing of the sensor's bits.
      if (!schedule.due(millis()) || !quiet()) return false;
      device::selectSupply();
      sensor.start();
      step = Step::Starting;
      return false;
    case Step::Starting: {
      if (!sensor.started()) return false;
      dht22::Values values = {0, 0};
      dht22::Fault fault = sensor.read(values);
      schedule.done(millis());
      health.readings[static_cast<uint8_t>(fault)]++;
      reporter.reading(fault, values);
      device::startSupply();
      step = Step::Converting;
      return true;
    }
    default:
      if (!device::supplyReady()) return true;
      health.upSeconds = uptime.seconds();
      health.freeRam = device::freeRam();
      health.supplyMillivolts = device::supplyMillivolts(REFERENCE_MV);
      reporter.health(health);
      health.loopMicros = 0;
      step = Step::Waiting;
      return true;
  }
}

// listen takes what has come in, up to the end of a command.
static bool listen() {
  bool heard = false;
  while (!reporter.answering() && Serial.available() > 0) {
    heard = true;
    Command command;
    if (commands.feed(static_cast<char>(Serial.read()), command)) obey(command);
  }
  return heard;
}

static void obey(const Command &command) {
  if (command.order == Order::Format && command.set) reporter.setFormat(command.format);
  if (command.order == Order::Period && command.set) {
    schedule.setPeriod(command.period);
    reporter.setPeriod(command.period);
  }
  if (command.order == Order::Now) schedule.soon();
  reporter.answer(command, commands.line());
}

// speak hands the port as many bytes as it takes without waiting.
static bool speak() {
  if (step != Step::Waiting) return false;
  if (written == line.length()) {
    if (!reporter.next(line)) return false;
    written = 0;
  }
  int room = Serial.availableForWrite();
  if (room == 0) return false;
  uint8_t n = line.length() - written;
  if (n > room) n = static_cast<uint8_t>(room);
  Serial.write(line.bytes() + written, n);
  written += n;
  return true;
}

// quiet tells that everything has gone out.
static bool quiet() { return written == line.length() && Serial.availableForWrite() == SERIAL_TX_BUFFER_SIZE - 1; }
