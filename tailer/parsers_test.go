package tailer

import (
	"os"
	"strings"
	"testing"
	"time"

	"sluice/internal/parser"
)

// parsing makes the gateway's input a filestream with one parser.
func parsing[T any](g *gateway, kind string, set func(*T)) {
	in := &g.cfg.Inputs[0]
	in.Type, in.ScanFrequency = TypeFilestream, DefaultInput().ScanFrequency
	in.FileIdentity.Choose("native")
	in.Prospector.Scanner.CheckInterval = 50 * time.Millisecond
	var e parser.Entry
	set(e.Choose(kind).(*T))
	in.Parsers = parser.List{e}
}

func TestALineThatWaitsIsReadAgainAfterARestart(t *testing.T) {
	g := newGateway(t)
	m := parser.DefaultMultiline()
	m.Pattern, m.Timeout = "^ ", time.Hour
	g.cfg.Inputs[0].Multiline = &m
	g.write("a.log", "a\n b\nc\n d\n")
	g.start()
	g.want("a\n b")
	g.eventually("the first group is acknowledged", func() bool { return g.offset("a.log") == 5 })
	g.halt()
	g.write("a.log", " e\nf\n")
	g.start()
	g.want("a\n b", "c\n d\n e")
	if es := g.server.events(t); es[1].Log.Offset != 5 || !strings.HasSuffix(es[1].Metadata.ID, "-5") {
		t.Errorf("the second group stands at %d, id %s", es[1].Log.Offset, es[1].Metadata.ID)
	}
}

func TestTheTimeoutSendsAGroup(t *testing.T) {
	g := newGateway(t)
	parsing(g, "multiline", func(c *parser.MultilineConfig) { c.Pattern, c.Timeout = "^ ", 30*time.Millisecond })
	g.write("a.log", "a\n b\n")
	g.start()
	g.want("a\n b")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 5 })
}

func TestLinesThatWaitForEverLeaveWhenTheFileDoes(t *testing.T) {
	for name, leave := range map[string]func(*gateway){
		"removed": func(g *gateway) {
			if err := os.Remove(g.path("a.log")); err != nil {
				g.t.Fatal(err)
			}
		},
		"inactive": func(*gateway) {},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			parsing(g, "multiline", func(c *parser.MultilineConfig) { c.Type, c.CountLines = "count", 2 })
			if g.cfg.Inputs[0].Close.OnStateChange.Removed = true; name == "inactive" {
				g.cfg.Inputs[0].Close.OnStateChange.Inactive = 100 * time.Millisecond
			}
			g.write("a.log", "a\nb\nc\n")
			g.start()
			g.server.wait(t, 1)
			leave(g)
			g.want("a\nb", "c")
			g.eventually("the file is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
		})
	}
}

func TestAPieceOfALineIsNotSentAtTheEndOfTheFile(t *testing.T) {
	g := newGateway(t)
	parsing(g, "container", func(*parser.ContainerConfig) {})
	g.cfg.Inputs[0].Close.Reader.OnEOF = true
	const at = "2026-11-21T19:43:39Z stdout "
	g.write("a.log", at+"F one\n"+at+"P tw\n")
	g.start()
	g.want("one")
	g.eventually("the file is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
	g.write("a.log", at+"F o\n")
	g.want("one", "two")
}

func TestJSONLongerThanMaxBytesIsDecoded(t *testing.T) {
	g := newGateway(t)
	parsing(g, "ndjson", func(c *parser.NDJSONConfig) { c.MessageKey = "m" })
	g.cfg.Inputs[0].MessageMaxBytes = 20
	g.write("a.log", `{"a":"`+strings.Repeat("0", 15000)+`","m":"0123456789012345678901234"}`+"\n"+strings.Repeat("x", 20000)+"\n")
	g.start()
	g.want("01234567890123456789", strings.Repeat("x", 20))
	for _, e := range g.server.events(t) {
		if strings.Join(e.Log.Flags, " ") != "truncated" {
			t.Errorf("%q has the flags %v", e.Message, e.Log.Flags)
		}
	}
}

func TestContainerLineLongerThanMaxBytesIsRead(t *testing.T) {
	g := newGateway(t)
	parsing(g, "container", func(*parser.ContainerConfig) {})
	g.cfg.Inputs[0].MessageMaxBytes = 5
	g.write("a.log", "2026-11-21T19:43:39Z stdout F 0123456789\n"+`{"log":"abcdefghij\n","stream":"stderr","time":"2026-11-21T19:43:39Z"}`+"\n")
	g.start()
	g.want("01234", "abcde")
}

func TestJSONAndFiltersNeedAMessageKey(t *testing.T) {
	in := DefaultInput()
	in.Paths, in.JSON, in.IncludeLines = []string{"/x"}, &parser.JSONConfig{}, []string{"a"}
	const want = "json.message_key: When using the JSON decoder and line filtering together, you need to specify a message_key value"
	if err := in.Validate(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the fault is %v", err)
	}
	if in.JSON.MessageKey = "m"; in.Validate() != nil {
		t.Errorf("the fault is %v", in.Validate())
	}
}

func TestTagsOfTheData(t *testing.T) {
	g := newGateway(t)
	parsing(g, "ndjson", func(*parser.NDJSONConfig) {})
	g.cfg.Inputs[0].Tags = []string{"t"}
	g.write("a.log", `{"tags":"one"}`+"\n"+`{"tags":["j"]}`+"\n"+`{}`+"\n")
	g.start()
	g.server.wait(t, 3)
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	for i, want := range []string{`"tags":"one"`, `"tags":["j","t"]`, `"tags":["t"]`} {
		if !strings.Contains(g.server.docs[i], want) {
			t.Errorf("%s lacks %s", g.server.docs[i], want)
		}
	}
}
