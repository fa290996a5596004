package processor

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/event"
)

// start is the time of the tests' events.
var start = time.Date(2026, 11, 21, 19, 43, 39, 0, time.UTC)

// fields reads the fields of an event from JSON.
func fields(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := event.FromJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v.(map[string]any)
}

// run runs a processor over an event of these fields and returns them, what
// @metadata holds, and the error.
func run(t *testing.T, o options, text string) (after, meta string, err error) {
	t.Helper()
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := o.compile(Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	e := &event.Event{Time: start, Fields: fields(t, text)}
	drop, err := s.run(e)
	if drop {
		return "dropped", "", err
	}
	return string(event.AppendJSON(nil, e.Fields, false)), string(event.AppendJSON(nil, e.Meta, false)), err
}

// same compares two texts that are JSON.
func same(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if json.Unmarshal([]byte(got), &g) == nil && json.Unmarshal([]byte(want), &w) == nil {
		a, _ := json.Marshal(g)
		b, _ := json.Marshal(w)
		got, want = string(a), string(b)
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// with makes a kind's options with its defaults and changes them.
func with[T any](t *testing.T, kind string, set func(o *T)) *T {
	t.Helper()
	o, ok := any(kindOf(kind)()).(*T)
	if !ok {
		t.Fatalf("%s has other options", kind)
	}
	if set != nil {
		set(o)
	}
	return o
}
