// Our declarations of the core's TLS client, which is BearSSL: see Arduino.h.
#pragma once

#include <Arduino.h>
#include <time.h>

namespace BearSSL {

struct Anchors;
struct Engine;

class X509List {
 public:
  X509List();
  ~X509List();
  X509List(const X509List &) = delete;
  X509List &operator=(const X509List &) = delete;
  bool append(const char *pem);

 private:
  friend class WiFiClientSecure;
  Anchors *anchors_;
};

class WiFiClientSecure {
 public:
  WiFiClientSecure();
  ~WiFiClientSecure();
  WiFiClientSecure(const WiFiClientSecure &) = delete;
  WiFiClientSecure &operator=(const WiFiClientSecure &) = delete;
  void setTrustAnchors(const X509List *anchors);
  bool setFingerprint(const char *sha1);
  void setX509Time(time_t now);
  void setBufferSizes(int receive, int send);
  void setTimeout(unsigned long ms);
  int connect(const char *host, uint16_t port);
  uint8_t connected();
  int available();
  int read(uint8_t *data, size_t size);
  size_t write(const uint8_t *data, size_t size);
  void stop();
  int getLastSSLError(char *text = nullptr, size_t size = 0);

 private:
  Engine *engine_;
};

}  // namespace BearSSL
