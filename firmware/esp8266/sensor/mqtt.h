// A client for MQTT 3.1.1 (OASIS standard, 2014) that publishes with QoS 1 and
// does nothing else: no subscription, so a broker has only three packets to send
// to it, none longer than two bytes after the header. Everything else closes the
// connection. No call waits, no memory is allocated.
//
// The session is kept by the broker (clean session 0). A message stays with the
// client until its PUBACK is there; after a new connection those without one are
// sent again in their order, with the same packet id and DUP set.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace mqtt {

// Transport is an open connection to the broker.
class Transport {
 public:
  // read takes up to size bytes that are there already: 0 when there are none
  // yet, -1 when the connection has ended.
  virtual int read(uint8_t *data, size_t size) = 0;
  // write sends all of data or returns false.
  virtual bool write(const uint8_t *data, size_t size) = 0;
  virtual void close() = 0;

 protected:
  ~Transport() = default;
};

// Options of a connection. The texts must outlive the client. user and password
// may be null; so may willTopic, for no will. The will is retained, QoS 1.
struct Options {
  const char *clientId;
  const char *user;
  const char *password;
  const char *willTopic;
  const char *willPayload;
  uint16_t keepAliveSeconds;  // 0: none
  uint32_t timeoutMillis;     // for each answer of the broker
};

enum class State : uint8_t { Closed, Connecting, Connected };

// Failure is why the last connection ended.
enum class Failure : uint8_t {
  None,       // it was never open, or disconnect() was called
  Refused,    // CONNACK with a code: refusal()
  NoConnack,  // no answer to CONNECT in time
  NoPuback,   // a message was not acknowledged in time
  NoPingresp, // the broker is silent
  Ended,      // the other side closed
  Write,      // bytes could not be sent
  Protocol,   // bytes that no broker may send
  TooLong,    // CONNECT does not fit the buffer: shorten the settings
};
const char *name(Failure failure);

// Refusal codes of CONNACK (section 3.2.2.3).
constexpr uint8_t ServerUnavailable = 3, BadCredentials = 4, NotAuthorised = 5;
const char *refusalName(uint8_t code);

// Slots is how many messages may be without PUBACK at once.
constexpr uint8_t Slots = 4;
constexpr size_t MaxPayload = 320;
constexpr size_t MaxPacket = 512;

class Client {
 public:
  Client(Transport &transport, const Options &options) : transport_(transport), options_(options) {}

  // begin sends CONNECT over a transport that was just opened.
  bool begin(uint32_t now);
  // poll takes what has arrived, keeps the connection alive and closes it when
  // the broker breaks a deadline or the protocol. Call it often.
  void poll(uint32_t now);
  // publish sends a message and keeps it until its PUBACK. It returns its packet
  // id, or 0 when the client is not connected, all slots are taken, or the
  // message is too long. topic must outlive the message.
  uint16_t publish(uint32_t now, const char *topic, const char *payload, size_t length, bool retain);
  // pending tells whether the message still waits for its PUBACK.
  bool pending(uint16_t id) const;
  // disconnect ends the connection in good order: the broker drops the will.
  void disconnect(uint32_t now);
  // drop closes the transport without a word: the broker will publish the will.
  void drop(Failure why) { fail(why); }

  State state() const { return state_; }
  bool connected() const { return state_ == State::Connected; }
  Failure failure() const { return failure_; }
  uint8_t refusal() const { return refusal_; }
  uint8_t unacknowledged() const { return count_; }
  uint32_t resent() const { return resent_; }
  uint32_t strays() const { return strays_; }

 private:
  struct Message {
    const char *topic;
    char payload[MaxPayload];
    uint16_t length;
    uint16_t id;
    uint32_t sentAt;
    bool retain;
    bool again;  // sent on an earlier connection
  };
  enum class Stage : uint8_t { Type, Length, Body };

  bool take(uint8_t byte, uint32_t now);
  bool handle(uint32_t now);
  bool handleConnack(uint32_t now);
  void handlePuback();
  void checkDeadlines(uint32_t now);
  bool send(uint32_t now, size_t length);
  bool sendMessage(Message &message, uint32_t now);
  bool sendAgain(uint32_t now);
  uint16_t freeId();
  void fail(Failure why);

  Transport &transport_;
  const Options options_;
  Message messages_[Slots];  // the oldest first
  uint8_t out_[MaxPacket];
  uint8_t count_ = 0;
  State state_ = State::Closed;
  Failure failure_ = Failure::None;
  uint8_t refusal_ = 0;
  uint16_t lastId_ = 0;
  uint32_t beganAt_ = 0;
  uint32_t lastWrite_ = 0;
  uint32_t pingAt_ = 0;
  bool pinging_ = false;
  uint32_t resent_ = 0;
  uint32_t strays_ = 0;

  // The packet that is arriving.
  Stage stage_ = Stage::Type;
  uint8_t type_ = 0;
  uint8_t shift_ = 0;
  uint32_t length_ = 0;
  uint8_t got_ = 0;
  uint8_t body_[2] = {};
};

}  // namespace mqtt
