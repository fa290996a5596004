// What the sensor tells about itself, beside its values.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dht22.h"

// Counters count since power-on; they live through deep sleep.
struct Counters {
  uint32_t reads[dht22::Faults];  // by outcome, dht22::Fault::None the good ones
  uint32_t wifi;                  // times WiFi came up
  uint32_t mqtt;                  // times the broker accepted us
  uint32_t resent;                // messages sent again
};

// Health is one health message. Texts are words of ours, which need no escaping.
struct Health {
  uint32_t uptimeSeconds;
  const char *resetReason;
  uint32_t freeHeap;      // bytes
  int32_t rssi;           // dBm
  const char *sensor;     // outcome of the newest reading
  const char *lastFailure;  // why the connection before this one ended
  int32_t tlsError;       // the newest error of TLS, 0 for none
  Counters counters;
};

// healthMessage writes health as one JSON object and returns its length, or 0
// when it does not fit.
size_t healthMessage(char *buffer, size_t size, const Health &health);

// resetReasonName is the word for the number that the chip gives: struct rst_info
// of the SDK.
const char *resetReasonName(uint32_t reason);
