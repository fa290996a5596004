#include "dht22_pin.h"

namespace {

// The data sheet asks for 1 ms at least; the whole answer takes 5 ms.
constexpr unsigned int StartPulseMicros = 1200;
constexpr uint32_t AnswerMillis = 8;

volatile uint32_t edges[dht22::MaxEdges];
volatile uint8_t edgeCount;

void IRAM_ATTR fallingEdge() {
  uint8_t n = edgeCount;
  if (n < dht22::MaxEdges) {
    edges[n] = micros();
    edgeCount = static_cast<uint8_t>(n + 1);
  }
}

}  // namespace

void Dht22Pin::begin() { pinMode(pin_, INPUT_PULLUP); }

void Dht22Pin::start(uint32_t now) {
  digitalWrite(pin_, LOW);
  pinMode(pin_, OUTPUT);
  delayMicroseconds(StartPulseMicros);
  edgeCount = 0;
  pinMode(pin_, INPUT_PULLUP);
  // The sensor answers 20 to 40 µs after the release; should its first edge be
  // missed, the other 41 are enough.
  attachInterrupt(digitalPinToInterrupt(pin_), fallingEdge, FALLING);
  busy_ = true;
  started_ = now;
}

bool Dht22Pin::ready(uint32_t now) const { return busy_ && now - started_ >= AnswerMillis; }

dht22::Fault Dht22Pin::take(dht22::Values &values) {
  detachInterrupt(digitalPinToInterrupt(pin_));
  busy_ = false;
  uint32_t copy[dht22::MaxEdges];
  uint8_t n = edgeCount;
  for (uint8_t i = 0; i < n; i++) copy[i] = edges[i];
  return dht22::decode(copy, n, values);
}
