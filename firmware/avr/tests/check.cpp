#include "check.h"

#include <cstdio>

namespace test {

static int checks, failures;

// More than this many failures have one reason.
static const int told = 20;

void check(bool ok, const char *what, const char *file, int line) {
  checks++;
  if (ok) return;
  if (++failures > told) return;
  std::printf("%s:%d: %s does not hold\n", file, line, what);
}

void equal(long long got, long long want, const char *what, const char *file, int line) {
  equal(std::to_string(got), std::to_string(want), what, file, line);
}

void equal(const std::string &got, const std::string &want, const char *what, const char *file, int line) {
  checks++;
  if (got == want) return;
  if (++failures > told) return;
  std::printf("%s:%d: %s is %s, want %s\n", file, line, what, got.c_str(), want.c_str());
}

std::string text(const Line &line) {
  std::string s(line.bytes(), line.length());
  CHECK(!s.empty() && s.find('\n') == s.size() - 1);
  return s.substr(0, s.find('\n'));
}

std::string bare(const Line &line) {
  std::string s = text(line);
  size_t star = s.find('*');
  CHECK_EQUAL(star, s.size() - 3);
  std::string body = s.substr(0, star);
  unsigned sum = 0;
  for (char c : body) sum ^= static_cast<unsigned char>(c);
  char want[4];
  std::snprintf(want, sizeof want, "*%02X", sum);
  CHECK_EQUAL(s.substr(star), want);
  return body;
}

}  // namespace test

int main() {
  test::line();
  test::command();
  test::dht22();
  test::timing();
  test::report();
  std::printf("%d checks, %d failed\n", test::checks, test::failures);
  return test::failures > 0;
}
