// The moment of compiling, as the floor below which no clock is believed.
#pragma once

#include <stdint.h>

namespace buildtime {

// number reads a decimal number at text[0…n-1]; a blank counts as 0.
constexpr int32_t number(const char *text, int n) {
  int32_t v = 0;
  for (int i = 0; i < n; i++) v = v * 10 + (text[i] == ' ' ? 0 : text[i] - '0');
  return v;
}

// month reads the three letters of the compiler's date: 1 for Jan.
constexpr int32_t month(const char *text) {
  const char *names = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (int i = 0; i < 12; i++) {
    if (names[3 * i] == text[0] && names[3 * i + 1] == text[1] && names[3 * i + 2] == text[2]) return i + 1;
  }
  return 0;
}

// days counts from 1970-01-01 to a date of the Gregorian calendar, by years that
// begin in March, so that a leap day is the last of its year.
constexpr int32_t days(int32_t year, int32_t month, int32_t day) {
  if (month < 3) {
    year--;
    month += 12;
  }
  return 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 719468;
}

// epoch makes seconds since 1970 of the compiler's __DATE__ ("Feb  3 2026") and
// __TIME__ ("14:05:09"), as if they were UTC.
constexpr uint32_t epoch(const char *date, const char *time) {
  return static_cast<uint32_t>(days(number(date + 7, 4), month(date), number(date + 4, 2))) * 86400u +
         static_cast<uint32_t>(number(time, 2) * 3600 + number(time + 3, 2) * 60 + number(time + 6, 2));
}

// slack is for the compiler's time zone, which may be ahead of UTC.
constexpr uint32_t slack = 86400;

// trusted tells whether a clock can be right: not before the sketch was built.
constexpr bool trusted(int64_t clock, uint32_t built) { return clock >= static_cast<int64_t>(built) - slack; }

}  // namespace buildtime
