#include <string.h>

#include "check.h"
#include "dht22.h"

using dht22::Fault;

namespace {

uint32_t edges[60];

// answer plays the edges of five bytes and returns their number. jitter moves
// each by up to so many µs.
uint8_t answer(const uint8_t b[5], uint32_t jitter, uint32_t start) {
  test::Random random(99);
  uint32_t at = start;
  uint8_t n = 0;
  edges[n++] = at;
  at += 160;
  edges[n++] = at;
  for (int i = 0; i < 40; i++) {
    at += (b[i / 8] >> (7 - i % 8) & 1 ? 120 : 76);
    edges[n++] = at + (jitter ? random.below(2 * jitter + 1) - jitter : 0);
  }
  return n;
}

uint8_t answerTo(int16_t humidity, int16_t temperature) {
  uint16_t t = static_cast<uint16_t>(temperature < 0 ? -temperature | 0x8000 : temperature);
  uint8_t b[5] = {static_cast<uint8_t>(humidity >> 8), static_cast<uint8_t>(humidity), static_cast<uint8_t>(t >> 8),
                  static_cast<uint8_t>(t), 0};
  b[4] = static_cast<uint8_t>(b[0] + b[1] + b[2] + b[3]);
  return answer(b, 4, 1000);
}

void everyValue() {
  for (int16_t t = -400; t <= 800; t++) {
    dht22::Values v = {};
    uint8_t n = answerTo(553, t);
    CHECK(dht22::decode(edges, n, v) == Fault::None);
    CHECK_EQUAL(v.temperature, t);
    CHECK_EQUAL(v.humidity, 553);
  }
  for (int16_t h = 1; h <= 1000; h++) {
    dht22::Values v = {};
    uint8_t n = answerTo(h, -1);
    CHECK(dht22::decode(edges, n, v) == Fault::None);
    CHECK_EQUAL(v.humidity, h);
    CHECK_EQUAL(v.temperature, -1);
  }
}

void faults() {
  struct {
    uint8_t b[5];
    Fault want;
  } const cases[] = {
      {{0x02, 0x29, 0x00, 0xD6, 0x01}, Fault::None},
      {{0x02, 0x29, 0x00, 0xD6, 0x02}, Fault::Checksum},
      {{0x02, 0x28, 0x00, 0xD6, 0x01}, Fault::Checksum},
      {{0x00, 0x00, 0x00, 0x00, 0x00}, Fault::Range},
      {{0x03, 0xE9, 0x00, 0xD6, 0xC2}, Fault::Range},  // 100.1 %
      {{0x02, 0x29, 0x03, 0x21, 0x4F}, Fault::Range},  // 80.1 °C
      {{0x02, 0x29, 0x81, 0x91, 0x3D}, Fault::Range},  // -40.1 °C
      {{0xFF, 0xFF, 0xFF, 0xFF, 0xFC}, Fault::Range},
      {{0x02, 0x29, 0x80, 0x00, 0xAB}, Fault::None},   // -0.0 °C
  };
  for (const auto &c : cases) {
    dht22::Values v = {-1, -1};
    uint8_t n = answer(c.b, 0, 0xFFFFFF00u);  // micros() wraps as well
    CHECK(dht22::decode(edges, n, v) == c.want);
    if (c.want != Fault::None) CHECK(v.humidity == -1 && v.temperature == -1);
  }
}

void lengths() {
  const uint8_t good[5] = {0x02, 0x29, 0x00, 0xD6, 0x01};
  uint8_t n = answer(good, 0, 5);
  dht22::Values v;
  CHECK(dht22::decode(edges, 0, v) == Fault::Timeout);
  for (uint8_t i = 1; i < 41; i++) CHECK(dht22::decode(edges, i, v) == Fault::Short);
  CHECK(dht22::decode(edges, n, v) == Fault::None);
  // The first edge may come too early for the interrupt.
  CHECK(dht22::decode(edges + 1, static_cast<uint8_t>(n - 1), v) == Fault::None);
  CHECK_EQUAL(v.temperature, 214);
}

// Any edges at all give an outcome, and a value only within the range.
void anyEdges() {
  test::Random random(7);
  for (int i = 0; i < 2000; i++) {
    uint8_t n = static_cast<uint8_t>(random.below(dht22::MaxEdges + 1));
    for (uint8_t k = 0; k < n; k++) edges[k] = random.next();
    dht22::Values v = {};
    if (dht22::decode(edges, n, v) != Fault::None) continue;
    CHECK(v.humidity >= 0 && v.humidity <= 1000 && v.temperature >= -400 && v.temperature <= 800);
  }
}

}  // namespace

void test::sensor() {
  everyValue();
  faults();
  lengths();
  anyEdges();
  CHECK_TEXT(dht22::name(Fault::None), "ok");
  CHECK_TEXT(dht22::name(Fault::Range), "range");
}
