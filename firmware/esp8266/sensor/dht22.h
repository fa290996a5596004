// What a DHT22 (AM2302) says, from the edges on its wire.
//
// After a start pulse the sensor pulls the wire low for 80 µs and leaves it high
// for 80 µs; then 40 bits follow, each 50 µs low and then 26 µs (a 0) or 70 µs (a
// 1) high, and a last falling edge closes the last bit. So the time from one
// falling edge to the next tells a bit: 76 µs or 120 µs. The 40 bits are humidity
// and temperature in tenths, 16 bits each, the temperature with a sign bit, and
// the sum of those four bytes.
#pragma once

#include <stdint.h>

namespace dht22 {

// Fault is the outcome of one reading. A library of floats returns NaN for each
// but None.
enum class Fault : uint8_t {
  None,
  Timeout,   // no answer at all: no sensor, no power, a broken wire
  Short,     // fewer bits than 40: the answer broke off
  Checksum,  // bits were lost or turned
  Range,     // a whole answer that no DHT22 can mean, or nothing but zeros
};
constexpr uint8_t Faults = 5;

// name is the word for a fault in health messages: "ok" for None.
const char *name(Fault fault);

// Values are in tenths: of a percent of humidity, of a degree Celsius.
struct Values {
  int16_t humidity;
  int16_t temperature;
};

// MaxEdges is more than any answer has (42).
constexpr uint8_t MaxEdges = 48;

// decode reads the times in µs of the falling edges. Only the last 41 count, so
// the first, which belongs to the answer's start, may be missing. values is set
// for Fault::None only.
Fault decode(const uint32_t *edges, uint8_t n, Values &values);

}  // namespace dht22
