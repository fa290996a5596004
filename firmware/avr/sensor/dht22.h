// What a DHT22 (AM2302) says, from the times on its wire.
//
// After a start pulse the sensor pulls the wire low for 80 µs and leaves it high
// for 80 µs. Then 40 bits follow, each 50 µs low and then 26 µs (a 0) or 70 µs (a
// 1) high; so the time from one falling edge to the next, 76 µs or 120 µs, tells a
// bit. The 40 bits are humidity and temperature in tenths, 16 bits each, the
// temperature with a sign bit, and the sum of those four bytes.
#pragma once

#include <stdint.h>

#include "flash.h"

namespace dht22 {

constexpr uint8_t Bits = 40;

// Fault is the outcome of one reading.
enum class Fault : uint8_t {
  None,
  Timeout,   // no answer, or one that broke off: sensor, power, wire
  Checksum,  // bits were lost or turned
  Range,     // nothing but zeros, or values that no DHT22 has
};
constexpr uint8_t Faults = 4;

// faultName is the word for a fault in the lines: "ok" for None.
const FlashText *faultName(Fault fault);

// Values are in tenths: of a percent of humidity, of a degree Celsius.
struct Values {
  int16_t humidity;
  int16_t temperature;
};

// decode reads n times in µs, each from a bit's falling edge to the next. values is
// set for Fault::None only.
Fault decode(const uint8_t *periods, uint8_t n, Values &values);

}  // namespace dht22
