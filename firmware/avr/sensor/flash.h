// Text that stays in flash memory on the chip, where 2 KB of RAM are scarce, and
// is plain text elsewhere, where the tests run.
#pragma once

#ifdef __AVR__
#include <avr/pgmspace.h>
#define FLASH_TEXT(s) reinterpret_cast<const FlashText *>(PSTR(s))
#else
#define FLASH_TEXT(s) reinterpret_cast<const FlashText *>(s)
#endif

// FlashText only ever appears as a pointer, so that a pointer into flash can't be
// taken for one into RAM.
struct FlashText;

// flashByte reads one byte.
inline char flashByte(const FlashText *text, unsigned int i) {
  const char *p = reinterpret_cast<const char *>(text) + i;
#ifdef __AVR__
  return static_cast<char>(pgm_read_byte(p));
#else
  return *p;
#endif
}
