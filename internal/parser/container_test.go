package parser

import (
	"strings"
	"testing"
	"time"
)

func TestContainerLines(t *testing.T) {
	const at = "2026-11-21T19:43:39Z "
	docker := func(log, more string) string {
		return `{"log":"` + log + `","stream":"stdout"` + more + `,"time":"2026-11-21T19:43:39Z"}`
	}
	for _, c := range []struct {
		name       string
		set        func(*ContainerConfig)
		text       string
		container  []string
		filestream []string // nil: the same
	}{
		{"docker", nil, docker(`a\n`, `,"attrs":{"k":"v","n":5}`) + "\n", []string{
			`0-86 {"docker":{"attrs":{"k":"v","n":5}},"log":{"offset":0},"message":"a","stream":"stdout"}`}, []string{
			`0-86 {"docker":{"attrs":{"k":"v","n":5}},"log":{"offset":0},"message":"a\n","stream":"stdout"}`}},
		{"docker pieces", nil, docker("a", "") + "\n" + docker(`b\r\n`, "") + "\n", []string{
			`0-124 {"log":{"offset":0},"message":"ab","stream":"stdout"}`}, []string{
			`0-124 {"log":{"offset":0},"message":"ab\r\n","stream":"stdout"}`}},
		{"text behind a docker object", nil, docker(`a\n`, "") + " more\n", []string{
			`0-67 {"log":{"offset":0},"message":"a","stream":"stdout"}`}, []string{
			`0-67 {"log":{"offset":0},"message":"a\n","stream":"stdout"}`}},
		{"an empty docker log", nil, docker("", "") + "\n", []string{`0-59 {"log":{"offset":0},"stream":"stdout"}`}, nil},
		{"cri", nil, at + "stdout F a  b \n" + at + "stderr P:x c\n" + at + "stderr F:P:x \n" + at + "stderr F d\n", []string{
			`0-36 {"log":{"offset":0},"message":"a  b ","stream":"stdout"}`, `36-137 {"log":{"offset":36},"message":"cd","stream":"stderr"}`}, nil},
		{"one stream", func(c *ContainerConfig) { c.Stream = "stderr" }, at + "stdout F a\n" + at + "stderr F b\n" + at + "stdout F c\n", []string{
			`blank to 32`, `32-64 {"log":{"offset":0},"message":"b","stream":"stderr"}`, `blank to 96`}, []string{
			`blank to 32`, `32-64 {"log":{"offset":32},"message":"b","stream":"stderr"}`, `blank to 96`}},
		{"streams of pieces are glued and named by the last to filter, the first to show", func(c *ContainerConfig) { c.Stream = "stderr" },
			at + "stdout P a\n" + at + "stderr F b\n", []string{`0-64 {"log":{"offset":0},"message":"ab","stream":"stdout"}`}, nil},
		{"a damaged line drops the pieces before it", nil, at + "stdout P a\nx\n" + at + "stdout F b\n", []string{
			`blank to 34`, `34-66 {"log":{"offset":34},"message":"b","stream":"stdout"}`}, nil},
		{"other format", func(c *ContainerConfig) { c.Format = "docker" }, at + "stdout F a\n", []string{`blank to 32`}, nil},
		{"tags are needed", func(c *ContainerConfig) { c.Format = "cri" }, at + "stdout F\n" + at + "stdout\n\n", []string{`blank to 30`, `blank to 58`, `blank to 59`}, nil},
	} {
		o := DefaultContainer()
		if c.set != nil {
			c.set(&o)
		}
		check(t, c.name+", container", through(fromLog(t, 100, nil, nil, &o), c.text, false), c.container...)
		if c.filestream == nil {
			c.filestream = c.container
		}
		check(t, c.name+", filestream", through(fromList(t, 100, entry(kindContainer, func(x *ContainerConfig) { *x = o })), c.text, false), c.filestream...)
	}
}

func TestContainerTimeIsThatOfTheFirstPiece(t *testing.T) {
	got := through(fromList(t, 100, entry[ContainerConfig](kindContainer, nil)), "2024-05-01T10:00:00.5+02:00 stdout P a\n2024-05-01T11:00:00Z stdout F b\n", false)
	if len(got) != 1 || !got[0].line.Time.Equal(time.Date(2024, 5, 1, 8, 0, 0, 500e6, time.UTC)) {
		t.Errorf("got %v", got)
	}
}

func TestSyslogLines(t *testing.T) {
	p := fromList(t, 100, entry(kindSyslog, func(c *SyslogConfig) { c.Timezone = "+02:00" }))
	got := through(p, "<13>1 2026-11-21T19:43:39Z h a - - - text\n<13>1 - - - - - -\nno syslog\n", false)
	check(t, "syslog", got,
		`0-42 {"log":{"syslog":{"appname":"a","facility":{"code":1,"name":"user-level"},"hostname":"h","priority":13,"severity":{"code":5,"name":"Notice"},"version":"1"}},"message":"text"}`,
		`blank to 60`,
		`60-70 {"error":{"message":"Error parsing syslog message: parsing error at position 4: unexpected EOF"},"log":{"offset":60},"message":"no syslog"}`)

	p = fromList(t, 3, entry(kindSyslog, func(c *SyslogConfig) { c.AddErrorKey = false }))
	got = through(p, "no syslog\n<13>1 2026-11-21T19:43:39Z - - - - - text\n", false)
	check(t, "without error key, cut", got, `0-10 {"log":{"flags":["truncated"],"offset":0},"message":"no "}`,
		`10-52 {"log":{"flags":["truncated"],"syslog":{"facility":{"code":1,"name":"user-level"},"priority":13,"severity":{"code":5,"name":"Notice"},"version":"1"}},"message":"tex"}`)

	zone, err := location("Europe/Berlin")
	if err != nil || zone.String() != "Europe/Berlin" {
		t.Errorf("%v, %v", zone, err)
	}
}

func TestIncludeMessage(t *testing.T) {
	p := fromList(t, 100, entry(kindInclude, func(c *IncludeConfig) { c.Patterns = []string{"^a", "^b"} }),
		entry(kindMultiline, func(c *MultilineConfig) { c.Pattern = "^b" }))
	got := through(p, "x\na\nx\nb\nx\nx\n", true)
	check(t, "include_message", got, `blank to 2`, `2-12 {"log":{"flags":["multiline"],"offset":6},"message":"a\nb"}`)
}

func FuzzContainer(f *testing.F) {
	for _, seed := range []string{"2026-11-21T19:43:39Z stdout P a\n2026-11-21T19:43:39Z stderr F b\n", `{"log":"a\n","stream":"stdout","time":"2026-11-21T19:43:39Z","attrs":{"a":1}}`, "{}\n \n2026-11-21T19:43:39Z  \n", `{"log":"\ud800`} {
		f.Add(seed, byte(0))
		f.Add(seed, byte(0x11))
	}
	f.Fuzz(func(t *testing.T, text string, bits byte) {
		o := ContainerConfig{Stream: []string{"all", "stdout", "stderr"}[bits%3], Format: []string{"auto", "docker", "cri"}[bits>>4%3]}
		for _, p := range []*Program{fromLog(t, 100, nil, nil, &o), fromList(t, 100, entry(kindContainer, func(x *ContainerConfig) { *x = o }))} {
			c := p.New()
			var got []out
			addLines(c, text, 0, testTime, collect(&got))
			c.Flush(collect(&got))
			end := int64(len(text))
			if len(got) == 0 && text != "" || len(got) > 0 && got[len(got)-1].line.End != end {
				t.Fatalf("%q became %v", text, got)
			}
			for _, o := range got {
				if strings.Count(o.text, "\n") > strings.Count(text, "\n")+strings.Count(text, `\`) {
					t.Fatalf("%q became %v", text, got)
				}
			}
		}
	})
}
