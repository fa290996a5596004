// Time on this chip is millis(): 32 bits of milliseconds that begin again at 0
// after 49.7 days. Two times are therefore never compared, only their
// difference, which stays right across the wrap.
#pragma once

#include <stdint.h>

// elapsed tells whether period milliseconds have passed since then.
inline bool elapsed(uint32_t now, uint32_t since, uint32_t period) { return now - since >= period; }

// Wait is a time to let pass; one that was never started is over. It holds when
// it began and not when it ends, so that one which nobody asks for 50 days comes
// out at most its own length late.
class Wait {
 public:
  void start(uint32_t now, uint32_t millis) {
    since_ = now;
    millis_ = millis;
  }
  bool over(uint32_t now) const { return elapsed(now, since_, millis_); }
  uint32_t millis() const { return millis_; }
  uint32_t age(uint32_t now) const { return now - since_; }

 private:
  uint32_t since_ = 0;
  uint32_t millis_ = 0;
};

// Uptime counts whole seconds beyond the wrap of millis(). It must be updated
// at least once in 49 days.
class Uptime {
 public:
  void begin(uint32_t now, uint32_t seconds) {
    last_ = now;
    seconds_ = seconds;
  }
  void update(uint32_t now) {
    uint32_t passed = (now - last_) / 1000;
    last_ += passed * 1000;
    seconds_ += passed;
  }
  uint32_t seconds() const { return seconds_; }

 private:
  uint32_t last_ = 0;
  uint32_t seconds_ = 0;
};

// Backoff is the growing wait between tries: it doubles from least to most
// milliseconds. Each wait is between the half and the whole of that, by a random
// number, so that a hall of sensors does not come back in one instant.
class Backoff {
 public:
  constexpr Backoff(uint32_t least, uint32_t most) : least_(least), most_(most), wait_(least) {}
  uint32_t next(uint32_t random) {
    uint32_t half = wait_ / 2;
    uint32_t wait = half + random % (wait_ - half + 1);
    wait_ = wait_ > most_ / 2 ? most_ : wait_ * 2;
    return wait;
  }
  // jump makes the next wait a long one: for a refusal that only a person can mend.
  void jump() { wait_ = most_; }
  void reset() { wait_ = least_; }

 private:
  uint32_t least_, most_, wait_;
};
