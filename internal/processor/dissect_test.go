package processor

import (
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/internal/event"
)

func TestDissectPatterns(t *testing.T) {
	for _, c := range []struct{ pattern, in, want string }{
		{"%{a} %{b}", "x y", `{"a": "x", "b": "y"}`},
		{"%{a} %{b}", "x ", `{"a": "x", "b": ""}`},
		{"[%{a}] %{b}", "[x] y", `{"a": "x", "b": "y"}`},
		{"[%{a}] %{b}", " [x] y", ""},
		{"%{a}", "all of it", `{"a": "all of it"}`},
		{"%{a}", "", ""},
		{"%{a} end", "x end and more", `{"a": "x"}`},
		{"%{a} end", "x en", ""},
		{"%{a->} %{b}", "x    y z", `{"a": "x", "b": "y z"}`},
		{"%{a->}, %{b}", "x, , y", `{"a": "x", "b": ", y"}`},
		{"%{a->}--%{b}", "x---y", `{"a": "x", "b": "y"}`},
		{"%{->} %{b}", "x   y", `{"b": "y"}`},
		{"%{+a} %{+a} %{+a}", "1 2 3", `{"a": "1 2 3"}`},
		{"%{+a},%{+a}", "1,2", `{"a": "1,2"}`},
		{"%{+a/2} %{+a/1} %{+a/3}", "1 2 3", `{"a": "2 1 3"}`},
		{"%{?k}=%{&k}", "name=v", `{"name": "v"}`},
		{"%{*k}=%{&k}", "name=v", `{"name": "v"}`},
		{"%{?k}=%{&k}", "=v", `{}`},
		{"%{&k}=%{?k}", "1=2", `{}`},
		{"%{a#2}-%{b}", "xx-y", `{"a": "xx", "b": "y"}`},
		{"%{a#2}-%{b}", "xxx-y", ""},
		{"%{a#2}%{b#2}", "1234", `{"a": "12", "b": "34"}`},
		{"%{a#2}%{b#2}", "12345", ""},
		{"%{a#5}%{b}", "1234", ""},
		{"%{a}%{b}", "12", `{"a": "", "b": "12"}`},
		{"%{a|integer} %{b|long->} %{c->|float}", "010 0x1F  1.5", `{"a": 10, "b": 31, "c": 1.5}`},
		{"%{a|integer} %{b|boolean}", "4294967296 maybe", `{"a": "4294967296", "b": "maybe"}`},
		{"%{+a|long}.%{+a}", "1.2", `{"a": "1.2"}`},
		{"%{a.b} %{a.c}", "1 2", `{"a": {"b": "1", "c": "2"}}`},
		{"%{a/b} %{c#d}", "1 2", `{"a/b": "1", "c#d": "2"}`},
		{"%{a}\n%{b}", "1\n2", `{"a": "1", "b": "2"}`},
	} {
		o := with(t, "dissect", func(o *dissect) { o.Tokenizer, o.Field, o.TargetPrefix = c.pattern, "@text", "out" })
		in := string(event.AppendJSON(nil, map[string]any{"@text": c.in}, false))
		after, _, err := run(t, o, in)
		got := fields(t, after)
		if (err != nil) != (c.want == "") {
			t.Errorf("%s of %q: %v", c.pattern, c.in, err)
		}
		if c.want == "" {
			same(t, string(event.AppendJSON(nil, got["log"], false)), `{"flags": ["dissect_parsing_error"]}`)
			continue
		}
		out := got["out"]
		if out == nil {
			out = map[string]any{}
		}
		same(t, string(event.AppendJSON(nil, out, false)), c.want)
	}
}

func TestDissectPatternsThatAreRefused(t *testing.T) {
	for _, pattern := range []string{"", "no key", "%{a", "%{a} %{b", "%{+}", "%{&}", "%{*}", "%{+&a}", "%{&+a}", "%{&a}", "%{a} %{&a}", "%{+a} %{&a}", "%{a|}", "%{a|complex}", "%{a|b|long|x}"} {
		o := with(t, "dissect", func(o *dissect) { o.Tokenizer = pattern })
		if err := o.Validate(); err == nil || !strings.HasPrefix(err.Error(), "tokenizer: invalid dissect tokenizer") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestDissectAndWhatIsThereAlready(t *testing.T) {
	for _, c := range []struct {
		set       func(o *dissect)
		in, after string
		fails     bool
	}{
		{func(o *dissect) { o.TargetPrefix = "" }, `{"message": "1 2", "a": "old"}`, `{"message": "1 2", "a": "old"}`, true},
		{func(o *dissect) { o.TargetPrefix, o.OverwriteKeys = "", true }, `{"message": "1 2", "a": {"x": 1}}`, `{"message": "1 2", "a": "1", "b": "2"}`, false},
		{func(o *dissect) { o.TargetPrefix = "message" }, `{"message": "1 2"}`, `{"message": "1 2"}`, true},
		{func(o *dissect) { o.TargetPrefix, o.OverwriteKeys = "message", true }, `{"message": "1 2"}`, `{"message": "1 2"}`, true},
		{func(o *dissect) { o.Tokenizer = "%{a} %{a.b}" }, `{"message": "1 2"}`, `{"message": "1 2"}`, true},
		{func(o *dissect) { o.IgnoreFailure = true }, `{"message": "1"}`, `{"message": "1", "log": {"flags": ["dissect_parsing_error"]}}`, false},
		{func(o *dissect) { o.IgnoreFailure = true }, `{"message": "1", "log": 5}`, `{"message": "1", "log": 5}`, true},
		{nil, `{"message": "1", "log": {"flags": ["x"]}}`, `{"message": "1", "log": {"flags": ["x", "dissect_parsing_error"]}}`, true},
		{nil, `{}`, `{}`, true},
		{func(o *dissect) { o.TrimValues = "left" }, `{"message": "1  x "}`, `{"message": "1  x ", "dissect": {"a": "1", "b": "x "}}`, false},
		{func(o *dissect) { o.TrimValues = "right" }, `{"message": "1  x "}`, `{"message": "1  x ", "dissect": {"a": "1", "b": " x"}}`, false},
	} {
		o := with(t, "dissect", func(o *dissect) {
			o.Tokenizer = "%{a} %{b}"
			if c.set != nil {
				c.set(o)
			}
		})
		after, _, err := run(t, o, c.in)
		same(t, after, c.after)
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", c.in, err)
		}
	}
}

func FuzzDissect(f *testing.F) {
	for _, seed := range [][2]string{{"%{a} %{b}", "x y"}, {"%{a->} %{+a/2|integer}%{?c#3}", "x   y"}, {"%{?k}=%{&k};", "a=b;"}, {"%{", "%{"}, {"%{|ip}", "::1"}, {"%{#2}%{a#1}", "abc"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		tok, err := parseTokenizer(pattern)
		if err != nil {
			return
		}
		parts, err := tok.split(text)
		if err != nil {
			return
		}
		total := 0
		for _, p := range parts {
			total += len(p)
			if !strings.Contains(text, p) {
				t.Fatalf("%q is no part of %q", p, text)
			}
		}
		if total > len(text) {
			t.Fatalf("%q gave more than there is in %q", parts, text)
		}
		for name := range tok.values(parts, strings.TrimSpace) {
			if name == "" {
				t.Fatalf("a key without a name: %q", pattern)
			}
		}
		o := &dissect{Field: "message", Tokenizer: pattern, TargetPrefix: "d", TrimValues: "none"}
		s, err := o.compile(Env{})
		if err != nil {
			t.Fatal(err)
		}
		e := &event.Event{Fields: map[string]any{"message": text}}
		_, _ = s.run(e)
		if e.Fields["message"] != text || !utf8.Valid(e.AppendJSON(nil, event.Base{}, false)) {
			t.Fatalf("the event became %v", e.Fields)
		}
	})
}
