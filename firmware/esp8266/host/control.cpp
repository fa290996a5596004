// The program around the sketch. Its options set the world; commands on standard
// input change it, and each is answered by a line "host: done COMMAND":
//
//   speed N            the chip's clock is N times ours
//   ntp on|off         whether NTP answers
//   shift SECONDS      NTP is wrong by so much
//   wifi on|off|stuck  stuck: there is one, but the chip must be told to begin again
//   dht H T            what the sensor measures: percent, degrees
//   dht WORD           dead, short, checksum, range or noise: how it fails
//   reboot REASON      a reset: 1 hardware watchdog, 2 exception, 6 the button
//   quit
//
// Options are the same words with two dashes ("--dht" "55.3 21.4"), and
//
//   --millis N         what millis() begins with
//   --readings FILE    a line like dht for each reading; the last one stays
//
// and those that reboot() hands to itself: --read, --rtc, --reset.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <vector>

#include <Arduino.h>

#include "host.h"

void setup();
void loop();

namespace {

std::vector<std::string> program;
std::string waiting;  // input without a newline yet

std::string hex(const unsigned char *data, size_t n) {
  std::string s;
  char two[3];
  for (size_t i = 0; i < n; i++) {
    snprintf(two, sizeof two, "%02x", data[i]);
    s += two;
  }
  return s;
}

bool setRtc(const std::string &text) {
  for (size_t i = 0; i < sizeof host::world.rtc && 2 * i + 1 < text.size(); i++) {
    host::world.rtc[i] = static_cast<unsigned char>(strtoul(text.substr(2 * i, 2).c_str(), nullptr, 16));
  }
  return true;
}

// set does one command or option.
bool set(const std::string &name, const std::string &value) {
  host::World &w = host::world;
  if (name == "speed") return (w.speed = atof(value.c_str())) > 0;
  if (name == "shift") return w.shift = atoll(value.c_str()), true;
  if (name == "ntp") return w.ntp = value == "on", true;
  if (name == "wifi") return w.wifi = value == "on", w.wifiStuck = value == "stuck", true;
  if (name == "dht") return w.dht = value, true;
  if (name == "millis") return w.millis = static_cast<uint32_t>(strtoul(value.c_str(), nullptr, 10)), true;
  if (name == "readings") return w.readings = value, true;
  if (name == "read") return w.read = static_cast<unsigned>(atoi(value.c_str())), true;
  if (name == "reset") return w.reset = static_cast<uint32_t>(atoi(value.c_str())), true;
  if (name == "rtc") return setRtc(value);
  return false;
}

void command(const std::string &line) {
  if (line == "quit") {
    host::say("done quit");
    exit(0);
  }
  if (line.rfind("reboot ", 0) == 0) {
    host::say("done %s", line.c_str());
    host::reboot(static_cast<uint32_t>(atoi(line.c_str() + 7)));
  }
  size_t blank = line.find(' ');
  bool known = blank != std::string::npos && set(line.substr(0, blank), line.substr(blank + 1));
  host::say("%s %s", known ? "done" : "unknown", line.c_str());
}

void take(const char *data, size_t n) {
  waiting.append(data, n);
  for (size_t end; (end = waiting.find('\n')) != std::string::npos;) {
    std::string line = waiting.substr(0, end);
    waiting.erase(0, end + 1);
    command(line);
  }
}

}  // namespace

namespace host {

World world;

void say(const char *format, ...) {
  va_list args;
  va_start(args, format);
  printf("host: ");
  vprintf(format, args);
  printf("\n");
  va_end(args);
  fflush(stdout);
}

void obey(int64_t us) {
  pollfd in = {0, POLLIN, 0};
  timespec limit = {us / 1000000, us % 1000000 * 1000};
  if (ppoll(&in, 1, &limit, nullptr) <= 0) return;
  char data[512];
  ssize_t n = read(0, data, sizeof data);
  // Whoever started us is gone.
  if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) exit(0);
  if (n > 0) take(data, static_cast<size_t>(n));
}

void reboot(uint32_t reason) {
  say("reset %u", reason);
  auto text = [](auto v) { return std::to_string(v); };
  std::vector<std::string> args = {program[0],
                                   "--speed", text(world.speed), "--shift", text(world.shift + micros() / 1000000),
                                   "--ntp", world.ntp ? "on" : "off", "--wifi", world.wifi ? "on" : "off",
                                   "--dht", world.dht, "--readings", world.readings, "--read", text(world.read),
                                   "--rtc", hex(world.rtc, sizeof world.rtc), "--reset", text(reason)};
  std::vector<char *> argv;
  for (std::string &a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  execv("/proc/self/exe", argv.data());
  perror("execv");
  exit(1);
}

}  // namespace host

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  program.assign(argv, argv + argc);
  for (int i = 1; i < argc; i += 2) {
    if (strncmp(argv[i], "--", 2) != 0 || i + 1 >= argc || !set(argv[i] + 2, argv[i + 1])) {
      fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
  }
  setup();
  for (;;) loop();
}
