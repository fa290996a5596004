#include "device.h"

#include <Arduino.h>
#include <avr/sleep.h>
#include <avr/wdt.h>

extern char __heap_start;
extern char *__brkval;

namespace {

// RAM that the start of a program leaves alone.
uint8_t startFlags __attribute__((section(".noinit")));
uint32_t ramMark __attribute__((section(".noinit")));
constexpr uint32_t RamMark = 0x51ce0a7eUL;

// The channel of the 1.1 V reference.
#if defined(MUX5)
constexpr uint8_t ReferenceChannel = 0x1e;
#else
constexpr uint8_t ReferenceChannel = 0x0e;
#endif

}  // namespace

// Runs before main: after a watchdog reset the watchdog is on, with its shortest
// time, until it is told otherwise.
void keepStartFlags() __attribute__((naked, used, section(".init3")));
void keepStartFlags() {
  startFlags = MCUSR;
  MCUSR = 0;
  wdt_disable();
}

namespace device {

Cause cause() {
  bool kept = ramMark == RamMark;
  ramMark = RamMark;
  return causeOf(startFlags, kept);
}

uint16_t freeRam() {
  uint16_t heap = reinterpret_cast<uint16_t>(__brkval ? __brkval : &__heap_start);
  return static_cast<uint16_t>(SP) - heap;
}

void selectSupply() {
#if defined(MUX5)
  ADCSRB &= static_cast<uint8_t>(~_BV(MUX5));
#endif
  ADMUX = _BV(REFS0) | ReferenceChannel;
}

void startSupply() { ADCSRA |= _BV(ADSC); }

bool supplyReady() { return !(ADCSRA & _BV(ADSC)); }

uint16_t supplyMillivolts(uint16_t reference) {
  uint16_t ratio = ADC;
  if (ratio == 0) return 0;
  uint32_t supply = static_cast<uint32_t>(reference) * 1024 / ratio;
  return static_cast<uint16_t>(supply > 65535 ? 0 : supply);
}

void idle() {
  set_sleep_mode(SLEEP_MODE_IDLE);
  sleep_mode();
}

}  // namespace device
