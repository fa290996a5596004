package tailer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func testConfig() Config {
	c := DefaultConfig()
	c.Name, c.AgentID, c.EphemeralID = "gw-1", "agent-id", "run-id"
	return c
}

// testDocument is what the events of a file have in common.
func testDocument(c *Config, in *InputConfig, path, generation string) document {
	return document{cfg: c, in: &input{cfg: in, options: in.options()}, path: path, generation: generation}
}

func compileEvent(t *testing.T, d document, ms, offset int64, line string) (raw string, event map[string]any) {
	t.Helper()
	tmpl, err := d.template(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := tmpl.append(nil, ms, offset, offset, []byte(line))
	if err := json.Unmarshal(b, &event); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return string(b), event
}

func TestEventIsAsFilebeatSendsIt(t *testing.T) {
	c, in := testConfig(), DefaultInput()
	in.Type = TypeLog
	raw, e := compileEvent(t, testDocument(&c, &in, "/var/log/gw/feeds.log", "gen"), 1795290219155, 48, `21.50 "x"`)
	want := `{"@timestamp":"2026-11-21T19:43:39.155Z","@metadata":{"beat":"filebeat","type":"_doc","version":"9.0.0","_id":"gen-48"},` +
		`"log":{"file":{"path":"/var/log/gw/feeds.log"},"offset":48},"message":"21.50 \"x\"",` +
		`"agent":{"ephemeral_id":"run-id","id":"agent-id","name":"gw-1","type":"filebeat","version":"9.0.0"},"ecs":{"version":"8.0.0"},"host":{"name":"gw-1"},"input":{"type":"log"}}`
	if raw != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	if e["message"] != `21.50 "x"` {
		t.Errorf("message is %q", e["message"])
	}
}

// The field names and types of a real Filebeat's event, recorded.
func TestEventHasFilebeatsShape(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "filebeat-events.json"))
	if err != nil {
		t.Fatal(err)
	}
	var samples map[string]map[string]any
	if err := json.Unmarshal(data, &samples); err != nil {
		t.Fatal(err)
	}
	for name, typ := range map[string]string{"filebeat_9.0.0_log_input_plain": TypeLog, "filebeat_9.0.0_log_input_tags_fields_name": TypeLog, "filebeat_9.0.0_filestream_tags_fields_under_root": TypeFilestream} {
		t.Run(name, func(t *testing.T) {
			want := samples[name]
			c, in := testConfig(), DefaultInput()
			in.Type = typ
			if tags, ok := want["tags"].([]any); ok {
				for _, tag := range tags {
					c.Tags = append(c.Tags, tag.(string))
				}
				in.Fields = map[string]any{"gateway": "pi-01"}
			}
			in.FieldsUnderRoot = want["gateway"] != nil
			_, got := compileEvent(t, testDocument(&c, &in, "/x", "g"), 1, 0, "line")
			delete(got["@metadata"].(map[string]any), "_id") // ours
			if g, w := shape(got), shape(want); !reflect.DeepEqual(g, w) {
				t.Errorf("got %v\nwant %v", g, w)
			}
		})
	}
}

// shape replaces every value that is no object by its type.
func shape(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return reflect.TypeOf(v).String()
	}
	s := map[string]any{}
	for k, e := range m {
		s[k] = shape(e)
	}
	return s
}

func TestFieldsMergeAndReplace(t *testing.T) {
	c, in := testConfig(), DefaultInput()
	c.Fields = map[string]any{"site": "vigo", "deep": map[string]any{"a": 1}}
	in.Fields = map[string]any{"site": "lugo", "deep": map[string]any{"b": true}}
	_, e := compileEvent(t, testDocument(&c, &in, "/x", ""), 1, 0, "line")
	want := map[string]any{"site": "lugo", "deep": map[string]any{"a": 1.0, "b": true}}
	if !reflect.DeepEqual(e["fields"], want) {
		t.Errorf("fields are %v, want %v", e["fields"], want)
	}

	in.FieldsUnderRoot = true
	in.Fields = map[string]any{"message": "fixed", "agent": map[string]any{"name": "other"}}
	_, e = compileEvent(t, testDocument(&c, &in, "/x", ""), 1, 7, "line")
	if e["message"] != "fixed" || e["agent"].(map[string]any)["name"] != "other" || e["agent"].(map[string]any)["type"] != "filebeat" {
		t.Errorf("fields under root are not merged: %v", e)
	}
	if e["log"].(map[string]any)["offset"] != 7.0 {
		t.Errorf("the other parts are lost: %v", e)
	}
}

func TestFieldsThatLogstashWouldChokeOnAreRefused(t *testing.T) {
	for field, value := range map[string]any{"event": "x", "beat": "x", "@metadata": map[string]any{}, "a[b]": 1, "text": "\xff"} {
		in := DefaultInput()
		in.Paths, in.Fields, in.FieldsUnderRoot = []string{"/x"}, map[string]any{field: value}, true
		if err := in.Validate(); err == nil {
			t.Errorf("%s: %v was accepted", field, value)
		}
	}
}

func TestTemplateAllocatesNothing(t *testing.T) {
	c, in := testConfig(), DefaultInput()
	d := testDocument(&c, &in, "/x", "g")
	tmpl, err := d.template(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, line := make([]byte, 0, 4096), []byte("2026-11-21T19:10:51+0000 /feeds/0/temp 21.50")
	if n := testing.AllocsPerRun(100, func() { b = tmpl.append(b[:0], 1795290219155, 1<<40, 1<<40, line) }); n != 0 {
		t.Errorf("%v allocations per event", n)
	}
}

func BenchmarkEvent(b *testing.B) {
	c, in := testConfig(), DefaultInput()
	d := testDocument(&c, &in, "/var/lib/sluice/spool/mqtt-0000000001.log", "k3J9xQ2mA7z")
	tmpl, err := d.template(nil)
	if err != nil {
		b.Fatal(err)
	}
	buf, line := make([]byte, 0, 4096), []byte("2026-11-21T19:10:51+0000 /feeds/0/temp 21.50")
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		buf = tmpl.append(buf[:0], 1795290219155+i/20, i*45, i*45, line)
	}
}
