// A test harness of a page, for the host and for the bare chip: no heap, no
// stdio, no exceptions.
#pragma once

#include <stdint.h>

#define CHECK(condition) test::check((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(got, want) test::checkEqual((got), (want), #got, __FILE__, __LINE__)
#define CHECK_TEXT(got, want) test::checkText((got), (want), #got, __FILE__, __LINE__)

namespace test {

// check counts and tells a condition that does not hold.
bool check(bool ok, const char *what, const char *file, int line);
bool checkEqual(int64_t got, int64_t want, const char *what, const char *file, int line);
bool checkText(const char *got, const char *want, const char *what, const char *file, int line);

// Random is xorshift32: the same numbers everywhere for the same seed.
class Random {
 public:
  explicit Random(uint32_t seed) : x_(seed) {}
  uint32_t next() {
    x_ ^= x_ << 13;
    x_ ^= x_ >> 17;
    x_ ^= x_ << 5;
    return x_;
  }
  uint32_t below(uint32_t n) { return next() % n; }

 private:
  uint32_t x_;
};

// say prints text; the machine that the tests run on supplies it.
void say(const char *text);

// runAll runs every test and returns how many checks failed. rounds is for the
// tests with random bytes.
int runAll(uint32_t rounds);

void time();
void text();
void feed();
void sensor();
void message();
void client();
void hostile(uint32_t rounds);

}  // namespace test
