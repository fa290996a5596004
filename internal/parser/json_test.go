package parser

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestJSONOfTheLogInput(t *testing.T) {
	root := JSONConfig{KeysUnderRoot: true, AddErrorKey: true}
	over := JSONConfig{KeysUnderRoot: true, OverwriteKeys: true, AddErrorKey: true}
	for _, c := range []struct {
		c    JSONConfig
		line string
		want string
	}{
		{JSONConfig{}, `{"a":1}`, `{"json":{"a":1},"log":{"offset":0}}`},
		{JSONConfig{}, ``, `{"json":{},"log":{"offset":0}}`},
		{JSONConfig{}, `x`, `{"json":{},"log":{"offset":0},"message":"x"}`},
		{JSONConfig{MessageKey: "m"}, `x`, `{"json":{},"log":{"offset":0},"message":"x"}`},
		{JSONConfig{MessageKey: "m", AddErrorKey: true}, `x`,
			`{"json":{"error":{"message":"Error decoding JSON: invalid character 'x' looking for beginning of value","type":"json"},"m":"x"},"log":{"offset":0}}`},
		{JSONConfig{MessageKey: "m"}, `{"m":"text\n"}`, `{"json":{"m":"text"},"log":{"offset":0}}`},
		{JSONConfig{MessageKey: "m"}, `{"m":7,"n":1}`, `{"json":{"m":"","n":1},"log":{"offset":0}}`},
		{JSONConfig{MessageKey: "m"}, `{}`, `{"json":{},"log":{"offset":0}}`},
		{JSONConfig{DocumentID: "a.b"}, `{"a":{"b":"i"},"c":1}`, `{"@id":"i","json":{"a":{},"c":1},"log":{"offset":0}}`},
		{JSONConfig{DocumentID: "a"}, `{"a":5}`, `{"json":{"a":5},"log":{"offset":0}}`},
		{root, `{"log":{"offset":9,"level":"w"},"input":{"y":1},"message":{"x":1},"host":1}`, `{"host":1,"input":{"type":"x","y":1},"log":{"level":"w","offset":0},"message":{"x":1}}`},
		{root, `{"log":{"offset":{"x":1}}}`, `{"log":{"offset":{"x":1}}}`},
		{over, `{"log":{"offset":9},"input":"y"}`, `{"log":{"offset":9}}`},
		{over, `{"log":"text"}`, `{"log":"text"}`},
		{over, `{"@timestamp":"2021-03-04T05:06:07.891Z","n":null}`, `{"@timestamp":"2021-03-04T05:06:07.891Z","log":{"offset":0},"n":null}`},
		{over, `{"@timestamp":7,"error":"own"}`, `{"error":{"message":"@timestamp not overwritten (not string)","type":"json"},"log":{"offset":0}}`},
		{over, `{"a":1e400,"b":9223372036854775808,"c":9223372036854775807}`, `{"a":"1e400","b":9.223372036854776e+18,"c":9223372036854775807,"log":{"offset":0}}`},
		{root, `{"a":"x`, `{"error":{"message":"Error decoding JSON: invalid character '\\n' in string literal","type":"json"},"log":{"offset":0},"message":"{\"a\":\"x"}`},
		{root, ``, `{"error":{"message":"Error decoding JSON: EOF","type":"json"},"log":{"offset":0},"message":""}`},
		{JSONConfig{KeysUnderRoot: true}, `{"error":"own"}`, `{"error":"own","log":{"offset":0},"message":""}`},
		{JSONConfig{}, `{"error":{}}`, `{"json":{"error":{}},"log":{"offset":0},"message":""}`},
		{JSONConfig{KeysUnderRoot: true}, `{"error":null}`, `{"error":null,"log":{"offset":0}}`},
		{JSONConfig{KeysUnderRoot: true}, `{"error":"own","a":1}`, `{"a":1,"error":"own","log":{"offset":0}}`},
		{JSONConfig{MessageKey: "m"}, `{"error":"own"}`, `{"json":{"error":"own","m":""},"log":{"offset":0}}`},
		{root, `null`, `{"error":{"message":"Error decoding JSON: \u003cnil\u003e","type":"json"},"log":{"offset":0},"message":"null"}`},
		{JSONConfig{KeysUnderRoot: true, ExpandKeys: true}, `{"a":1,"a.b":2}`, `{"log":{"offset":0}}`},
		{JSONConfig{KeysUnderRoot: true, ExpandKeys: true}, `{"log.level":"w"}`, `{"log":{"level":"w","offset":0}}`},
	} {
		got := through(fromLog(t, 100, &c.c, nil, nil), c.line+"\n", false)
		if len(got) != 1 || got[0].event != strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(c.want) {
			t.Errorf("%+v of %s\ngot  %v\nwant %s", c.c, c.line, got, c.want)
		}
	}
}

func TestJSONThenMultiline(t *testing.T) {
	p := fromLog(t, 100, &JSONConfig{MessageKey: "m", KeysUnderRoot: true}, multi(func(c *MultilineConfig) { c.Pattern = "^ " }), nil)
	got := through(p, `{"m":"a","n":{"x":1,"y":1},"first":1}`+"\n"+`{"m":" b","n":{"x":2}}`+"\n", true)
	check(t, "joined", got, `0-61 {"first":1,"log":{"flags":["multiline"],"offset":0},"m":"a\n b","n":{"x":2,"y":1}}`)
}

func TestNDJSON(t *testing.T) {
	for _, c := range []struct {
		set  func(*NDJSONConfig)
		line string
		want string // empty: no event
	}{
		{nil, `{"a":1}`, `{"a":1,"log":{"offset":0}}`},
		{nil, `{}`, `{"log":{"offset":0}}`},
		{nil, `x`, `{"log":{"offset":0},"message":"x"}`},
		{nil, ``, ``},
		{func(c *NDJSONConfig) { c.AddErrorKey = true }, ``, `{"error":{"message":"Error decoding JSON: EOF","type":"json"},"message":""}`},
		{nil, `{"error":"own"}`, `{"error":"own","log":{"offset":0},"message":""}`},
		{func(c *NDJSONConfig) { c.Target = "t" }, `{"error":"own"}`, `{"log":{"offset":0},"message":"","t":{"error":"own"}}`},
		{func(c *NDJSONConfig) { c.AddErrorKey = true }, `{"a":"x`, `{"error":{"message":"Error decoding JSON: unexpected EOF","type":"json"},"log":{"offset":0},"message":"{\"a\":\"x"}`},
		{func(c *NDJSONConfig) { c.Target, c.AddErrorKey = "t", true }, `{`, `{"log":{"offset":0},"message":"{","t":{"error":{"message":"Error decoding JSON: unexpected EOF","type":"json"}}}`},
		{func(c *NDJSONConfig) { c.Target, c.KeysUnderRoot = "t", true }, `{"a":1}`, `{"log":{"offset":0},"t":{"a":1}}`},
		{func(c *NDJSONConfig) { c.Target = "t.u" }, `{"a":1}`, `{"log":{"offset":0},"t":{"u":{"a":1}}}`},
		{func(c *NDJSONConfig) { c.Target = "log.x" }, `{"a":1}`, `{"log":{"offset":0,"x":{"a":1}}}`},
		{func(c *NDJSONConfig) { c.Target = "log" }, `{"level":"w"}`, `{"log":{"level":"w"}}`},
		{func(c *NDJSONConfig) { c.Target = "t" }, `{}`, `{"log":{"offset":0}}`},
		{func(c *NDJSONConfig) { c.MessageKey = "m" }, `{"m":"text","message":"other","n":1}`, `{"log":{"offset":0},"m":"text","message":"text","n":1}`},
		{func(c *NDJSONConfig) { c.DocumentID = "id" }, `{"id":"i","n":1}`, `{"@id":"i","log":{"offset":0},"n":1}`},
		{nil, `{"log":{"offset":9,"file":{"path":"p","x":1}},"input":"y","message":"m"}`, `{"log":{"file":{"path":"/f","x":1},"offset":0},"message":"m"}`},
		{func(c *NDJSONConfig) { c.OverwriteKeys = true }, `{"log":{"offset":9,"file":{"path":"p"}},"input":"y"}`, `{"log":{"file":{"path":"p"},"offset":9}}`},
		{func(c *NDJSONConfig) { c.OverwriteKeys = true }, `{"@timestamp":"2021-03-04T05:06:07Z","@metadata":{"pipeline":"evil"},"type":"_x"}`, `{"@timestamp":"2021-03-04T05:06:07.000Z","log":{"offset":0}}`},
	} {
		got := through(fromList(t, 100, entry(kindNDJSON, c.set)), c.line+"\n", false)
		if len(got) != 1 || got[0].event != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.line, got, c.want)
		}
	}
}

func TestFlagsOfALogThatJSONHasTouched(t *testing.T) {
	p := fromList(t, 6, entry(kindMultiline, func(c *MultilineConfig) { c.Pattern = "^ " }), entry(kindNDJSON, func(c *NDJSONConfig) { c.MessageKey = "m" }))
	got := through(p, "{\"log\":{\"level\":\"w\"},\n \"m\":\"0123456789\"}\n", true)
	check(t, "flags", got, `0-41 {"log":{"flags":["multiline","truncated"],"level":"w","offset":22},"m":"0123456789","message":"012345"}`)
}

func TestErrorsOfLinesAreLoggedOncePerPause(t *testing.T) {
	var log strings.Builder
	p, err := CompileLog(&JSONConfig{}, nil, nil, 100, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	c := p.New()
	var got []out
	addLines(c, "x\nx\nx\n", 0, testTime, collect(&got))
	addLines(c, "x\n", 6, testTime.Add(pause), collect(&got))
	if n := strings.Count(log.String(), "Error decoding JSON"); n != 2 || !strings.Contains(log.String(), `"not_logged":2`) {
		t.Errorf("%d errors were logged: %s", n, log.String())
	}
	log.Reset()
	if p, err = CompileLog(&JSONConfig{IgnoreDecodingError: true}, nil, nil, 100, zerolog.New(&log)); err != nil {
		t.Fatal(err)
	}
	through(p, "x\n", false)
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,"x",null,true,{"b":1e400}]}`, `{"log":{"offset":1,"file":"x"},"tags":3}`, `null`, `[1]`, `{"a.b":1,"a":{"b":2}}`, `{"error":1,"@timestamp":"","@metadata":[],"type":"_"}`, `{"m":"\ud800","log.flags":1}`} {
		f.Add([]byte(seed), byte(0), uint8(10))
		f.Add([]byte(seed), byte(0xff), uint8(3))
	}
	f.Fuzz(func(t *testing.T, line []byte, bits byte, limit uint8) {
		c := JSONConfig{KeysUnderRoot: bits&1 > 0, OverwriteKeys: bits&2 > 0, ExpandKeys: bits&4 > 0, AddErrorKey: bits&8 > 0}
		n := NDJSONConfig{OverwriteKeys: c.OverwriteKeys, ExpandKeys: c.ExpandKeys, AddErrorKey: c.AddErrorKey}
		if bits&16 > 0 {
			c.MessageKey, n.MessageKey = "m", "m"
		}
		if bits&32 > 0 {
			c.DocumentID, n.DocumentID = "a", "a.b"
		}
		if bits&64 > 0 {
			n.Target = "log.file"
		}
		for _, p := range []*Program{fromLog(t, int(limit)+1, &c, nil, nil), fromList(t, int(limit)+1, entry(kindNDJSON, func(o *NDJSONConfig) { *o = n }))} {
			var got []out
			end := int64(len(line)) + 1
			p.New().Add(&Line{Text: line, End: end, Offset: int64(0), Time: testTime}, testTime, collect(&got))
			if len(got) != 1 || got[0].line.End != end || len(got[0].text) > int(limit)+1 {
				t.Fatalf("%q became %v", line, got)
			}
		}
	})
}
