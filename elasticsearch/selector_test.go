package elasticsearch

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"sluice/internal/processor"
)

// stamped is a document with other times, metadata and fields.
func stamped(at, meta, fields string) []byte {
	return []byte(`{"@timestamp":"` + at + `","@metadata":{"beat":"b"` + meta + `},"message":"m"` + fields + `}`)
}

const noon = "2026-11-25T12:00:00.000Z"

func TestIndexAndPipeline(t *testing.T) {
	contains := func(text string) *processor.Condition {
		return &processor.Condition{Contains: map[string]any{"message": text}}
	}
	for name, c := range map[string]struct {
		set  func(*Config)
		doc  []byte
		want string
	}{
		"default":      {func(*Config) {}, stamped(noon, "", ""), `{"create":{"_index":"filebeat-9.0.0"}}`},
		"id":           {func(*Config) {}, stamped(noon, `,"_id":"a\"b"`, ""), `{"create":{"_index":"filebeat-9.0.0","_id":"a\"b"}}`},
		"date":         {func(c *Config) { c.Index = "MQTT-%{+yyyy.MM.dd}" }, stamped("2026-11-25T23:59:59.999Z", "", ""), `{"create":{"_index":"mqtt-2026.11.25"}}`},
		"field":        {func(c *Config) { c.Index = "x-%{[a.b]}" }, stamped(noon, "", `,"a":{"b":7}`), `{"create":{"_index":"x-7"}}`},
		"raw index":    {func(*Config) {}, stamped(noon, `,"raw_index":"Mine"`, ""), `{"create":{"_index":"mine"}}`},
		"index":        {func(*Config) {}, stamped(noon, `,"index":"mine"`, ""), `{"create":{"_index":"mine-2026.11.25"}}`},
		"operation":    {func(*Config) {}, stamped(noon, `,"op_type":"index"`, ""), `{"index":{"_index":"filebeat-9.0.0"}}`},
		"pipeline":     {func(c *Config) { c.Pipeline = "p-%{[message]}" }, stamped(noon, "", ""), `{"create":{"_index":"filebeat-9.0.0","pipeline":"p-m"}}`},
		"own pipeline": {func(c *Config) { c.Pipeline = "p" }, stamped(noon, `,"pipeline":"own"`, ""), `{"create":{"_index":"filebeat-9.0.0","pipeline":"own"}}`},
		"no pipeline": {func(c *Config) { c.Pipelines = []PipelineRule{{Pipeline: "p", When: contains("else")}} }, stamped(noon, "", ""),
			`{"create":{"_index":"filebeat-9.0.0"}}`},
		"first rule": {func(c *Config) {
			c.Indices = []IndexRule{{Index: "no", When: contains("else")}, {Index: "yes", When: contains("m")}, {Index: "late"}}
		}, stamped(noon, "", ""), `{"create":{"_index":"yes"}}`},
		"missing field": {func(c *Config) { c.Indices = []IndexRule{{Index: "%{[a]}"}, {Index: "%{[b]:other}"}} }, stamped(noon, "", ""),
			`{"create":{"_index":"other"}}`},
		"mapped": {func(c *Config) {
			c.Indices = []IndexRule{{Index: "%{[message]}", Mappings: map[string]string{"m": "mapped"}}}
		}, stamped(noon, "", ""),
			`{"create":{"_index":"mapped"}}`},
		"mapped default": {func(c *Config) {
			c.Indices = []IndexRule{{Index: "%{[message]}", Mappings: map[string]string{"x": "y"}, Default: "d"}}
		}, stamped(noon, "", ""), `{"create":{"_index":"d"}}`},
		"not mapped": {func(c *Config) {
			c.Indices = []IndexRule{{Index: "%{[message]}", Mappings: map[string]string{"x": "y"}}}
		}, stamped(noon, "", ""),
			`{"create":{"_index":"filebeat-9.0.0"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.CompressionLevel = 0
			c.set(&cfg)
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			e, err := newEncoder(&cfg, "9.0.0")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time from what is remembered
				e.begin()
				if err := e.add(c.doc); err != nil {
					t.Fatal(err)
				}
				action, rest, _ := strings.Cut(string(e.finish()), "\n")
				if action != c.want {
					t.Errorf("action %s, want %s", action, c.want)
				}
				if !strings.HasSuffix(rest, "}\n") || strings.Contains(rest, "@metadata") || !json.Valid([]byte(rest)) {
					t.Errorf("document %s", rest)
				}
			}
		})
	}
}

// The remembered index is that of one minute.
func TestIndexChangesWithTheDay(t *testing.T) {
	cfg := DefaultConfig()
	cfg.CompressionLevel, cfg.Index = 0, "x-%{+yyyy.MM.dd}"
	e, err := newEncoder(&cfg, "9.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if !e.indices.steady {
		t.Error("a date makes it look at each document")
	}
	for _, at := range []string{"2026-11-25T23:59:59.999Z", "2026-11-26T00:00:00.000Z", "2026-11-25T23:59:58.000Z"} {
		if err := e.add(stamped(at, "", "")); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(e.finish()); strings.Count(got, "x-2026.11.25") != 2 || strings.Count(got, "x-2026.11.26") != 1 {
		t.Errorf("%s", got)
	}
	for index, steady := range map[string]bool{"x-%{+ss}": false, "x-%{[a]}": false, "x-%{[agent.version]}": true, "x": true} {
		cfg.Index = index
		if e, err := newEncoder(&cfg, "9"); err != nil || e.indices.steady != steady {
			t.Errorf("%s: %v, %v", index, e.indices.steady, err)
		}
	}
}

// What can't be sent is set aside, with the reason.
func TestDocumentsThatCanNotBeSent(t *testing.T) {
	s := newServer(t)
	cfg := options(s.URL)
	cfg.Index = "%{[must]}"
	client, _ := newClient(t, cfg)
	docs := [][]byte{
		stamped(noon, "", `,"must":"x"`),
		stamped(noon, "", ""),
		stamped("yesterday", "", `,"must":"x"`),
		stamped(noon, `,"op_type":"delete"`, `,"must":"x"`),
		[]byte(`{"message":"no time"}`),
		[]byte(`{"@timestamp":"` + noon + `","message":"no metadata"}`),
		[]byte(`not JSON`),
	}
	var aside deadLetters
	ship(t, client, &aside, docs...)
	if s.count() != 1 || aside.len() != len(docs)-1 {
		t.Errorf("%d stored, aside: %v", s.count(), aside.list)
	}
	if why := aside.list[string(docs[1])]; !strings.Contains(why, "no rule gives it an index") {
		t.Errorf("without the field: %s", why)
	}
}

// The cut agrees with a whole parser.
func FuzzDocument(f *testing.F) {
	f.Add(`"beat":"b","_id":"x"`, `,"message":"m"`)
	f.Add(`"a":{"_id":"no","b":[1,{"c":"}"}]},"_id":"yes\\","pipeline":7`, `,"x":"\"}"`)
	f.Add(``, ``)
	f.Fuzz(func(t *testing.T, meta, fields string) {
		whole := []byte(`{"@timestamp":"` + noon + `","@metadata":{` + meta + `}` + fields + `}`)
		var d document
		if err := d.cut(whole); err != nil {
			return
		}
		got := d.target()
		var compact bytes.Buffer
		if !json.Valid(whole) || json.Compact(&compact, whole) != nil || compact.Len() != len(whole) {
			return // our encoder makes neither
		}
		var parsed map[string]json.RawMessage
		if err := json.Unmarshal(whole, &parsed); err != nil {
			t.Fatal(err)
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(parsed["@metadata"], &want) != nil || strings.Contains(meta, "@metadata") || strings.Contains(fields, "@metadata") {
			return
		}
		if keys := maps.Collect(maps.All(want)); strings.Contains(meta, `\u`) || len(keys) == 0 || strings.Count(meta, `"_id"`) > 1 {
			return
		}
		if id := want["_id"]; len(id) > 2 && id[0] == '"' && string(got.id) != string(id) {
			t.Errorf("%s: id %s, want %s", whole, got.id, id)
		}
		rest := append(append([]byte{}, d.lead...), d.rest...)
		if !json.Valid(rest) {
			t.Errorf("%s leaves %s", whole, rest)
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add(`{"errors":false,"items":[{"create":{"status":201}}]}`, 1)
	f.Add(`{"errors":true,"items":[{"create":{"status":400,"error":{"type":"x","reason":"y","caused_by":{"type":"z"}}}}]}`, 1)
	f.Add(`{"errors":true,"items":[{"create":{"status":400,"error":"old"}}]}`, 1)
	f.Fuzz(func(t *testing.T, body string, n int) {
		n = min(max(n, 0), 100)
		answers, err := parseAnswers([]byte(body), n)
		if err == nil && answers != nil && len(answers) != n {
			t.Errorf("%d answers to %d", len(answers), n)
		}
		for _, a := range answers {
			a.judge()
			a.mend()
		}
		said := faultOf([]byte(body))
		_ = said.String()
	})
}

func BenchmarkEncode(b *testing.B) {
	cfg := DefaultConfig()
	cfg.Index = "mqtt-%{+yyyy.MM.dd}"
	e, err := newEncoder(&cfg, "9.0.0")
	if err != nil {
		b.Fatal(err)
	}
	fields := `,"log":{"offset":123456,"file":{"path":"/var/lib/sluice/spool/mqtt-0000000001.log"}},"agent":{"name":"gw","type":"filebeat","version":"9.0.0"},"ecs":{"version":"8.0.0"},"host":{"name":"gw"}`
	docs := make([][]byte, 1600)
	size := 0
	for i := range docs {
		docs[i] = doc("6M2XqpHc6uX-"+strings.Repeat("7", 1+i%6), fields)
		size += len(docs[i])
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		e.begin()
		for _, d := range docs {
			if err := e.add(d); err != nil {
				b.Fatal(err)
			}
		}
		e.finish()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(docs)), "ns/doc")
}
