package nspawn

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProbeIsReported(t *testing.T) {
	Needs(t)
	m := Machine{Root: Overlay(t, "/"), Out: t.TempDir(), Probe: `
check 'a good one' true
check 'a bad one' sh -c 'echo seen; false'
PATIENCE=1
await 'in time' test -e /proc
await 'too late' false
check 'a unit' is probe ActiveState activating
check 'machine is not this one' test ! -e /var/lib/sluice
`}
	m.Boot(t)
	want := "ok a good one\nFAIL a bad one: seen\nok in time\nFAIL too late: not within 1 s: false\nok a unit\nok machine is not this one\ndone\n"
	if got := m.Read("checks"); got != want {
		t.Errorf("checks: %q, want %q", got, want)
	}
	if !strings.Contains(m.Read("journal"), "probe.service") || !strings.Contains(m.Read("trace"), "a good one") {
		t.Error("no journal, or no trace")
	}
}

// A probe that hangs is ended with all that runs in its system.
func TestNothingOutlivesTheLimit(t *testing.T) {
	Needs(t)
	m := Machine{Root: Overlay(t, "/"), Out: t.TempDir(), Probe: "check 'begun' true\nsleep 98765", Limit: 20 * time.Second}
	m.Boot(t)
	if got := m.Read("checks"); got != "ok begun\n" {
		t.Errorf("checks: %q", got)
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range commands {
		if text, _ := os.ReadFile(file); bytes.Equal(text, []byte("sleep\x0098765\x00")) {
			t.Errorf("%s lives on", filepath.Dir(file))
		}
	}
}
