// What must live through deep sleep, in the 512 bytes of the chip's memory that
// keep their power. After a power cut they hold chance: hence the checksum.
#pragma once

#include <stdint.h>

#include "health.h"

// FeedState is the last value that was acknowledged, and its age.
struct FeedState {
  uint32_t ageMillis;
  int16_t value;
  uint16_t have;
};

// Snapshot is written before the chip sleeps. All of it is whole words, as the
// chip's memory takes nothing less.
struct Snapshot {
  uint32_t checksum;
  uint32_t built;  // of which sketch; another one may mean other fields
  uint32_t uptimeSeconds;
  uint32_t healthAgeMillis;
  uint32_t failures;  // wakes in a row that reached no broker
  uint32_t skip;      // wakes that shall not try
  uint32_t told;      // 1: the broker has the birth message
  FeedState humidity;
  FeedState temperature;
  Counters counters;
};
// SnapshotBlock is where it is, in words: the first 128 bytes are for updates over
// the air, which the boot loader looks for there.
constexpr uint32_t SnapshotBlock = 32;
static_assert(sizeof(Snapshot) % 4 == 0 && SnapshotBlock * 4 + sizeof(Snapshot) <= 512, "it must fit the RTC memory");

// seal sets the checksum; intact tells whether it is right and the snapshot is
// one of the sketch that was built then.
void seal(Snapshot &snapshot);
bool intact(const Snapshot &snapshot, uint32_t built);

// wakesToSkip is how many wakes rest after so many failures in a row: 1, 3, 7, at
// most 15, since a try in vain is what empties a battery.
constexpr uint32_t wakesToSkip(uint32_t failures) { return failures > 3 ? 15 : (1u << failures) - 1; }
