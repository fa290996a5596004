// Our declarations of the core's WiFi library: see Arduino.h.
#pragma once

#include <Arduino.h>

enum WiFiMode_t { WIFI_OFF = 0, WIFI_STA = 1 };
enum wl_status_t { WL_IDLE_STATUS = 0, WL_CONNECTED = 3, WL_DISCONNECTED = 7 };

class ESP8266WiFiClass {
 public:
  void persistent(bool persistent);
  bool mode(WiFiMode_t mode);
  bool setAutoReconnect(bool reconnect);
  wl_status_t begin(const char *ssid, const char *password);
  bool disconnect(bool wifiOff = false);
  wl_status_t status();
  int8_t RSSI();
};
extern ESP8266WiFiClass WiFi;
