// The other end of the client in tests: it keeps what was written and hands out
// what it was given.
#pragma once

#include <string.h>

#include "mqtt.h"

class Broker : public mqtt::Transport {
 public:
  uint8_t wrote[2048];
  size_t wroteSize = 0;
  uint8_t toRead[512];
  size_t readSize = 0, readAt = 0;
  bool ended = false;
  bool refuseWrites = false;
  unsigned closed = 0;

  int read(uint8_t *data, size_t size) override {
    size_t n = readSize - readAt;
    if (n == 0) return ended ? -1 : 0;
    if (n > size) n = size;
    memcpy(data, toRead + readAt, n);
    readAt += n;
    return static_cast<int>(n);
  }
  bool write(const uint8_t *data, size_t size) override {
    if (refuseWrites || size > sizeof wrote - wroteSize) return false;
    memcpy(wrote + wroteSize, data, size);
    wroteSize += size;
    return true;
  }
  void close() override { closed++; }

  // answer lets the client read these bytes next.
  void answer(const void *data, size_t size) {
    memcpy(toRead, data, size);
    readSize = size;
    readAt = 0;
  }
  // wants tells whether exactly these bytes were written since it was last asked.
  bool wants(const void *data, size_t size) {
    bool same = size == wroteSize && memcmp(data, wrote, size) == 0;
    wroteSize = 0;
    return same;
  }
};
