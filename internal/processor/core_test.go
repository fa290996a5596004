package processor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/event"
)

func text(s string) *string { return &s }

func names(list ...string) *[]string { return &list }

func TestSimpleProcessors(t *testing.T) {
	for name, c := range map[string]struct {
		options             options
		before, after, meta string
		err                 string
	}{
		"add_fields: with @metadata and over a scalar": {
			&addFields{Target: "", Fields: map[string]any{"@metadata": map[string]any{"x": int64(1)}, "a": map[string]any{"b": "c"}}},
			`{"a": 1}`, `{"a": {"b": "c"}}`, `{"x": 1}`, ""},
		"add_fields: @timestamp stays": {&addFields{Fields: map[string]any{"@timestamp": "x", "a": int64(1)}}, `{}`, `{"a": 1}`, "{}", "@timestamp"},
		"add_labels: flat texts": {
			&addLabels{Labels: map[string]any{"number": int64(1), "with": map[string]any{"dots": "t"}, "on": true, "array": []any{"do", map[string]any{"x": 1.5}}}},
			`{"labels": {"old": "o"}}`, `{"labels": {"array.0": "do", "array.1.x": "1.5", "number": "1", "old": "o", "on": "true", "with.dots": "t"}}`, "{}", ""},
		"add_tags: to a list":   {&addTags{Tags: []string{"x", "x"}}, `{"tags": ["a"]}`, `{"tags": ["a", "x", "x"]}`, "{}", ""},
		"add_tags: to a scalar": {&addTags{Tags: []string{"x"}}, `{"tags": "a"}`, `{"tags": "a"}`, "{}", "no list"},
		"drop_fields: what must stay, and a missing one": {
			&dropFields{Fields: names("@timestamp", "type", "nope", "a.b", "/^x/", "/type/")}, `{"type": 1, "a": {"b": 2}, "x": {"y": 1}, "y": {"x": 1}}`,
			`{"type": 1, "a": {}, "y": {"x": 1}}`, "{}", "[nope]"},
		"drop_fields: none":               {&dropFields{Fields: names()}, `{"a": 1}`, `{"a": 1}`, "{}", ""},
		"include_fields":                  {&includeFields{Fields: names("a.b", "nope")}, `{"a": {"b": 1, "c": 2}, "type": "t", "d": 3}`, `{"a": {"b": 1}, "type": "t"}`, "{}", ""},
		"include_fields: nothing":         {&includeFields{Fields: names()}, `{"a": 1}`, `{}`, "{}", ""},
		"include_fields: no /…/":          {&includeFields{Fields: names("/a/")}, `{"a": 1}`, `{}`, "{}", ""},
		"copy_fields: target is there":    {&copyFields{Fields: []FromTo{{"a", "c"}, {"a", "b"}}, FailOnError: true}, `{"a": 1, "b": 2}`, `{"a": 1, "b": 2, "error": {"message": "Failed to copy fields in copy_fields processor: target field b already exists, drop or rename this field first"}}`, "{}", "already exists"},
		"copy_fields: one missing":        {&copyFields{Fields: []FromTo{{"x", "c"}}, FailOnError: true}, `{}`, `{"error": {"message": "Failed to copy fields in copy_fields processor: could not fetch value for key: x, Error: key not found"}}`, "{}", "key not found"},
		"copy_fields: under a scalar":     {&copyFields{Fields: []FromTo{{"a.b", "c"}}, FailOnError: true, IgnoreMissing: true}, `{"a": 1}`, `{"a": 1, "error": {"message": "Failed to copy fields in copy_fields processor: could not fetch value for key: a.b, Error: expected map but type is int64"}}`, "{}", "expected map"},
		"rename: a becomes a.b":           {&rename{Fields: []FromTo{{"a", "a.b"}}, FailOnError: true}, `{"a": 1}`, `{"a": {"b": 1}}`, "{}", ""},
		"rename: nothing is lost":         {&rename{Fields: []FromTo{{"a", "s.x"}, {"b", "c"}}}, `{"a": 1, "b": 2, "s": ""}`, `{"a": 1, "c": 2, "s": ""}`, "{}", "could not put"},
		"replace: no text":                {&replace{Fields: []replacement{{"a", "x", text("y")}}, FailOnError: true}, `{"a": 5}`, `{"a": 5, "error": {"message": "Failed to replace fields in processor: could not replace in key: a, Error: it is a int64, no text"}}`, "{}", "no text"},
		"replace: by nothing":             {&replace{Fields: []replacement{{"a.b", `\d`, text("")}}}, `{"a": {"b": "x1y2"}}`, `{"a": {"b": "xy"}}`, "{}", ""},
		"fingerprint: a missing field":    {&fingerprint{Fields: []string{"a", "b"}, Method: "md5", Encoding: "hex", TargetField: "f"}, `{"a": 1}`, `{"a": 1}`, "{}", "key not found"},
		"fingerprint: ignore_missing":     {&fingerprint{Fields: []string{"a", "b"}, Method: "xxhash", Encoding: "hex", TargetField: "f", IgnoreMissing: true}, `{"a": "x"}`, `{"a": "x", "f": "0c7531e93ad0acb0"}`, "{}", ""},
		"fingerprint: of a time":          {&fingerprint{Fields: []string{"@timestamp"}, Method: "md5", Encoding: "hex", TargetField: "f"}, `{}`, `{"f": "4d41c64b03fdb122118098d9bddf8ba3"}`, "{}", ""},
		"fingerprint: into the id":        {&fingerprint{Fields: []string{"a"}, Method: "sha384", Encoding: "base64", TargetField: "@metadata._id"}, `{"a": "x"}`, `{"a": "x"}`, `{"_id": "GOiWxoMZ9pONUASGkSCuJGgUoAs713tLuWHKy8VY5XApBhS3ltFLvXsEYPUUvfWj"}`, ""},
		"truncate_fields: characters":     {&truncateFields{Fields: []string{"a", "b"}, MaxCharacters: 2, FailOnError: true}, `{"a": "äöü", "b": "ab"}`, `{"a": "äö", "b": "ab", "log": {"flags": ["truncated"]}}`, "{}", ""},
		"truncate_fields: the first ends": {&truncateFields{Fields: []string{"a", "b"}, MaxBytes: 1, FailOnError: true}, `{"a": 5, "b": "ab"}`, `{"a": 5, "b": "ab"}`, "{}", "no text"},
		"decode_csv_fields: in place":     {with(t, "decode_csv_fields", func(o *decodeCSV) { o.Fields = map[string]any{"a": map[string]any{"b": "a.b"}} }), `{"a": {"b": "x, y,"}}`, `{"a": {"b": ["x", " y", ""]}}`, "{}", ""},
		"decode_csv_fields: target is there": {with(t, "decode_csv_fields", func(o *decodeCSV) { o.Fields = map[string]any{"a": "l", "b": "a"} }),
			`{"a": "x", "b": "y"}`, `{"a": "x", "b": "y"}`, "{}", "already has a value"},
		"decode_csv_fields: overwritten and trimmed": {with(t, "decode_csv_fields", func(o *decodeCSV) {
			o.Fields, o.OverwriteKeys, o.TrimLeadingSpace, o.Separator = map[string]any{"b": "a"}, true, true, "ß"
		}), `{"a": "x", "b": "1ß 2"}`, `{"a": ["1", "2"], "b": "1ß 2"}`, "{}", ""},
		"decode_csv_fields: empty":       {with(t, "decode_csv_fields", func(o *decodeCSV) { o.Fields = map[string]any{"b": "a"} }), `{"b": ""}`, `{"b": ""}`, "{}", "EOF"},
		"decode_csv_fields: goes on":     {with(t, "decode_csv_fields", func(o *decodeCSV) { o.Fields, o.FailOnError = map[string]any{"a": "x", "b": "y"}, false }), `{"a": 1, "b": "2"}`, `{"a": 1, "b": "2", "y": ["2"]}`, "{}", "no text"},
		"decode_csv_fields: all or none": {with(t, "decode_csv_fields", func(o *decodeCSV) { o.Fields = map[string]any{"a": "x", "b": "y"} }), `{"a": "1", "b": 2}`, `{"a": "1", "b": 2}`, "{}", "no text"},
		"add_locale":                     {with(t, "add_locale", func(o *addLocale) { o.Format = "abbreviation" }), `{"event": {"x": 1}}`, `{"event": {"timezone": "` + zoneName() + `", "x": 1}}`, "{}", ""},
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

func zoneName() string {
	name, _ := time.Now().Zone()
	return name
}

func TestLocaleOffsets(t *testing.T) {
	o := &addLocale{Format: "offset"}
	for seconds, want := range map[int]string{0: "+00:00", 3600: "+01:00", -12600: "-03:30", 20700: "+05:45"} {
		if got := o.text("X", seconds); got != want {
			t.Errorf("%d is %s, want %s", seconds, got, want)
		}
	}
}

func TestIDsAreDifferentAndSortByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next, other := newIDs(), newIDs()
		seen := map[string]bool{}
		last := ""
		for range 1000 {
			for _, id := range []string{next(), next(), other()} {
				if seen[id] || len(id) != 20 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
					t.Fatalf("id %q", id)
				}
				seen[id] = true
				last = id
			}
			time.Sleep(time.Millisecond)
			if id := next(); id[:8] == last[:8] {
				t.Fatalf("a millisecond later %s follows %s", id, last)
			}
		}
	})
	o := with(t, "add_id", func(o *addID) { o.TargetField = "a.id" })
	after, meta, err := run(t, o, `{"a": {"b": 1}}`)
	if err != nil || meta != "{}" || !strings.Contains(after, `"id":"`) {
		t.Errorf("%s, %s, %v", after, meta, err)
	}
	if after, _, err = run(t, o, `{"a": 1}`); err == nil || after != `{"a":1}` {
		t.Errorf("%s, %v", after, err)
	}
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := with(t, "rate_limit", func(o *rateLimit) { o.Limit, o.Fields = "2/m", []string{"k", "n"} })
		s, err := o.compile(Env{})
		if err != nil {
			t.Fatal(err)
		}
		passes := func(k any) bool {
			drop, err := s.run(&event.Event{Fields: map[string]any{"k": k}})
			if err != nil {
				t.Fatal(err)
			}
			return !drop
		}
		for i, want := range []bool{true, true, false, false} {
			if passes("a") != want {
				t.Errorf("event %d: %v", i, !want)
			}
		}
		if !passes("b") || !passes(nil) {
			t.Error("other values have the same limit")
		}
		time.Sleep(29 * time.Second)
		if passes("a") {
			t.Error("a token came too early")
		}
		time.Sleep(2 * time.Second)
		if !passes("a") || passes("a") {
			t.Error("not one token after half a minute")
		}
		time.Sleep(time.Hour)
		for i, want := range []bool{true, true, false} {
			if passes("a") != want {
				t.Errorf("after an hour event %d: %v", i, !want)
			}
		}
		if drop, err := s.run(&event.Event{Fields: map[string]any{"k": map[string]any{}, "n": 1}}); drop || err != nil {
			t.Errorf("a section as value: %v, %v", drop, err)
		}
	})
}

func TestRateLimitForgetsFullBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := with(t, "rate_limit", func(o *rateLimit) {
			o.Limit, o.Fields = "0.5/s", []string{"k"}
			o.Algorithm.TokenBucket.GC = bucketGC{NumCalls: 10, NumBuckets: 2}
		})
		s, _ := o.compile(Env{})
		for i := range 1000 {
			if drop, err := s.run(&event.Event{Fields: map[string]any{"k": int64(i)}}); drop || err != nil {
				t.Fatalf("event %d: %v, %v", i, drop, err)
			}
			time.Sleep(time.Second)
		}
		if n := len(s.(*limiter).buckets); n > 15 {
			t.Errorf("%d buckets are kept", n)
		}
	})
}

func TestTimestamps(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	for _, c := range []struct {
		layout string
		v      any
		want   string
	}{
		{"UNIX", "1700000000.25", "2023-11-14T22:13:20.249Z"}, {"UNIX", 1700000000.5, "2023-11-14T22:13:20.500Z"}, {"UNIX", int64(-1), "1969-12-31T23:59:59.000Z"},
		{"UNIX", "1700000000", "2023-11-14T22:13:20.000Z"}, {"UNIX_MS", 1.7e12, "2023-11-14T22:13:20.000Z"}, {"UNIX_MS", "1700000000123", "2023-11-14T22:13:20.123Z"},
		{"UNIX", "x", ""}, {"UNIX", true, ""}, {"UNIX", "NaN", ""}, {"UNIX", 1e300, ""}, {"UNIX_MS", "", ""}, {"2006", int64(2024), ""},
		{"2006-01-02", "2024-02-30", ""}, {"2006-01-02 15:04", "2024-01-01 12:00", "2024-01-01T06:30:00.000Z"},
		{time.RFC3339, start, "2026-11-21T19:43:39.000Z"},
	} {
		o := with(t, "timestamp", func(o *timestamp) { o.Layouts = []string{"no layout", c.layout} })
		got, err := o.parse(c.v, zone)
		if (err != nil) != (c.want == "") || err == nil && event.FormatTime(got) != c.want {
			t.Errorf("%s %v is %v, %v; want %s", c.layout, c.v, got, err, c.want)
		}
	}
	synctest.Test(t, func(t *testing.T) { // in the year 2000
		got, err := parseTime("Jan _2 15:04:05", "Mar  4 05:06:07", time.UTC)
		if err != nil || got.Year() != 2000 {
			t.Errorf("a time without a year is %v, %v", got, err)
		}
	})
}

func TestTimestampFailures(t *testing.T) {
	for _, c := range []struct {
		set  func(o *timestamp)
		in   string
		fail bool
	}{
		{nil, `{"t": "x"}`, true}, {nil, `{}`, true}, {nil, `{"t": {"a": 1}}`, true},
		{func(o *timestamp) { o.IgnoreMissing = true }, `{}`, false}, {func(o *timestamp) { o.IgnoreMissing = true }, `{"t": "x"}`, true},
		{func(o *timestamp) { o.IgnoreFailure = true }, `{"t": "x"}`, false}, {func(o *timestamp) { o.TargetField = "t.x" }, `{"t": "2024"}`, true},
	} {
		o := with(t, "timestamp", func(o *timestamp) {
			o.Field, o.Layouts, o.ID = "t", []string{"2006"}, "ts1"
			if c.set != nil {
				c.set(o)
			}
		})
		after, _, err := run(t, o, c.in)
		same(t, after, c.in)
		if (err != nil) != c.fail || err != nil && !strings.HasPrefix(err.Error(), "ts1: ") {
			t.Errorf("%s: %v", c.in, err)
		}
	}
	o := with(t, "timestamp", func(o *timestamp) { o.Field, o.Layouts, o.TargetField = "t", []string{"2006"}, "a.b" })
	after, _, err := run(t, o, `{"t": "2024"}`)
	if err != nil {
		t.Error(err)
	}
	same(t, after, `{"t": "2024", "a": {"b": "2024-01-01T00:00:00.000Z"}}`)
}
