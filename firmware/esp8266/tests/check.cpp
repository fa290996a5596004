#include "check.h"

#include <string.h>

#include "text.h"

namespace test {

namespace {

uint32_t checks, failures;

void report(const char *what, const char *file, int line) {
  failures++;
  // The hundredth tells no more than the first.
  if (failures > 20) return;
  char buffer[300];
  Text text(buffer, sizeof buffer);
  text.add("FAIL ").add(file).add(":").number(static_cast<uint32_t>(line)).add(": ").add(what).add("\n");
  say(buffer);
}

}  // namespace

bool check(bool ok, const char *what, const char *file, int line) {
  checks++;
  if (!ok) report(what, file, line);
  return ok;
}

bool checkEqual(int64_t got, int64_t want, const char *what, const char *file, int line) {
  checks++;
  if (got == want) return true;
  char buffer[200];
  Text text(buffer, sizeof buffer);
  text.add(what).add(" is ").signedNumber(static_cast<int32_t>(got));
  text.add(", want ").signedNumber(static_cast<int32_t>(want));
  report(buffer, file, line);
  return false;
}

bool checkText(const char *got, const char *want, const char *what, const char *file, int line) {
  checks++;
  if (strcmp(got, want) == 0) return true;
  char buffer[600];
  Text text(buffer, sizeof buffer);
  text.add(what).add(" is ").add(got).add(", want ").add(want);
  report(buffer, file, line);
  return false;
}

int runAll(uint32_t rounds) {
  time();
  text();
  feed();
  sensor();
  message();
  client();
  hostile(rounds);
  char buffer[100];
  Text line(buffer, sizeof buffer);
  line.number(checks).add(" checks, ").number(failures).add(failures == 0 ? " failed: PASS\n" : " failed: FAIL\n");
  say(buffer);
  return failures > 100 ? 100 : static_cast<int>(failures);
}

}  // namespace test
