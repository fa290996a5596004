#include "timing.h"

void Schedule::begin(uint32_t now) {
  due_ = now;
  done_ = now;
}

bool Schedule::due(uint32_t now) const {
  return now - done_ >= gap_ && (asked_ || now - due_ >= period_);
}

void Schedule::done(uint32_t now) {
  // Whole periods that were missed are not made up for.
  bool inTime = !asked_ && now - due_ < 2 * period_;
  due_ = inTime ? due_ + period_ : now;
  done_ = now;
  asked_ = false;
}

void Uptime::tick(uint32_t now) {
  uint32_t passed = now - last_;
  last_ = now;
  // A division takes long on this chip, so only once a second. Adding first could
  // wrap.
  seconds_ += passed >= 1000 ? passed / 1000 : 0;
  rest_ += passed >= 1000 ? passed % 1000 : passed;
  if (rest_ >= 1000) {
    rest_ -= 1000;
    seconds_++;
  }
}
