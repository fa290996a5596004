#include "snapshot.h"

#include <stddef.h>

namespace {

// CRC-32 of everything behind the checksum. The start value is not zero, so
// that memory full of zeros is not intact.
uint32_t crc(const Snapshot &snapshot) {
  const uint8_t *p = reinterpret_cast<const uint8_t *>(&snapshot) + sizeof snapshot.checksum;
  uint32_t sum = 0xFFFFFFFFu;
  for (size_t i = 0; i < sizeof snapshot - sizeof snapshot.checksum; i++) {
    sum ^= p[i];
    for (int bit = 0; bit < 8; bit++) sum = sum & 1 ? sum >> 1 ^ 0xEDB88320u : sum >> 1;
  }
  return ~sum;
}

}  // namespace

void seal(Snapshot &snapshot) { snapshot.checksum = crc(snapshot); }

bool intact(const Snapshot &snapshot, uint32_t built) {
  return snapshot.built == built && snapshot.checksum == crc(snapshot);
}
