#include "report.h"

namespace {

// Bits of MCUSR, the same on every AVR with an Arduino.
constexpr uint8_t PowerOn = 1, Pin = 2, LowVoltage = 4, WatchdogBit = 8;

const FlashText *formatName(Format format) {
  return format == Format::Json ? FLASH_TEXT("json") : FLASH_TEXT("kv");
}

}  // namespace

Cause causeOf(uint8_t mcusr, bool ramKept) {
  // Flags add up: power-on mostly sets the brown-out's too, and a boot loader ends
  // its wait after an external reset by the watchdog.
  if (mcusr & PowerOn) return Cause::Power;
  if (mcusr & LowVoltage) return Cause::Brownout;
  if (mcusr & Pin) return Cause::External;
  if (mcusr & WatchdogBit) return Cause::Watchdog;
  return ramKept ? Cause::Warm : Cause::Power;
}

const FlashText *causeName(Cause cause) {
  switch (cause) {
    case Cause::Power: return FLASH_TEXT("power");
    case Cause::External: return FLASH_TEXT("external");
    case Cause::Brownout: return FLASH_TEXT("brownout");
    case Cause::Watchdog: return FLASH_TEXT("watchdog");
    default: return FLASH_TEXT("warm");
  }
}

void Reporter::hello(Cause cause) {
  cause_ = cause;
  helloDue_ = true;
}

void Reporter::reading(dht22::Fault fault, const dht22::Values &values) {
  fault_ = fault;
  values_ = values;
  readingDue_ = true;
}

void Reporter::health(const Health &health) {
  health_ = health;
  healthDue_ = true;
}

void Reporter::answer(const Command &command, const char *line) {
  command_ = command;
  help_ = Order::Help;
  uint8_t i = 0;
  for (; line[i] && i < CommandReader::MaxLine; i++) line_[i] = line[i];
  line_[i] = 0;
}

bool Reporter::next(Line &line) {
  if (helloDue_) {
    sayHello(line);
    helloDue_ = false;
  } else if (answering()) {
    sayAnswer(line);
  } else if (readingDue_) {
    sayReading(line);
    readingDue_ = false;
  } else if (healthDue_) {
    sayHealth(line);
    healthDue_ = false;
  } else {
    return false;
  }
  line.end();
  return true;
}

void Reporter::sayHello(Line &line) {
  line.begin(format_, FLASH_TEXT("hello"), ++seq_);
  line.word(FLASH_TEXT("id"), id_);
  line.word(FLASH_TEXT("fw"), version_);
  line.number(FLASH_TEXT("proto"), Protocol);
  line.word(FLASH_TEXT("rst"), causeName(cause_));
  line.number(FLASH_TEXT("period_ms"), period_);
}

void Reporter::sayAnswer(Line &line) {
  Order order = command_.order;
  if (order == Order::Help) return sayHelp(line);
  command_.order = Order::None;
  switch (order) {
    case Order::Id: return sayHello(line);
    case Order::Unknown: return sayError(line, FLASH_TEXT("unknown"));
    case Order::BadValue: return sayError(line, FLASH_TEXT("value"));
    case Order::TooLong: return sayError(line, FLASH_TEXT("long"));
    default: break;
  }
  line.begin(format_, FLASH_TEXT("answer"), ++seq_);
  line.word(FLASH_TEXT("cmd"), orderName(order));
  if (order == Order::Format) line.word(FLASH_TEXT("format"), formatName(format_));
  if (order == Order::Period) line.number(FLASH_TEXT("period_ms"), period_);
}

void Reporter::sayHelp(Line &line) {
  line.begin(format_, FLASH_TEXT("help"), ++seq_);
  line.word(FLASH_TEXT("cmd"), orderName(help_));
  if (const FlashText *argument = orderArgument(help_)) line.word(FLASH_TEXT("arg"), argument);
  if (help_ == Order::Id) {
    command_.order = Order::None;
  } else {
    help_ = static_cast<Order>(static_cast<uint8_t>(help_) + 1);
  }
}

void Reporter::sayError(Line &line, const FlashText *error) {
  line.begin(format_, FLASH_TEXT("error"), ++seq_);
  line.foreign(FLASH_TEXT("cmd"), line_);
  line.word(FLASH_TEXT("err"), error);
}

void Reporter::sayReading(Line &line) {
  line.begin(format_, FLASH_TEXT("sensor"), ++seq_);
  if (fault_ == dht22::Fault::None) {
    line.tenths(FLASH_TEXT("hum"), values_.humidity);
    line.tenths(FLASH_TEXT("tem"), values_.temperature);
  } else {
    line.word(FLASH_TEXT("err"), dht22::faultName(fault_));
  }
}

void Reporter::sayHealth(Line &line) {
  line.begin(format_, FLASH_TEXT("health"), ++seq_);
  line.number(FLASH_TEXT("up_s"), health_.upSeconds);
  line.number(FLASH_TEXT("ram_free"), health_.freeRam);
  if (health_.supplyMillivolts > 0) line.number(FLASH_TEXT("vcc_mv"), health_.supplyMillivolts);
  line.number(FLASH_TEXT("dht_ok"), health_.readings[0]);
  line.number(FLASH_TEXT("dht_timeout"), health_.readings[1]);
  line.number(FLASH_TEXT("dht_checksum"), health_.readings[2]);
  line.number(FLASH_TEXT("dht_range"), health_.readings[3]);
  line.number(FLASH_TEXT("loop_us"), health_.loopMicros);
  line.word(FLASH_TEXT("rst"), causeName(cause_));
}
