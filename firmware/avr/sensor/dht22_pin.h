// The DHT22 on a pin, read by polling: any digital pin will do, and interrupts
// stay on, so no time and no received byte is lost.
#pragma once

#include <Arduino.h>

#include "dht22.h"

class Dht22Pin {
 public:
  explicit Dht22Pin(uint8_t pin) : pin_(pin) {}
  void begin();
  // start pulls the wire low. It must be at least 2 s after the last time.
  void start();
  // started tells that the wire has been low long enough (1.2 ms); read should
  // follow within 10 ms.
  bool started() const;
  // read releases the wire and hears the answer: 5 ms, 0.5 ms without a sensor.
  dht22::Fault read(dht22::Values &values);

 private:
  bool nextFall(uint32_t &at) const;
  bool wait(bool high) const;

  uint8_t pin_;
  uint32_t since_ = 0;
};
