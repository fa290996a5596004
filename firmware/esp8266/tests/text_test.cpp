#include "text.h"

#include <string.h>

#include "check.h"

namespace {

void numbers() {
  struct {
    int32_t n;
    const char *want;
  } const cases[] = {{0, "0"}, {7, "7"}, {-7, "-7"}, {2147483647, "2147483647"}, {-2147483647 - 1, "-2147483648"}};
  char b[16];
  for (const auto &c : cases) CHECK_TEXT(Text(b, sizeof b).signedNumber(c.n).text(), c.want);
  CHECK_TEXT(Text(b, sizeof b).number(4294967295u).text(), "4294967295");
}

void tenths() {
  struct {
    int16_t n;
    const char *want;
  } const cases[] = {{0, "0.0"},      {1, "0.1"},        {-1, "-0.1"},        {9, "0.9"},    {10, "1.0"},
                     {-10, "-1.0"},   {214, "21.4"},     {-34, "-3.4"},       {1000, "100.0"}, {-400, "-40.0"},
                     {800, "80.0"},   {32767, "3276.7"}, {-32768, "-3276.8"}};
  char b[16];
  for (const auto &c : cases) CHECK_TEXT(Text(b, sizeof b).tenths(c.n).text(), c.want);
}

void bounds() {
  char b[6] = "xxxxx";
  Text t(b, 4);
  CHECK(t.add("abc").complete());
  CHECK(!t.add("d").complete());
  CHECK_TEXT(t.text(), "abc");
  CHECK(b[4] == 'x');
  // What comes after something that did not fit is left out, too.
  CHECK(!t.add("").complete());
  CHECK_EQUAL(t.length(), 3);
  Text one(b, 1);
  CHECK(!one.add("a").complete());
  CHECK_TEXT(one.text(), "");
}

}  // namespace

void test::text() {
  numbers();
  tenths();
  bounds();
}
