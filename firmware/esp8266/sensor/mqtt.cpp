#include "mqtt.h"

#include <string.h>

namespace mqtt {

namespace {

// First bytes of the packets, flags included.
constexpr uint8_t Connect = 0x10, Connack = 0x20, Publish = 0x30, Puback = 0x40;
constexpr uint8_t Pingreq = 0xC0, Pingresp = 0xD0, Disconnect = 0xE0;
constexpr uint8_t Dup = 0x08, QoS1 = 0x02, Retain = 0x01;
constexpr uint8_t UserFlag = 0x80, PasswordFlag = 0x40, WillRetain = 0x20, WillQoS1 = 0x08, WillFlag = 0x04;

// A header may take three bytes here: one and a length below 16384.
constexpr size_t MaxHeader = 3;

// ReadsPerPoll bounds the bytes of one poll(), so that a flood of them can't
// hold up the loop.
constexpr uint8_t ReadsPerPoll = 4;

// Body writes a packet's body behind room for its header, and never over the end.
class Body {
 public:
  Body(uint8_t *buffer, size_t size) : buffer_(buffer), size_(size) {}
  void byte(uint8_t b) { raw(&b, 1); }
  void word(uint16_t w) {
    byte(static_cast<uint8_t>(w >> 8));
    byte(static_cast<uint8_t>(w));
  }
  void raw(const void *data, size_t n) {
    if (!fits_ || n > size_ - at_) {
      fits_ = false;
      return;
    }
    memcpy(buffer_ + at_, data, n);
    at_ += n;
  }
  void text(const char *s) {
    size_t n = strlen(s);
    word(static_cast<uint16_t>(n));
    raw(s, n);
  }
  bool fits() const { return fits_; }
  size_t length() const { return at_ - MaxHeader; }

 private:
  uint8_t *buffer_;
  size_t size_;
  size_t at_ = MaxHeader;
  bool fits_ = true;
};

}  // namespace

const char *name(Failure failure) {
  switch (failure) {
    case Failure::None: return "none";
    case Failure::Refused: return "refused";
    case Failure::NoConnack: return "no connack";
    case Failure::NoPuback: return "no puback";
    case Failure::NoPingresp: return "no pingresp";
    case Failure::Ended: return "ended";
    case Failure::Write: return "write";
    case Failure::Protocol: return "protocol";
    case Failure::TooLong: return "too long";
  }
  return "unknown";
}

const char *refusalName(uint8_t code) {
  static const char *const names[] = {"accepted", "protocol version", "client id",
                                      "server unavailable", "bad user or password", "not authorised"};
  return code < sizeof names / sizeof names[0] ? names[code] : "unknown code";
}

bool Client::begin(uint32_t now) {
  state_ = State::Connecting;
  stage_ = Stage::Type;
  pinging_ = false;
  beganAt_ = now;
  uint8_t flags = 0;
  if (options_.willTopic) flags |= WillFlag | WillQoS1 | WillRetain;
  if (options_.user) flags |= UserFlag;
  if (options_.user && options_.password) flags |= PasswordFlag;  // [MQTT-3.1.2-22]
  Body body(out_, sizeof out_);
  body.text("MQTT");
  body.byte(4);
  body.byte(flags);
  body.word(options_.keepAliveSeconds);
  body.text(options_.clientId);
  if (flags & WillFlag) {
    body.text(options_.willTopic);
    body.text(options_.willPayload);
  }
  if (flags & UserFlag) body.text(options_.user);
  if (flags & PasswordFlag) body.text(options_.password);
  if (!body.fits()) {
    fail(Failure::TooLong);
    return false;
  }
  out_[0] = Connect;
  return send(now, body.length());
}

// send completes the header of the packet in out_ and writes it in one piece,
// which is one TLS record.
bool Client::send(uint32_t now, size_t length) {
  uint8_t type = out_[0];
  uint8_t *start;
  if (length < 128) {
    start = out_ + 1;
    start[1] = static_cast<uint8_t>(length);
  } else {
    start = out_;
    start[1] = static_cast<uint8_t>(length & 127) | 128;
    start[2] = static_cast<uint8_t>(length >> 7);
  }
  start[0] = type;
  lastWrite_ = now;
  if (!transport_.write(start, static_cast<size_t>(out_ + MaxHeader - start) + length)) {
    fail(Failure::Write);
    return false;
  }
  return true;
}

bool Client::sendMessage(Message &message, uint32_t now) {
  Body body(out_, sizeof out_);
  body.text(message.topic);
  body.word(message.id);
  body.raw(message.payload, message.length);
  if (!body.fits()) return false;
  out_[0] = static_cast<uint8_t>(Publish | QoS1 | (message.retain ? Retain : 0) | (message.again ? Dup : 0));
  message.sentAt = now;
  return send(now, body.length());
}

uint16_t Client::publish(uint32_t now, const char *topic, const char *payload, size_t length, bool retain) {
  if (state_ != State::Connected || count_ == Slots || length > MaxPayload) return 0;
  if (strlen(topic) + length + 4 > MaxPacket - MaxHeader) return 0;
  uint16_t id = freeId();
  Message &m = messages_[count_++];
  m.topic = topic;
  memcpy(m.payload, payload, length);
  m.length = static_cast<uint16_t>(length);
  m.id = id;
  m.retain = retain;
  m.again = false;
  // One that could not be written is kept: it may have left in part.
  sendMessage(m, now);
  return id;
}

uint16_t Client::freeId() {
  do {
    if (++lastId_ == 0) lastId_ = 1;  // [MQTT-2.3.1-1]
  } while (pending(lastId_));
  return lastId_;
}

bool Client::pending(uint16_t id) const {
  for (uint8_t i = 0; i < count_; i++) {
    if (messages_[i].id == id) return true;
  }
  return false;
}

bool Client::sendAgain(uint32_t now) {
  for (uint8_t i = 0; i < count_; i++) {
    messages_[i].again = true;  // [MQTT-3.3.1-1]
    resent_++;
    if (!sendMessage(messages_[i], now)) return false;
  }
  return true;
}

void Client::poll(uint32_t now) {
  uint8_t data[16];
  for (uint8_t reads = 0; state_ != State::Closed && reads < ReadsPerPoll; reads++) {
    int n = transport_.read(data, sizeof data);
    if (n == 0) break;
    if (n < 0 || static_cast<size_t>(n) > sizeof data) {
      fail(Failure::Ended);
      return;
    }
    for (int i = 0; i < n; i++) {
      if (!take(data[i], now)) return;
    }
  }
  if (state_ != State::Closed) checkDeadlines(now);
}

// take adds one byte to the packet that is arriving. It returns false when the
// connection was closed.
bool Client::take(uint8_t byte, uint32_t now) {
  switch (stage_) {
    case Stage::Type:
      type_ = byte;
      length_ = 0;
      shift_ = 0;
      got_ = 0;
      stage_ = Stage::Length;
      return true;
    case Stage::Length:
      length_ |= static_cast<uint32_t>(byte & 127) << shift_;
      if (byte & 128) {
        shift_ = static_cast<uint8_t>(shift_ + 7);
        if (shift_ > 21) {
          fail(Failure::Protocol);
          return false;
        }
        return true;
      }
      if (length_ > sizeof body_) {
        fail(Failure::Protocol);
        return false;
      }
      stage_ = Stage::Body;
      return length_ == 0 ? handle(now) : true;
    case Stage::Body:
      body_[got_++] = byte;
      return got_ == length_ ? handle(now) : true;
  }
  return true;
}

bool Client::handle(uint32_t now) {
  stage_ = Stage::Type;
  if (state_ == State::Connecting) return handleConnack(now);
  if (type_ == Puback && length_ == 2) {
    handlePuback();
    return true;
  }
  if (type_ == Pingresp && length_ == 0) {
    pinging_ = false;
    return true;
  }
  fail(Failure::Protocol);
  return false;
}

// handleConnack: the first packet must be CONNACK [MQTT-3.2.0-1].
bool Client::handleConnack(uint32_t now) {
  if (type_ != Connack || length_ != 2 || body_[0] > 1) {
    fail(Failure::Protocol);
    return false;
  }
  refusal_ = body_[1];
  if (refusal_ != 0) {
    fail(Failure::Refused);
    return false;
  }
  state_ = State::Connected;
  return sendAgain(now);
}

void Client::handlePuback() {
  uint16_t id = static_cast<uint16_t>(body_[0] << 8 | body_[1]);
  for (uint8_t i = 0; i < count_; i++) {
    if (messages_[i].id != id) continue;
    count_--;
    memmove(&messages_[i], &messages_[i + 1], (count_ - i) * sizeof messages_[0]);
    return;
  }
  strays_++;
}

void Client::checkDeadlines(uint32_t now) {
  if (state_ == State::Connecting) {
    if (now - beganAt_ >= options_.timeoutMillis) fail(Failure::NoConnack);
    return;
  }
  for (uint8_t i = 0; i < count_; i++) {
    if (now - messages_[i].sentAt >= options_.timeoutMillis) {
      fail(Failure::NoPuback);
      return;
    }
  }
  if (pinging_) {
    if (now - pingAt_ >= options_.timeoutMillis) fail(Failure::NoPingresp);
    return;
  }
  // Three quarters: the broker waits one and a half [MQTT-3.1.2-24].
  if (options_.keepAliveSeconds != 0 && now - lastWrite_ >= options_.keepAliveSeconds * 750u) {
    out_[0] = Pingreq;
    pinging_ = true;
    pingAt_ = now;
    send(now, 0);
  }
}

void Client::disconnect(uint32_t now) {
  if (state_ == State::Connected) {
    out_[0] = Disconnect;
    send(now, 0);
  }
  if (state_ != State::Closed) fail(Failure::None);
}

void Client::fail(Failure why) {
  failure_ = why;
  state_ = State::Closed;
  transport_.close();
}

}  // namespace mqtt
