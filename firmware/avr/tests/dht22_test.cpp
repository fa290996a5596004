#include "dht22.h"

#include "check.h"

using dht22::Fault;

namespace {

// Answer is what a sensor sends, with the times of the data sheet.
struct Answer {
  uint8_t bytes[5];
  uint8_t zero = 76;
  uint8_t one = 120;

  Answer(int humidity, int temperature) {
    unsigned t = static_cast<unsigned>(temperature < 0 ? -temperature | 0x8000 : temperature);
    bytes[0] = static_cast<uint8_t>(humidity >> 8);
    bytes[1] = static_cast<uint8_t>(humidity);
    bytes[2] = static_cast<uint8_t>(t >> 8);
    bytes[3] = static_cast<uint8_t>(t);
    bytes[4] = static_cast<uint8_t>(bytes[0] + bytes[1] + bytes[2] + bytes[3]);
  }

  Fault decode(dht22::Values &values, uint8_t n = dht22::Bits) const {
    uint8_t periods[dht22::Bits];
    for (int i = 0; i < dht22::Bits; i++) periods[i] = bytes[i / 8] >> (7 - i % 8) & 1 ? one : zero;
    return dht22::decode(periods, n, values);
  }
};

void everyValue() {
  dht22::Values v = {0, 0};
  for (int t = -400; t <= 800; t++) {
    CHECK(Answer(553, t).decode(v) == Fault::None);
    CHECK_EQUAL(v.temperature, t);
    CHECK_EQUAL(v.humidity, 553);
  }
  for (int h = 0; h <= 1000; h++) {
    CHECK(Answer(h, -34).decode(v) == Fault::None);
    CHECK_EQUAL(v.humidity, h);
  }
}

// The shortest and longest times of the data sheet.
void tolerance() {
  dht22::Values v = {0, 0};
  for (uint8_t zero : {70, 85})
    for (uint8_t one : {116, 130}) {
      Answer a(652, -101);
      a.zero = zero;
      a.one = one;
      CHECK(a.decode(v) == Fault::None);
      CHECK_EQUAL(v.humidity, 652);
      CHECK_EQUAL(v.temperature, -101);
    }
}

void faults() {
  dht22::Values v = {7, 8};
  Answer good(553, 214);
  for (uint8_t n = 0; n < dht22::Bits; n++) CHECK(good.decode(v, n) == Fault::Timeout);
  // Any single bit that turned.
  for (int bit = 0; bit < dht22::Bits; bit++) {
    Answer bad(553, 214);
    bad.bytes[bit / 8] = static_cast<uint8_t>(bad.bytes[bit / 8] ^ 1 << bit % 8);
    CHECK(bad.decode(v) == Fault::Checksum);
  }
  CHECK(Answer(0, 0).decode(v) == Fault::Range);
  CHECK(Answer(1001, 214).decode(v) == Fault::Range);
  CHECK(Answer(0xffff, 214).decode(v) == Fault::Range);
  CHECK(Answer(553, 801).decode(v) == Fault::Range);
  CHECK(Answer(553, -401).decode(v) == Fault::Range);
  // No fault touches the values.
  CHECK_EQUAL(v.humidity, 7);
  CHECK_EQUAL(v.temperature, 8);
}

}  // namespace

void test::dht22() {
  everyValue();
  tolerance();
  faults();
}
