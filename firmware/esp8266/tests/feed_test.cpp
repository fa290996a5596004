#include "feed.h"

#include <string.h>

#include "broker.h"
#include "check.h"

namespace {

// Each step of 0.1 °C of a DHT22's range is sent, up and down. With floats, half
// of them are lost: b - a > 0.1 is false.
void everyStep() {
  for (int16_t t = -400; t < 800; t++) {
    Gate up(tenths(0.1), 0), down(tenths(0.1), 0);
    up.sent(t, 0);
    CHECK(!up.due(t, 1));
    CHECK(up.due(static_cast<int16_t>(t + 1), 1));
    down.sent(static_cast<int16_t>(t + 1), 0);
    CHECK(down.due(t, 1));
  }
}

void deltas() {
  CHECK_EQUAL(tenths(0.1), 1);
  CHECK_EQUAL(tenths(0.3), 3);
  CHECK_EQUAL(tenths(1), 10);
  CHECK_EQUAL(tenths(2.5), 25);
  Gate g(tenths(1), 0);
  CHECK(g.due(553, 0));
  g.sent(553, 0);
  CHECK(!g.due(562, 1) && !g.due(544, 1));
  CHECK(g.due(563, 1) && g.due(543, 1));
  // No overflow at the ends.
  g.sent(-32768, 0);
  CHECK(g.due(32767, 1));
}

void ages() {
  Gate g(10, 900000);
  g.sent(553, 0xFFFFFFF0u);
  CHECK(!g.due(553, 0xFFFFFFF0u + 899999u));
  CHECK(g.due(553, 0xFFFFFFF0u + 900000u));
  CHECK_EQUAL(g.age(0xFFFFFFF0u + 5), 5);
  Gate never(10, 0);
  never.sent(553, 0);
  CHECK(!never.due(553, 4000000000u));
}

const mqtt::Options options = {"dev", nullptr, nullptr, nullptr, nullptr, 60, 5000};

void puback(Broker &b, mqtt::Client &c, uint8_t id) {
  const uint8_t bytes[] = {0x40, 2, 0, id};
  b.answer(bytes, sizeof bytes);
  c.poll(0);
}

// A value counts as sent when it is acknowledged, and then the one that was
// sent, not the newest.
void onlyPubackCounts() {
  Broker b;
  mqtt::Client c(b, options);
  Feed f("t", 1, 0);
  CHECK(!f.offer(c, 214, 0));
  CHECK(!f.onItsWay());
  const uint8_t accepted[] = {0x20, 2, 0, 0};
  c.begin(0);
  b.answer(accepted, sizeof accepted);
  c.poll(0);
  b.wroteSize = 0;
  CHECK(f.offer(c, 214, 0));
  const uint8_t want[] = {0x32, 9, 0, 1, 't', 0, 1, '2', '1', '.', '4'};
  CHECK(b.wants(want, sizeof want));
  CHECK(f.onItsWay() && !f.settle(c) && !f.gate.have());
  // Only one on its way.
  CHECK(!f.offer(c, 250, 1));
  // Lost with the connection, and sent again after it.
  c.drop(mqtt::Failure::Ended);
  CHECK(!f.settle(c) && !f.gate.have());
  c.begin(2);
  b.wroteSize = 0;
  b.answer(accepted, sizeof accepted);
  c.poll(2);
  CHECK(b.wroteSize == sizeof want && b.wrote[0] == 0x3A);
  puback(b, c, 1);
  CHECK(f.settle(c) && !f.settle(c) && !f.onItsWay());
  CHECK(f.gate.have());
  CHECK_EQUAL(f.gate.last(), 214);
  CHECK_EQUAL(f.gate.age(10), 10);
  CHECK(!f.offer(c, 214, 3));
  CHECK(f.offer(c, 250, 3));
}

void topics() {
  static_assert(isTopic("sensor0/feeds/0/temp") && isTopic("/"), "topics");
  const char *const bad[] = {"", "#", "a/+/b", "a#", "a\n"};
  for (const char *s : bad) CHECK(!isTopic(s));
}

}  // namespace

void test::feed() {
  topics();
  everyStep();
  deltas();
  ages();
  onlyPubackCounts();
}
