package recorder

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// Whoever waits for data in the index learns why there is none.
func TestHeldRecordsAreTold(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a")
	var log bytes.Buffer
	times := p.reader()
	times.log = zerolog.New(&log)
	for range 3 {
		times.Segment(filepath.Join(p.dir, "mqtt-0000000001.log")).Ready(0)
	}
	if n := strings.Count(log.String(), "clock is not synchronised"); n != 1 || !strings.Contains(log.String(), `"at_most":"9m39s"`) {
		t.Errorf("log\n%s", &log)
	}
}

func TestDamagedClockTableIsToldOnce(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a")
	must(t, os.WriteFile(filepath.Join(p.dir, "mqtt.clock.json"), []byte("{"), 0o640))
	var log bytes.Buffer
	times := p.reader()
	times.log = zerolog.New(&log)
	for range 3 {
		times.Segment(filepath.Join(p.dir, "mqtt-0000000001.log"))
	}
	if n := strings.Count(log.String(), "unreadable"); n != 1 {
		t.Errorf("told %d times:\n%s", n, &log)
	}
}

// A table of the same length that was replaced within the grain of the file
// system's times is read.
func TestReplacedClockTableIsRead(t *testing.T) {
	p := newPi(t, "%U %p")
	p.record("a")
	times := p.reader()
	segment, path := filepath.Join(p.dir, "mqtt-0000000001.log"), filepath.Join(p.dir, "mqtt.clock.json")
	if times.Segment(segment).Ready(0) != 0 {
		t.Fatal("not held")
	}
	info, err := os.Stat(path)
	must(t, err)
	b, err := os.ReadFile(path)
	must(t, err)
	b = bytes.Replace(b, []byte(`"held": true`), []byte(`"heId": true`), 1)
	must(t, os.WriteFile(path+".new", b, 0o640))
	must(t, os.Chtimes(path+".new", info.ModTime(), info.ModTime()))
	must(t, os.Rename(path+".new", path))
	if times.Segment(segment) != nil {
		t.Error("the old table is still taken for the present one")
	}
}

func TestWordsOfClockHold(t *testing.T) {
	for word, want := range map[string]string{
		"": holdAuto, "AUTO": holdAuto, "true": holdTrue, "True": holdTrue, "yes": holdTrue, "on": holdTrue, "false": holdFalse, "no": holdFalse, "Off": holdFalse,
	} {
		if got := (ClockConfig{Hold: word}).filled().Hold; got != want {
			t.Errorf("%q is %q, want %q", word, got, want)
		}
	}
	c := DefaultConfig()
	c.Clock.Hold = "maybe"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `clock.hold: "maybe" is not known; use auto, true or false`) {
		t.Errorf("error %v", err)
	}
}
