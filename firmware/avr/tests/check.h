// A test harness of a page.
#pragma once

#include <string>

#include "line.h"

#define CHECK(condition) test::check((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(got, want) test::equal((got), (want), #got, __FILE__, __LINE__)

namespace test {

// check counts and tells a condition that does not hold.
void check(bool ok, const char *what, const char *file, int line);
void equal(long long got, long long want, const char *what, const char *file, int line);
void equal(const std::string &got, const std::string &want, const char *what, const char *file, int line);

// text is a line as it goes out, without its LF, which it must have.
std::string text(const Line &line);
// bare is text without a checksum, which must be right.
std::string bare(const Line &line);

void line();
void command();
void dht22();
void timing();
void report();

}  // namespace test
