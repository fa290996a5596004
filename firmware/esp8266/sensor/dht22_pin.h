// The DHT22 on a pin of the chip. An interrupt notes the falling edges, so the
// loop is held up for the 1.2 ms of the start pulse only and interrupts stay on.
#pragma once

#include <Arduino.h>

#include "dht22.h"

// Dht22Pin reads one sensor; there is one in a sketch, as the interrupt's
// memory is shared.
class Dht22Pin {
 public:
  explicit Dht22Pin(uint8_t pin) : pin_(pin) {}
  void begin();
  // start asks the sensor. It must be at least 2 s after the last time.
  void start(uint32_t now);
  bool busy() const { return busy_; }
  // ready tells that the answer's time (5 ms) is over.
  bool ready(uint32_t now) const;
  // take ends the reading and tells what was heard.
  dht22::Fault take(dht22::Values &values);

 private:
  uint8_t pin_;
  bool busy_ = false;
  uint32_t started_ = 0;
};
