// The way to the broker: WiFi, a clock that can be trusted, TLS, MQTT. Each is
// made anew with a growing wait whenever it is lost.
#pragma once

#include <Arduino.h>
#include <ESP8266WiFi.h>
#include <WiFiClientSecure.h>

#include "mqtt.h"
#include "timing.h"

// LinkSettings must outlive the link, with all its texts.
struct LinkSettings {
  const char *ssid;
  const char *password;
  const char *host;
  uint16_t port;
  const char *ca;           // certificates in PEM; null with a fingerprint
  const char *fingerprint;  // SHA-1 of the broker's certificate, or null
  const char *ntp;
  uint32_t built;            // seconds since 1970; no clock before it is believed
  uint32_t clockWaitMillis;  // after so long without NTP use built; 0: wait for ever
};

// Link owns the connection. Only opening it takes time: the TCP connection and
// the TLS handshake are one call of the chip's library, seconds at worst.
class Link : public mqtt::Transport {
 public:
  Link(const LinkSettings &settings, const mqtt::Options &options);

  // begin switches the radio on.
  void begin(uint32_t now);
  // poll does what is next. Call it often.
  void poll(uint32_t now);
  // finish ends everything in good order; the will is not published.
  void finish(uint32_t now);

  mqtt::Client client;

  uint32_t wifiCount() const { return wifiCount_; }
  uint32_t mqttCount() const { return mqttCount_; }
  int32_t tlsError() const { return tlsError_; }
  // lastFailure is why the newest connection that is over ended.
  const char *lastFailure() const { return lastFailure_; }

  int read(uint8_t *data, size_t size) override;
  bool write(const uint8_t *data, size_t size) override;
  void close() override;

 private:
  bool wifiUp(uint32_t now);
  bool clockReady(uint32_t now);
  void connect(uint32_t now);
  void watch(uint32_t now);
  void retry(uint32_t now);
  static uint32_t chance();

  const LinkSettings &settings_;
  BearSSL::X509List anchors_;
  BearSSL::WiFiClientSecure tls_;
  Backoff wifiBackoff_, backoff_;
  Wait wifiWait_, retryWait_, clockWord_;
  bool wifiIsUp_ = false;
  bool wasConnected_ = false;
  mqtt::State seen_ = mqtt::State::Closed;
  uint32_t wifiSince_ = 0;
  uint32_t connectedSince_ = 0;
  uint32_t wifiCount_ = 0;
  uint32_t mqttCount_ = 0;
  int32_t tlsError_ = 0;
  const char *lastFailure_ = "none";
};
