#include "health.h"

#include "text.h"

namespace {

void member(Text &text, const char *name, uint32_t value) { text.add(",\"").add(name).add("\":").number(value); }

void member(Text &text, const char *name, const char *value) {
  text.add(",\"").add(name).add("\":\"").add(value).add("\"");
}

}  // namespace

size_t healthMessage(char *buffer, size_t size, const Health &health) {
  Text text(buffer, size);
  const Counters &c = health.counters;
  text.add("{\"up\":").number(health.uptimeSeconds);
  member(text, "reset", health.resetReason);
  member(text, "heap", health.freeHeap);
  text.add(",\"rssi\":").signedNumber(health.rssi);
  member(text, "sensor", health.sensor);
  for (uint8_t i = 0; i < dht22::Faults; i++) member(text, dht22::name(static_cast<dht22::Fault>(i)), c.reads[i]);
  member(text, "wifi", c.wifi);
  member(text, "mqtt", c.mqtt);
  member(text, "resent", c.resent);
  member(text, "failure", health.lastFailure);
  text.add(",\"tls\":").signedNumber(health.tlsError).add("}");
  return text.complete() ? text.length() : 0;
}

const char *resetReasonName(uint32_t reason) {
  static const char *const names[] = {"power on",         "hardware watchdog", "exception",     "software watchdog",
                                      "software restart", "deep sleep",        "external reset"};
  return reason < sizeof names / sizeof names[0] ? names[reason] : "unknown";
}
