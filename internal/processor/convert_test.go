package processor

import (
	"math"
	"testing"

	"sluice/internal/event"
)

func TestConversions(t *testing.T) {
	for _, c := range []struct {
		typ  string
		v    any
		want any // nil: refused
	}{
		{"integer", "42", int64(42)}, {"integer", "0x1F", int64(31)}, {"integer", "4294967296", nil}, {"integer", "1.5", nil}, {"integer", "", nil},
		{"integer", 1e10, int64(math.MinInt32)}, {"integer", -1.9, int64(-1)}, {"integer", int64(1 << 32), int64(0)}, {"integer", true, nil}, {"integer", nil, nil},
		{"integer", math.NaN(), int64(math.MinInt32)}, {"integer", float32(7.5), int64(7)}, {"integer", []any{int64(1)}, nil},
		{"long", "9223372036854775807", int64(math.MaxInt64)}, {"long", "9223372036854775808", nil}, {"long", 1e30, int64(math.MinInt64)}, {"long", 17.9, int64(17)},
		{"long", uint64(7), int64(7)}, {"long", 9.3e18, int64(math.MinInt64)}, {"long", map[string]any{}, nil},
		{"float", "3.1", float32(3.1)}, {"float", "1e300", nil}, {"float", int64(2), float32(2)}, {"float", "x", nil}, {"float", true, nil},
		{"double", "1e3", 1000.0}, {"double", 1.5, 1.5}, {"double", float32(0.5), 0.5}, {"double", nil, nil},
		{"boolean", "T", true}, {"boolean", "0", false}, {"boolean", "yes", nil}, {"boolean", true, true}, {"boolean", int64(1), nil},
		{"ip", "192.0.2.1", "192.0.2.1"}, {"ip", "::1", "::1"}, {"ip", "300.1.1.1", nil}, {"ip", "fe80::1%eth0", nil}, {"ip", int64(1), nil}, {"ip", "", nil},
		{"string", "x", "x"}, {"string", int64(12345678901234), "12345678901234"}, {"string", 17.0, "17"}, {"string", true, "true"}, {"string", nil, nil},
		{"string", []any{"a", int64(1)}, "[a 1]"}, {"string", map[string]any{"b": int64(1), "a": "x"}, `{"a":"x","b":1}`},
		{"complex", "1", nil}, {"Long", "1", int64(1)},
		{"integer", "010", int64(10)}, {"long", "-008", int64(-8)}, {"long", "-0X1f", int64(-31)}, {"integer", "0b11", nil}, {"integer", "0o7", nil}, {"long", "1_000", nil},
	} {
		got, err := convertTo(c.typ, c.v)
		if (err != nil) != (c.want == nil) || err == nil && got != c.want {
			t.Errorf("%v as %s is %v (%T), %v; want %v", c.v, c.typ, got, got, err, c.want)
		}
	}
}

func TestConvertModesAndFailures(t *testing.T) {
	for _, c := range []struct {
		set       func(o *convert)
		in, after string
		fails     bool
	}{
		{func(o *convert) { o.Mode, o.Fields = "rename", []conversion{{"a", "x.y", "long"}} }, `{"a": "1"}`, `{"x": {"y": 1}}`, false},
		{func(o *convert) { o.Mode, o.Fields = "rename", []conversion{{"a", "a.b", ""}} }, `{"a": "1"}`, `{"a": {"b": "1"}}`, false},
		{func(o *convert) { o.Mode, o.Fields = "rename", []conversion{{"a", "s.b", ""}} }, `{"a": 1, "s": 2}`, `{"a": 1, "s": 2}`, true},
		{func(o *convert) { o.Mode, o.Fields = "rename", []conversion{{"a", "a", "long"}} }, `{"a": "1"}`, `{"a": 1}`, false},
		{func(o *convert) { o.Fields = []conversion{{"a", "b", ""}} }, `{"a": {"x": [1]}}`, `{"a": {"x": [1]}, "b": {"x": [1]}}`, false},
		{func(o *convert) { o.Fields = []conversion{{"a", "", "long"}, {"b", "", "long"}} }, `{"a": "1", "b": "x"}`, `{"a": "1", "b": "x"}`, true},
		{func(o *convert) {
			o.Fields = []conversion{{"a.x", "", "long"}, {"b", "", "long"}}
			o.IgnoreMissing = true
		}, `{"a": "1", "b": "2"}`, `{"a": "1", "b": "2"}`, true},
		{func(o *convert) {
			o.Fields = []conversion{{"a.x", "", "long"}, {"b", "s.x", ""}, {"b", "", "long"}}
			o.FailOnError = false
		}, `{"a": "1", "b": "2", "s": 1}`, `{"a": "1", "b": 2, "s": 1}`, true},
		{func(o *convert) { o.Fields = []conversion{{"a", "", "float"}} }, `{"a": "0.1"}`, `{"a": 0.1}`, false},
	} {
		after, _, err := run(t, with(t, "convert", c.set), c.in)
		same(t, after, c.after)
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", c.in, err)
		}
	}
	o := with(t, "convert", func(o *convert) { o.Tag, o.Fields = "mine", []conversion{{"a", "", "long"}} })
	if _, _, err := run(t, o, `{}`); err == nil || err.Error() != "mine: convert field a: key not found" {
		t.Errorf("fault %v", err)
	}
}

// A copy does not share what it copies.
func TestCopiesAreCopies(t *testing.T) {
	s, _ := (&copyFields{Fields: []FromTo{{"a", "b"}}, FailOnError: true}).compile(Env{})
	e := &event.Event{Fields: fields(t, `{"a": {"x": 1}}`)}
	if _, err := s.run(e); err != nil {
		t.Fatal(err)
	}
	_, _ = e.Put("a.x", int64(2))
	same(t, string(event.AppendJSON(nil, e.Fields, false)), `{"a": {"x": 2}, "b": {"x": 1}}`)
}
