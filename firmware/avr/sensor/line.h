// One line of output, as JSON or as key=value, with its checksum.
//
//   {"t":"sensor","seq":2,"hum":55.3,"tem":21.4}*15
//   t=sensor seq=2 hum=55.3 tem=21.4*1F
//
// XX after the star is the exclusive or of every byte before the star, as two
// upper-case hexadecimal digits. The star never occurs in what it covers, and the
// line ends with one LF.
#pragma once

#include <stdint.h>

#include "flash.h"

enum class Format : uint8_t { Json, KeyValue };

// isHarmless tells whether a byte can stand in a value without ending it, its line or
// what the checksum covers.
constexpr bool isHarmless(char c) {
  return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '*' && c != '=';
}
// isWord tells that of a whole text.
constexpr bool isWord(const char *s) { return *s == 0 || (isHarmless(*s) && isWord(s + 1)); }

// checksum is the exclusive or of n bytes.
uint8_t checksum(const char *bytes, uint8_t n);

// Line is built by begin, any number of fields, and end. A field that does not fit
// is left out whole.
class Line {
 public:
  // MaxLength has room for the longest line, a health line of largest numbers.
  static constexpr uint8_t MaxLength = 240;

  // begin starts a line of the given kind, with its sequence number.
  void begin(Format format, const FlashText *kind, uint32_t seq);
  void number(const FlashText *name, uint32_t value);
  // tenths writes 214 as 21.4 and -3 as -0.3.
  void tenths(const FlashText *name, int16_t value);
  // word is for text of ours: no blanks, quotes, backslashes or stars.
  void word(const FlashText *name, const FlashText *value);
  // foreign is for text from outside: every byte that could break a line or its
  // checksum becomes a question mark.
  void foreign(const FlashText *name, const char *value);
  // end closes the line: checksum and LF.
  void end();

  const char *bytes() const { return bytes_; }
  uint8_t length() const { return length_; }

 private:
  void key(const FlashText *name);
  void quote();
  void put(char c);
  void put(const FlashText *text);
  void digits(uint32_t value);
  void close();

  char bytes_[MaxLength];
  uint8_t length_ = 0;
  // Where the field that is being written began, and whether all of it fitted.
  uint8_t field_ = 0;
  bool fits_ = true;
  Format format_ = Format::Json;
};
