// Text built in a buffer of fixed size, without floats and without a heap.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Text appends to a buffer and always leaves it closed with a zero byte. What
// does not fit is left out whole, and complete() is false from then on.
class Text {
 public:
  Text(char *buffer, size_t size) : buffer_(buffer), size_(size) { buffer_[0] = 0; }
  Text &add(const char *text);
  Text &number(uint32_t n);
  Text &signedNumber(int32_t n);
  // tenths writes 214 as "21.4" and -3 as "-0.3".
  Text &tenths(int16_t n);
  const char *text() const { return buffer_; }
  size_t length() const { return length_; }
  bool complete() const { return complete_; }

 private:
  Text &append(const char *text, size_t n);

  char *buffer_;
  size_t size_;
  size_t length_ = 0;
  bool complete_ = true;
};
