// When a value is worth a message, and when it counts as sent.
#pragma once

#include <stdint.h>

#include "mqtt.h"
#include "text.h"

// tenths makes a setting like 0.1 a whole number. It is for constants: the
// compiler does the sum, the chip never sees a float.
constexpr int16_t tenths(double setting) { return static_cast<int16_t>(setting * 10 + 0.5); }

// isTopic tells whether text can be a topic to publish to, or begin one.
constexpr bool isTopic(const char *text) {
  if (*text == 0) return false;
  for (; *text; text++) {
    if (*text == '#' || *text == '+' || (*text > 0 && *text < ' ')) return false;
  }
  return true;
}

// Gate lets a value pass that differs by delta or more (in tenths) from the last
// one sent, or that is the first, or when the last one is maxAge milliseconds
// old, so that silence is never taken for "no change". A maxAge of 0 means none.
class Gate {
 public:
  constexpr Gate(int16_t delta, uint32_t maxAge) : maxAge_(maxAge), delta_(delta) {}

  bool due(int16_t value, uint32_t now) const {
    if (!have_) return true;
    int32_t change = static_cast<int32_t>(value) - last_;
    if (change < 0) change = -change;
    return change >= delta_ || (maxAge_ != 0 && now - at_ >= maxAge_);
  }
  void sent(int16_t value, uint32_t at) {
    last_ = value;
    at_ = at;
    have_ = true;
  }

  bool have() const { return have_; }
  int16_t last() const { return last_; }
  uint32_t age(uint32_t now) const { return now - at_; }

 private:
  uint32_t maxAge_;
  uint32_t at_ = 0;
  int16_t delta_;
  int16_t last_ = 0;
  bool have_ = false;
};

// Feed is one value and its topic. Of each feed at most one message is on its
// way; a value counts as sent when the broker has acknowledged it, never before.
class Feed {
 public:
  constexpr Feed(const char *topic, int16_t delta, uint32_t maxAge) : gate(delta, maxAge), topic_(topic) {}

  // offer publishes value if it is due. It returns true when a message was
  // handed over.
  bool offer(mqtt::Client &client, int16_t value, uint32_t now) {
    if (id_ != 0 || !gate.due(value, now)) return false;
    char buffer[8];
    Text text(buffer, sizeof buffer);
    text.tenths(value);
    id_ = client.publish(now, topic_, text.text(), text.length(), false);
    value_ = value;
    at_ = now;
    return id_ != 0;
  }

  // settle looks whether the message on its way was acknowledged. It returns
  // true once for each.
  bool settle(const mqtt::Client &client) {
    if (id_ == 0 || client.pending(id_)) return false;
    gate.sent(value_, at_);
    id_ = 0;
    return true;
  }

  bool onItsWay() const { return id_ != 0; }

  Gate gate;

 private:
  const char *topic_;
  uint32_t at_ = 0;
  uint16_t id_ = 0;
  int16_t value_ = 0;
};
