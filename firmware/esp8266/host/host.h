// The sketch's world on Linux: a clock that runs faster or is set wrong, a DHT22
// that answers what it is told, WiFi that comes and goes, and TLS by BearSSL, the
// library of the chip, over real sockets. The program takes its state from
// options and commands on its standard input: control.cpp lists both.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

namespace host {

// World is what tests set. It lives through a restart of the chip.
struct World {
  double speed = 1;         // how often the chip's clock is faster than ours
  uint32_t millis = 0;      // what millis() begins with
  int64_t shift = 0;        // seconds that NTP is wrong by
  bool ntp = true;          // whether NTP answers
  bool wifi = true;
  bool wifiStuck = false;  // it comes back when it is asked for
  std::string dht = "50.0 20.0";  // "HUMIDITY TEMPERATURE" or a fault's word
  std::string readings;     // file with a line like dht for each reading
  unsigned read = 0;        // lines of it that were used
  unsigned char rtc[512] = {};
  uint32_t reset = 0;       // reason of the last reset
};
extern World world;

// micros is the chip's time since its start.
int64_t micros();
// epoch is the time in seconds that NTP tells.
int64_t epoch();
// delay lets so much of the chip's time pass and obeys commands meanwhile.
void delay(int64_t us);
// skip lets time pass at once.
void skip(int64_t us);
// expectAnswer makes the clock run at our speed until answered(), 3 s at most,
// so that a deadline of the sketch does not depend on how busy this machine is.
void expectAnswer();
void answered();
// say prints a line of the host's own.
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
// obey does the commands that have arrived on standard input, and waits up to so
// many real microseconds for one.
void obey(int64_t us);
// reboot starts the program anew, as a reset with this reason would.
[[noreturn]] void reboot(uint32_t reason);

}  // namespace host
