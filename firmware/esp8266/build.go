package esp8266

import (
	"embed"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"sluice/firmware/sketch"
)

// sources holds all that make needs. Embedding it makes the test cache see a
// change of the sketch.
//
//go:embed Makefile sensor/*.ino sensor/*.h sensor/*.cpp arduino host lx106 tests
var sources embed.FS

// Packages are the Debian packages with the tools that building and testing
// take.
const Packages = "g++ make libbearssl-dev gcc-xtensa-lx106 picolibc-xtensa-lx106-elf qemu-system-misc mosquitto mosquitto-clients"

var tools = sketch.Tools{
	Programs: []string{"g++", "make", "timeout", "xtensa-lx106-elf-g++", "qemu-system-xtensa", "mosquitto", "mosquitto_passwd"},
	Files:    []string{"/usr/include/bearssl.h", "/usr/lib/xtensa-lx106-elf/include/stdint.h"},
	Packages: Packages,
}

// Missing names the tools that this machine lacks, or is nil. They are in
// Packages.
func Missing() []string { return tools.Missing() }

// Config is what a sketch is built with.
type Config struct {
	// Host is the broker's name or address as its certificate has it among its
	// DNS names; Port its TLS port.
	Host string
	Port int
	// User and Password are the device's at the broker. The topics begin with
	// User unless Settings has a PREFIX.
	User, Password string
	// CA is the certificate, in PEM, that signed the broker's. With a Fingerprint
	// (SHA-1 in hex) it is not used.
	CA, Fingerprint string
	// Settings are further settings of sensor.ino, as C++ source: "SLEEP_TIME":
	// "2000", "NTP_SERVER": `"192.168.0.4"`.
	Settings map[string]string
	// Sanitize builds with the address and undefined behaviour sanitisers.
	Sanitize bool
}

// building keeps two builds from writing the same objects.
var building sync.Mutex

// Build builds the sketch as a program for this machine and returns its path. All
// files are below dir; a second build there compiles the sketch only.
func Build(dir string, c Config) (string, error) {
	secrets, err := c.secrets()
	if err != nil {
		return "", err
	}
	name := sketch.Name(secrets, c.Sanitize)
	building.Lock()
	defer building.Unlock()
	if err := unpack(dir); err != nil {
		return "", err
	}
	if err := sketch.WriteChanged(filepath.Join(dir, "build", name, "secrets.h"), []byte(secrets)); err != nil {
		return "", err
	}
	args := []string{"host", "NAME=" + name}
	if c.Sanitize {
		args = append(args, "SANITIZE=1")
	}
	if _, err := tools.Make(dir, args...); err != nil {
		return "", err
	}
	return filepath.Join(dir, "build", name, "sensor"), nil
}

// secrets is the text of secrets.h.
func (c Config) secrets() (string, error) {
	if c.CA == "" && c.Fingerprint == "" {
		return "", errors.New("esp8266: neither CA nor Fingerprint is set")
	}
	var b strings.Builder
	b.WriteString("#pragma once\n")
	text := func(name, value string) {
		fmt.Fprintf(&b, "#define %s %s\n", name, quote(value))
	}
	text("WLAN_SSID", "a WLAN")
	text("WLAN_PASS", "its password")
	text("IP_BROKER", c.Host)
	text("USUARIO", c.User)
	text("PASSWORD", c.Password)
	fmt.Fprintf(&b, "#define PUERTO_BROKER %d\n", c.Port)
	if c.Fingerprint != "" {
		text("FINGERPRINT", c.Fingerprint)
	} else {
		fmt.Fprintf(&b, "static const char CA_CERT[] PROGMEM = %s;\n", quote(c.CA))
	}
	b.WriteString(sketch.Defines(c.Settings))
	return b.String(), nil
}

// quote makes a C string literal. Octal escapes have a fixed length, unlike hex.
func quote(s string) string {
	b := []byte{'"'}
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '?' {
			b = fmt.Appendf(b, "\\%03o", c)
		} else {
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// unpack writes the sources below dir. Whoever flashes a device from this tree has
// a secrets.h of theirs, which is not for tests.
func unpack(dir string) error { return sketch.Unpack(sources, dir, "sensor/secrets.h") }
