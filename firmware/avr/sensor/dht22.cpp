#include "dht22.h"

namespace dht22 {

namespace {

// Between the longest 0 (85 µs) and the shortest 1 (116 µs) of the data sheet.
constexpr uint8_t OneIsLongerThan = 100;

bool plausible(const Values &v) {
  return v.humidity >= 0 && v.humidity <= 1000 && v.temperature >= -400 && v.temperature <= 800;
}

}  // namespace

const FlashText *faultName(Fault fault) {
  switch (fault) {
    case Fault::Timeout: return FLASH_TEXT("timeout");
    case Fault::Checksum: return FLASH_TEXT("checksum");
    case Fault::Range: return FLASH_TEXT("range");
    default: return FLASH_TEXT("ok");
  }
}

Fault decode(const uint8_t *periods, uint8_t n, Values &values) {
  if (n < Bits) return Fault::Timeout;
  uint8_t b[Bits / 8] = {};
  for (uint8_t i = 0; i < Bits; i++) {
    uint8_t one = periods[i] > OneIsLongerThan;
    b[i / 8] = static_cast<uint8_t>(b[i / 8] << 1 | one);
  }
  if (static_cast<uint8_t>(b[0] + b[1] + b[2] + b[3]) != b[4]) return Fault::Checksum;
  // A wire without its pull-up can look like 40 zeros, whose sum is right.
  if ((b[0] | b[1] | b[2] | b[3]) == 0) return Fault::Range;
  Values v;
  v.humidity = static_cast<int16_t>(static_cast<uint16_t>(b[0]) << 8 | b[1]);
  v.temperature = static_cast<int16_t>((b[2] & 0x7f) << 8 | b[3]);
  if (b[2] & 0x80) v.temperature = static_cast<int16_t>(-v.temperature);
  if (!plausible(v)) return Fault::Range;
  values = v;
  return Fault::None;
}

}  // namespace dht22
