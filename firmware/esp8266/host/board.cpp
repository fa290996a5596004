// Pins with a DHT22 on one of them, the serial port, the chip and its WiFi.
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include <fstream>

#include <Arduino.h>
#include <ESP8266WiFi.h>

#include "host.h"

HardwareSerial Serial;
EspClass ESP;
ESP8266WiFiClass WiFi;

namespace {

void (*handler)() = nullptr;
uint8_t mode = INPUT;
int64_t lowSince = 0;
bool asked = false;  // by a start pulse of the right length
bool answering = false;
int64_t edge = 0;

// The data sheet asks for a start pulse of 0.8 to 20 ms, two seconds from one to the
// next, and one after power-on.
constexpr int64_t PulseLeast = 800, PulseMost = 20000;
constexpr int64_t Rest = 2000000, PowerUp = 1000000;
int64_t restUntil = PowerUp;

// frame makes the five bytes of an answer; a fault's word makes a wrong one.
void frame(const std::string &what, uint8_t b[5]) {
  double humidity = 50, temperature = 20;
  if (what == "range") humidity = 120;
  sscanf(what.c_str(), "%lf %lf", &humidity, &temperature);
  long h = lround(humidity * 10), t = lround(temperature * 10);
  uint16_t word = static_cast<uint16_t>(t < 0 ? -t | 0x8000 : t);
  b[0] = static_cast<uint8_t>(h >> 8);
  b[1] = static_cast<uint8_t>(h);
  b[2] = static_cast<uint8_t>(word >> 8);
  b[3] = static_cast<uint8_t>(word);
  b[4] = static_cast<uint8_t>(b[0] + b[1] + b[2] + b[3]);
  if (what == "checksum") b[1] ^= 0x10;
}

void fall(int64_t after) {
  edge += after;
  handler();
}

std::string nextReading() {
  host::World &w = host::world;
  if (!w.readings.empty()) {
    std::ifstream file(w.readings);
    std::string line;
    for (unsigned n = 0; std::getline(file, line); n++) {
      w.dht = line;
      if (n == w.read) break;
    }
    w.read++;
  }
  return w.dht;
}

void answer() {
  bool early = host::micros() < restUntil && (host::world.reset == 0 || restUntil != PowerUp);
  if (early) host::say("dht asked too early");
  restUntil = host::micros() + Rest;
  std::string what = nextReading();
  if (what == "dead") return;
  uint8_t b[5];
  frame(what, b);
  answering = true;
  edge = host::micros();
  if (what == "noise") {
    for (int i = 0; i < 400; i++) fall(i % 2 == 0 ? 60 : 130);
    answering = false;
    return;
  }
  fall(30);
  fall(160);
  int bits = what == "short" ? 17 : 40;
  for (int i = 0; i < bits; i++) {
    bool one = b[i / 8] >> (7 - i % 8) & 1;
    fall((one ? 120 : 76) + i % 5 - 2);
  }
  answering = false;
}

}  // namespace

unsigned long micros() { return static_cast<uint32_t>(answering ? edge : host::micros()); }

void pinMode(uint8_t, uint8_t to) {
  int64_t low = host::micros() - lowSince;
  if (mode != OUTPUT && to == OUTPUT) lowSince = host::micros();
  bool released = mode == OUTPUT && to != OUTPUT;
  mode = to;
  if (released) asked = low >= PulseLeast && low <= PulseMost;
}

void digitalWrite(uint8_t, uint8_t) {}

void attachInterrupt(uint8_t, void (*to)(), int) {
  handler = to;
  if (asked) answer();
  asked = false;
}

void detachInterrupt(uint8_t) { handler = nullptr; }

void HardwareSerial::begin(unsigned long) {}

size_t HardwareSerial::println(const char *text) {
  printf("%s\n", text);
  fflush(stdout);
  return strlen(text) + 1;
}

size_t HardwareSerial::println(const __FlashStringHelper *text) {
  return println(reinterpret_cast<const char *>(text));
}

size_t HardwareSerial::printf_P(const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vprintf(format, args);
  va_end(args);
  fflush(stdout);
  return n < 0 ? 0 : static_cast<size_t>(n);
}

uint32_t EspClass::getChipId() { return 0x00C0FFEE; }

uint32_t EspClass::getFreeHeap() { return 40000; }

rst_info *EspClass::getResetInfoPtr() {
  static rst_info info;
  info.reason = host::world.reset;
  return &info;
}

bool EspClass::rtcUserMemoryRead(uint32_t offset, uint32_t *data, size_t size) {
  if (offset * 4 + size > sizeof host::world.rtc) return false;
  memcpy(data, host::world.rtc + offset * 4, size);
  return true;
}

bool EspClass::rtcUserMemoryWrite(uint32_t offset, uint32_t *data, size_t size) {
  if (offset * 4 + size > sizeof host::world.rtc) return false;
  memcpy(host::world.rtc + offset * 4, data, size);
  return true;
}

void EspClass::deepSleep(uint64_t us) {
  host::delay(static_cast<int64_t>(us));
  host::reboot(5);
}

void EspClass::restart() { host::reboot(4); }

void ESP8266WiFiClass::persistent(bool) {}

bool ESP8266WiFiClass::mode(WiFiMode_t) { return true; }

bool ESP8266WiFiClass::setAutoReconnect(bool) { return true; }

wl_status_t ESP8266WiFiClass::begin(const char *ssid, const char *) {
  host::say("wifi asked for %s", ssid);
  if (host::world.wifiStuck) host::world.wifi = true;
  host::world.wifiStuck = false;
  return status();
}

bool ESP8266WiFiClass::disconnect(bool) { return true; }

wl_status_t ESP8266WiFiClass::status() { return host::world.wifi ? WL_CONNECTED : WL_DISCONNECTED; }

int8_t ESP8266WiFiClass::RSSI() { return -61; }
