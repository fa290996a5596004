#include "report.h"

#include "check.h"

namespace {

constexpr uint32_t Most = 4294967295u;

Reporter reporter() { return Reporter(FLASH_TEXT("avr-sensor"), FLASH_TEXT("1.0.0")); }

// next is the next line without its checksum, or "" when there is none.
std::string next(Reporter &r) {
  Line line;
  return r.next(line) ? test::bare(line) : "";
}

void causes() {
  struct {
    uint8_t mcusr;
    bool kept;
    const char *want;
  } const cases[] = {
      {1, false, "power"},    {1 | 4, false, "power"},    {1 | 4 | 2, true, "power"}, {4, true, "brownout"},
      {2, true, "external"},  {2 | 8, true, "external"},  {8, true, "watchdog"},      {4 | 8, true, "brownout"},
      {0, true, "warm"},      {0, false, "power"},
  };
  for (const auto &c : cases)
    CHECK_EQUAL(std::string(reinterpret_cast<const char *>(causeName(causeOf(c.mcusr, c.kept)))), c.want);
}

void allLines() {
  Reporter r = reporter();
  CHECK_EQUAL(next(r), "");
  r.setPeriod(10000);
  Health h;
  h.upSeconds = 12;
  h.freeRam = 1337;
  h.supplyMillivolts = 5006;
  h.readings[0] = 1;
  h.readings[2] = 3;
  h.loopMicros = 3788;
  // The order in which they are said is not that in which they came.
  r.health(h);
  r.reading(dht22::Fault::None, {553, -3});
  r.hello(Cause::Brownout);
  CHECK_EQUAL(next(r), "{\"t\":\"hello\",\"seq\":1,\"id\":\"avr-sensor\",\"fw\":\"1.0.0\",\"proto\":1,\"rst\":\"brownout\",\"period_ms\":10000}");
  CHECK_EQUAL(next(r), "{\"t\":\"sensor\",\"seq\":2,\"hum\":55.3,\"tem\":-0.3}");
  CHECK_EQUAL(next(r), "{\"t\":\"health\",\"seq\":3,\"up_s\":12,\"ram_free\":1337,\"vcc_mv\":5006,\"dht_ok\":1,\"dht_timeout\":0,"
                       "\"dht_checksum\":3,\"dht_range\":0,\"loop_us\":3788,\"rst\":\"brownout\"}");
  CHECK_EQUAL(next(r), "");
  r.setFormat(Format::KeyValue);
  r.reading(dht22::Fault::Checksum, {0, 0});
  h.supplyMillivolts = 0;
  r.health(h);
  CHECK_EQUAL(next(r), "t=sensor seq=4 err=checksum");
  CHECK_EQUAL(next(r), "t=health seq=5 up_s=12 ram_free=1337 dht_ok=1 dht_timeout=0 dht_checksum=3 dht_range=0 loop_us=3788 rst=brownout");
  r.reading(dht22::Fault::Timeout, {0, 0});
  CHECK_EQUAL(next(r), "t=sensor seq=6 err=timeout");
  r.reading(dht22::Fault::Range, {0, 0});
  CHECK_EQUAL(next(r), "t=sensor seq=7 err=range");
}

std::string answerTo(Reporter &r, const std::string &text) {
  CommandReader reader;
  Command command;
  for (char c : text) {
    if (!reader.feed(c, command)) continue;
    CHECK(!r.answering());
    r.answer(command, reader.line());
    CHECK(r.answering());
  }
  std::string all;
  while (r.answering()) all += next(r) + "\n";
  return all;
}

void answers() {
  Reporter r = reporter();
  r.setFormat(Format::KeyValue);
  r.setPeriod(2000);
  CHECK_EQUAL(answerTo(r, "now\n"), "t=answer seq=1 cmd=now\n");
  CHECK_EQUAL(answerTo(r, "format\n"), "t=answer seq=2 cmd=format format=kv\n");
  CHECK_EQUAL(answerTo(r, "period\n"), "t=answer seq=3 cmd=period period_ms=2000\n");
  CHECK_EQUAL(answerTo(r, "id\n"), "t=hello seq=4 id=avr-sensor fw=1.0.0 proto=1 rst=power period_ms=2000\n");
  CHECK_EQUAL(answerTo(r, "a*b\n"), "t=error seq=5 cmd=a?b err=unknown\n");
  CHECK_EQUAL(answerTo(r, "period 1\n"), "t=error seq=6 cmd=period err=value\n");
  CHECK_EQUAL(answerTo(r, std::string(30, 'y') + "\n"), "t=error seq=7 cmd=" + std::string(24, 'y') + " err=long\n");
  CHECK_EQUAL(answerTo(r, "help\n"),
              "t=help seq=8 cmd=help\nt=help seq=9 cmd=format arg=json|kv\nt=help seq=10 cmd=period arg=2000..86400000\n"
              "t=help seq=11 cmd=now\nt=help seq=12 cmd=id\n");
}

// The longest line of all fits whole.
void longest() {
  Reporter r(FLASH_TEXT("12345678901234567890123456789012"), FLASH_TEXT("10.10.10"));
  r.setPeriod(MaxPeriod);
  Health h;
  h.upSeconds = h.loopMicros = Most;
  h.freeRam = h.supplyMillivolts = 65535;
  for (auto &n : h.readings) n = Most;
  r.hello(Cause::External);
  std::string hello = next(r);
  CHECK_EQUAL(hello.substr(hello.size() - 22), ",\"period_ms\":86400000}");
  r.health(h);
  // With the largest sequence number it would be nine digits longer.
  std::string health = next(r);
  CHECK_EQUAL(health.substr(health.size() - 18), ",\"rst\":\"external\"}");
  CHECK(health.size() + 9 + 4 <= Line::MaxLength);
}

}  // namespace

void test::report() {
  causes();
  allLines();
  answers();
  longest();
}
