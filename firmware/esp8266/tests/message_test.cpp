#include <string.h>

#include "check.h"
#include "health.h"
#include "mqtt.h"
#include "snapshot.h"

namespace {

void health() {
  Health h = {};
  h.uptimeSeconds = 86400;
  h.resetReason = resetReasonName(0);
  h.freeHeap = 40000;
  h.rssi = -61;
  h.sensor = "checksum";
  h.lastFailure = "no puback";
  h.tlsError = 54;
  h.counters = {{10, 1, 2, 3, 4}, 5, 6, 7};
  char buffer[mqtt::MaxPayload];
  CHECK(healthMessage(buffer, sizeof buffer, h) == strlen(buffer));
  CHECK_TEXT(buffer,
             "{\"up\":86400,\"reset\":\"power on\",\"heap\":40000,\"rssi\":-61,\"sensor\":\"checksum\",\"ok\":10,"
             "\"timeout\":1,\"short\":2,\"checksum\":3,\"range\":4,\"wifi\":5,\"mqtt\":6,\"resent\":7,"
             "\"failure\":\"no puback\",\"tls\":54}");
  CHECK(healthMessage(buffer, 40, h) == 0);
  // The longest that can be must fit.
  h.uptimeSeconds = h.freeHeap = 4294967295u;
  h.rssi = h.tlsError = -2147483647 - 1;
  h.resetReason = "hardware watchdog";
  h.lastFailure = "no pingresp";
  memset(&h.counters, 0xFF, sizeof h.counters);
  CHECK(healthMessage(buffer, sizeof buffer, h) != 0);
  CHECK_TEXT(resetReasonName(5), "deep sleep");
  CHECK_TEXT(resetReasonName(99), "unknown");
}

void snapshot() {
  Snapshot s;
  memset(&s, 0, sizeof s);
  CHECK(!intact(s, 0));
  s.built = 5;
  s.uptimeSeconds = 77;
  s.humidity = {1000, 553, 1};
  seal(s);
  CHECK(intact(s, 5));
  CHECK(!intact(s, 6));
  // Each bit counts.
  uint8_t *p = reinterpret_cast<uint8_t *>(&s);
  for (unsigned bit = 0; bit < sizeof s * 8; bit++) {
    p[bit / 8] = static_cast<uint8_t>(p[bit / 8] ^ 1u << bit % 8);
    CHECK(!intact(s, 5));
    p[bit / 8] = static_cast<uint8_t>(p[bit / 8] ^ 1u << bit % 8);
  }
  CHECK(intact(s, 5));
  memset(&s, 0xFF, sizeof s);
  CHECK(!intact(s, 0xFFFFFFFFu));
  const uint32_t skips[] = {0, 1, 3, 7, 15, 15};
  for (uint32_t i = 0; i < 6; i++) CHECK_EQUAL(wakesToSkip(i), skips[i]);
  CHECK_EQUAL(wakesToSkip(4294967295u), 15);
}

}  // namespace

void test::message() {
  health();
  snapshot();
}
