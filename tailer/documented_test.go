package tailer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// What Filebeat's documentation says of single options, where the kind of
// option gives no test its name.

// "If a state already exist, the offset is not changed. In case a file is
// updated again later, reading continues at the set offset position."
func TestAnOldFileThatIsKnownIsReadOnWhenItChanges(t *testing.T) {
	for name, ignore := range map[string]func(*InputConfig){
		"log, ignore_older":           func(c *InputConfig) { c.IgnoreOlder = time.Hour },
		"filestream, ignore_older":    func(c *InputConfig) { c.IgnoreOlder = time.Hour },
		"filestream, ignore_inactive": func(c *InputConfig) { c.IgnoreInactive = sinceLastStart },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			if strings.HasPrefix(name, "filestream") {
				g = newFilestream(t)
			}
			g.write("a.log", "one\n")
			g.start()
			g.want("one")
			g.halt()
			g.write("a.log", "two\n")
			g.age("a.log", 2*time.Hour)
			ignore(&g.cfg.Inputs[0])
			g.start()
			g.write("b.log", "b1\n")
			g.want("one", "b1")
			g.eventually("b is acknowledged", func() bool { return g.offset("b.log") == 3 })
			if got := g.offset("a.log"); got != 4 {
				t.Errorf("the offset of the old file is %d", got)
			}
			g.write("a.log", "three\n")
			g.want("one", "b1", "two", "three")
		})
	}
}

func TestOnceDoesNotWaitForFilesThatAreIgnored(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.halt()
	g.write("a.log", "two\n")
	g.age("a.log", 2*time.Hour)
	g.cfg.Inputs[0].IgnoreOlder, g.cfg.Once = time.Hour, true
	g.start()
	g.done()
	g.want("one")
}

// A file that is rotated in while the tailer runs would else lose its first
// lines.
func TestTailFilesIsForTheFirstScan(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].TailFiles = true
	g.write("a.log", "before\n")
	g.start()
	g.eventually("the old file is known", func() bool { return g.offset("a.log") == 7 })
	g.write("b.log", "b1\nb2\n")
	g.want("b1", "b2")
	g.write("a.log", "after\n")
	g.want("b1", "b2", "after")
}

func TestRecursiveGlob(t *testing.T) {
	for name, c := range map[string]struct {
		pattern   string
		recursive bool
		want      []int // the levels of folders below the first
	}{
		"eight levels":       {"top/**/*.log", true, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}},
		"switched off":       {"top/**/*.log", false, []int{1}},
		"the last ** counts": {"**/d/**/*.log", true, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}},
	} {
		for _, typ := range []string{TypeLog, TypeFilestream} {
			t.Run(name+", "+typ, func(t *testing.T) {
				g := newGateway(t)
				if typ == TypeFilestream {
					g = newFilestream(t)
				}
				in := &g.cfg.Inputs[0]
				in.Paths = []string{g.path(c.pattern)}
				in.RecursiveGlob.Enabled, in.Prospector.Scanner.RecursiveGlob = c.recursive, c.recursive
				if typ == TypeLog {
					in.Prospector.Scanner.RecursiveGlob = true
				} else {
					in.RecursiveGlob.Enabled = true
				}
				for level := range 11 {
					dir := "top" + strings.Repeat("/d", level)
					if err := os.MkdirAll(g.path(dir), 0o700); err != nil {
						t.Fatal(err)
					}
					g.write(dir+"/a.log", fmt.Sprintln(level))
				}
				g.cfg.Once = true
				g.start()
				g.done()
				var got []int
				for _, m := range g.server.messages(t) {
					var level int
					if _, err := fmt.Sscan(m, &level); err != nil {
						t.Fatal(err)
					}
					got = append(got, level)
				}
				if slices.Sort(got); !slices.Equal(got, c.want) {
					t.Errorf("levels %v, want %v", got, c.want)
				}
			})
		}
	}
}

// A limit holds at every moment, and everything comes in the end.
func TestHarvesterLimitIsNeverExceeded(t *testing.T) {
	g := newGateway(t)
	in := &g.cfg.Inputs[0]
	in.HarvesterLimit, in.CloseInactive, in.ScanFrequency = 2, time.Millisecond, 10*time.Millisecond
	g.cfg.BatchEvents = 10
	most := int64(0)
	g.server.answer = func(w []string) int {
		most = max(most, g.tailer.inputs[0].open.Load())
		return len(w)
	}
	for i := range 12 {
		_, text := numbered("line ", 0, 100)
		g.write(fmt.Sprintf("%02d.log", i), text)
	}
	g.start()
	g.server.wait(t, 1200)
	g.halt()
	if most < 1 || most > 2 {
		t.Errorf("up to %d files were open", most)
	}
}

// "The counter for the defined period starts when the last log line was read
// by the harvester. It is not based on the modification time of the file."
func TestCloseInactiveCountsFromTheLastLine(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].CloseInactive = time.Hour
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	f := g.one()
	g.age("a.log", 10*time.Hour)
	g.scans(2)
	f.io.Lock()
	if f.harvester == nil {
		t.Fatal("it was closed by its modification time")
	}
	f.harvester.lastLine = time.Now().Add(-2 * time.Hour)
	f.io.Unlock()
	g.eventually("it is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
	g.write("a.log", "two\n")
	g.want("one", "two")
}

// close_inactive: 0 closes no file, nor does it send a group of lines before
// its timeout.
func TestCloseInactiveCanBeSwitchedOff(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].CloseInactive = 0
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	f := g.one()
	g.scans(3)
	if f.io.Lock(); f.harvester == nil {
		t.Error("it was closed")
	}
	f.io.Unlock()
}

// The options that filestream spells otherwise.
func TestFilestreamClosesAndReopens(t *testing.T) {
	for name, set := range map[string]func(*CloseConfig){
		"close.reader.on_eof":            func(c *CloseConfig) { c.Reader.OnEOF = true },
		"close.reader.after_interval":    func(c *CloseConfig) { c.Reader.AfterInterval = time.Millisecond },
		"close.on_state_change.inactive": func(c *CloseConfig) { c.OnStateChange.Inactive = time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			g := newFilestream(t)
			set(&g.cfg.Inputs[0].Close)
			g.write("a.log", "one\n")
			g.start()
			g.want("one")
			g.eventually("the file is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
			g.write("a.log", "two\n")
			g.want("one", "two")
		})
	}
}

func TestFilestreamClosesRenamedFiles(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Paths, in.Close.OnStateChange.Renamed = []string{g.path("a.log*")}, true
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	if err := os.Rename(g.path("a.log"), g.path("a.log.1")); err != nil {
		t.Fatal(err)
	}
	g.eventually("it is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
	g.write("a.log.1", "two\n")
	g.want("one", "two")
}

func TestFilestreamForgetsAndKeeps(t *testing.T) {
	g := newFilestream(t)
	for _, name := range []string{"old.log", "removed.log"} {
		g.write(name, name+"\n")
	}
	g.start()
	g.server.wait(t, 2)
	g.halt()
	g.age("old.log", 3*time.Hour)
	in := &g.cfg.Inputs[0]
	in.IgnoreOlder, in.CleanInactive, in.CleanRemoved = time.Hour, 2*time.Hour, false
	g.start()
	g.eventually("the old State is forgotten", func() bool { return g.offset("old.log") < 0 })
	if err := os.Remove(g.path("removed.log")); err != nil {
		t.Fatal(err)
	}
	g.scans(4)
	if g.offset("removed.log") < 0 {
		t.Error("without clean_removed the State of a removed file is forgotten")
	}
	g.halt()
	in.CleanRemoved = true
	g.start()
	g.eventually("the State of the removed file is forgotten", func() bool { return len(g.reg.States()) == 0 })
}

func TestFilestreamLooksAgainAsBackoffSays(t *testing.T) {
	newNotifier = func() (*fsnotify.Watcher, error) { return nil, unix.EMFILE }
	t.Cleanup(func() { newNotifier = fsnotify.NewWatcher })
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Prospector.Scanner.CheckInterval, in.Backoff = time.Hour, Backoff{Init: 10 * time.Millisecond, Max: 50 * time.Millisecond}
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.write("a.log", "two\n")
	g.want("one", "two")
}

// scans waits until every input was looked at so often again.
func (g *gateway) scans(n int) {
	g.t.Helper()
	for range n {
		g.tailer.mu.Lock()
		before := g.tailer.inputs[0].next
		g.tailer.mu.Unlock()
		g.eventually("a scan", func() bool {
			g.tailer.mu.Lock()
			defer g.tailer.mu.Unlock()
			return g.tailer.inputs[0].next.After(before)
		})
	}
}

// What is removed while it is open is read to its end. Without close_removed
// its writer may go on.
func TestRemovedWhileOpen(t *testing.T) {
	for _, closed := range []bool{true, false} {
		for _, typ := range []string{TypeLog, TypeFilestream} {
			t.Run(fmt.Sprintf("%s, close_removed %v", typ, closed), func(t *testing.T) {
				g := newGateway(t)
				if typ == TypeFilestream {
					g = newFilestream(t)
					g.cfg.Inputs[0].Close.OnStateChange.Removed = closed
				} else {
					g.cfg.Inputs[0].CloseRemoved = closed
				}
				w, err := os.OpenFile(g.path("a.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				say := func(text string) {
					if _, err := w.WriteString(text); err != nil {
						t.Fatal(err)
					}
				}
				say("one\n")
				g.start()
				g.want("one")
				g.tailer.mu.Lock() // no look between the two
				say("two\n")
				if err := os.Remove(g.path("a.log")); err != nil {
					t.Fatal(err)
				}
				g.tailer.mu.Unlock()
				g.want("one", "two")
				if closed {
					g.eventually("it is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
					return
				}
				g.scans(3)
				say("three\n")
				g.want("one", "two", "three")
			})
		}
	}
}

// An 11 MB line is cut at the default of 10 MiB; NUL bytes stay.
func TestElevenMegabytesWithoutALineFeed(t *testing.T) {
	for _, typ := range []string{TypeLog, TypeFilestream} {
		t.Run(typ, func(t *testing.T) {
			g := newGateway(t)
			if typ == TypeFilestream {
				g = newFilestream(t)
			}
			long := strings.Repeat("x\x00yz", 11_000_000/4)
			g.write("a.log", long)
			g.start()
			g.write("a.log", "\nafter\n")
			g.server.wait(t, 2)
			e := g.server.events(t)
			if m := e[0].Message; m != long[:10<<20] || !slices.Equal(e[0].Log.Flags, []string{"truncated"}) {
				t.Errorf("the line has %d bytes and the flags %v", len(m), e[0].Log.Flags)
			}
			if last := e[len(e)-1]; last.Message != "after" || last.Log.Offset != int64(len(long))+1 {
				t.Errorf("behind it comes %.20q at %d", last.Message, last.Log.Offset)
			}
			g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(len(long))+7 })
		})
	}
}

// Truncated and filled again to the same size: neither size nor offset tells.
func TestTruncatedToTheSameSize(t *testing.T) {
	for _, typ := range []string{TypeLog, TypeFilestream} {
		t.Run(typ, func(t *testing.T) {
			g := newGateway(t)
			if typ == TypeFilestream {
				g = newFilestream(t)
			}
			g.write("a.log", "old 1\nold 2\n")
			g.start()
			g.want("old 1", "old 2")
			g.tailer.mu.Lock() // no look between the two
			if err := os.WriteFile(g.path("a.log"), []byte("new 1\nnew 2\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			g.tailer.mu.Unlock()
			g.want("old 1", "old 2", "new 1", "new 2")
		})
	}
}

// An ack that is there when the wait for acks ends is taken: its line is not
// sent again (filebeat.shutdown_timeout: 0 gives no time at all).
func TestAnAckThatIsThereCountsWithoutAShutdownTimeout(t *testing.T) {
	for range 20 { // which of several events is seen first is chance
		g := newGateway(t)
		g.cfg.ShutdownTimeout = 0
		sending, stopped := make(chan struct{}), make(chan struct{})
		g.server.answer = func(w []string) int {
			close(sending)
			<-g.tailer.shipCtx.Done()
			return len(w)
		}
		g.write("a.log", "one\n")
		g.start()
		<-sending
		go func() { g.halt(); close(stopped) }()
		<-stopped
		g.server.answer = nil
		g.start()
		if got := g.offset("a.log"); got != 4 {
			t.Fatalf("the offset after the stop is %d", got)
		}
		g.halt()
		g.want("one")
	}
}

// Without a shutdown timeout a stop waits for no server.
func TestAStopWithoutShutdownTimeoutWaitsForNothing(t *testing.T) {
	g := newGateway(t)
	g.cfg.ShutdownTimeout = 0
	g.server.mute = true
	g.write("a.log", "one\n")
	g.start()
	g.server.wait(t, 1)
	g.halt() // the test's own deadline is the limit
	if got := g.offset("a.log"); got == 4 {
		t.Error("a line without ack counts as acknowledged")
	}
	g.server.mute = false
	g.start()
	g.want("one", "one")
}

// Symbolic links count as files only with symlinks, and their own path is the
// events' one.
func TestSymlinksHaveTheirOwnPath(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].Prospector.Scanner.Symlinks = true
	if err := os.Mkdir(g.path("pods"), 0o700); err != nil {
		t.Fatal(err)
	}
	g.write("pods/real", "one\n")
	if err := os.Symlink(g.path("pods/real"), g.path("link.log")); err != nil {
		t.Fatal(err)
	}
	g.start()
	g.want("one")
	if path := g.server.events(t)[0].Log.File.Path; path != g.path("link.log") {
		t.Errorf("the path is %s", path)
	}
}

// A file's identity is its path: a new file there, though shorter, is read
// from its start.
func TestNewFileUnderAKnownPath(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].FileIdentity.Choose(identityPath)
	g.write("a.log", "one\ntwo\n")
	g.start()
	g.want("one", "two")
	g.write("new", "three\n")
	if err := os.Rename(g.path("new"), g.path("a.log")); err != nil {
		t.Fatal(err)
	}
	g.want("one", "two", "three")
}

// prospector.scanner.include_files and exclude_files look at the whole path.
func TestIncludedAndExcludedFiles(t *testing.T) {
	g := newFilestream(t)
	s := &g.cfg.Inputs[0].Prospector.Scanner
	s.IncludeFiles, s.ExcludeFiles = []string{"^" + g.path("") + "/keep/"}, []string{`keep/.*\.old\.log$`}
	g.cfg.Inputs[0].Paths = []string{g.path("*/*.log")}
	for _, name := range []string{"keep/a.log", "keep/a.old.log", "other/a.log"} {
		if err := os.MkdirAll(filepath.Dir(g.path(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		g.write(name, name+"\n")
	}
	g.cfg.Once = true
	g.start()
	g.done()
	g.want("keep/a.log")
}

// An input that is switched off is not looked at.
func TestDisabledInput(t *testing.T) {
	g := newGateway(t)
	off := g.cfg.Inputs[0]
	off.Enabled, off.Paths = false, []string{g.path("off/*.log")}
	g.cfg.Inputs = append(g.cfg.Inputs, off)
	if err := os.Mkdir(g.path("off"), 0o700); err != nil {
		t.Fatal(err)
	}
	g.write("off/a.log", "off\n")
	g.write("a.log", "on\n")
	g.cfg.Once = true
	g.start()
	g.done()
	g.want("on")
}
