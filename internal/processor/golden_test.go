package processor_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/event"
	"sluice/internal/processor"
)

const goldenCases = "../golden/testdata/processors"

// onPurpose are the cases in which Filebeat loses events and we don't, with
// the number of events that we keep.
var onPurpose = map[string]int{
	"fingerprint-of-map":      1,
	"fingerprint-value-types": 2,
}

// host stands for the machine's name, folder for the case's.
const (
	host   = "$HOST"
	folder = "$CASE"
)

// The processors do with the recorded lines what a real Filebeat 9.0 did. The
// program around them is not needed for that: what the input does is done
// here, in Filebeat's order.
func TestGoldenProcessors(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(goldenCases, "*", "filebeat.yml"))
	if err != nil || len(cases) < 80 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) { runGolden(t, dir) })
	}
}

// expectation is what matters here of expect.json.
type expectation struct {
	Env  map[string]string
	Keep []string
}

func runGolden(t *testing.T, dir string) {
	var want expectation
	if text, err := os.ReadFile(filepath.Join(dir, "expect.json")); err == nil {
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
	}
	if zone, ok := want.Env["TZ"]; ok {
		local, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		defer func(old *time.Location) { time.Local = old }(time.Local)
		time.Local = local
	}
	t.Setenv("CASE", folder)
	t.Setenv("OUT", t.TempDir())
	text, err := os.ReadFile(filepath.Join(dir, "filebeat.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var kept [][]byte
	for line := range bytes.Lines(text) { // whatever the output is: none is used
		if !bytes.HasPrefix(line, []byte("output.")) {
			kept = append(kept, line)
		}
	}
	kept = append(kept, []byte("\noutput.logstash.hosts: [localhost]\n"))
	cfg, err := config.Parse("filebeat.yml", bytes.Join(kept, nil))
	if err != nil {
		t.Fatal(err)
	}
	got := events(t, cfg, filepath.Join(dir, "input"), want.Keep)
	lines, err := os.ReadFile(filepath.Join(dir, "expected.ndjson"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	compareGolden(t, got, lines, onPurpose[filepath.Base(dir)])
}

// compareGolden compares events in any order; more is how many of ours
// Filebeat lost.
func compareGolden(t *testing.T, got []string, lines []byte, more int) {
	t.Helper()
	var want []string
	for line := range bytes.Lines(lines) {
		want = append(want, canonical(t, line, nil))
	}
	slices.Sort(got)
	slices.Sort(want)
	if more > 0 {
		if len(got) != len(want)+more {
			t.Fatalf("%d events, want %d and %d more", len(got), len(want), more)
		}
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("lacks %s", w)
			}
		}
		return
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// volatile fields change from run to run.
var volatile = []string{"@timestamp", "agent.id", "agent.ephemeral_id", "agent.version", "ecs.version", "@metadata.version", "@metadata._id"}

// canonical is an event without what changes, with sorted names.
func canonical(t *testing.T, line []byte, keep []string) string {
	t.Helper()
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	for _, name := range volatile {
		if keep != nil && !slices.Contains(keep, name) {
			_ = event.Delete(m, name)
		}
	}
	return string(event.AppendJSON(nil, m, false))
}

// events runs the lines of the files through the processors.
func events(t *testing.T, cfg *config.Config, dir string, keep []string) (all []string) {
	t.Helper()
	in := &cfg.Filebeat.Inputs[0]
	env := processor.Env{Log: zerolog.Nop(), DataPath: t.TempDir()}
	own, err := processor.Compile(in.Processors, env)
	if err != nil {
		t.Fatal(err)
	}
	global, err := processor.Compile(cfg.Processors, env)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	base := event.Base{Beat: "filebeat", Type: "_doc", Version: "9.0.0"}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		offset := 0
		for line := range bytes.Lines(text) {
			message := strings.TrimSuffix(string(line), "\n")
			e := lineEvent(message, offset, folder+"/"+filepath.Base(file), in.JSON != nil)
			offset += len(line)
			if message == "" {
				continue
			}
			addGeneral(e, cfg)
			event.DropNulls(e.Fields)
			if !own.Run(e) {
				continue
			}
			event.Merge(e.Fields, map[string]any{"agent": map[string]any{"name": host, "type": "filebeat"}, "ecs": map[string]any{"version": "8.0.0"}}, false)
			event.Merge(e.Fields, map[string]any{"host": map[string]any{"name": host}}, true)
			if global.Run(e) {
				all = append(all, canonical(t, e.AppendJSON(nil, base, false), append([]string{}, keep...)))
			}
		}
	}
	for _, c := range []*processor.Chain{own, global} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	return all
}

// lineEvent is what the log input makes of a line.
func lineEvent(message string, offset int, path string, decode bool) *event.Event {
	e := &event.Event{Time: time.Now(), Fields: map[string]any{
		"log":   map[string]any{"offset": int64(offset), "file": map[string]any{"path": path}},
		"input": map[string]any{"type": "log"},
	}}
	object, err := event.FromJSON([]byte(message))
	if m, ok := object.(map[string]any); ok && err == nil && decode {
		event.Merge(e.Fields, m, true)
		return e
	}
	e.Fields["message"] = message
	return e
}

// addGeneral adds the fields and tags of the configuration.
func addGeneral(e *event.Event, cfg *config.Config) {
	in := &cfg.Filebeat.Inputs[0]
	e.AddTags(append(slices.Clone(cfg.Tags), in.Tags...)...)
	for _, fields := range []map[string]any{cfg.Fields, in.Fields} {
		if len(fields) > 0 {
			event.Merge(e.Fields, map[string]any{"fields": fields}, true)
		}
	}
}

// Each kind has a golden case, or a test that names it.
func TestEveryKindIsTested(t *testing.T) {
	tested := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := filepath.Glob(filepath.Join(goldenCases, "*", "filebeat.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, cases...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range new(processor.Entry).Kinds() {
			tested[kind] = tested[kind] || strings.Contains(string(text), kind+":") || strings.Contains(string(text), `"`+kind+`"`)
		}
	}
	for kind, ok := range tested {
		if !ok {
			t.Errorf("no test of %s", kind)
		}
	}
	if len(tested) < 20 {
		t.Errorf("kinds: %v", slices.Sorted(maps.Keys(tested)))
	}
}
