// What the device says: the lines, which of them are still to be said, and the
// counts that they tell.
#pragma once

#include <stdint.h>

#include "command.h"
#include "dht22.h"
#include "line.h"

// Protocol is the number of this set of lines and commands. It rises when a field
// or a command changes its meaning or goes.
constexpr uint32_t Protocol = 1;

// Cause is why the chip started.
enum class Cause : uint8_t {
  Power,     // power came on
  External,  // the reset pin: the button, or the computer opened the port
  Brownout,  // the supply was too low for a moment
  Watchdog,  // the program hung
  Warm,      // External or Watchdog; the boot loader has hidden which
};

// causeOf reads the chip's flags. ramKept tells that RAM has kept what was in it, so
// that power was on before.
Cause causeOf(uint8_t mcusr, bool ramKept);
const FlashText *causeName(Cause cause);

// Health is a measure of the device itself. The counts are since the start.
struct Health {
  uint32_t upSeconds = 0;
  uint16_t freeRam = 0;           // bytes between heap and stack
  uint16_t supplyMillivolts = 0;  // 0: not measured
  uint32_t readings[dht22::Faults] = {};
  uint32_t loopMicros = 0;  // longest turn of loop() since the last health line
};

// Reporter holds what is to be said and says it line by line: hello first, then
// the answer to a command, then the reading, then health.
class Reporter {
 public:
  // id and version are words: no blanks, quotes, backslashes, stars.
  Reporter(const FlashText *id, const FlashText *version) : id_(id), version_(version) {}

  void hello(Cause cause);
  void reading(dht22::Fault fault, const dht22::Values &values);
  void health(const Health &health);
  // answer is for one command. line is its first word, for errors. Another one may
  // come when answering() is false.
  void answer(const Command &command, const char *line);
  bool answering() const { return command_.order != Order::None; }
  // A change of format holds from the next line on.
  void setFormat(Format format) { format_ = format; }
  void setPeriod(uint32_t period) { period_ = period; }

  // next makes the next line and tells whether there was one.
  bool next(Line &line);

 private:
  void sayHello(Line &line);
  void sayAnswer(Line &line);
  void sayHelp(Line &line);
  void sayError(Line &line, const FlashText *error);
  void sayReading(Line &line);
  void sayHealth(Line &line);

  const FlashText *id_;
  const FlashText *version_;
  Format format_ = Format::Json;
  uint32_t period_ = 0;
  uint32_t seq_ = 0;
  bool helloDue_ = false, readingDue_ = false, healthDue_ = false;
  Cause cause_ = Cause::Power;
  dht22::Fault fault_ = dht22::Fault::None;
  dht22::Values values_ = {0, 0};
  Health health_;
  Command command_;
  Order help_ = Order::Help;
  char line_[CommandReader::MaxLine + 1] = {};
};
