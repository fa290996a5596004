#include "command.h"

namespace {

// same compares text in RAM with text in flash.
bool same(const char *text, const FlashText *word) {
  for (unsigned int i = 0;; i++) {
    if (text[i] != flashByte(word, i)) return false;
    if (text[i] == 0) return true;
  }
}

// number reads decimal digits, MaxPeriod at most; 0 stands for anything else.
uint32_t number(const char *text) {
  uint32_t n = 0;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return 0;
    n = n * 10 + static_cast<uint32_t>(*text - '0');
    if (n > MaxPeriod) return 0;
  }
  return n;
}

void takeFormat(const char *value, Command &command) {
  if (same(value, FLASH_TEXT("json"))) {
    command.format = Format::Json;
  } else if (same(value, FLASH_TEXT("kv"))) {
    command.format = Format::KeyValue;
  } else {
    command.order = Order::BadValue;
  }
}

void takePeriod(const char *value, Command &command) {
  command.period = number(value);
  if (command.period < MinPeriod) command.order = Order::BadValue;
}

}  // namespace

const FlashText *orderName(Order order) {
  switch (order) {
    case Order::Help: return FLASH_TEXT("help");
    case Order::Format: return FLASH_TEXT("format");
    case Order::Period: return FLASH_TEXT("period");
    case Order::Now: return FLASH_TEXT("now");
    case Order::Id: return FLASH_TEXT("id");
    default: return FLASH_TEXT("");
  }
}

const FlashText *orderArgument(Order order) {
  switch (order) {
    case Order::Format: return FLASH_TEXT("json|kv");
    case Order::Period: return FLASH_TEXT("2000..86400000");
    default: return nullptr;
  }
}

bool CommandReader::feed(char c, Command &command) {
  if (c == '\n' || c == '\r') {
    if (length_ == 0) return false;
    line_[length_] = 0;
    length_ = 0;
    command = Command();
    if (tooLong_) {
      command.order = Order::TooLong;
    } else {
      parse(command);
    }
    tooLong_ = false;
    return true;
  }
  if (length_ == MaxLine) {
    tooLong_ = true;
    return false;
  }
  // A zero byte would end the text early.
  line_[length_++] = c == 0 ? '?' : c;
  return false;
}

void CommandReader::parse(Command &command) {
  char *value = line_;
  while (*value && *value != ' ') value++;
  if (*value) *value++ = 0;
  while (*value == ' ') value++;
  command.set = *value != 0;
  command.order = Order::Unknown;
  for (uint8_t i = static_cast<uint8_t>(Order::Help); i <= static_cast<uint8_t>(Order::Id); i++) {
    if (same(line_, orderName(static_cast<Order>(i)))) command.order = static_cast<Order>(i);
  }
  if (!command.set || command.order == Order::Unknown) return;
  switch (command.order) {
    case Order::Format: return takeFormat(value, command);
    case Order::Period: return takePeriod(value, command);
    default: command.order = Order::BadValue;
  }
}
