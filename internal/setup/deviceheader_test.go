package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/firmware/esp8266"
	"sluice/firmware/sketch"
)

var oddHeader = deviceHeader{
	user: "sensor0", password: "abcDEF123", wlan: `The "net" \ ??/ ` + "\u00e9\n1", wlanPassword: `?"\0`,
	host: "192.168.0.4", port: 8883, ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", fingerprint: "AA BB",
}

func TestHeaderIsReadBack(t *testing.T) {
	h := oddHeader
	h.own = "#define DHT_PIN 4\n"
	got := parseHeader(h.text())
	if got.user != h.user || got.password != h.password || got.wlan != h.wlan || got.wlanPassword != h.wlanPassword || got.own != h.own {
		t.Errorf("read back: %+v", got)
	}
	// A second header keeps what was filled in by hand.
	next := deviceHeader{user: "sensor0", password: "new"}.after(got)
	if next.wlan != h.wlan || next.wlanPassword != h.wlanPassword || next.own != h.own || next.password != "new" {
		t.Errorf("after it: %+v", next)
	}
	if first := (deviceHeader{}).after(deviceHeader{}); first.wlan != wlanPlace || first.wlanPassword != wlanPasswordPlace {
		t.Errorf("the first: %+v", first)
	}
}

func TestForeignHeadersAreRead(t *testing.T) {
	got := parseHeader([]byte("#define USUARIO \"a\\\"b\\\\c\"\n#define PASSWORD NOT_A_TEXT\n#define WLAN_SSID \"x\\q\"\n#define WLAN_PASS \"open\n"))
	if got != (deviceHeader{user: `a"b\c`}) {
		t.Errorf("%+v", got)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("#define USUARIO \"a\""), "x")
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		parseHeader(text)
		if got := cRead(cText(value)); got != value {
			t.Errorf("%q becomes %s and then %q", value, cText(value), got)
		}
	})
}

// The sketch compiles with the header, and has its texts.
func TestSketchTakesTheHeader(t *testing.T) {
	sketch.Need(t, esp8266.Missing(), esp8266.Packages)
	dir := t.TempDir()
	if _, err := esp8266.Build(dir, esp8266.Config{CA: "x", Host: "h", User: "u", Port: 1}); err != nil {
		t.Fatal(err)
	}
	header := oddHeader
	header.own = "#define SLEEP_TIME 2000\n"
	name := filepath.Join(dir, "build", "device", "secrets.h")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, header.text(), 0o600); err != nil {
		t.Fatal(err)
	}
	// For the chip, and as a program that runs here.
	if _, err := (sketch.Tools{}).Make(dir, "chip", "host", "NAME=device"); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(filepath.Join(dir, "build", "device", "sensor"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{header.password, header.wlan, header.wlanPassword, header.host, header.ca} {
		if !strings.Contains(string(program), text) {
			t.Errorf("the sketch does not have %q", text)
		}
	}
}
