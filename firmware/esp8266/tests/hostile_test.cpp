// Bytes that no broker should send.
#include <string.h>

#include "broker.h"
#include "check.h"
#include "mqtt.h"

using mqtt::Client;
using mqtt::Failure;
using mqtt::State;

namespace {

const mqtt::Options options = {"dev", "u", "p", "t/status", "offline", 60, 5000};

void open(Broker &b, Client &c) {
  const uint8_t accepted[] = {0x20, 2, 0, 0};
  c.begin(0);
  b.answer(accepted, sizeof accepted);
  c.poll(0);
}

// Each of these closes a connection with Failure::Protocol.
void table() {
  struct {
    bool connected;
    uint8_t size;
    uint8_t bytes[8];
  } const cases[] = {
      {false, 4, {0x40, 2, 0, 1}},                          // not CONNACK first
      {false, 2, {0xD0, 0}},
      {false, 3, {0x20, 1, 0}},                             // CONNACK too short
      {false, 5, {0x20, 3, 0, 0, 0}},                       // and too long
      {false, 4, {0x20, 2, 2, 0}},                          // a reserved flag
      {false, 4, {0x21, 2, 0, 0}},
      {true, 4, {0x20, 2, 0, 0}},                           // CONNACK again
      {true, 5, {0x20, 0xFF, 0xFF, 0xFF, 0xFF}},            // a length without end
      {true, 5, {0x40, 0x80, 0x80, 0x80, 0x80}},
      {true, 5, {0x40, 0xFF, 0xFF, 0xFF, 0x7F}},            // 256 MiB
      {true, 3, {0x40, 1, 0}},
      {true, 2, {0x40, 3}},
      {true, 3, {0xD0, 1, 0}},
      {true, 2, {0xD1, 0}},
      {true, 4, {0x42, 2, 0, 1}},
      {true, 2, {0x30, 100}},                               // PUBLISH: we subscribe to nothing
      {true, 4, {0x50, 2, 0, 1}},                           // PUBREC: we never use QoS 2
      {true, 2, {0x00, 0}},
      {true, 2, {0xF0, 0}},
      {true, 2, {0xE0, 0}},
  };
  for (const auto &k : cases) {
    Broker b;
    Client c(b, options);
    if (k.connected) {
      open(b, c);
    } else {
      c.begin(0);
    }
    b.answer(k.bytes, k.size);
    c.poll(1);
    CHECK(c.state() == State::Closed && c.failure() == Failure::Protocol);
    CHECK(b.closed == 1);
  }
}

// Model is what the client must still hold, and the bytes that it has been fed.
struct Model {
  uint16_t ids[mqtt::Slots];
  uint8_t count = 0;
  uint8_t fed[68];  // the last four bytes before, then this step's
  size_t size = 4;

  void add(uint16_t id) { ids[count++] = id; }
  // acknowledged tells whether the bytes hold the two of an id in a row.
  bool acknowledged(uint16_t id) const {
    for (size_t i = 0; i + 1 < size; i++) {
      if (fed[i] == id >> 8 && fed[i + 1] == (id & 255)) return true;
    }
    return false;
  }
  // compare checks that only acknowledged messages are gone.
  void compare(const Client &c) {
    for (uint8_t i = 0; i < count;) {
      if (c.pending(ids[i])) {
        i++;
        continue;
      }
      CHECK(acknowledged(ids[i]));
      ids[i] = ids[--count];
    }
    CHECK_EQUAL(c.unacknowledged(), count);
  }
};

// feed makes a few bytes: by chance any, or a packet that is nearly right.
void feed(Broker &b, Model &m, test::Random &random) {
  memmove(m.fed, m.fed + m.size - 4, 4);
  uint8_t *bytes = m.fed + 4;
  size_t n = random.below(sizeof m.fed - 4);
  for (size_t i = 0; i < n; i++) bytes[i] = static_cast<uint8_t>(random.next() >> 8);
  if (random.below(4) != 0) {
    static const uint8_t types[] = {0x20, 0x40, 0x40, 0x40, 0xD0, 0x30, 0x90};
    uint16_t id = m.count != 0 ? m.ids[random.below(m.count)] : 1;
    bytes[0] = types[random.below(sizeof types)];
    bytes[1] = static_cast<uint8_t>(bytes[0] == 0xD0 ? 0 : 2);
    bytes[2] = static_cast<uint8_t>(id >> 8);
    bytes[3] = static_cast<uint8_t>(id);
    n = bytes[1] + 2u;
    if (random.below(8) == 0) bytes[random.below(4)] ^= static_cast<uint8_t>(1u << random.below(8));
  }
  m.size = 4 + n;
  b.answer(bytes, n);
  b.ended = random.below(50) == 0;
  b.refuseWrites = random.below(50) == 0;
}

// Whatever comes, the client stays within its buffers (the sanitisers watch) and
// keeps every message until it is acknowledged.
void anything(uint32_t rounds) {
  test::Random random(12345);
  Broker b;
  Client c(b, options);
  Model m;
  memset(m.fed, 0, sizeof m.fed);
  uint32_t now = 0xFFFF0000u;
  uint32_t connected = 0, closed = 0, acknowledged = 0;
  for (uint32_t i = 0; i < rounds; i++) {
    now += random.below(3000);
    if (c.state() == State::Closed) {
      closed++;
      b.ended = b.refuseWrites = false;
      c.begin(now);
      if (random.below(4) != 0) {
        const uint8_t accepted[] = {0x20, 2, 0, 0};
        b.answer(accepted, sizeof accepted);
        c.poll(now);
        connected += c.connected();
      }
    }
    uint16_t id = c.publish(now, "topic", "payload", 7, false);
    if (id != 0) m.add(id);
    uint8_t before = m.count;
    feed(b, m, random);
    c.poll(now);
    m.compare(c);
    acknowledged += before - m.count;
    b.wroteSize = 0;
  }
  // The test itself must reach all of it.
  CHECK(connected > rounds / 100 && closed > rounds / 100 && acknowledged > rounds / 100);
}

}  // namespace

void test::hostile(uint32_t rounds) {
  table();
  anything(rounds);
}
