package formatstring

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/internal/event"
)

var at = time.Date(2024, 2, 5, 0, 7, 9, 12345678, time.FixedZone("", -3600)) // 01:07:09 UTC, a Monday

var sample = &event.Event{Time: at, Meta: map[string]any{"_id": "x-1"}, Fields: map[string]any{
	"message": "a line",
	"log":     map[string]any{"offset": int64(7), "file": map[string]any{"path": "/a.log"}},
	"f":       2.5, "big": 1e21, "yes": true, "none": nil, "list": []any{"a", int64(1)}, "dotted.name": "d",
}}

func TestFormat(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		"plain":                           "plain",
		"%{[message]}":                    "a line",
		"%{[@timestamp]} %{[message]}":    "2024-02-05T01:07:09.012Z a line",
		"%{[log.file.path]}":              "/a.log",
		"%{[log][file][path]}":            "/a.log",
		"%{[dotted.name]}":                "d",
		"%{[@metadata._id]}":              "x-1",
		"%{[log.offset]}/%{[f]}":          "7/2.5",
		"%{[big]} %{[yes]}":               "1e+21 true",
		"%{[list]}":                       `["a",1]`,
		"%{[log.file]}":                   `{"path":"/a.log"}`,
		"%{[no]:else}":                    "else",
		"%{[no]:}|":                       "|",
		"%{[none]:null}":                  "null",
		"%{[no]:%{[nor]:%{[message]}}}":   "a line",
		"%{[message]:unused}":             "a line",
		"%{[no]:a:b}":                     "a:b",
		"%{[no]:\\}}":                     "}",
		`\%{[message]} \\ {x} 100% a:b }`: `%{[message]} \ {x} 100% a:b }`,
		"%{+yyyy.MM.dd}":                  "2024.02.05",
		"x-%{+yy-M-d}":                    "x-24-2-5",
		"%{+EEE EEEE MMM MMMM a}":         "Mon Monday Feb February AM",
		"%{+xxxx.ww e DDD CC}":            "2024.06 1 036 20",
		"%{+HH:mm:ss.SSS}":                "01:07:09.012",
		"%{+SSSSSSSSSSSS n}":              "012345678000 12345678",
		"%{+hh kk KK z}":                  "01 01 01 +00:00",
		"%{+yyyy'at'HH''}":                "2024at01'",
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got, err := f.Append(nil, at, sample.Get); string(got) != want || err != nil {
			t.Errorf("%q gives %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestMissingField(t *testing.T) {
	for text, field := range map[string]string{
		"a %{[message]} %{[no.such]}": "no.such",
		"%{[none]}":                   "none",
		"%{[no]:%{[nor]}}":            "nor",
		"%{[message.x]}":              "message.x",
	} {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Append([]byte("kept "), at, sample.Get)
		var missing *MissingError
		if !errors.As(err, &missing) || missing.Field != field || string(got) != "kept " {
			t.Errorf("%q gives %q, %v; want %s missing", text, got, err, field)
		}
	}
	f, err := Parse("%{[a]} %{[b]:%{[c]}} %{[d]:x%{+yyyy}}")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.Fields(), " "); got != "a c" || !f.Dated() {
		t.Errorf("fields %q, dated %v", got, f.Dated())
	}
}

func TestParseFaults(t *testing.T) {
	for text, want := range map[string]string{
		"%{[message]":        "no closing }",
		"%{[message]:x":      "no closing }",
		"%{+yyyy":            "no closing }",
		"%{message}":         "%{message} is neither a field nor a date",
		"%{}":                "neither a field",
		"%{[]}":              "neither a field",
		"%{[a]b]}":           "neither a field",
		"%{+}":               "holds no date",
		"%{+yyyy.QQ}":        "QQ is no part of a date",
		"%{+'x}":             "no closing quote",
		"%{[a]:%{[b]:%{c}}}": "%{c} is neither",
		strings.Repeat("%{[a]:", 30) + strings.Repeat("}", 30): "too many defaults",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"%{[a]:b}", `\%{+yyyy'x'}`, "%{[a]:%{+MM}}}", "%{[a][b]}%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		format, err := Parse(text)
		if err != nil {
			return
		}
		got, err := format.Append(nil, at, sample.Get)
		if err == nil && !strings.ContainsAny(text, `\%`) && string(got) != text {
			t.Errorf("%q gives %q", text, got)
		}
	})
}
