// Commands from the other side: one per line, ended by LF or CR; blank lines are
// nothing.
//
//   help            one line per command
//   format          tells the format
//   format json|kv  sets it
//   period          tells the time between readings
//   period MS       sets it, MinPeriod to MaxPeriod milliseconds
//   now             a reading as soon as the sensor allows
//   id              the hello line again
#pragma once

#include <stdint.h>

#include "flash.h"
#include "line.h"

// A DHT22 may be asked every two seconds.
constexpr uint32_t MinPeriod = 2000;
// A day.
constexpr uint32_t MaxPeriod = 86400000;

// What a line asked for. The last three are errors.
enum class Order : uint8_t { None, Help, Format, Period, Now, Id, Unknown, BadValue, TooLong };

struct Command {
  Order order = Order::None;
  // Whether Format or Period come with a value to set.
  bool set = false;
  Format format = Format::Json;
  uint32_t period = 0;
};

// orderName is the word that gives an order; the first five after None.
const FlashText *orderName(Order order);
// orderArgument describes what may follow it, or is null.
const FlashText *orderArgument(Order order);

// CommandReader puts lines together, byte by byte.
class CommandReader {
 public:
  // MaxLine is the longest line. The rest of a longer one is ignored.
  static constexpr uint8_t MaxLine = 24;

  // feed takes a byte and tells whether it ended a line with something in it;
  // command then says what it asks for.
  bool feed(char c, Command &command);
  // line is the first word of the line that ended last, as it came.
  const char *line() const { return line_; }

 private:
  void parse(Command &command);

  char line_[MaxLine + 1] = {};
  uint8_t length_ = 0;
  bool tooLong_ = false;
};
