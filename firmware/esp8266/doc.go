// Package esp8266 builds and drives the ESP8266 sketch of the folder sensor
// without the device, for tests. The sketch itself, its wiring and its settings
// are explained in README.md beside this file.
//
// The sketch reads a DHT22 and publishes humidity and temperature by MQTT over
// TLS. It is checked in three ways, none of which needs hardware:
//
//   - The chip's own compiler builds it, against the declarations in the folder
//     arduino (make chip).
//   - Its core (the MQTT client, the DHT22's decoder, deltas, waits) passes the
//     unit tests of the folder tests here, under sanitisers, and on the chip's
//     processor in QEMU (make test, test-san, test-chip).
//   - The whole sketch, the .ino included, is built as a Linux program on the
//     folder host: the Arduino API over POSIX sockets and BearSSL, the TLS library
//     of the chip, with a clock and a sensor that obey commands (make host).
//
// Build and Start give Go tests that program as a Sensor. What it prints is what
// the chip would print on its serial port; lines of the host's own begin with
// "host: ".
//
//	program, err := esp8266.Build(dir, esp8266.Config{Host: "127.0.0.1", Port: port,
//		User: "sensor0", Password: password, CA: pem})
//	sensor, err := esp8266.Start(program, esp8266.Options{Speed: 50})
//	err = sensor.SetReading(55.3, 21.4)
//	…
//	err = sensor.Stop()
//
// BearSSL looks at the DNS names of a certificate only: one for an address needs
// that address among them.
package esp8266
