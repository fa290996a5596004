// Copy this file to secrets.h and fill it in; git ignores secrets.h. Any setting
// at the top of sensor.ino can be set here as well, and then wins: so one sketch
// serves many devices.
#pragma once

#include <Arduino.h>

#define WLAN_SSID "name of the WLAN"
#define WLAN_PASS "its password"

// A user of the broker's own for each device: see mosquitto_passwd(1).
#define USUARIO "sensor0"
#define PASSWORD "long and by chance"

// The certificate of the CA that signed the broker's: cat ca.crt
static const char CA_CERT[] PROGMEM = R"PEM(
-----BEGIN CERTIFICATE-----
-----END CERTIFICATE-----
)PEM";

// Instead of the CA: the SHA-1 fingerprint of the broker's certificate, from
// openssl x509 -noout -fingerprint -in broker.crt. README.md tells why not to.
// #define FINGERPRINT "34 09 42 B2 …"
