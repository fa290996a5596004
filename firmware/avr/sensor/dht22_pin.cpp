#include "dht22_pin.h"

namespace {

// The data sheet asks for 1 ms to 10 ms.
constexpr uint32_t StartPulseMicros = 1200;
// The answer begins within 200 µs; no level of it lasts longer than 85 µs.
constexpr uint32_t LongestLevelMicros = 250;

}  // namespace

void Dht22Pin::begin() { pinMode(pin_, INPUT_PULLUP); }

void Dht22Pin::start() {
  digitalWrite(pin_, LOW);
  pinMode(pin_, OUTPUT);
  since_ = micros();
}

bool Dht22Pin::started() const { return micros() - since_ >= StartPulseMicros; }

dht22::Fault Dht22Pin::read(dht22::Values &values) {
  pinMode(pin_, INPUT_PULLUP);
  uint8_t periods[dht22::Bits];
  uint8_t n = 0;
  uint32_t last;
  uint32_t at;
  // The first edge begins the sensor's greeting, the second its first bit.
  if (nextFall(last) && nextFall(last)) {
    while (n < dht22::Bits && nextFall(at)) {
      uint32_t period = at - last;
      periods[n++] = static_cast<uint8_t>(period > 255 ? 255 : period);
      last = at;
    }
  }
  return dht22::decode(periods, n, values);
}

bool Dht22Pin::nextFall(uint32_t &at) const {
  bool fell = wait(true) && wait(false);
  at = micros();
  return fell;
}

bool Dht22Pin::wait(bool high) const {
  uint8_t mask = digitalPinToBitMask(pin_);
  volatile uint8_t *input = portInputRegister(digitalPinToPort(pin_));
  uint32_t began = micros();
  while (((*input & mask) != 0) != high) {
    if (micros() - began > LongestLevelMicros) return false;
  }
  return true;
}
