// Time from a clock of milliseconds that wraps every 49.7 days. Only differences
// are used, and those are right across a wrap.
#pragma once

#include <stdint.h>

// Schedule says when to read. The first reading is due gap after begin.
class Schedule {
 public:
  // period is from one reading to the next, gap what the sensor needs at least.
  Schedule(uint32_t period, uint32_t gap) : period_(period), gap_(gap) {}
  void begin(uint32_t now);
  bool due(uint32_t now) const;
  // done counts a reading. The next is a period after this one was due, not after
  // it was done, so that delays don't add up.
  void done(uint32_t now);
  // soon makes a reading due as soon as the sensor allows; the period begins anew
  // with it.
  void soon() { asked_ = true; }
  void setPeriod(uint32_t period) { period_ = period; }
  uint32_t period() const { return period_; }

 private:
  uint32_t period_;
  uint32_t gap_;
  uint32_t due_ = 0;
  uint32_t done_ = 0;
  bool asked_ = true;
};

// Uptime counts seconds, for 136 years. tick must come every 49 days at least.
class Uptime {
 public:
  void begin(uint32_t now) { last_ = now; }
  void tick(uint32_t now);
  uint32_t seconds() const { return seconds_; }

 private:
  uint32_t last_ = 0;
  uint32_t rest_ = 0;
  uint32_t seconds_ = 0;
};
