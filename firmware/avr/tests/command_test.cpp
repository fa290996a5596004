#include "command.h"

#include "check.h"

namespace {

// all feeds text and returns the commands that it held.
int all(CommandReader &reader, const std::string &text, Command &last) {
  int n = 0;
  for (char c : text) n += reader.feed(c, last);
  return n;
}

void orders() {
  struct {
    const char *text;
    Order order;
    bool set;
    uint32_t period;
  } const cases[] = {
      {"help\n", Order::Help, false, 0},
      {"id\r", Order::Id, false, 0},
      {"now\r\n", Order::Now, false, 0},
      {"\n\r\n now\n", Order::Unknown, true, 0},
      {"now \n", Order::Now, false, 0},
      {"now 5\n", Order::BadValue, true, 0},
      {"Help\n", Order::Unknown, false, 0},
      {"helpx\n", Order::Unknown, false, 0},
      {"hel\n", Order::Unknown, false, 0},
      {"unknown 5\n", Order::Unknown, true, 0},
      {"format\n", Order::Format, false, 0},
      {"format json\n", Order::Format, true, 0},
      {"format   kv\n", Order::Format, true, 0},
      {"format xml\n", Order::BadValue, true, 0},
      {"format kv \n", Order::BadValue, true, 0},
      {"period\n", Order::Period, false, 0},
      {"period 2000\n", Order::Period, true, 2000},
      {"period 86400000\n", Order::Period, true, 86400000},
      {"period 1999\n", Order::BadValue, true, 1999},
      {"period 86400001\n", Order::BadValue, true, 0},
      {"period 4294969296\n", Order::BadValue, true, 0},
      {"period 99999999999\n", Order::BadValue, true, 0},
      {"period -5\n", Order::BadValue, true, 0},
      {"period 2000x\n", Order::BadValue, true, 0},
      {"period 0x7d0\n", Order::BadValue, true, 0},
      {"123456789012345678901234\n", Order::Unknown, false, 0},
      {"1234567890123456789012345\n", Order::TooLong, false, 0},
  };
  for (const auto &c : cases) {
    CommandReader reader;
    Command command;
    CHECK_EQUAL(all(reader, c.text, command), 1);
    CHECK_EQUAL(static_cast<int>(command.order), static_cast<int>(c.order));
    CHECK_EQUAL(command.set, c.set);
    CHECK_EQUAL(command.period, c.period);
  }
}

void formats() {
  CommandReader reader;
  Command command;
  all(reader, "format kv\n", command);
  CHECK(command.format == Format::KeyValue);
  all(reader, "format json\n", command);
  CHECK(command.format == Format::Json);
}

// After a line that was too long, or no text at all, the next one is whole.
void afterNoise() {
  CommandReader reader;
  Command command;
  CHECK_EQUAL(all(reader, std::string(5000, 'x') + "\n", command), 1);
  CHECK(command.order == Order::TooLong);
  CHECK_EQUAL(std::string(reader.line()), std::string(24, 'x'));
  CHECK_EQUAL(all(reader, std::string("i\0d\n", 4), command), 1);
  CHECK(command.order == Order::Unknown);
  CHECK_EQUAL(std::string(reader.line()), "i?d");
  CHECK_EQUAL(all(reader, "id\n", command), 1);
  CHECK(command.order == Order::Id);
}

// Random bytes never write outside the buffer (the sanitisers look), and never
// become an order unless they spell one.
void randomBytes() {
  CommandReader reader;
  uint32_t x = 88172645;
  for (int i = 0; i < 200000; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    Command command;
    static const char letters[] = "periodfmatjsnkvhl 0123456789\n\r";
    char c = x & 0x100 ? static_cast<char>(x) : letters[(x >> 9) % (sizeof letters - 1)];
    if (!reader.feed(c, command)) continue;
    CHECK(command.order != Order::None);
    CHECK(command.order != Order::Period || !command.set || (command.period >= MinPeriod && command.period <= MaxPeriod));
  }
}

}  // namespace

void test::command() {
  orders();
  formats();
  afterNoise();
  randomBytes();
}
