#include "line.h"

#include <cstdio>

#include "check.h"

namespace {

std::string tenths(int16_t value) {
  Line line;
  line.begin(Format::KeyValue, FLASH_TEXT("x"), 1);
  line.tenths(FLASH_TEXT("v"), value);
  line.end();
  std::string s = test::bare(line);
  return s.substr(s.find("v=") + 2);
}

// Computed by hand: "t=x seq=1" is 74^3d^78^20^73^65^71^3d^31.
void knownChecksum() {
  Line line;
  line.begin(Format::KeyValue, FLASH_TEXT("x"), 1);
  line.end();
  CHECK_EQUAL(test::text(line), "t=x seq=1*7A");
  CHECK_EQUAL(checksum("", 0), 0);
  CHECK_EQUAL(checksum("\xff\x0f", 2), 0xf0);
}

void bothFormats() {
  Line line;
  line.begin(Format::Json, FLASH_TEXT("x"), 4294967295u);
  line.number(FLASH_TEXT("n"), 0);
  line.word(FLASH_TEXT("w"), FLASH_TEXT("a"));
  line.tenths(FLASH_TEXT("d"), -34);
  line.end();
  CHECK_EQUAL(test::bare(line), "{\"t\":\"x\",\"seq\":4294967295,\"n\":0,\"w\":\"a\",\"d\":-3.4}");
  line.begin(Format::KeyValue, FLASH_TEXT("x"), 4294967295u);
  line.number(FLASH_TEXT("n"), 0);
  line.word(FLASH_TEXT("w"), FLASH_TEXT("a"));
  line.tenths(FLASH_TEXT("d"), -34);
  line.end();
  CHECK_EQUAL(test::bare(line), "t=x seq=4294967295 n=0 w=a d=-3.4");
}

void everyTenth() {
  CHECK_EQUAL(tenths(0), "0.0");
  CHECK_EQUAL(tenths(5), "0.5");
  CHECK_EQUAL(tenths(-1), "-0.1");
  CHECK_EQUAL(tenths(-10), "-1.0");
  CHECK_EQUAL(tenths(1000), "100.0");
  CHECK_EQUAL(tenths(32767), "3276.7");
  CHECK_EQUAL(tenths(-32768), "-3276.8");
  for (int v = -400; v <= 1000; v++) {
    char want[16];
    std::snprintf(want, sizeof want, "%s%d.%d", v < 0 ? "-" : "", (v < 0 ? -v : v) / 10, (v < 0 ? -v : v) % 10);
    CHECK_EQUAL(tenths(static_cast<int16_t>(v)), want);
  }
}

// Nothing from outside can end a line, a string or the sum's range.
void foreignBytes() {
  for (int c = 1; c < 256; c++) {
    const char in[] = {'a', static_cast<char>(c), 0};
    Line line;
    line.begin(Format::Json, FLASH_TEXT("x"), 1);
    line.foreign(FLASH_TEXT("f"), in);
    line.end();
    bool harmless = c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '*' && c != '=';
    std::string want = std::string("\"a") + (harmless ? static_cast<char>(c) : '?') + "\"}";
    std::string got = test::bare(line);
    CHECK_EQUAL(got.substr(got.size() - 5), want);
  }
}

// A field that does not fit is left out whole, and the line stays a line.
void tooMuch() {
  Line line;
  line.begin(Format::Json, FLASH_TEXT("x"), 1);
  for (int i = 0; i < 100; i++) line.word(FLASH_TEXT("field"), FLASH_TEXT("some text"));
  line.number(FLASH_TEXT("n"), 7);
  line.end();
  CHECK(line.length() <= Line::MaxLength);
  std::string s = test::bare(line);
  CHECK(s.size() > 200);
  CHECK_EQUAL(s.substr(s.size() - 26), "\"field\":\"some text\",\"n\":7}");
}

void words() {
  static_assert(isWord("barn-7") && isWord(""), "words");
  for (const char *s : {"two words", "a*b", "a=b", "a\"b", "a\\b", "a\n", "\x7f", "\xe9"}) CHECK(!isWord(s));
}

}  // namespace

void test::line() {
  words();
  knownChecksum();
  bothFormats();
  everyTenth();
  foreignBytes();
  tooMuch();
}
