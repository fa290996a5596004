package processor

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/event"
)

// gz compresses a text and writes it as a JSON string of bytes 0 to 255... as
// an event holds it after decode_base64_field.
func gz(t *testing.T, plain string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRestProcessors(t *testing.T) {
	names := func(list ...string) *[]string { return &list }
	one := 1
	for name, c := range map[string]struct {
		options             options
		before, after, meta string
		err                 string
	}{
		"append: to a scalar, of a list": {with(t, "append", func(o *appendValues) { o.TargetField, o.Fields, o.Values = "out", []string{"l", "m"}, []any{int64(1)} }),
			`{"out": "x", "l": ["a", null], "m": {"k": 1}}`, `{"l": ["a", null], "m": {"k": 1}, "out": ["x", "a", null, {"k": 1}, 1]}`, "{}", ""},
		"append: duplicates of all types": {with(t, "append", func(o *appendValues) {
			o.TargetField, o.Fields, o.Values, o.AllowDuplicate = "out", []string{"l"}, []any{int64(1), "1"}, false
		}), `{"out": [1, {"k": 1}], "l": [{"k": 1}, {"k": 2}]}`, `{"l": [{"k": 1}, {"k": 2}], "out": [1, {"k": 1}, {"k": 2}, "1"]}`, "{}", ""},
		"append: the list's own duplicates and empty values": {with(t, "append", func(o *appendValues) {
			o.TargetField, o.Values, o.AllowDuplicate, o.IgnoreEmptyValues = "out", []any{"b"}, false, true
		}), `{"out": ["a", "", "a", null, "b"]}`, `{"out": ["a", "b"]}`, "{}", ""},
		"append: nothing to append": {with(t, "append", func(o *appendValues) { o.TargetField, o.Fields = "out", []string{"l"} }), `{"l": []}`, `{"l": []}`, "{}", ""},
		"append: under a scalar": {with(t, "append", func(o *appendValues) { o.TargetField, o.Values = "a.b", []any{"x"} }), `{"a": 1}`,
			`{"a": 1, "error": {"message": "failed to append fields in append processor: could not put value to a.b: expected map but type is int64"}}`, "{}", "expected map"},
		"decode_base64_field: under a scalar": {with(t, "decode_base64_field", func(o *decodeBase64) { o.Field = decoded{"a", "a.b"} }), `{"a": "eA=="}`,
			`{"a": "eA==", "error": {"message": "failed to decode base64 fields in processor: could not put value: a.b: x, expected map but type is string"}}`, "{}", "expected map"},
		"decompress_gzip_field: no gzip": {with(t, "decompress_gzip_field", func(o *decompressGzip) { o.Field = decoded{"a", "b"} }), `{"a": "x"}`,
			`{"a": "x", "error": {"message": "Failed to decompress field in decompress_gzip_field processor: error decompressing field a: unexpected EOF"}}`, "{}", "EOF"},
		"decompress_gzip_field: missing":  {with(t, "decompress_gzip_field", func(o *decompressGzip) { o.Field, o.IgnoreMissing = decoded{"a", "b"}, true }), `{}`, `{}`, "{}", ""},
		"decompress_gzip_field: tolerant": {with(t, "decompress_gzip_field", func(o *decompressGzip) { o.Field, o.FailOnError = decoded{"a", "b"}, false }), `{"a": 5}`, `{"a": 5}`, "{}", "cannot decompress type 5"},
		"decode_duration: seconds":        {with(t, "decode_duration", func(o *decodeDuration) { o.Field, o.Format = "a.b", "seconds" }), `{"a": {"b": "1m0.5s"}}`, `{"a": {"b": 60.5}}`, "{}", ""},
		"decode_duration: milliseconds":   {with(t, "decode_duration", func(o *decodeDuration) { o.Field = "a" }), `{"a": "-2s"}`, `{"a": -2000}`, "{}", ""},
		"decode_duration: no unit":        {with(t, "decode_duration", func(o *decodeDuration) { o.Field, o.Format = "a", "hours" }), `{"a": "90"}`, `{"a": "90"}`, "{}", "missing unit"},
		"urldecode: in place":             {with(t, "urldecode", func(o *urlDecode) { o.Fields = []decoded{{From: "a"}} }), `{"a": "x+%C3%A4"}`, `{"a": "x ä"}`, "{}", ""},
		"urldecode: all or none": {with(t, "urldecode", func(o *urlDecode) { o.Fields = []decoded{{From: "a"}, {From: "b"}} }), `{"a": "%20", "b": 5}`,
			`{"a": "%20", "b": 5, "error": {"message": "failed to decode fields in urldecode processor: invalid type for ` + "`from`" + `, expecting a string received int64"}}`, "{}", "expecting a string"},
		"uppercase: last part only": {with(t, "uppercase", func(o *changeCase) { o.Fields, o.FullPath = names("A.b"), false }), `{"a": {"B": {"c": 1}, "b2": 1}}`, `{"a": {"B": {"c": 1}, "b2": 1}}`, "{}", ""},
		"uppercase: all parts":      {with(t, "uppercase", func(o *changeCase) { o.Fields, o.Values = names("a.B.C", "d"), []string{"D"} }), `{"a": {"b": {"c": 1}}, "d": "ß x"}`, `{"A": {"B": {"C": 1}}, "D": "ß X"}`, "{}", ""},
		"lowercase: names with dots": {with(t, "lowercase", func(o *changeCase) { o.Fields = names("a.b.c.d") }), `{"A.B": {"C.D": "data"}, "A": {"x": 1}}`,
			`{"a.b": {"c.d": "data"}, "A": {"x": 1}}`, "{}", ""},
		"lowercase: two of the name": {with(t, "lowercase", func(o *changeCase) { o.Fields, o.IgnoreMissing = names("Ok", "a"), true }), `{"OK": 1, "A": 1, "a": 2}`,
			`{"OK": 1, "A": 1, "a": 2, "error": {"message": "could not fetch value for key: a, Error: key collision: A and a"}}`, "{}", "collision"},
		"extract_array: texts and [] ": {with(t, "extract_array", func(o *extractArray) {
			o.Field, o.OmitEmpty = "l", true
			o.Mappings = map[string]any{"a": map[string]any{"b": "0"}, "c": int64(1)}
		}), `{"l": ["x", []]}`, `{"a": {"b": "x"}, "l": ["x", []]}`, "{}", ""},
		"extract_array: undone":                      {with(t, "extract_array", func(o *extractArray) { o.Field, o.Mappings = "l", map[string]any{"a": int64(0), "b": int64(5)} }), `{"l": ["x"]}`, `{"l": ["x"]}`, "{}", "no entry 5"},
		"extract_array: no list":                     {with(t, "extract_array", func(o *extractArray) { o.Field, o.Mappings = "l", map[string]any{"a": int64(0)} }), `{"l": "x"}`, `{"l": "x"}`, "{}", "no list"},
		"extract_field":                              {&extractField{Field: "p", Separator: "/", Index: &one, Target: "f.x"}, `{"p": "a/b/c"}`, `{"f": {"x": "b"}, "p": "a/b/c"}`, "{}", ""},
		"extract_field: too few":                     {&extractField{Field: "p", Separator: "/", Index: &one, Target: "f.x"}, `{"p": "a"}`, `{"p": "a"}`, "{}", "no part 1"},
		"move_fields: into a new":                    {&moveFields{From: "app", Fields: []string{"method", "t.x"}, To: "rpc."}, `{"app": {"method": "a", "t": {"x": 1}, "id": 2}}`, `{"app": {"id": 2, "t": {}}, "rpc": {"method": "a", "t": {"x": 1}}}`, "{}", ""},
		"move_fields: a prefix":                      {&moveFields{To: "my_", Exclude: []string{"keep"}}, `{"app": {"m": 1}, "cost": 2, "keep": 3}`, `{"keep": 3, "my_app": {"m": 1}, "my_cost": 2}`, "{}", ""},
		"move_fields: dots become levels":            {&moveFields{Fields: []string{"app.method"}}, `{"app.method": "a"}`, `{"app": {"method": "a"}}`, "{}", ""},
		"move_fields: into itself":                   {&moveFields{From: "a", To: "a.b."}, `{"a": {"x": 1}}`, `{"a": {"b": {"x": 1}}}`, "{}", ""},
		"move_fields: missing, nothing is lost":      {&moveFields{From: "a", Fields: []string{"x", "nope"}, To: "b."}, `{"a": {"x": 1}}`, `{"a": {"x": 1}}`, "{}", "key not found"},
		"move_fields: under a scalar, nothing moves": {&moveFields{From: "a", To: "s."}, `{"a": {"x": 1}, "s": 1}`, `{"a": {"x": 1}, "s": 1}`, "{}", "expected map"},
		"move_fields: ignore_missing":                {&moveFields{From: "a", Fields: []string{"x", "nope"}, To: "b.", IgnoreMissing: true}, `{"a": {"x": 1}}`, `{"a": {}, "b": {"x": 1}}`, "{}", ""},
		"detect_mime_type: json":                     {&detectMIMEType{Field: "b", Target: "@metadata.kind"}, `{"b": " [1]\n"}`, `{"b": " [1]\n"}`, `{"kind": "application/json"}`, ""},
		"detect_mime_type: html":                     {&detectMIMEType{Field: "b", Target: "m"}, `{"b": "<html><p>"}`, `{"b": "<html><p>", "m": "text/html; charset=utf-8"}`, "{}", ""},
		"detect_mime_type: unknown bytes":            {&detectMIMEType{Field: "b", Target: "m"}, `{"b": "\u0000\u0001\u0002"}`, `{"b": "\u0000\u0001\u0002"}`, "{}", ""},
		"add_network_direction: inbound": {&addNetworkDirection{Source: "s", Destination: "d", Target: "n.direction", InternalNetworks: []string{"private", "2001:db8::/32"}},
			`{"s": "198.51.100.1", "d": "2001:db8::5"}`, `{"d": "2001:db8::5", "n": {"direction": "inbound"}, "s": "198.51.100.1"}`, "{}", ""},
		"add_network_direction: no address": {&addNetworkDirection{Source: "s", Destination: "d", Target: "n", InternalNetworks: []string{"private"}}, `{"s": "10.0.0.1", "d": "host"}`, `{"s": "10.0.0.1", "d": "host"}`, "{}", ""},
		"add_formatted_index":               {&addFormattedIndex{Index: "logs-%{[a.b]}-%{+yyyy.MM.dd}"}, `{"a": {"b": "x"}}`, `{"a": {"b": "x"}}`, `{"raw_index": "logs-x-2026.11.21"}`, ""},
		"add_formatted_index: missing":      {&addFormattedIndex{Index: "logs-%{[a.b]}"}, `{}`, `{}`, "{}", "no field a.b"},
		"community_id: one way": {with(t, "community_id", func(o *communityID) { o.Seed = 1 }),
			`{"source": {"ip": "192.168.0.89"}, "destination": {"ip": "192.168.0.1"}, "network": {"iana_number": 47, "transport": "tcp"}}`,
			`{"source": {"ip": "192.168.0.89"}, "destination": {"ip": "192.168.0.1"}, "network": {"iana_number": 47, "transport": "tcp", "community_id": "` + greID + `"}}`, "{}", ""},
		"community_id: no port":         {with[communityID](t, "community_id", nil), `{"source": {"ip": "1.2.3.4", "port": 5}, "destination": {"ip": "1.2.3.5"}, "network": {"transport": "udp"}}`, `{"source": {"ip": "1.2.3.4", "port": 5}, "destination": {"ip": "1.2.3.5"}, "network": {"transport": "udp"}}`, "{}", ""},
		"registered_domain: private":    {&registeredDomain{Field: "d", TargetField: "rd", TargetETLDField: "t"}, `{"d": "x.y.github.io"}`, `{"d": "x.y.github.io", "rd": "y.github.io", "t": "github.io"}`, "{}", ""},
		"registered_domain: ignored":    {&registeredDomain{Field: "d", TargetField: "rd", IgnoreFailure: true}, `{"d": 5}`, `{"d": 5}`, "{}", ""},
		"registered_domain: with id":    {&registeredDomain{Field: "d", TargetField: "rd", ID: "mine"}, `{"d": "com"}`, `{"d": "com"}`, "{}", "mine: "},
		"syslog: keys stay":             {with(t, "syslog", func(o *syslogMessage) { o.OverwriteKeys = false }), `{"message": "<13>1 2020-01-01T00:00:00Z h a - - - x", "log": {"syslog": {"hostname": "old"}}}`, `{"log": {"syslog": {"appname": "a", "facility": {"code": 1, "name": "user-level"}, "hostname": "old", "priority": 13, "severity": {"code": 5, "name": "Notice"}, "version": "1"}}, "message": "<13>1 2020-01-01T00:00:00Z h a - - - x"}`, "{}", ""},
		"syslog: another field":         {with(t, "syslog", func(o *syslogMessage) { o.Field = "raw" }), `{"raw": "<13>1 - - - - - - x"}`, `{"log": {"syslog": {"facility": {"code": 1, "name": "user-level"}, "priority": 13, "severity": {"code": 5, "name": "Notice"}, "version": "1"}}, "message": "x", "raw": "<13>1 - - - - - - x"}`, "{}", ""},
		"syslog: bad priority":          {with(t, "syslog", func(o *syslogMessage) { o.Tag = "mine" }), `{"message": "<999>Oct 11 22:14:15 m x: bad"}`, `{"error": {"message": "syslog failed to process field \"message\": validation error at position 2: priority value out of range (expected 0..191)"}, "log": {"syslog": {"appname": "x", "hostname": "m"}}, "message": "bad"}`, "{}", "mine: syslog"},
		"syslog: no text":               {with(t, "syslog", func(o *syslogMessage) { o.IgnoreFailure = true }), `{"message": 5}`, `{"message": 5}`, "{}", "not a string"},
		"decode_xml: the documentation": {with(t, "decode_xml", func(o *decodeXML) { o.TargetField = text("xml") }), `{"message": "<catalog>\n <Book Seq=\"1\">\n <author>W. G.</author>\n</Book></catalog>"}`, `{"message": "<catalog>\n <Book Seq=\"1\">\n <author>W. G.</author>\n</Book></catalog>", "xml": {"catalog": {"book": {"author": "W. G.", "seq": "1"}}}}`, "{}", ""},
		"decode_xml: lists, text, id": {with(t, "decode_xml", func(o *decodeXML) { o.TargetField, o.ToLower, o.DocumentID = text(""), false, "A.id" }),
			`{"message": "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><A id=\"7\"><x>1</x><x/><y k=\"v\">t</y><x>3</x></A>"}`,
			`{"A": {"x": ["1", "", "3"], "y": {"#text": "t", "k": "v"}}, "message": "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><A id=\"7\"><x>1</x><x/><y k=\"v\">t</y><x>3</x></A>"}`, `{"_id": "7"}`, ""},
		"decode_xml: in place":      {with[decodeXML](t, "decode_xml", nil), `{"message": "<a>1</a>"}`, `{"message": {"a": "1"}}`, "{}", ""},
		"decode_xml: broken":        {with[decodeXML](t, "decode_xml", nil), `{"message": "<a>1"}`, `{"error": {"message": "failed in decode_xml on the \"message\" field: error decoding XML field: XML syntax error on line 1: unexpected EOF"}, "message": "<a>1"}`, "{}", "unexpected EOF"},
		"decode_xml: no element":    {with(t, "decode_xml", func(o *decodeXML) { o.IgnoreFailure = true }), `{"message": "text"}`, `{"message": "text"}`, "{}", "EOF"},
		"decode_xml: very deep":     {with(t, "decode_xml", func(o *decodeXML) { o.IgnoreFailure = true }), `{"message": "` + strings.Repeat("<a>", 2000) + `"}`, `{"message": "` + strings.Repeat("<a>", 2000) + `"}`, "{}", "deep"},
		"decode_xml: missing":       {with(t, "decode_xml", func(o *decodeXML) { o.Field, o.IgnoreMissing = "x", true }), `{}`, `{}`, "{}", ""},
		"decode_xml: keys are kept": {with(t, "decode_xml", func(o *decodeXML) { o.TargetField, o.OverwriteKeys = text(""), false }), `{"message": "<a>1</a>", "a": "old"}`, `{"message": "<a>1</a>", "a": "old"}`, "{}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			after, meta, err := run(t, c.options, c.before)
			same(t, after, c.after)
			same(t, meta, c.meta)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

// greID is the SHA-1 of that flow with seed 1, reckoned elsewhere.
const greID = "1:AtqeUeFtTsUHtFu4xc2tA0ZbZGc="

// An index may name the version before the event has it.
func TestFormattedIndexKnowsTheProgram(t *testing.T) {
	s, err := (&addFormattedIndex{Index: "%{[fields.log_type]}-%{[agent.version]}"}).compile(Env{Version: "9.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	e := &event.Event{Fields: fields(t, `{"fields": {"log_type": "normal"}}`)}
	if _, err := s.run(e); err != nil || e.Meta["raw_index"] != "normal-9.0.0" {
		t.Errorf("%v, %v", e.Meta, err)
	}
}

// The ids of the specification's examples.
func TestCommunityIDOfTheSpecification(t *testing.T) {
	for name, c := range map[string]struct{ flow, want string }{
		"tcp":          {`{"source": {"ip": "128.232.110.120", "port": 34855}, "destination": {"ip": "66.35.250.204", "port": 80}, "network": {"transport": "TCP"}}`, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		"tcp, back":    {`{"destination": {"ip": "128.232.110.120", "port": 34855}, "source": {"ip": "66.35.250.204", "port": 80}, "network": {"transport": "6"}}`, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		"icmp":         {`{"source": {"ip": "192.168.0.89"}, "destination": {"ip": "192.168.0.1"}, "icmp": {"type": 8, "code": 0}, "network": {"iana_number": 1}}`, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		"icmp, back":   {`{"source": {"ip": "192.168.0.1"}, "destination": {"ip": "192.168.0.89"}, "icmp": {"type": 0, "code": 0}, "network": {"iana_number": 1}}`, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		"no icmp code": {`{"source": {"ip": "192.168.0.89"}, "destination": {"ip": "192.168.0.1"}, "icmp": {"type": 8}, "network": {"iana_number": 1}}`, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
	} {
		after, _, err := run(t, with[communityID](t, "community_id", nil), c.flow)
		id, _ := event.Get(fields(t, after), "network.community_id")
		if err != nil || id != c.want {
			t.Errorf("%s: %v, %v, want %s", name, id, err, c.want)
		}
	}
}

func TestDecompress(t *testing.T) {
	for name, c := range map[string]struct{ plain, err string }{
		"text":      {"squeezed", ""},
		"too large": {strings.Repeat("x", maxGunzipped+1), "larger"},
	} {
		o := with(t, "decompress_gzip_field", func(o *decompressGzip) { o.Field = decoded{"a", "b"} })
		e := &event.Event{Fields: map[string]any{"a": gz(t, c.plain)}}
		s, err := o.compile(Env{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.run(e)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || e.Has("b") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || e.Fields["b"] != c.plain {
			t.Errorf("%s: %v, %v", name, e.Fields["b"], err)
		}
	}
}

func TestSyslogSetsTheTime(t *testing.T) {
	o := with(t, "syslog", func(o *syslogMessage) { o.Timezone = "+0200" })
	s, err := o.compile(Env{})
	if err != nil {
		t.Fatal(err)
	}
	year := time.Now().Year()
	e := &event.Event{Fields: map[string]any{"message": "<13>Jan  1 00:00:00 h x"}}
	if _, err := s.run(e); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(year-1, 12, 31, 22, 0, 0, 0, time.UTC); !e.Time.Equal(want) {
		t.Errorf("%s, want %s", e.Time, want)
	}
}

func TestObserverMetadata(t *testing.T) {
	o := with(t, "add_observer_metadata", func(o *addObserverMetadata) { o.Geo = geo{Name: "rack", Location: "40.7, -74.0"} })
	after, _, err := run(t, o, `{"observer": {"product": "p", "type": "x"}}`)
	if err != nil {
		t.Fatal(err)
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	f := fields(t, after)
	for key, want := range map[string]any{"hostname": name, "type": "filebeat", "vendor": "elastic", "product": "p", "geo.name": "rack", "geo.location": "40.7, -74.0"} {
		if v, _ := event.Get(f, "observer."+key); v != want {
			t.Errorf("observer.%s is %v, want %v", key, v, want)
		}
	}
	o = with(t, "add_observer_metadata", func(o *addObserverMetadata) { o.NetInfo.Enabled, o.Cache.TTL = false, -1 })
	if after, _, _ := run(t, o, `{}`); strings.Contains(after, `"ip"`) || strings.Contains(after, `"geo"`) {
		t.Error(after)
	}
}

func TestWarnings(t *testing.T) {
	for kind, o := range map[string]interface{ warnings() []*OptionError }{
		"decode_duration":       with(t, "decode_duration", func(o *decodeDuration) { o.Format = "weeks" }),
		"decompress_gzip_field": with[decompressGzip](t, "decompress_gzip_field", nil),
	} {
		if w := o.warnings(); len(w) != 1 {
			t.Errorf("%s: %v", kind, w)
		}
	}
	if w := with[decodeDuration](t, "decode_duration", nil).warnings(); w != nil {
		t.Error(w)
	}
}

// Each faulty option is named.
func TestRestFaults(t *testing.T) {
	minus := -1
	for _, c := range []struct {
		options options
		faults  []string
	}{
		{with[appendValues](t, "append", nil), []string{"target_field"}},
		{with[addFormattedIndex](t, "add_formatted_index", nil), []string{"index"}},
		{&addFormattedIndex{Index: "%{[a"}, []string{"index"}},
		{&addNetworkDirection{InternalNetworks: []string{"private", "10.0.0.0/99"}}, []string{"source", "destination", "target", "internal_networks.1"}},
		{&addNetworkDirection{Source: "a", Destination: "b", Target: "c"}, []string{"internal_networks"}},
		{&addObserverMetadata{Geo: geo{Location: "north"}}, []string{"geo.location"}},
		{with(t, "add_process_metadata", func(o *addProcessMetadata) {
			o.IncludeFields, o.CgroupPrefixes, o.CgroupRegex, o.CgroupCacheExpireTime = []string{"process", "process.env", "pid"}, []string{"/docker"}, "x", -1
		}), []string{"match_pids", "include_fields.1", "include_fields.2", "cgroup_regex", "cgroup_regex", "cgroup_cache_expire_time"}},
		{with(t, "add_process_metadata", func(o *addProcessMetadata) { o.MatchPIDs, o.CgroupRegex = []string{"p"}, "(" }), []string{"cgroup_regex"}},
		{&cache{}, []string{"backend", ""}},
		{&cache{Backend: cacheBackend{File: &cacheFile{ID: "../x", WriteInterval: -1}}, Put: &cachePut{}, Get: &cacheGet{}, Delete: &cacheDelete{}},
			[]string{"backend", "backend.file.write_interval", "put.key_field", "put.value_field", "put.ttl", "get.key_field", "get.target_field", "delete.key_field", ""}},
		{with[decodeBase64](t, "decode_base64_field", nil), []string{"field.from"}},
		{with[decompressGzip](t, "decompress_gzip_field", nil), []string{"field.from"}},
		{with[decodeDuration](t, "decode_duration", nil), []string{"field"}},
		{with(t, "decode_xml", func(o *decodeXML) { o.Field = "" }), []string{"field"}},
		{&detectMIMEType{}, []string{"field", "target"}},
		{with(t, "dns", func(o *dns) {
			o.Type, o.Action, o.Transport, o.Timeout, o.Nameservers = "MX", "add", "tcp", 0, []string{"a b"}
			o.FailureCache.TTL, o.SuccessCache.MinTTL, o.SuccessCache.Capacity.Max = 0, -1, 10
		}), []string{"type", "action", "transport", "fields", "timeout", "success_cache.capacity", "success_cache.min_ttl", "failure_cache.ttl", "nameservers"}},
		{with(t, "dns", func(o *dns) { o.Type, o.Fields = "a", map[string]any{"x": int64(1)} }), []string{"fields.x"}},
		{with[extractArray](t, "extract_array", nil), []string{"field", "mappings"}},
		{with(t, "extract_array", func(o *extractArray) { o.Field, o.Mappings = "l", map[string]any{"a": int64(-1), "b": "x", "c": "0"} }), []string{"mappings.a", "mappings.b"}},
		{&extractField{Index: &minus}, []string{"field", "separator", "target", "index"}},
		{&extractField{Field: "f", Separator: "/", Target: "t"}, []string{"index"}},
		{with[changeCase](t, "lowercase", nil), []string{"fields"}},
		{with[moveFields](t, "move_fields", nil), []string{"to"}},
		{with[registeredDomain](t, "registered_domain", nil), []string{"field", "target_field"}},
		{with(t, "syslog", func(o *syslogMessage) { o.Field, o.Format, o.Timezone = "", "bsd", "Nowhere" }), []string{"format", "timezone", "field"}},
		{with[urlDecode](t, "urldecode", nil), []string{"fields"}},
		{with(t, "urldecode", func(o *urlDecode) { o.Fields = []decoded{{To: "x"}} }), []string{"fields.0.from"}},
	} {
		var got []string
		for _, err := range flatErrors(c.options.Validate()) {
			named, ok := err.(*OptionError)
			if !ok {
				t.Errorf("%T: %v names no option", c.options, err)
				continue
			}
			got = append(got, named.Option)
		}
		if !slices.Equal(got, c.faults) {
			t.Errorf("%T: %q, want %q", c.options, got, c.faults)
		}
	}
}

func flatErrors(err error) (all []error) {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			all = append(all, flatErrors(one)...)
		}
		return all
	}
	return []error{err}
}

// What foreign texts do to the decoders is no panic, and what they make is
// JSON.
func FuzzDecoders(f *testing.F) {
	f.Add("<a b=\"c\"><x>1</x><x/></a>")
	f.Add("aGVsbG8")
	f.Add("a%20b")
	f.Add("www.example.co.uk")
	f.Add("1h2m")
	f.Add("{}")
	to := func(s string) *string { return &s }
	var steps []step
	for _, o := range []options{
		&decodeXML{Field: "m", TargetField: to("x"), OverwriteKeys: true, ToLower: true},
		&decodeBase64{Field: decoded{"m", "b"}},
		&decompressGzip{Field: decoded{"b", "g"}},
		&urlDecode{Fields: []decoded{{"m", "u"}}},
		&registeredDomain{Field: "m", TargetField: "d", TargetSubdomainField: "s", TargetETLDField: "t"},
		&detectMIMEType{Field: "m", Target: "mime"},
		&syslogMessage{Field: "m", OverwriteKeys: true},
		&decodeDuration{Field: "m", Format: "hours"},
	} {
		s, err := o.compile(Env{})
		if err != nil {
			f.Fatal(err)
		}
		steps = append(steps, s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := &event.Event{Fields: map[string]any{"m": text}}
		for _, s := range steps {
			if drop, _ := s.run(e); drop {
				t.Fatal("dropped")
			}
		}
		if b := e.AppendJSON(nil, event.Base{}, false); !json.Valid(b) {
			t.Errorf("%q gives %s", text, b)
		}
	})
}
