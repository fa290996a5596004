// The chip's clock.
#include <time.h>

#include <algorithm>

#include <Arduino.h>

#include "host.h"

namespace {

constexpr int64_t AnswerTime = 3000000;

int64_t real(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int64_t last = real(CLOCK_MONOTONIC);
double chip = 0;
int64_t answerBy = 0;
// Where the calendar stood when the chip started; the chip's time is added.
const int64_t start = real(CLOCK_REALTIME) / 1000000;
bool asked = false;
int64_t askedAt = 0;

double rate() { return last < answerBy ? 1 : host::world.speed; }

void advance() {
  int64_t now = real(CLOCK_MONOTONIC);
  chip += static_cast<double>(now - last) * rate();
  last = now;
}

// NTP answers after this time.
constexpr int64_t NtpMicros = 300000;

}  // namespace

namespace host {

int64_t micros() {
  advance();
  return static_cast<int64_t>(chip);
}

int64_t epoch() { return start + micros() / 1000000 + world.shift; }

void delay(int64_t us) {
  for (int64_t end = micros() + us;;) {
    int64_t left = end - micros();
    obey(left <= 0 ? 0 : std::min<int64_t>(static_cast<int64_t>(static_cast<double>(left) / rate()) + 1, 20000));
    if (left <= 0) return;
  }
}

void skip(int64_t us) { chip += static_cast<double>(us); }

void expectAnswer() {
  advance();
  answerBy = last + AnswerTime;
}

void answered() {
  advance();
  answerBy = 0;
}

}  // namespace host

unsigned long millis() { return static_cast<uint32_t>(host::micros() / 1000 + host::world.millis); }

void delay(unsigned long ms) { host::delay(static_cast<int64_t>(ms) * 1000); }

void delayMicroseconds(unsigned int us) { host::skip(us); }

void configTime(int, int, const char *, const char *, const char *) {
  asked = true;
  askedAt = host::micros();
}

// The linker gives us the sketch's calls of time(). As on the chip the clock
// counts from 1970 until NTP has answered.
extern "C" time_t __wrap_time(time_t *out) {
  bool set = asked && host::world.ntp && host::world.wifi && host::micros() - askedAt >= NtpMicros;
  time_t t = set ? host::epoch() : host::micros() / 1000000;
  if (out != nullptr) *out = t;
  return t;
}
