#include <string.h>

#include "broker.h"
#include "check.h"
#include "mqtt.h"

using mqtt::Client;
using mqtt::Failure;
using mqtt::State;

namespace {

const mqtt::Options options = {"dev", "u", "p", "t/status", "offline", 60, 5000};
const uint8_t accepted[] = {0x20, 2, 0, 0};

void answer(Broker &b, Client &c, uint32_t now, uint8_t b0, uint8_t b1, uint8_t b2, uint8_t b3) {
  uint8_t bytes[] = {b0, b1, b2, b3};
  b.answer(bytes, b1 + 2u);
  c.poll(now);
}

void acknowledge(Broker &b, Client &c, uint32_t now, uint16_t id) {
  answer(b, c, now, 0x40, 2, static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id));
}

void open(Broker &b, Client &c, uint32_t now) {
  CHECK(c.begin(now));
  b.answer(accepted, sizeof accepted);
  c.poll(now);
  CHECK(c.connected());
  b.wroteSize = 0;
}

void connectPacket() {
  Broker b;
  Client c(b, options);
  CHECK(c.state() == State::Closed);
  CHECK(c.begin(0));
  CHECK(c.state() == State::Connecting);
  const uint8_t want[] = {0x10, 40, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xEC, 0, 60, 0, 3, 'd', 'e', 'v',
                          0, 8, 't', '/', 's', 't', 'a', 't', 'u', 's', 0, 7, 'o', 'f', 'f', 'l', 'i', 'n', 'e',
                          0, 1, 'u', 0, 1, 'p'};
  CHECK_EQUAL(b.wroteSize, sizeof want);
  CHECK(b.wants(want, sizeof want));
  // Without will, user and password; a password alone is forbidden.
  const mqtt::Options bare = {"dev", nullptr, "p", nullptr, nullptr, 0, 5000};
  Client d(b, bare);
  CHECK(d.begin(0));
  const uint8_t wantBare[] = {0x10, 15, 0, 4, 'M', 'Q', 'T', 'T', 4, 0, 0, 0, 0, 3, 'd', 'e', 'v'};
  CHECK(b.wants(wantBare, sizeof wantBare));
}

void longConnect() {
  char password[600];
  memset(password, 'x', sizeof password);
  password[200] = 0;
  mqtt::Options o = options;
  o.password = password;
  Broker b;
  Client c(b, o);
  CHECK(c.begin(0));
  // A length of two bytes.
  CHECK(b.wrote[1] == (((39 + 200) & 127) | 128) && b.wrote[2] == (39 + 200) >> 7);
  CHECK_EQUAL(b.wroteSize, 3 + 39 + 200);
  memset(password, 'x', sizeof password - 1);
  password[599] = 0;
  Client d(b, o);
  CHECK(!d.begin(0));
  CHECK(d.failure() == Failure::TooLong);
  CHECK(d.state() == State::Closed);
}

void refusals() {
  for (uint8_t code = 1; code < 255; code++) {
    Broker b;
    Client c(b, options);
    c.begin(0);
    answer(b, c, 1, 0x20, 2, 0, code);
    CHECK(c.state() == State::Closed);
    CHECK(c.failure() == Failure::Refused);
    CHECK_EQUAL(c.refusal(), code);
    CHECK(b.closed == 1);
  }
  CHECK_TEXT(mqtt::refusalName(5), "not authorised");
  CHECK_TEXT(mqtt::refusalName(77), "unknown code");
}

void publishAndPuback() {
  Broker b;
  Client c(b, options);
  CHECK(c.publish(0, "t", "x", 1, false) == 0);
  open(b, c, 0);
  uint16_t first = c.publish(1, "a/b", "21.4", 4, false);
  const uint8_t want[] = {0x32, 11, 0, 3, 'a', '/', 'b', 0, 1, '2', '1', '.', '4'};
  CHECK(b.wants(want, sizeof want));
  uint16_t second = c.publish(1, "s", "online", 6, true);
  CHECK(b.wrote[0] == 0x33);
  CHECK(first != 0 && second != 0 && first != second);
  CHECK(c.pending(first) && c.pending(second));
  // Out of order, and one that nobody asked for.
  acknowledge(b, c, 2, second);
  CHECK(c.pending(first) && !c.pending(second));
  acknowledge(b, c, 2, 999);
  CHECK(c.pending(first) && c.connected());
  CHECK_EQUAL(c.strays(), 1);
  acknowledge(b, c, 2, first);
  CHECK(!c.pending(first));
  CHECK_EQUAL(c.unacknowledged(), 0);
  // The same PUBACK again.
  acknowledge(b, c, 2, first);
  CHECK_EQUAL(c.strays(), 2);
}

void bounds() {
  static char big[600];
  memset(big, 'x', sizeof big);
  Broker b;
  Client c(b, options);
  open(b, c, 0);
  CHECK(c.publish(0, "t", big, mqtt::MaxPayload + 1, false) == 0);
  static char topic[400];
  memset(topic, 't', sizeof topic - 1);
  CHECK(c.publish(0, topic, big, mqtt::MaxPayload, false) == 0);
  for (int i = 0; i < mqtt::Slots; i++) CHECK(c.publish(0, "t", big, mqtt::MaxPayload, false) != 0);
  CHECK(c.publish(0, "t", "x", 1, false) == 0);
  CHECK_EQUAL(c.unacknowledged(), mqtt::Slots);
  CHECK(c.connected());
}

void sendsAgain() {
  Broker b;
  Client c(b, options);
  open(b, c, 0);
  uint16_t one = c.publish(1, "a", "1", 1, false);
  uint16_t two = c.publish(2, "b", "2", 1, true);
  b.ended = true;
  c.poll(3);
  CHECK(c.state() == State::Closed && c.failure() == Failure::Ended);
  CHECK(c.pending(one) && c.pending(two));
  b.ended = false;
  b.wroteSize = 0;
  c.begin(100);
  CHECK(c.publish(100, "c", "3", 1, false) == 0);
  b.wroteSize = 0;
  answer(b, c, 101, 0x20, 2, 1, 0);
  // In their order, with the same ids and DUP.
  const uint8_t want[] = {0x3A, 6, 0, 1, 'a', 0, static_cast<uint8_t>(one), '1',
                          0x3B, 6, 0, 1, 'b', 0, static_cast<uint8_t>(two), '2'};
  CHECK(b.wants(want, sizeof want));
  CHECK_EQUAL(c.resent(), 2);
  acknowledge(b, c, 102, two);
  acknowledge(b, c, 102, one);
  CHECK_EQUAL(c.unacknowledged(), 0);
  // A new one is no duplicate.
  c.publish(103, "c", "3", 1, false);
  CHECK(b.wrote[0] == 0x32);
}

void writeFails() {
  Broker b;
  Client c(b, options);
  open(b, c, 0);
  b.refuseWrites = true;
  uint16_t id = c.publish(1, "a", "1", 1, false);
  CHECK(id != 0 && c.pending(id));
  CHECK(c.state() == State::Closed && c.failure() == Failure::Write);
  b.refuseWrites = false;
  b.wroteSize = 0;
  c.begin(2);
  b.wroteSize = 0;
  answer(b, c, 3, 0x20, 2, 0, 0);
  CHECK(b.wrote[0] == 0x3A);
}

void deadlines(uint32_t start) {
  {
    Broker b;
    Client c(b, options);
    c.begin(start);
    c.poll(start + 1);
    CHECK(c.state() == State::Connecting);
    c.poll(start + 4999);
    CHECK(c.state() == State::Connecting);
    c.poll(start + 5000);
    CHECK(c.failure() == Failure::NoConnack && c.state() == State::Closed);
  }
  {
    Broker b;
    Client c(b, options);
    open(b, c, start);
    c.publish(start + 10, "a", "1", 1, false);
    c.poll(start + 11);
    CHECK(c.connected());
    c.poll(start + 5009);
    CHECK(c.connected());
    c.poll(start + 5010);
    CHECK(c.failure() == Failure::NoPuback);
  }
  {
    Broker b;
    Client c(b, options);
    open(b, c, start);
    c.poll(start + 1);
    CHECK(b.wants("", 0));
    c.poll(start + 44999);
    CHECK(b.wants("", 0));
    c.poll(start + 45000);
    const uint8_t ping[] = {0xC0, 0};
    CHECK(b.wants(ping, 2));
    c.poll(start + 45001);
    CHECK(b.wants("", 0));
    const uint8_t pong[] = {0xD0, 0};
    b.answer(pong, 2);
    c.poll(start + 46000);
    c.poll(start + 51000);
    CHECK(c.connected());
    c.poll(start + 90000);
    CHECK(b.wants(ping, 2));
    c.poll(start + 94999);
    CHECK(c.connected());
    c.poll(start + 95000);
    CHECK(c.failure() == Failure::NoPingresp);
  }
}

void disconnects() {
  Broker b;
  Client c(b, options);
  open(b, c, 0);
  c.disconnect(1);
  const uint8_t want[] = {0xE0, 0};
  CHECK(b.wants(want, 2));
  CHECK(c.state() == State::Closed && c.failure() == Failure::None && b.closed == 1);
  c.disconnect(2);
  CHECK(b.wants("", 0));
}

// Packet ids are never 0 and never one that is on its way, for more messages
// than there are ids.
void ids() {
  Broker b;
  Client c(b, options);
  open(b, c, 0);
  uint16_t kept = c.publish(0, "a", "1", 1, false);
  uint32_t bad = 0;
  for (uint32_t i = 0; i < 140000; i++) {
    uint16_t id = c.publish(0, "a", "1", 1, false);
    bad += id == 0 || id == kept;
    b.wroteSize = 0;
    acknowledge(b, c, 0, id);
  }
  CHECK_EQUAL(bad, 0);
  CHECK(c.pending(kept));
  CHECK_EQUAL(c.unacknowledged(), 1);
}

// Bytes may come one by one, or all at once.
void pieces() {
  Broker b;
  Client c(b, options);
  open(b, c, 0);
  uint16_t one = c.publish(0, "a", "1", 1, false), two = c.publish(0, "a", "2", 1, false);
  const uint8_t all[] = {0xD0, 0, 0x40, 2, 0, static_cast<uint8_t>(one), 0x40, 2, 0, static_cast<uint8_t>(two)};
  for (uint8_t byte : all) {
    b.answer(&byte, 1);
    c.poll(1);
    CHECK(c.connected());
  }
  CHECK_EQUAL(c.unacknowledged(), 0);
  one = c.publish(0, "a", "1", 1, false);
  two = c.publish(0, "a", "2", 1, false);
  const uint8_t again[] = {0x40, 2, 0, static_cast<uint8_t>(one), 0xD0, 0, 0x40, 2, 0, static_cast<uint8_t>(two)};
  b.answer(again, sizeof again);
  c.poll(1);
  CHECK_EQUAL(c.unacknowledged(), 0);
}

}  // namespace

void test::client() {
  connectPacket();
  longConnect();
  refusals();
  publishAndPuback();
  bounds();
  sendsAgain();
  writeFails();
  deadlines(0);
  deadlines(0xFFFFF000u);  // millis() wraps while waiting
  disconnects();
  ids();
  pieces();
}
