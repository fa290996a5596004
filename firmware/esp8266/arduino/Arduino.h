// Our declarations of what the sketch uses of the Arduino API for the ESP8266
// (core 3.x). The chip's compiler reads them to check the sketch; the programs
// in ../host implement them on Linux. They were written from the core's
// documentation and can differ from it: they prove the sketch's own types, not
// the core's.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__XTENSA__)
#define ARDUINO_STRING_(x) #x
#define ARDUINO_STRING(x) ARDUINO_STRING_(x)
#define IRAM_ATTR __attribute__((section(".iram.text")))
#define PROGMEM __attribute__((section(".irom.data." ARDUINO_STRING(__LINE__))))
#define PSTR(s) (__extension__({ static const char text_[] PROGMEM = (s); &text_[0]; }))
#else
#define IRAM_ATTR
#define PROGMEM
#define PSTR(s) (s)
#endif

class __FlashStringHelper;
#define F(s) (reinterpret_cast<const __FlashStringHelper *>(PSTR(s)))

enum : uint8_t { LOW = 0, HIGH = 1 };
enum : uint8_t { INPUT = 0, OUTPUT = 1, INPUT_PULLUP = 2 };
enum { RISING = 1, FALLING = 2, CHANGE = 3 };

unsigned long millis();
unsigned long micros();
void delay(unsigned long ms);
void delayMicroseconds(unsigned int us);
void pinMode(uint8_t pin, uint8_t mode);
void digitalWrite(uint8_t pin, uint8_t value);
inline uint8_t digitalPinToInterrupt(uint8_t pin) { return pin; }
void attachInterrupt(uint8_t pin, void (*handler)(), int mode);
void detachInterrupt(uint8_t pin);
// time() answers from then on, once a server has.
void configTime(int timezoneSeconds, int daylightSeconds, const char *server1, const char *server2 = nullptr,
                const char *server3 = nullptr);

class HardwareSerial {
 public:
  void begin(unsigned long baud);
  size_t println(const char *text);
  size_t println(const __FlashStringHelper *text);
  size_t printf_P(const char *format, ...) __attribute__((format(printf, 2, 3)));
};
extern HardwareSerial Serial;

struct rst_info {
  uint32_t reason;
};

class EspClass {
 public:
  uint32_t getChipId();
  uint32_t getFreeHeap();
  rst_info *getResetInfoPtr();
  bool rtcUserMemoryRead(uint32_t offset, uint32_t *data, size_t size);
  bool rtcUserMemoryWrite(uint32_t offset, uint32_t *data, size_t size);
  void deepSleep(uint64_t us);
  void restart();
};
extern EspClass ESP;
