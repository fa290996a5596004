package processor

import (
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/internal/event"
)

func TestDecodeJSON(t *testing.T) {
	root := text("")
	for name, c := range map[string]struct {
		set             func(o *decodeJSON)
		in, after, meta string
		err             string
	}{
		"numbers":                   {nil, `{"m": "{\"i\": 9223372036854775807, \"f\": 1.5, \"big\": 9223372036854775808, \"huge\": 1e400, \"l\": [1, {\"x\": 2}]}"}`, `{"m": {"i": 9223372036854775807, "f": 1.5, "big": 9223372036854775808, "huge": "1e400", "l": [1, {"x": 2}]}}`, "{}", ""},
		"numbers of a list":         {nil, `{"m": "[1, {\"x\": 2}, \"3\"]"}`, `{"m": ["1", {"x": "2"}, "3"]}`, "{}", ""},
		"text behind it":            {nil, `{"m": "{}}"}`, `{"m": "{}}"}`, "{}", "invalid character"},
		"empty":                     {func(o *decodeJSON) { o.AddErrorKey = true }, `{"m": ""}`, `{"m": "", "error": {"message": "parsing input as JSON: EOF", "field": "m", "type": "json"}}`, "{}", "EOF"},
		"a list at depth 2":         {func(o *decodeJSON) { o.MaxDepth = 2 }, `{"m": "[\"{\\\"a\\\": 1}\"]"}`, `{"m": "[\"{\\\"a\\\": 1}\"]"}`, "{}", "processing skipped"},
		"a list at depth 2, wanted": {func(o *decodeJSON) { o.MaxDepth, o.ProcessArray = 2, true }, `{"m": "[\"{\\\"a\\\": 1}\"]"}`, `{"m": [{"a": 1}]}`, "{}", ""},
		"no object to the root":     {func(o *decodeJSON) { o.Target = root }, `{"m": "[1]"}`, `{"m": "[1]"}`, "{}", "failed to add target to root"},
		"root, expanded":            {func(o *decodeJSON) { o.Target, o.ExpandKeys = root, true }, `{"m": "{\"a.b\": 1, \"a.c\": {\"d.e\": 2}}", "a": {"b": 0}}`, `{"m": "{\"a.b\": 1, \"a.c\": {\"d.e\": 2}}", "a": {"b": 0, "c": {"d": {"e": 2}}}}`, "{}", ""},
		"root, conflict":            {func(o *decodeJSON) { o.Target, o.ExpandKeys = root, true }, `{"m": "{\"a.b\": 1, \"a\": 2}"}`, `{"m": "{\"a.b\": 1, \"a\": 2}"}`, "{}", `cannot expand "a.b"`},
		"root keeps what is there":  {func(o *decodeJSON) { o.Target = root }, `{"m": "{\"@timestamp\": \"x\", \"@metadata\": 1, \"a\": 2, \"b\": 3}", "a": 1}`, `{"m": "{\"@timestamp\": \"x\", \"@metadata\": 1, \"a\": 2, \"b\": 3}", "a": 1, "b": 3}`, "{}", ""},
		"root, bad @timestamp":      {func(o *decodeJSON) { o.Target, o.OverwriteKeys = root, true }, `{"m": "{\"@timestamp\": \"x\", \"a\": 2}"}`, `{"m": "{\"@timestamp\": \"x\", \"a\": 2}", "a": 2}`, "{}", "parse error on x"},
		"root, @timestamp no text":  {func(o *decodeJSON) { o.Target, o.OverwriteKeys, o.AddErrorKey = root, true, true }, `{"m": "{\"@timestamp\": 5}"}`, `{"m": "{\"@timestamp\": 5}", "error": {"message": "@timestamp not overwritten (not string)", "type": "json"}}`, "{}", "not string"},
		"root, bad @metadata":       {func(o *decodeJSON) { o.Target, o.OverwriteKeys = root, true }, `{"m": "{\"@metadata\": 5}"}`, `{"m": "{\"@metadata\": 5}"}`, "{}", "@metadata"},
		"root, bad type":            {func(o *decodeJSON) { o.Target, o.OverwriteKeys = root, true }, `{"m": "{\"type\": \"_x\"}", "type": "t"}`, `{"m": "{\"type\": \"_x\"}", "type": "t"}`, "{}", "type not overwritten"},
		"document_id":               {func(o *decodeJSON) { o.DocumentID = "x.id" }, `{"m": "{\"x\": {\"id\": \"7\"}}"}`, `{"m": {"x": {}}}`, `{"_id": "7"}`, ""},
		"document_id empty":         {func(o *decodeJSON) { o.DocumentID = "id" }, `{"m": "{\"id\": \"\"}"}`, `{"m": {}}`, "{}", ""},
		"under a scalar":            {func(o *decodeJSON) { o.Target = text("s.x") }, `{"m": "{}", "s": 1}`, `{"m": "{}", "s": 1}`, "{}", "expected map"},
		"several, one bad":          {func(o *decodeJSON) { o.Fields = []string{"m", "n"} }, `{"m": "x", "n": "{}"}`, `{"m": "x", "n": {}}`, "{}", "field m"},
		"expand merges":             {func(o *decodeJSON) { o.ExpandKeys = true }, `{"m": "{\"a\": {\"b\": {\"x\": 1}}, \"a.b\": {\"y\": 2}}"}`, `{"m": {"a": {"b": {"x": 1, "y": 2}}}}`, "{}", ""},
		"expand over a section":     {func(o *decodeJSON) { o.ExpandKeys = true }, `{"m": "{\"a\": {\"b\": {}}, \"a.b\": 1}"}`, `{"m": {"a": {"b": 1}}}`, "{}", "found conflicting key"},
		"expand, the same twice":    {func(o *decodeJSON) { o.ExpandKeys = true }, `{"m": "{\"a\": {\"b\": {\"x\": 1}}, \"a.b\": {\"x\": 2}}"}`, `{"m": {"a": {"b": {"x": 2}}}}`, "{}", "found existing (int64) value"},
	} {
		t.Run(name, func(t *testing.T) {
			o := with(t, "decode_json_fields", func(o *decodeJSON) {
				o.Fields = []string{"m"}
				if c.set != nil {
					c.set(o)
				}
			})
			after, meta, err := run(t, o, c.in)
			same(t, after, c.after)
			same(t, meta, c.meta)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{`{"a": "{\"b\": [1, \"[]\"]}"}`, "[1]", "null", `{"a.b": 1, "a": 2}`, `{"@timestamp": "x", "type": 1}`, strings.Repeat("[", 200)} {
		f.Add(seed, 3, true)
		f.Add(seed, 1, false)
	}
	f.Fuzz(func(t *testing.T, in string, depth int, root bool) {
		o := &decodeJSON{Fields: []string{"m"}, MaxDepth: depth, ProcessArray: true, ExpandKeys: true, OverwriteKeys: true, AddErrorKey: true, DocumentID: "a"}
		if root {
			o.Target = text("")
		}
		s, _ := o.compile(Env{})
		e := &event.Event{Fields: map[string]any{"m": in}}
		_, _ = s.run(e)
		if !utf8.Valid(e.AppendJSON(nil, event.Base{}, false)) {
			t.Fatal("no UTF-8")
		}
	})
}

func FuzzDecodeCSV(f *testing.F) {
	for _, seed := range []string{"a,b", `"a""b",c`, `"a`, "a\nb", "\r", `,"`, "\x00\xff"} {
		f.Add(seed, ",", true)
		f.Add(seed, "\t", false)
	}
	f.Fuzz(func(t *testing.T, in, separator string, trim bool) {
		o := &decodeCSV{Fields: map[string]any{"m": "l"}, Separator: separator, TrimLeadingSpace: trim, FailOnError: true}
		if o.Validate() != nil {
			return
		}
		s, err := o.compile(Env{})
		if err != nil {
			t.Fatal(err)
		}
		e := &event.Event{Fields: map[string]any{"m": in}}
		_, err = s.run(e)
		list, ok := e.Fields["l"].([]any)
		if e.Fields["m"] != in || (err == nil) != ok || ok && len(list) == 0 {
			t.Fatalf("%v: %v", err, e.Fields)
		}
	})
}

func FuzzTimestamp(f *testing.F) {
	f.Add("2006-01-02T15:04:05Z07:00", "2024-02-29T12:00:00Z", "+0200")
	f.Add("UNIX", "1e18", "Local")
	f.Add("UNIX_MS", "-0x1p-2", "-07")
	f.Fuzz(func(t *testing.T, layout, in, zone string) {
		loc, err := zoneOf(zone)
		if err != nil {
			return
		}
		o := &timestamp{Field: "m", Layouts: []string{layout}, TargetField: "@timestamp"}
		e := &event.Event{Fields: map[string]any{"m": in}}
		_ = o.read(e, loc)
		if !utf8.Valid(e.AppendJSON(nil, event.Base{}, false)) {
			t.Fatal("no UTF-8")
		}
	})
}
