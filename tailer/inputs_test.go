package tailer

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// done waits until the tailer has ended, by itself or because it was stopped.
func (g *gateway) done() {
	g.t.Helper()
	select {
	case <-g.ended:
		g.halt()
	case <-time.After(20 * time.Second):
		g.t.Fatal("it does not end")
	}
}

func TestOnceEndsWhenAllIsAcknowledged(t *testing.T) {
	g := newGateway(t)
	g.cfg.Once = true
	lines, text := numbered("line ", 0, 5000)
	g.write("a.log", text+"no end")
	g.write("b.log", "b\n")
	g.write("empty.log", "")
	g.start()
	g.done()
	if got := g.server.messages(t); len(got) != len(lines)+1 || !slices.Contains(got, "b") {
		t.Errorf("%d messages, want %d", len(got), len(lines)+1)
	}
}

func newStdin(t *testing.T, r io.Reader) *gateway {
	g := newGateway(t)
	in := DefaultInput()
	in.Type = TypeStdin
	g.cfg.Inputs, g.cfg.Stdin = []InputConfig{in}, r
	return g
}

func TestStandardInput(t *testing.T) {
	r, w := io.Pipe()
	g := newStdin(t, r)
	g.start()
	write := func(text string) {
		t.Helper()
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	write("one\ntw")
	g.want("one")
	write("o\n\nthree\n")
	g.want("one", "two", "three")
	if _, text := numbered("a line of many ", 0, 100_000); true {
		write(text) // more than what is held
	}
	g.server.wait(t, 100_003)
	write("the end has no line feed")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	g.server.wait(t, 100_004)
	e := g.server.events(t)
	if last := e[len(e)-1].Message; last != "the end has no line feed" {
		t.Errorf("the last line is %q", last)
	}
	if path := e[0].Log.File.Path; path != "" {
		t.Errorf("it has the path %q", path)
	}
	if n := len(g.reg.States()); n != 0 {
		t.Errorf("%d States", n)
	}
}

func TestStandardInputOnce(t *testing.T) {
	g := newStdin(t, strings.NewReader("one\ntwo"))
	g.cfg.Once = true
	g.start()
	g.done()
	g.want("one", "two")
}

func TestStandardInputStopsWhileNothingComes(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	g := newStdin(t, r)
	g.start()
	if _, err := io.WriteString(w, "one\n"); err != nil {
		t.Fatal(err)
	}
	g.want("one")
	g.halt() // the test's own deadline is the limit
}

func TestStdinRunsAlone(t *testing.T) {
	in, log := DefaultInput(), DefaultInput()
	in.Type, log.Paths = TypeStdin, []string{"/x"}
	err := checkTogether([]InputConfig{log, in})
	if err == nil || !strings.Contains(err.Error(), "stdin requires to be run in exclusive mode, configured inputs: log, stdin") {
		t.Errorf("%v", err)
	}
	log.Enabled = false
	if err := checkTogether([]InputConfig{log, in}); err != nil {
		t.Error(err)
	}
}

func TestTailFiles(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].TailFiles = true
	g.write("a.log", "before\n")
	g.start()
	g.eventually("it is known", func() bool { return g.offset("a.log") == 7 })
	g.write("a.log", "after\n")
	g.want("after")
	g.halt()
	g.write("a.log", "while stopped\n")
	g.start()
	g.want("after", "while stopped")
}

func TestScanOrder(t *testing.T) {
	for _, c := range []struct {
		sort, order string
		want        []string
	}{
		{"filename", "asc", []string{"a", "b", "c"}}, {"filename", "desc", []string{"c", "b", "a"}},
		{"modtime", "asc", []string{"b", "c", "a"}}, {"modtime", "desc", []string{"a", "c", "b"}},
	} {
		t.Run(c.sort+" "+c.order, func(t *testing.T) {
			g := newGateway(t)
			g.cfg.Inputs[0].Scan = ScanOrder{Sort: c.sort, Order: c.order}
			for i, name := range []string{"b", "c", "a"} {
				g.write(name+".log", name+"\n")
				g.age(name+".log", time.Hour-time.Duration(i)*time.Minute)
			}
			g.start()
			g.want(c.want...)
		})
	}
}

func TestLineTerminators(t *testing.T) {
	for name, c := range map[string]struct{ encoding, text string }{
		"auto":                      {"plain", "one\r\ntwo\n"},
		"line_feed":                 {"plain", "one\ntwo\n"},
		"carriage_return":           {"plain", "one\rtwo\r"},
		"carriage_return_line_feed": {"plain", "one\r\ntwo\r\n"},
		"vertical_tab":              {"plain", "one\vtwo\v"},
		"form_feed":                 {"plain", "one\ftwo\f"},
		"null_terminator":           {"plain", "one\x00two\x00"},
		"line_separator":            {"plain", "one\u2028two\u2028"},
		"paragraph_separator":       {"utf-16le", "o\x00n\x00e\x00\x29\x20t\x00w\x00o\x00\x29\x20"},
		"next_line":                 {"iso8859-1", "one\x85two\x85"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.cfg.Inputs[0].LineTerminator, g.cfg.Inputs[0].Encoding = name, c.encoding
			g.write("a.log", c.text)
			g.start()
			g.want("one", "two")
			g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(len(c.text)) })
		})
	}
}

func TestPartialLineTimeout(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].PartialLineTimeout = 200 * time.Millisecond
	g.write("a.log", "one\nno end yet")
	g.start()
	g.want("one", "no end yet")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 14 })
	g.write("a.log", ", the rest\nthree\n")
	g.want("one", "no end yet", ", the rest", "three")
	if e := g.server.events(t); e[2].Log.Offset != 14 {
		t.Errorf("the rest is said to be at %d", e[2].Log.Offset)
	}
}

func (g *gateway) setInputs(list ...InputConfig) {
	g.t.Helper()
	ctx, end := context.WithTimeout(context.Background(), 20*time.Second)
	defer end()
	if err := g.tailer.SetInputs(ctx, list); err != nil {
		g.t.Fatal(err)
	}
}

func TestInputsAreReplacedWhileRunning(t *testing.T) {
	g := newGateway(t)
	a := g.cfg.Inputs[0]
	a.Paths = []string{g.path("a.log")}
	b, changed := a, a
	b.Paths, changed.Tags = []string{g.path("b.log")}, []string{"new"}
	g.cfg.Inputs, g.cfg.MayBeEmpty = nil, true
	g.write("a.log", "a1\n")
	g.write("b.log", "b1\n")
	g.start()
	g.setInputs(a)
	g.want("a1")
	g.setInputs(a, b) // a goes on
	g.want("a1", "b1")
	g.setInputs(b)
	g.write("a.log", "a2\n")
	g.write("b.log", "b2\n")
	g.want("a1", "b1", "b2")
	g.setInputs(b, changed) // and nothing again
	g.want("a1", "b1", "b2", "a2")
	g.setInputs()
	g.eventually("nothing is followed", func() bool { return g.tailer.Status().Files == 0 })
	if err := g.tailer.SetInputs(context.Background(), []InputConfig{{Type: "klingon"}}); err == nil || !strings.Contains(err.Error(), "inputs.0.type") {
		t.Errorf("a bad input: %v", err)
	}
}

// Without notifications open files are looked at as backoff says, long before
// the next scan.
func TestBackoffWithoutNotifications(t *testing.T) {
	newNotifier = func() (*fsnotify.Watcher, error) { return nil, unix.EMFILE }
	t.Cleanup(func() { newNotifier = fsnotify.NewWatcher })
	g := newGateway(t)
	in := &g.cfg.Inputs[0]
	in.ScanFrequency, in.MaxBackoff = time.Hour, 50*time.Millisecond
	if err := in.Backoff.SetScalar("10ms"); err != nil {
		t.Fatal(err)
	}
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.write("a.log", "two\n")
	g.want("one", "two")
	g.write("a.log", "three\n")
	g.want("one", "two", "three")
}

func TestManyWatchedFilesAreCheap(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 10,000 files")
	}
	g := newGateway(t)
	g.cfg.Inputs[0].ScanFrequency = time.Hour
	for i := range 100 {
		dir := g.path("d" + string(rune('a'+i/26)) + string(rune('a'+i%26)))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for j := range 100 {
			if err := os.WriteFile(dir+"/"+string(rune('a'+j/26))+string(rune('a'+j%26))+".log", []byte("a line\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	g.cfg.Inputs[0].Paths = []string{g.path("*/*.log")}
	g.start()
	g.server.wait(t, 10_000)
	g.eventually("all is acknowledged", func() bool { return g.tailer.Status().Acked == 10_000 })
	if s := g.tailer.Status(); s.Files != 10_000 || s.FilesOpen > maxIdleOpen {
		t.Errorf("%d files are followed, %d are open", s.Files, s.FilesOpen)
	}
}
