package parser_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/event"
	"sluice/internal/parser"
	"sluice/tailer"
)

// goldenCases are inputs with the events that a real Filebeat 9.0 made of them.
const goldenCases = "../golden/testdata/inputs"

func TestGoldenCasesThroughTheParsers(t *testing.T) {
	ran := 0
	for _, group := range []string{"json-*", "multiline-*", "parser-*", "container-*"} {
		cases, err := filepath.Glob(filepath.Join(goldenCases, group, "filebeat.yml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range cases {
			ran++
			dir := filepath.Dir(path)
			t.Run(filepath.Base(dir), func(t *testing.T) { runGolden(t, dir) })
		}
	}
	if ran < 35 {
		t.Errorf("only %d cases found", ran)
	}
}

func runGolden(t *testing.T, dir string) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	input := filepath.Join(dir, "input")
	t.Setenv("CASE", input)
	t.Setenv("OUT", t.TempDir())
	text, err := os.ReadFile(filepath.Join(dir, "filebeat.yml"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("filebeat.yml", text)
	if err != nil {
		t.Fatal(err)
	}
	timed := keepsTime(t, dir)
	var got []string
	for i := range c.Filebeat.Inputs {
		got = append(got, runInput(t, &c.Filebeat.Inputs[i], timed)...)
	}
	want := expected(t, dir, input)
	slices.Sort(got)
	slices.Sort(want)
	for _, e := range without(want, got) {
		t.Errorf("missing  %s", e)
	}
	for _, e := range without(got, want) {
		t.Errorf("surplus  %s", e)
	}
}

func without(list, others []string) (left []string) {
	others = slices.Clone(others)
	for _, e := range list {
		if at := slices.Index(others, e); at >= 0 {
			others = slices.Delete(others, at, at+1)
			continue
		}
		left = append(left, e)
	}
	return left
}

func keepsTime(t *testing.T, dir string) bool {
	var e struct{ Keep []string }
	data, err := os.ReadFile(filepath.Join(dir, "expect.json"))
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(e.Keep, "@timestamp")
}

// expected returns the recorded events in the form of render.
func expected(t *testing.T, dir, input string) (events []string) {
	data, err := os.ReadFile(filepath.Join(dir, "expected.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.ReplaceAll(data, []byte("$CASE"), []byte(input))
	for line := range bytes.Lines(data) {
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, render(t, e))
	}
	return events
}

// render drops what the parsers have no part in.
func render(t *testing.T, e map[string]any) string {
	delete(e, "@metadata")
	if reflect.DeepEqual(e["agent"], map[string]any{"name": "$HOST", "type": "filebeat"}) {
		delete(e, "agent")
	}
	if reflect.DeepEqual(e["host"], map[string]any{"name": "$HOST"}) {
		delete(e, "host")
	}
	delete(e, "ecs")
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), `:-0,`, `:0,`)
}

// compile makes an input's parsers as the tailer does.
func compile(t *testing.T, in *tailer.InputConfig) (*parser.Program, time.Duration) {
	var p *parser.Program
	var err error
	if in.Type == tailer.TypeFilestream {
		p, err = parser.CompileFilestream(in.Parsers, in.MessageMaxBytes, zerolog.Nop())
	} else {
		var container *parser.ContainerConfig
		if in.Type == tailer.TypeContainer {
			container = &parser.ContainerConfig{Stream: in.Stream, Format: in.Format}
		}
		p, err = parser.CompileLog(in.JSON, in.Multiline, container, in.MaxBytes, zerolog.Nop())
	}
	if err != nil {
		t.Fatal(err)
	}
	return p, time.Hour
}

func runInput(t *testing.T, in *tailer.InputConfig, timed bool) (events []string) {
	program, late := compile(t, in)
	for _, glob := range in.Paths {
		paths, err := filepath.Glob(glob)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s finds %v, %v", glob, paths, err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if target, ok := strings.CutPrefix(string(data), "../"); ok { // stands for a link
				if data, err = os.ReadFile(filepath.Join(filepath.Dir(path), "..", target)); err != nil {
					t.Fatal(err)
				}
			}
			chain := program.New()
			emit := func(l *parser.Line) bool {
				if !l.Blank() && wants(in, l.FilterText()) {
					events = append(events, render(t, document(t, in, path, l, timed)))
				}
				return true
			}
			now := time.Unix(1e9, 0)
			feed(chain, data, 0, now, emit)
			chain.Expire(now.Add(late), emit)
		}
	}
	return events
}

// feed hands the lines of a file from an offset on to a chain.
func feed(chain *parser.Chain, data []byte, offset int64, now time.Time, emit parser.Emit) bool {
	for line := range bytes.Lines(data[offset:]) {
		start := offset
		offset += int64(len(line))
		text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		text = bytes.Clone(bytes.TrimPrefix(text, []byte("\ufeff")))
		ok := chain.Add(&parser.Line{Text: text, Start: start, End: offset, Offset: start, Time: now}, now, emit)
		for i := range text {
			text[i] = '#' // the buffer is used again
		}
		if !ok {
			return false
		}
	}
	return true
}

func wants(in *tailer.InputConfig, text []byte) bool {
	match := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return regexp.MustCompile(p).Match(text) })
	}
	return (len(in.IncludeLines) == 0 || match(in.IncludeLines)) && !match(in.ExcludeLines)
}

// document makes the event of a line as the tailer does.
func document(t *testing.T, in *tailer.InputConfig, path string, l *parser.Line, timed bool) map[string]any {
	log := map[string]any{"offset": l.Offset, "file": map[string]any{"path": path}}
	if len(l.Flags) > 0 {
		log["flags"] = l.Flags
	}
	e := &event.Event{Time: l.Time, Fields: map[string]any{"message": string(l.Text), "log": log, "input": map[string]any{"type": in.Type}}}
	l.Apply(e)
	if tags, there := e.Fields["tags"]; len(in.Tags) > 0 {
		list, isList := tags.([]any)
		for _, tag := range in.Tags {
			list = append(list, tag)
		}
		if isList || !there {
			e.Fields["tags"] = list
		}
	}
	if in.FieldsUnderRoot {
		event.Merge(e.Fields, in.Fields, true)
	}
	event.Merge(e.Fields, map[string]any{"agent": map[string]any{"name": "$HOST", "type": "filebeat"}}, false)
	event.Merge(e.Fields, map[string]any{"host": map[string]any{"name": "$HOST"}}, false)
	if !in.KeepNull {
		event.DropNulls(e.Fields)
	}
	var out map[string]any
	if err := json.Unmarshal(e.AppendJSON(nil, event.Base{}, false), &out); err != nil {
		t.Fatal(err)
	}
	if !timed {
		delete(out, "@timestamp")
	}
	return out
}
