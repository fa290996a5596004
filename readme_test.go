package sluice_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"sluice/config"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// What the README shows is accepted as it stands.
func TestConfigurationsOfTheReadmeAreAccepted(t *testing.T) {
	t.Setenv("MQTT_PASSWORD", "secret")
	t.Setenv("ELASTIC_API_KEY", "id:key")
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(text, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d YAML blocks found", len(blocks))
	}
	for _, b := range blocks {
		cfg, err := config.Parse("README.md", b[1])
		if err != nil {
			t.Errorf("%v\nin\n%s", err, b[1])
		} else if len(cfg.Warnings) > 0 {
			t.Errorf("warnings %q for\n%s", cfg.Warnings, b[1])
		}
	}
}

// The targets that the README names exist.
func TestMakeTargetsOfTheReadmeExist(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^make ([a-z][a-z-]*)`).FindAllSubmatch(text, -1) {
		if !bytes.Contains(makefile, append([]byte("\n"), append(m[1], ':')...)) {
			t.Errorf("make %s is no target of the Makefile", m[1])
		}
	}
	if !strings.Contains(string(text), "make test") {
		t.Error("the README doesn't name the test command")
	}
}
