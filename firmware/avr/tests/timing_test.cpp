#include "timing.h"

#include "check.h"

namespace {

constexpr uint32_t Wrap = 0xffffffffu;

// readings returns at what times after begin readings are due, for a loop that
// looks every step milliseconds.
std::string readings(Schedule &schedule, uint32_t from, uint32_t length, uint32_t step) {
  std::string times;
  for (uint32_t t = 0; t <= length; t += step) {
    if (!schedule.due(from + t)) continue;
    schedule.done(from + t);
    times += std::to_string(t) + " ";
  }
  return times;
}

void everyPeriod() {
  // The same wherever the clock stands, also when it wraps in between.
  for (uint32_t from : {0u, 1000u, Wrap - 5000, Wrap - 2000, Wrap}) {
    Schedule s(10000, 2000);
    s.begin(from);
    CHECK_EQUAL(readings(s, from, 40000, 1), "2000 12000 22000 32000 ");
  }
}

// Delays don't add up, but the sensor keeps its rest.
void lateTurns() {
  Schedule s(10000, 2000);
  s.begin(0);
  CHECK_EQUAL(readings(s, 0, 60000, 7), "2002 12005 22008 32004 42007 52003 ");
  Schedule fast(2000, 2000);
  fast.begin(0);
  CHECK_EQUAL(readings(fast, 0, 10000, 7), "2002 4004 6006 8008 ");
}

void missedPeriods() {
  Schedule s(10000, 2000);
  s.begin(0);
  s.done(2000);
  CHECK(s.due(55000));
  s.done(55000);
  CHECK(!s.due(64999));
  CHECK(s.due(65000));
}

void askedFor() {
  Schedule s(10000, 2000);
  s.begin(0);
  s.done(2000);
  s.soon();
  CHECK(!s.due(3999));
  CHECK(s.due(4000));
  s.done(4000);
  s.soon();
  s.soon();
  s.done(6000);
  CHECK(!s.due(15999));
  CHECK(s.due(16000));
}

void otherPeriod() {
  Schedule s(60000, 2000);
  s.begin(0);
  s.done(2000);
  s.setPeriod(5000);
  CHECK_EQUAL(s.period(), 5000);
  CHECK(!s.due(6999));
  CHECK(s.due(7000));
  s.done(7000);
  s.setPeriod(86400000);
  CHECK(!s.due(7000 + 86399999u));
  CHECK(s.due(7000 + 86400000u));
}

void uptime() {
  Uptime u;
  u.begin(Wrap - 499);
  u.tick(Wrap);
  CHECK_EQUAL(u.seconds(), 0);
  u.tick(499);
  CHECK_EQUAL(u.seconds(), 0);
  u.tick(500);
  CHECK_EQUAL(u.seconds(), 1);
  // Two wraps in steps of 700 ms and one of 30 days.
  Uptime longer;
  longer.begin(0);
  uint64_t t = 0;
  for (; t < 10u * 700; t += 700) longer.tick(static_cast<uint32_t>(t));
  for (int i = 0; i < 4; i++) longer.tick(static_cast<uint32_t>(t += 2592000123u));
  CHECK_EQUAL(longer.seconds(), static_cast<long long>(t / 1000));
  CHECK(t > 2ull * Wrap);
}

}  // namespace

void test::timing() {
  everyPeriod();
  lateTurns();
  missedPeriods();
  askedFor();
  otherPeriod();
  uptime();
}
