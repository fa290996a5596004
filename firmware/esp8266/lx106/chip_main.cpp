// The unit tests on the chip's processor, in QEMU: output and exit go through the
// simulator's calls.
#include <string.h>

#include "../tests/check.h"

namespace {

enum { Exit = 1, Write = 4 };

int simulatorCall(int call, int a, int b, int c) {
  register int a2 __asm__("a2") = call;
  register int a3 __asm__("a3") = a;
  register int a4 __asm__("a4") = b;
  register int a5 __asm__("a5") = c;
  __asm__ volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
  return a2;
}

}  // namespace

extern "C" {
extern char bssBegin[], bssEnd[];
void chipMain();
}

void test::say(const char *text) {
  simulatorCall(Write, 1, reinterpret_cast<int>(text), static_cast<int>(strlen(text)));
}

void chipMain() {
  memset(bssBegin, 0, static_cast<size_t>(bssEnd - bssBegin));
  test::say("lx106: ");
  simulatorCall(Exit, test::runAll(2000), 0, 0);
  for (;;) {
  }
}
