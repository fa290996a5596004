#include "buildtime.h"
#include "check.h"
#include "timing.h"

namespace {

void waits() {
  Wait w;
  CHECK(w.over(0));
  CHECK(w.over(0xFFFFFFFFu));
  w.start(1000, 500);
  CHECK(!w.over(1000));
  CHECK(!w.over(1499));
  CHECK(w.over(1500));
  // Across the wrap of millis().
  w.start(0xFFFFFF00u, 0x200);
  CHECK(!w.over(0xFFFFFF00u));
  CHECK(!w.over(0xFFFFFFFFu));
  CHECK(!w.over(0));
  CHECK(!w.over(0xFF));
  CHECK(w.over(0x100));
  // Nobody asked for a whole wrap: late by its own length at most.
  w.start(100, 50);
  CHECK(w.over(99));
  CHECK(!w.over(100));
  CHECK(w.over(150));
}

void uptime() {
  Uptime u;
  u.begin(4294000000u, 7);
  uint32_t now = 4294000000u;
  for (int i = 0; i < 2000; i++) {
    now += 999;
    u.update(now);
  }
  CHECK_EQUAL(u.seconds(), 7 + 2000 * 999 / 1000);
  // The rest of a second is not lost by frequent updates.
  Uptime v;
  v.begin(0, 0);
  for (uint32_t ms = 0; ms <= 10000; ms += 3) v.update(ms);
  CHECK_EQUAL(v.seconds(), 9);
  v.update(10000);
  CHECK_EQUAL(v.seconds(), 10);
}

void backoff() {
  Backoff b(1000, 60000);
  test::Random random(1);
  uint32_t whole = 1000;
  for (int i = 0; i < 40; i++) {
    uint32_t wait = b.next(random.next());
    CHECK(wait >= whole / 2 && wait <= whole);
    whole = whole * 2 > 60000 ? 60000 : whole * 2;
  }
  b.reset();
  CHECK(b.next(0) == 500);
  CHECK(b.next(1001 - 1) <= 2000);
  b.reset();
  b.jump();
  CHECK(b.next(0) == 30000);
  // Not every device waits the same.
  b.reset();
  uint32_t first = b.next(17);
  b.reset();
  CHECK(b.next(400) != first);
  // Doubling cannot overflow.
  Backoff big(3000000000u, 4000000000u);
  for (int i = 0; i < 5; i++) CHECK(big.next(0) >= 1500000000u);
}

void buildTime() {
  using buildtime::epoch;
  CHECK(epoch("Jan  1 1970", "00:00:00") == 0);
  CHECK(epoch("Feb  3 2026", "14:05:09") == 1770127509u);
  CHECK(epoch("Feb 29 2024", "23:59:59") == 1709251199u);
  CHECK(epoch("Mar  1 2024", "00:00:00") == 1709251200u);
  CHECK(epoch("Dec 31 2099", "00:00:00") == 4102358400u);
  CHECK(epoch("Nov 25 2026", "08:00:00") == 1795593600u);
  static_assert(epoch("Nov 25 2026", "08:00:00") == 1795593600u, "the compiler does it");
  uint32_t built = 1795593600u;
  CHECK(!buildtime::trusted(0, built));
  CHECK(!buildtime::trusted(built - 86401, built));
  CHECK(buildtime::trusted(built - 86400, built));
  CHECK(buildtime::trusted(built + 3600, built));
  CHECK(!buildtime::trusted(-1, built));
  // After 2038 and after 2106 as well.
  CHECK(buildtime::trusted(5000000000LL, built));
}

}  // namespace

void test::time() {
  waits();
  uptime();
  backoff();
  buildTime();
}
