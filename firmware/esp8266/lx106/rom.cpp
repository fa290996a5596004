// What the chip's mask ROM supplies and Debian's libgcc for it does not: dividing
// whole numbers. There is nothing for floats, so a float in the core would not
// link.
#include <stdint.h>

namespace {

uint32_t divide(uint32_t a, uint32_t b, uint32_t &rest) {
  uint32_t quotient = 0;
  rest = 0;
  for (int bit = 31; bit >= 0; bit--) {
    rest = rest << 1 | (a >> bit & 1);
    if (rest >= b) {
      rest -= b;
      quotient |= 1u << bit;
    }
  }
  return quotient;
}

uint32_t magnitude(int32_t v) { return v < 0 ? 0u - static_cast<uint32_t>(v) : static_cast<uint32_t>(v); }

}  // namespace

extern "C" {

uint32_t __udivsi3(uint32_t a, uint32_t b) {
  uint32_t rest;
  return divide(a, b, rest);
}

uint32_t __umodsi3(uint32_t a, uint32_t b) {
  uint32_t rest;
  divide(a, b, rest);
  return rest;
}

int32_t __divsi3(int32_t a, int32_t b) {
  uint32_t rest;
  uint32_t q = divide(magnitude(a), magnitude(b), rest);
  return static_cast<int32_t>((a < 0) != (b < 0) ? 0u - q : q);
}

int32_t __modsi3(int32_t a, int32_t b) {
  uint32_t rest;
  divide(magnitude(a), magnitude(b), rest);
  return static_cast<int32_t>(a < 0 ? 0u - rest : rest);
}
}
