#include "text.h"

#include <string.h>

Text &Text::append(const char *text, size_t n) {
  if (!complete_ || n >= size_ - length_) {
    complete_ = false;
    return *this;
  }
  memcpy(buffer_ + length_, text, n);
  length_ += n;
  buffer_[length_] = 0;
  return *this;
}

Text &Text::add(const char *text) { return append(text, strlen(text)); }

Text &Text::number(uint32_t n) {
  char digits[10];
  size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + n % 10);
    n /= 10;
  } while (n != 0);
  return append(digits + at, sizeof digits - at);
}

Text &Text::signedNumber(int32_t n) {
  if (n >= 0) return number(static_cast<uint32_t>(n));
  return add("-").number(0u - static_cast<uint32_t>(n));
}

Text &Text::tenths(int16_t n) {
  uint32_t size = n < 0 ? 0u - static_cast<uint32_t>(n) : static_cast<uint32_t>(n);
  if (n < 0) add("-");
  return number(size / 10).add(".").number(size % 10);
}
