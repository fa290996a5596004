package avr

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sluice/config"
)

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

// Every line that is shown anywhere is one that the sketch could say.
func TestShownLinesAreRight(t *testing.T) {
	shown := regexp.MustCompile(`(?m)(\{"t":|t=\w+ seq=).*\*[0-9A-F]{2}$`)
	n := 0
	for _, path := range []string{"README.md", "sensor/sensor.ino", "sensor/line.h"} {
		for _, line := range shown.FindAllString(text(t, path), -1) {
			n++
			if _, err := parse(line); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if n < 8 {
		t.Errorf("%d lines found", n)
	}
}

func TestEverySettingIsInTheReadme(t *testing.T) {
	readme := text(t, "README.md")
	settings := regexp.MustCompile(`(?m)^#ifndef (\w+)\n#define \w+ (.*)$`).FindAllStringSubmatch(text(t, "sensor/sensor.ino"), -1)
	if len(settings) != 6 {
		t.Errorf("%d settings found", len(settings))
	}
	for _, s := range settings {
		if !strings.Contains(readme, "| `"+s[1]+"` | `"+s[2]+"` |") {
			t.Errorf("README.md lacks %s with its default %s", s[1], s[2])
		}
	}
}

func TestConfigurationOfTheReadme(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text(t, "README.md"), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d YAML blocks found", len(blocks))
	}
	cfg, err := config.Parse("README.md", []byte(blocks[0][1]))
	must(t, err)
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings %q", cfg.Warnings)
	}
	if s := cfg.Recorder.Serial; len(s) != 1 || s[0].BaudRate != 115200 || s[0].Checksum != "xor" {
		t.Errorf("the recorder reads %+v", s)
	}
}
