package tailer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/registry"
)

// one returns the only file that the tailer follows; the caller holds no lock.
func (g *gateway) one() *file {
	g.t.Helper()
	g.tailer.mu.Lock()
	defer g.tailer.mu.Unlock()
	for f := range g.tailer.followed() {
		return f
	}
	g.t.Fatal("no file is followed")
	return nil
}

func TestGrowthSinceTheLookIsNoTruncation(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].ScanFrequency = time.Hour
	g.write("a.log", "one\n")
	before, err := statFile(g.path("a.log"), false)
	if err != nil {
		t.Fatal(err)
	}
	g.write("a.log", "two\n")
	g.start()
	g.want("one", "two")
	f := g.one()
	g.eventually("all is read", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.acked == 8 })
	g.tailer.mu.Lock()
	g.tailer.update(f, g.path("a.log"), before, time.Now(), false) // a look that the reader has overtaken
	g.tailer.mu.Unlock()
	g.write("a.log", "three\n")
	g.want("one", "two", "three")
}

func TestInodeUsedAnewIsSeenByTheNotification(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].CloseEOF = true // an open file's inode is not used anew
	g.cfg.Inputs[0].ScanFrequency = time.Hour
	g.start()
	const rounds = 10
	for i := range rounds {
		g.write("a.log", "time,value\n"+strings.Repeat("1,2\n", i+1))
		g.server.wait(t, (i+1)*(i+4)/2)
		g.eventually("it is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
		if err := os.Remove(g.path("a.log")); err != nil {
			t.Fatal(err)
		}
		if i == rounds/2 {
			g.halt()
			g.start()
		}
	}
	ids := map[string]bool{}
	for _, e := range g.server.events(t) {
		ids[e.Metadata.ID] = true
	}
	if want := rounds * (rounds + 3) / 2; len(ids) != want {
		t.Errorf("%d ids of %d lines", len(ids), want)
	}
}

func TestLinesAppendedJustBeforeARemoval(t *testing.T) {
	g := newGateway(t)
	g.start()
	for i := range 20 {
		g.write("a.log", "one\n")
		g.server.wait(t, 2*i+1)
		g.write("a.log", "last words\n")
		if err := os.Remove(g.path("a.log")); err != nil {
			t.Fatal(err)
		}
		g.server.wait(t, 2*i+2)
	}
	g.eventually("all is forgotten", func() bool { return len(g.reg.States()) == 0 && g.tailer.Status().FilesOpen == 0 })
}

func TestLastLinesComeByTheNotificationOfTheRemoval(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].ScanFrequency = time.Hour
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.write("a.log", "last words\n")
	if err := os.Remove(g.path("a.log")); err != nil {
		t.Fatal(err)
	}
	g.want("one", "last words")
}

// logrotate moves a file to a name that no input matches; its writer goes on
// until it is told.
func TestMovedOutOfSightWhileWriting(t *testing.T) {
	g := newGateway(t)
	h, err := os.Create(g.path("a.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	_, _ = h.WriteString("one\n")
	g.start()
	g.want("one")
	if err := os.Rename(g.path("a.log"), g.path("a.old")); err != nil {
		t.Fatal(err)
	}
	f := g.one()
	g.eventually("its new name is known", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.path == g.path("a.old") })
	_, _ = h.WriteString("two\n")
	g.want("one", "two")
}

func TestRenameDuringTheListing(t *testing.T) {
	g := newGateway(t)
	in := &g.cfg.Inputs[0]
	in.Paths, in.CloseEOF, in.ScanFrequency = []string{g.path("a.log*")}, true, time.Hour
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is closed and acknowledged", func() bool { return g.tailer.Status().FilesOpen == 0 && g.offset("a.log") == 4 })
	f := g.one()
	g.tailer.mu.Lock()
	if err := os.Rename(g.path("a.log"), g.path("a.log.1")); err != nil {
		t.Fatal(err)
	}
	g.tailer.review(f, false, time.Now()) // a scan that saw neither name
	g.tailer.observe(g.tailer.inputs[0], g.path("a.log.1"), time.Now())
	g.tailer.mu.Unlock()
	g.write("a.log.1", "two\n")
	g.want("one", "two")
}

func TestFileThatWasRefilledBetweenTwoLooks(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "old 1\n")
	g.start()
	g.want("old 1")
	f := g.one()
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 6 })
	g.tailer.mu.Lock() // no look at it
	if err := os.WriteFile(g.path("a.log"), []byte("new 1\nnew 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.tailer.mu.Unlock()
	g.want("old 1", "new 1", "new 2")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.life != 1 {
		t.Errorf("it is in life %d", f.life)
	}
}

func TestRestOfALongLineAfterReopening(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].MaxBytes, g.cfg.Inputs[0].CloseEOF = 1000, true
	g.write("a.log", strings.Repeat("x", 200_000))
	g.start()
	g.server.wait(t, 1)
	g.eventually("it is closed", func() bool { return g.tailer.Status().FilesOpen == 0 })
	g.write("a.log", strings.Repeat("y", 1000)+"\nafter\n")
	g.want(strings.Repeat("x", 1000), "after")
}

// A crash must not bring an id back without the content that it is for.
func TestDrawnGenerationIsDurableWithFirstBytes(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "old\n")
	g.start()
	g.want("old")
	f := g.one()
	if err := os.Truncate(g.path("a.log"), 0); err != nil {
		t.Fatal(err)
	}
	g.eventually("the truncation is seen", func() bool { return g.offset("a.log") == 0 })
	g.server.mu.Lock()
	g.server.answer = func(w []string) int {
		if s, ok := g.reg.Durable(f.key); !ok || s.Generation == "" || s.PrefixLen == 0 {
			t.Errorf("the line leaves, but durable is %+v", s)
		}
		return len(w)
	}
	g.server.mu.Unlock()
	g.write("a.log", "new\n")
	g.want("old", "new")
}

func TestRenamedFileIsClosedThoughItIsIdle(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].Paths, g.cfg.Inputs[0].CloseRenamed = []string{g.path("a.log*")}, true
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

func TestVanishedNeedsProof(t *testing.T) {
	dir := t.TempDir()
	info, err := statFile(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	id := inode{info.dev, 1}
	for path, want := range map[string]bool{
		filepath.Join(dir, "gone.log"):         true,
		filepath.Join(dir, "gone", "gone.log"): true,
		filepath.Join(loop, "gone.log"):        false, // can't be looked at
		"/proc/self/gone.log":                  false, // another device
	} {
		if got := vanished(path, id, false); got != want {
			t.Errorf("%s vanished: %v, want %v", path, got, want)
		}
	}
	if vanished(dir, info.inode, false) {
		t.Error("what is there vanished")
	}
}

func TestWhatIsNoFileIsLeftAlone(t *testing.T) {
	g := newGateway(t)
	if err := unix.Mkfifo(g.path("fifo.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(g.path("dir.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	g.write("z.log", "one\n")
	g.start()
	g.want("one")
	opened := make(chan error, 1) // one that takes a file's place after the scan
	go func() {
		h, err := openFile(g.path("fifo.log"))
		if err == nil {
			err = h.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("opening a FIFO blocks")
	}
}

func TestFileOfTwoInputsAndTwoNamesIsShippedOnce(t *testing.T) {
	g := newGateway(t)
	other := g.cfg.Inputs[0]
	other.Paths, other.Symlinks = []string{g.path("*.log"), g.path("*.link")}, true
	g.cfg.Inputs = append(g.cfg.Inputs, other)
	g.write("a.log", "one\n")
	if err := os.Link(g.path("a.log"), g.path("b.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(g.path("a.log"), g.path("c.link")); err != nil {
		t.Fatal(err)
	}
	g.start()
	g.want("one")
	g.write("b.log", "two\n")
	g.want("one", "two")
	for _, name := range []string{"a.log", "b.log", "c.link"} {
		if err := os.Remove(g.path(name)); err != nil {
			t.Fatal(err)
		}
		g.write("z"+name+".log", name+"\n")
	}
	g.want2("one", "two", "a.log", "b.log", "c.link")
	g.eventually("no name of it is kept", func() bool {
		g.tailer.mu.Lock()
		defer g.tailer.mu.Unlock()
		return len(g.tailer.sets[0].files) == 3 && len(g.tailer.sets[0].paths) == 3
	})
}

// want2 is want in any order.
func (g *gateway) want2(messages ...string) {
	g.t.Helper()
	g.server.wait(g.t, len(messages))
	got := g.server.messages(g.t)
	slices.Sort(got)
	slices.Sort(messages)
	if !slices.Equal(got, messages) {
		g.t.Fatalf("got  %q\nwant %q", got, messages)
	}
}

func TestRenamedIntoTheFolderOfAnotherInput(t *testing.T) {
	for _, typ := range []string{TypeLog, TypeFilestream} {
		t.Run(typ, func(t *testing.T) {
			g := newGateway(t)
			other := DefaultInput()
			other.Type, other.ID, other.Paths = typ, "archive", []string{g.path("archive/*.log")}
			other.ScanFrequency = 50 * time.Millisecond
			if typ == TypeFilestream {
				other.ScanFrequency = DefaultInput().ScanFrequency
				other.Prospector.Scanner.CheckInterval = 50 * time.Millisecond
			}
			g.cfg.Inputs = append(g.cfg.Inputs, other)
			if err := os.Mkdir(g.path("archive"), 0o700); err != nil {
				t.Fatal(err)
			}
			g.write("a.log", "one\n")
			g.start()
			g.want("one")
			g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
			if err := os.Rename(g.path("a.log"), g.path("archive/a.log")); err != nil {
				t.Fatal(err)
			}
			g.eventually("the other input has it", func() bool {
				g.tailer.mu.Lock()
				defer g.tailer.mu.Unlock()
				for f := range g.tailer.followed() {
					return f.in == g.tailer.inputs[1]
				}
				return false
			})
			g.write("archive/a.log", "two\n")
			g.want("one", "two")
			if e := g.server.events(t); strings.Split(e[0].Metadata.ID, "-")[0] != strings.Split(e[1].Metadata.ID, "-")[0] {
				t.Error("the generation has changed")
			}
		})
	}
}

func TestChangedInputIDSendsNothingAgain(t *testing.T) {
	g := newGateway(t)
	in := DefaultInput()
	in.Type, in.ID, in.Paths = TypeFilestream, "old", []string{g.path("*.log")}
	g.cfg.Inputs = []InputConfig{in}
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.halt()
	g.cfg.Inputs[0].ID = "new"
	g.start()
	g.write("a.log", "two\n")
	g.want("one", "two")
	if s := g.reg.States(); len(s) != 1 || !strings.HasPrefix(s[0].Key, "filestream::new::") {
		t.Errorf("States are %+v", s)
	}
}

func TestDamagedPrefixInTheRegistryStopsNothing(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.halt()
	reg, err := registry.Open(g.path("data"), registry.DefaultConfig(), g.log())
	if err != nil {
		t.Fatal(err)
	}
	s := reg.States()[0]
	s.PrefixLen = 1 << 40
	reg.Commit(s)
	if err := reg.Close(); err != nil {
		t.Fatal(err)
	}
	g.start()
	g.write("a.log", "two\n")
	g.want("one", "two")
}

func TestFileReplacedBetweenScanAndOpening(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.halt()
	f := g.one()
	f.birth-- // the file that the scan saw; its inode is that of another now
	h, err := g.tailer.lanes[0].open(f)
	if err != nil || h != nil {
		t.Errorf("opened: %v, %v", h, err)
	}
	if n := g.tailer.inputs[0].open.Load(); n != 0 {
		t.Errorf("%d files count as open (harvester_limit)", n)
	}
}
