package localout

import (
	"strings"
	"testing"
)

const doc = `{"@timestamp":"2024-02-05T01:07:09.012Z","@metadata":{"beat":"filebeat","_id":"x"},"log":{"offset":7},"message":"a <b>","n":2.5,"list":[1,"a"]}`

const pretty = `{
  "@timestamp": "2024-02-05T01:07:09.012Z",
  "@metadata": {
    "beat": "filebeat",
    "_id": "x"
  },
  "log": {
    "offset": 7
  },
  "message": "a <b>",
  "n": 2.5,
  "list": [
    1,
    "a"
  ]
}
`

func TestCodecs(t *testing.T) {
	for _, c := range []struct {
		cfg    CodecConfig
		pretty bool
		want   string
	}{
		{CodecConfig{}, false, doc + "\n"},
		{CodecConfig{}, true, pretty},
		{CodecConfig{JSON: &JSONCodec{}}, true, doc + "\n"},
		{CodecConfig{JSON: &JSONCodec{Pretty: true}}, false, pretty},
		{CodecConfig{Format: &FormatCodec{"%{[@timestamp]} %{[message]}"}}, true, "2024-02-05T01:07:09.012Z a <b>\n"},
		{CodecConfig{Format: &FormatCodec{"%{+yyyy.MM.dd} %{[log][offset]} %{[n]} %{[list]} %{[@metadata.beat]} %{[none]:-}"}}, false, "2024.02.05 7 2.5 [1,\"a\"] filebeat -\n"},
		{CodecConfig{Format: &FormatCodec{"x %{[none]}"}}, false, ""},
	} {
		codec, err := newCodec(&c.cfg, c.pretty)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.append([]byte("before"), []byte(doc))
		if string(got) != "before"+c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v pretty %v gives %q, %v; want %q", c.cfg, c.pretty, got, err, c.want)
		}
	}
}

func TestForeignDocumentsAreNoPanic(t *testing.T) {
	f, err := newCodec(&CodecConfig{Format: &FormatCodec{"%{[message]}"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newCodec(&CodecConfig{}, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", "[1]", "7", `{"@timestamp":"yesterday","message":"x"}`} {
		if got, err := f.append(nil, []byte(text)); err == nil {
			t.Errorf("%q gives %q", text, got)
		}
		got, err := p.append([]byte("x"), []byte(text))
		if err != nil && string(got) != "x" {
			t.Errorf("%q gives %q, %v", text, got, err)
		}
	}
}

// tornOf gives a codec the tail of a file in growing parts, as the file's
// owner does, and returns what is kept.
func tornOf(t *testing.T, c codec, text string) string {
	t.Helper()
	for n := 1; ; n *= 2 {
		n = min(n, len(text))
		keep, ok := c.torn([]byte(text[len(text)-n:]), n == len(text))
		if ok || n == len(text) {
			return text[:len(text)-n+keep]
		}
	}
}

func TestTornPrettyDocuments(t *testing.T) {
	c := &indented{}
	for cut := range len(pretty) {
		for _, before := range []string{"", pretty, pretty + pretty, doc + "\n"} {
			if got := tornOf(t, c, before+pretty[:cut]); got != before {
				t.Fatalf("behind %d bytes, cut at %d: %q is left", len(before), cut, got)
			}
		}
	}
	for _, whole := range []string{pretty, pretty + pretty, pretty + doc + "\n", doc + "\n", "text\n", " \n"} {
		if got := tornOf(t, c, whole); got != whole {
			t.Errorf("of the whole %q %q is left", whole, got)
		}
	}
}

func FuzzTornPretty(f *testing.F) {
	f.Add(pretty[:40])
	f.Add("{\n  x\n}\n{\n")
	f.Fuzz(func(t *testing.T, text string) {
		if kept := tornOf(t, &indented{}, text); !strings.HasPrefix(text, kept) || kept != "" && kept[len(kept)-1] != '\n' {
			t.Errorf("of %q %q is left", text, kept)
		}
	})
}

func FuzzFormat(f *testing.F) {
	f.Add("%{[message]}", doc)
	f.Fuzz(func(t *testing.T, format, text string) {
		c, err := newCodec(&CodecConfig{Format: &FormatCodec{format}}, false)
		if err != nil {
			return
		}
		got, err := c.append([]byte("x"), []byte(text))
		if err != nil && string(got) != "x" {
			t.Errorf("%q, %v", got, err)
		}
	})
}
