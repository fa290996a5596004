#include "line.h"

namespace {

// The closing brace, the star, two digits and LF.
constexpr uint8_t Tail = 5;

char hex(uint8_t digit) { return static_cast<char>(digit < 10 ? '0' + digit : 'A' + digit - 10); }

}  // namespace

uint8_t checksum(const char *bytes, uint8_t n) {
  uint8_t sum = 0;
  for (uint8_t i = 0; i < n; i++) sum = static_cast<uint8_t>(sum ^ static_cast<uint8_t>(bytes[i]));
  return sum;
}

void Line::begin(Format format, const FlashText *kind, uint32_t seq) {
  format_ = format;
  length_ = 0;
  fits_ = true;
  if (format_ == Format::Json) put('{');
  word(FLASH_TEXT("t"), kind);
  number(FLASH_TEXT("seq"), seq);
}

void Line::number(const FlashText *name, uint32_t value) {
  key(name);
  digits(value);
  close();
}

void Line::tenths(const FlashText *name, int16_t value) {
  key(name);
  if (value < 0) put('-');
  uint16_t magnitude = static_cast<uint16_t>(value < 0 ? -static_cast<int32_t>(value) : value);
  digits(magnitude / 10);
  put('.');
  put(static_cast<char>('0' + magnitude % 10));
  close();
}

void Line::word(const FlashText *name, const FlashText *value) {
  key(name);
  quote();
  put(value);
  quote();
  close();
}

void Line::foreign(const FlashText *name, const char *value) {
  key(name);
  quote();
  for (; *value; value++) put(isHarmless(*value) ? *value : '?');
  quote();
  close();
}

void Line::end() {
  if (format_ == Format::Json) bytes_[length_++] = '}';
  uint8_t sum = checksum(bytes_, length_);
  bytes_[length_++] = '*';
  bytes_[length_++] = hex(sum >> 4);
  bytes_[length_++] = hex(sum & 15);
  bytes_[length_++] = '\n';
}

void Line::key(const FlashText *name) {
  field_ = length_;
  bool first = length_ == (format_ == Format::Json ? 1 : 0);
  if (!first) put(format_ == Format::Json ? ',' : ' ');
  quote();
  put(name);
  quote();
  put(format_ == Format::Json ? ':' : '=');
}

void Line::quote() {
  if (format_ == Format::Json) put('"');
}

void Line::put(char c) {
  if (length_ < MaxLength - Tail) {
    bytes_[length_++] = c;
  } else {
    fits_ = false;
  }
}

void Line::put(const FlashText *text) {
  char c;
  for (unsigned int i = 0; (c = flashByte(text, i)) != 0; i++) put(c);
}

void Line::digits(uint32_t value) {
  char reversed[10];
  uint8_t n = 0;
  do {
    reversed[n++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (n > 0) put(reversed[--n]);
}

void Line::close() {
  if (!fits_) length_ = field_;
  fits_ = true;
}
