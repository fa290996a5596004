// Package firmware_test checks what the READMEs of the firmware promise.
package firmware_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sluice/config"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the code blocks of a kind.
func blocks(text, kind string) (all []string) {
	for _, m := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

var readmes = []string{"README.md", "avr/README.md", "esp8266/README.md", "../README.md"}

// Files and folders that are linked, or named as code with a slash, are there.
func TestPathsExist(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	code := regexp.MustCompile("`((?:avr|esp8266|sensor|board|host|arduino|sketch|internal|firmware)/[\\w./-]*)`")
	for _, readme := range readmes {
		text, n := read(t, readme), 0
		for _, m := range append(link.FindAllStringSubmatch(text, -1), code.FindAllStringSubmatch(text, -1)...) {
			n++
			if strings.HasSuffix(m[1], "secrets.h") { // who flashes makes it
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(readme), m[1])); err != nil {
				t.Errorf("%s names %s: %v", readme, m[1], err)
			}
		}
		if n == 0 {
			t.Errorf("%s: no path found", readme)
		}
	}
}

// Every target of make that is named exists in the Makefile it is said to be in.
func TestMakeTargetsExist(t *testing.T) {
	command := regexp.MustCompile(`(?m)(?:^|` + "`" + `)make\b((?: +-C \S+)?)((?: [a-z][a-z-]*)*)`)
	for _, readme := range readmes {
		text := read(t, readme)
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			dir := filepath.Dir(readme)
			if in := strings.TrimPrefix(strings.TrimSpace(m[1]), "-C "); in != "" {
				dir = filepath.Join(dir, in)
			} else if strings.Contains(m[2], "deps") {
				dir = ".."
			}
			for _, target := range strings.Fields(m[2]) {
				rule := regexp.MustCompile("(?m)^" + target + ":")
				if !rule.MatchString(read(t, filepath.Join(dir, "Makefile"))) {
					t.Errorf("%s: make %s: no such target in %s/Makefile", readme, target, dir)
				}
			}
		}
	}
}

func TestConfiguration(t *testing.T) {
	t.Setenv("MQTT_PASSWORD", "secret")
	all := blocks(read(t, "README.md"), "yaml")
	if len(all) != 1 {
		t.Fatalf("%d YAML blocks", len(all))
	}
	cfg, err := config.Parse("README.md", []byte(all[0]))
	if err != nil || len(cfg.Warnings) > 0 {
		t.Fatalf("%v, warnings %q", err, cfg.Warnings)
	}
	baud := regexp.MustCompile(`#define BAUD (\d+)`).FindStringSubmatch(read(t, "avr/sensor/sensor.ino"))[1]
	if s := cfg.Recorder.Serial; len(s) != 1 || baud != "115200" || s[0].BaudRate != 115200 || s[0].Checksum != "xor" {
		t.Errorf("serial ports %+v, the sketch has %s baud", s, baud)
	}
	if m := cfg.Recorder.MQTT; len(m) != 1 || len(m[0].Topics) != 1 || m[0].Topics[0].Topic != "sensor0/#" {
		t.Errorf("brokers %+v", m)
	}
}

// Every setting of the sketch is in its table, with its default.
func TestSettingsOfTheESP8266(t *testing.T) {
	readme := read(t, "esp8266/README.md")
	settings := regexp.MustCompile(`(?m)^#ifndef (\w+)\n#define \w+ (.*)$`).FindAllStringSubmatch(read(t, "esp8266/sensor/sensor.ino"), -1)
	if len(settings) < 18 {
		t.Errorf("%d settings found", len(settings))
	}
	for _, s := range settings {
		if s[1] == "BUILD_EPOCH" { // for tests
			continue
		}
		row := regexp.MustCompile("(?m)^\\| [^|]*`" + s[1] + "`[^|]*\\|([^|]*)\\|").FindStringSubmatch(readme)
		if row == nil || !strings.Contains(row[1], "`"+s[2]+"`") {
			t.Errorf("esp8266/README.md lacks %s with its default %s: %q", s[1], s[2], row)
		}
	}
}
