#include "dht22.h"

namespace dht22 {

namespace {

constexpr uint8_t Bits = 40;
// Between the longest 0 (85 µs) and the shortest 1 (116 µs) of the data sheet.
constexpr uint32_t OneIsLongerThan = 100;

bool plausible(const Values &v) {
  return v.humidity >= 0 && v.humidity <= 1000 && v.temperature >= -400 && v.temperature <= 800;
}

}  // namespace

const char *name(Fault fault) {
  static const char *const names[Faults] = {"ok", "timeout", "short", "checksum", "range"};
  return names[static_cast<uint8_t>(fault)];
}

Fault decode(const uint32_t *edges, uint8_t n, Values &values) {
  if (n == 0) return Fault::Timeout;
  if (n < Bits + 1) return Fault::Short;
  edges += n - (Bits + 1);
  uint8_t b[5] = {};
  for (uint8_t i = 0; i < Bits; i++) {
    uint8_t one = edges[i + 1] - edges[i] > OneIsLongerThan;
    b[i / 8] = static_cast<uint8_t>(b[i / 8] << 1 | one);
  }
  if (static_cast<uint8_t>(b[0] + b[1] + b[2] + b[3]) != b[4]) return Fault::Checksum;
  if ((b[0] | b[1] | b[2] | b[3]) == 0) return Fault::Range;
  Values v;
  v.humidity = static_cast<int16_t>(b[0] << 8 | b[1]);
  v.temperature = static_cast<int16_t>((b[2] & 0x7f) << 8 | b[3]);
  if (b[2] & 0x80) v.temperature = static_cast<int16_t>(-v.temperature);
  if (!plausible(v)) return Fault::Range;
  values = v;
  return Fault::None;
}

}  // namespace dht22
