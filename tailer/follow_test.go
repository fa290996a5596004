package tailer

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLinesAreShippedAndContinuedAfterARestart(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\ntwo\n")
	g.start()
	g.want("one", "two")
	g.write("a.log", "three\n")
	g.want("one", "two", "three")
	g.halt()
	g.write("a.log", "four\n")
	g.start()
	g.want("one", "two", "three", "four")
	g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == 19 })
}

func TestUnfinishedLastLineWaits(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\nhal")
	g.start()
	g.want("one")
	g.write("a.log", "f\n")
	g.want("one", "half")
}

func TestRenameWhileWriting(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].Paths = []string{g.path("a.log*")}
	f, err := os.Create(g.path("a.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, _ = f.WriteString("one\n")
	g.start()
	g.want("one")
	if err := os.Rename(g.path("a.log"), g.path("a.log.1")); err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString("two\n") // the writer still holds the old file
	g.server.wait(t, 2)
	g.write("a.log", "three\n")
	g.want("one", "two", "three")
	g.eventually("the State has the new name", func() bool { return g.offset("a.log.1") == 8 && g.offset("a.log") == 6 })
}

func TestTruncatedFileIsReadFromTheStartUnderNewIDs(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "header\nold 1\nold 2\n")
	g.start()
	g.want("header", "old 1", "old 2")
	if err := os.Truncate(g.path("a.log"), 0); err != nil {
		t.Fatal(err)
	}
	g.eventually("the truncation is seen", func() bool { return g.offset("a.log") == 0 })
	g.write("a.log", "header\nnew\n")
	g.want("header", "old 1", "old 2", "header", "new")
	e := g.server.events(t)
	if e[0].Metadata.ID == e[3].Metadata.ID {
		t.Errorf("both headers have the id %s: the second would be taken for a copy", e[0].Metadata.ID)
	}
}

func TestTruncatedWhileStopped(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "old 1\nold 2\n")
	g.start()
	g.want("old 1", "old 2")
	g.halt()
	if err := os.WriteFile(g.path("a.log"), []byte("new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.start()
	g.want("old 1", "old 2", "new")
}

func TestPowerCutTakesTheTailOfALongFile(t *testing.T) {
	g := newGateway(t)
	lines, text := numbered("line ", 0, 300)
	g.write("a.log", text)
	g.start()
	g.want(lines...)
	g.halt()
	if err := os.Truncate(g.path("a.log"), 2000); err != nil { // in mid-line, behind the hashed bytes
		t.Fatal(err)
	}
	g.start()
	g.eventually("the offset is the new end", func() bool { return g.offset("a.log") == 2000 })
	g.write("a.log", "\nafter\n")
	g.server.wait(t, 301)
	if got := g.server.messages(t)[300]; got != "after" {
		t.Errorf("went on with %q, want only what is new", got)
	}
}

func TestRemovedWithLinesUnread(t *testing.T) {
	g := newGateway(t)
	block := make(chan struct{})
	g.server.answer = func(w []string) int { <-block; return len(w) }
	lines, text := numbered("", 0, 10000)
	g.cfg.BatchEvents = 10
	g.write("a.log", text)
	g.start()
	g.eventually("the file is open", func() bool { return g.tailer.Status().FilesOpen == 1 })
	if err := os.Remove(g.path("a.log")); err != nil {
		t.Fatal(err)
	}
	close(block)
	g.want(lines...)
	g.eventually("the State is forgotten", func() bool { return len(g.reg.States()) == 0 })
	g.eventually("the handle is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
}

func TestIdenticalFilesStayTwo(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "same\n")
	g.write("b.log", "same\n")
	g.start()
	g.want("same", "same")
	if e := g.server.events(t); e[0].Metadata.ID == e[1].Metadata.ID {
		t.Errorf("both lines have the id %s", e[0].Metadata.ID)
	}
}

func TestInodeUsedAnewUnderAnEqualHeader(t *testing.T) {
	g := newGateway(t)
	var ids []string
	for range 20 { // the file system gives the same inode again sooner or later
		g.write("a.log", "time,value\n")
		g.start()
		g.server.wait(t, len(ids)+1)
		g.halt()
		ids = append(ids, g.server.events(t)[len(ids)].Metadata.ID)
		if err := os.Remove(g.path("a.log")); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 20 {
		t.Errorf("20 files with an equal first line have %d ids", n)
	}
}

func TestIDsAreTheSameAfterACrash(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\ntwo\n")
	g.start()
	g.want("one", "two")
	g.halt()
	if err := os.RemoveAll(g.path("data/registry")); err != nil { // nothing was made durable
		t.Fatal(err)
	}
	g.start()
	g.want("one", "two", "one", "two")
	e := g.server.events(t)
	if e[0].Metadata.ID != e[2].Metadata.ID || e[1].Metadata.ID != e[3].Metadata.ID {
		t.Errorf("sent again under other ids: %v", e)
	}
}

func TestNotificationsComeBeforeTheScan(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].Paths = []string{g.path("x/y/*.log")}
	g.cfg.Inputs[0].ScanFrequency = time.Hour
	g.start()
	// The first scan must be over: before it, nothing is watched.
	g.eventually("the nearest folder is watched", func() bool {
		g.tailer.mu.Lock()
		defer g.tailer.mu.Unlock()
		return g.tailer.watch != nil && g.tailer.watch.folders[g.dir]
	})
	for range 2 { // also when the folder is removed and made anew
		if err := os.MkdirAll(g.path("x/y"), 0o700); err != nil {
			t.Fatal(err)
		}
		before := len(g.server.messages(t))
		g.write("x/y/a.log", "one\n")
		g.server.wait(t, before+1)
		g.write("x/y/a.log", "two\n")
		g.write("x/y/b.log", "three\n")
		g.server.wait(t, before+3)
		if err := os.RemoveAll(g.path("x")); err != nil {
			t.Fatal(err)
		}
		g.eventually("the folders' end is seen", func() bool {
			g.tailer.mu.Lock()
			defer g.tailer.mu.Unlock()
			return !g.tailer.watch.folders[g.path("x")]
		})
	}
}

func TestFolderThatAppearsLater(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].Paths = []string{g.path("**/*.log")}
	g.start()
	if err := os.MkdirAll(g.path("x/y"), 0o700); err != nil {
		t.Fatal(err)
	}
	g.write("x/y/a.log", "deep\n")
	g.want("deep")
}

func TestExcludedFilesAndSymlinks(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].ExcludeFiles = []string{`/b[^/]*$`}
	g.write("b.log", "no\n")
	g.write("target", "no\n")
	if err := os.Symlink(g.path("target"), g.path("link.log")); err != nil {
		t.Fatal(err)
	}
	g.write("a.log", "yes\n")
	g.start()
	g.want("yes")
	g.halt()
	g.cfg.Inputs[0].Symlinks = true
	g.start()
	g.want("yes", "no")
}

func TestIgnoreOlder(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].IgnoreOlder = time.Hour
	g.write("old.log", "old\n")
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(g.path("old.log"), past, past); err != nil {
		t.Fatal(err)
	}
	g.write("new.log", "new\n")
	g.start()
	g.want("new")
	g.eventually("the old file has been looked at", func() bool { return g.offset("old.log") == 4 })
	g.write("old.log", "woken\n") // only what comes now
	g.want("new", "woken")
}

func TestCloseAndReopen(t *testing.T) {
	for name, set := range map[string]func(*InputConfig){
		"close_eof":      func(c *InputConfig) { c.CloseEOF = true },
		"close_inactive": func(c *InputConfig) { c.CloseInactive = time.Millisecond },
		"close_timeout":  func(c *InputConfig) { c.CloseTimeout = time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			set(&g.cfg.Inputs[0])
			g.write("a.log", "one\n")
			g.start()
			g.want("one")
			g.eventually("the file is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
			g.write("a.log", "two\n")
			g.want("one", "two")
		})
	}
}

func TestHarvesterLimit(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].HarvesterLimit = 1
	g.cfg.Inputs[0].CloseEOF = true
	for _, n := range []string{"a.log", "b.log", "c.log"} {
		g.write(n, n+"\n")
	}
	g.start()
	g.server.wait(t, 3)
}

func TestStatesOfFilesRemovedWhileStoppedAreForgotten(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\n")
	g.write("b.log", "two\n")
	g.start()
	g.server.wait(t, 2)
	g.halt()
	if err := os.Remove(g.path("a.log")); err != nil {
		t.Fatal(err)
	}
	g.start()
	g.eventually("only b is known", func() bool { return len(g.reg.States()) == 1 && g.offset("b.log") == 4 })
}

func TestMoreFilesThanAreKeptOpen(t *testing.T) {
	g := newGateway(t)
	const n = maxIdleOpen + 50
	for i := range n {
		lines, text := numbered("", i, i+3)
		_ = lines
		g.write(filepath.Base(string(rune('a'+i%26)))+strings.Repeat("z", i/26)+".log", text)
	}
	g.start()
	g.server.wait(t, 3*n)
	g.eventually("idle files are closed", func() bool { return g.tailer.Status().FilesOpen <= maxIdleOpen })
}

func TestInputFaultsAreAllReported(t *testing.T) {
	in := DefaultInput()
	in.Encoding, in.IncludeLines, in.ScanFrequency, in.MessageMaxBytes = "klingon", []string{"("}, 0, 1
	err := in.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"paths: No paths were defined for input", `encoding: "klingon" is unknown`, "include_lines: \"(\" is no regular expression", "scan_frequency: must be greater than 0", "message_max_bytes: is no option of type log; use max_bytes"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in %q", part, err)
		}
	}
	var oe *OptionError
	if !errors.As(err, &oe) {
		t.Error("no OptionError inside")
	}
}

func TestTwoFilestreamsAndALogInputFollowOneFile(t *testing.T) {
	g := newGateway(t)
	for _, id := range []string{"one", "two"} {
		in := DefaultInput()
		in.Type, in.ID, in.Tags = TypeFilestream, id, []string{id}
		in.Paths = g.cfg.Inputs[0].Paths
		in.Prospector.Scanner.CheckInterval = 50 * time.Millisecond
		g.cfg.Inputs = append(g.cfg.Inputs, in)
	}
	g.write("a.log", "x\n")
	g.start()
	g.server.wait(t, 3)
	g.write("a.log", "y\n")
	g.server.wait(t, 6)
	ids := map[string]bool{}
	for _, e := range g.server.events(t) {
		ids[e.Metadata.ID] = true
	}
	if len(ids) != 6 {
		t.Errorf("six events have %d ids", len(ids))
	}
	g.eventually("each input has its State", func() bool {
		n := 0
		for _, s := range g.reg.States() {
			if s.Offset == 4 {
				n++
			}
		}
		return n == 3
	})
	g.halt()
	g.write("a.log", "z\n")
	g.start()
	g.server.wait(t, 9)
	if n := len(g.server.messages(t)); n != 9 {
		t.Errorf("%d events, want each line once for each input", n)
	}
}

// The server hangs; meanwhile files are renamed out of the input's paths, and
// removed, before it is their turn.
func TestFilesRotatedAwayBeforeTheirTurn(t *testing.T) {
	for name, rotate := range map[string]func(from, to string) error{
		"renamed": os.Rename,
		"removed": func(from, _ string) error { return os.Remove(from) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.cfg.Inputs[0].Paths = []string{g.path("a.log")}
			g.cfg.Inputs[0].ScanFrequency = time.Hour
			g.cfg.BatchEvents = 10
			block := make(chan struct{})
			unblock := sync.OnceFunc(func() { close(block) })
			t.Cleanup(unblock)
			g.server.answer = func(w []string) int { <-block; return len(w) }
			g.start()
			g.eventually("the folder is watched", func() bool {
				g.tailer.mu.Lock()
				defer g.tailer.mu.Unlock()
				return g.tailer.watch != nil && g.tailer.watch.folders[g.dir] && g.tailer.inputs[0].scanned
			})
			var want []string
			for i := range 20 {
				lines, text := numbered("line ", 100*i, 100*i+100)
				want = append(want, lines...)
				g.write("a.log", text)
				g.eventually("the file is seen", func() bool { return g.tailer.Status().Files == i+1 })
				if err := rotate(g.path("a.log"), g.path("a.log."+string(rune('a'+i)))); err != nil {
					t.Fatal(err)
				}
			}
			unblock()
			g.server.wait(t, len(want))
			if got := g.server.messages(t); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
				t.Errorf("%d lines came, want %d", len(got), len(want))
			}
		})
	}
}

// TestNothingIsSentBeforeItIsSettled: the lines of a segment that a recorder
// has not yet fsynced must not leave.
func TestNothingIsSentBeforeItIsSettled(t *testing.T) {
	g := newGateway(t)
	asked, answers := make(chan int64), make(chan error)
	g.cfg.Settle = func(path string, file *os.File) error {
		info, err := file.Stat()
		if err != nil || path != g.path("a.log") {
			t.Errorf("settle %s: %v", path, err)
		}
		asked <- info.Size()
		return <-answers
	}
	g.write("a.log", "one\ntwo\n")
	g.start()
	if size := <-asked; size != 8 {
		t.Errorf("asked about %d bytes", size)
	}
	if got := g.server.messages(t); len(got) > 0 {
		t.Errorf("sent before it was settled: %q", got)
	}
	answers <- errors.New("input/output error")
	<-asked // the next scan
	if got := g.server.messages(t); len(got) > 0 {
		t.Errorf("sent although it was not settled: %q", got)
	}
	answers <- nil
	g.want("one", "two")
}

// The filestream input asks exclude_files and include_files also for the file
// that a link stands for; the log input does not.
func TestNameFiltersLookThroughLinks(t *testing.T) {
	for name, c := range map[string]struct {
		typ              string
		include, exclude []string
		want             []string
	}{
		"filestream, exclude": {TypeFilestream, nil, []string{`/b$`}, []string{"a"}},
		"filestream, include": {TypeFilestream, []string{`\.log$`, `/b$`}, nil, []string{"b"}},
		"log":                 {TypeLog, nil, []string{`/b$`}, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			in := &g.cfg.Inputs[0]
			if in.Symlinks, in.ExcludeFiles = true, c.exclude; c.typ == TypeFilestream {
				g = newFilestream(t)
				in = &g.cfg.Inputs[0]
				s := &in.Prospector.Scanner
				s.Symlinks, s.IncludeFiles, s.ExcludeFiles = true, c.include, c.exclude
			}
			for _, file := range []string{"a", "b"} {
				g.write(file, file+"\n")
				if err := os.Symlink(g.path(file), g.path(file+".log")); err != nil {
					t.Fatal(err)
				}
			}
			g.cfg.Once = true
			g.start()
			g.done()
			if got := g.server.messages(t); !slices.Equal(slices.Sorted(slices.Values(got)), c.want) {
				t.Errorf("sent %q, want %q", got, c.want)
			}
		})
	}
}
