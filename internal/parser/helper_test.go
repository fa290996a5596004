package parser

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/event"
)

var testTime = time.Date(2026, 11, 21, 19, 43, 39, 0, time.UTC)

// entry makes one parser of a list.
func entry[T any](kind string, set func(*T)) Entry {
	var e Entry
	o := e.Choose(kind).(*T)
	if set != nil {
		set(o)
	}
	return e
}

func fromList(t testing.TB, maxBytes int, list ...Entry) *Program {
	t.Helper()
	p, err := CompileFilestream(list, maxBytes, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fromLog(t testing.TB, maxBytes int, json *JSONConfig, m *MultilineConfig, c *ContainerConfig) *Program {
	t.Helper()
	p, err := CompileLog(json, m, c, maxBytes, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// out is what a chain emitted.
type out struct {
	line  Line
	text  string
	event string // empty for a blank line
}

func (o out) String() string {
	if o.event == "" {
		return fmt.Sprintf("blank to %d", o.line.End)
	}
	return fmt.Sprintf("%d-%d %s", o.line.Start, o.line.End, o.event)
}

// collect copies what is emitted.
func collect(list *[]out) Emit {
	return func(l *Line) bool {
		o := out{line: *l, text: string(l.Text)}
		if !l.Blank() {
			o.event = eventOf(l)
		}
		*list = append(*list, o)
		return true
	}
}

// eventOf is the event of a line, without what is the same in all.
func eventOf(l *Line) string {
	log := map[string]any{"offset": l.Offset, "file": map[string]any{"path": "/f"}}
	if len(l.Flags) > 0 {
		log["flags"] = l.Flags
	}
	e := event.Event{Time: l.Time, Fields: map[string]any{"message": string(l.Text), "log": log, "input": map[string]any{"type": "x"}}}
	l.Apply(&e)
	if log, ok := e.Fields["log"].(map[string]any); ok {
		if file, ok := log["file"].(map[string]any); ok && len(file) == 1 && file["path"] == "/f" {
			delete(log, "file")
		}
	}
	if in, ok := e.Fields["input"].(map[string]any); ok && len(in) == 1 {
		delete(e.Fields, "input")
	}
	if id, ok := e.Meta["_id"]; ok {
		e.Fields["@id"] = id
	}
	if !e.Time.Equal(testTime) {
		e.Fields["@timestamp"] = e.Time
	}
	return string(event.AppendJSON(nil, e.Fields, false))
}

// addLines hands the lines of a text that stands at an offset to a chain.
func addLines(c *Chain, text string, offset int64, now time.Time, emit Emit) {
	for line := range bytes.Lines([]byte(text)) {
		start := offset
		offset += int64(len(line))
		line = bytes.TrimSuffix(line, []byte("\n"))
		c.Add(&Line{Text: line, Start: start, End: offset, Offset: start, Time: testTime}, now, emit)
		for i := range line {
			line[i] = '#' // the buffer is used again
		}
	}
}

// through returns what a program makes of a text; with expire also what comes
// after every timeout.
func through(p *Program, text string, expire bool) (list []out) {
	c := p.New()
	addLines(c, text, 0, testTime, collect(&list))
	if expire {
		c.Expire(testTime.Add(time.Hour), collect(&list))
	}
	return list
}

func check(t *testing.T, name string, got []out, want ...string) {
	t.Helper()
	for i, o := range got {
		switch {
		case i >= len(want):
			t.Errorf("%s: surplus %s", name, o)
		case o.String() != want[i]:
			t.Errorf("%s: got\n%s\nwant\n%s", name, o, want[i])
		}
	}
	for _, w := range want[min(len(got), len(want)):] {
		t.Errorf("%s: missing %s", name, w)
	}
}
