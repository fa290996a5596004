package tailer

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// What the model test has found of copies, archives and renamed files.

// put replaces a file's content in place.
func (g *gateway) put(name, text string) {
	g.t.Helper()
	g.check(os.WriteFile(g.path(name), []byte(text), 0o600))
}

func (g *gateway) check(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// unseen does something between two looks of the tailer.
func (g *gateway) unseen(do func()) {
	g.tailer.mu.Lock()
	defer g.tailer.mu.Unlock()
	do()
}

// sameGeneration says that all documents that came have ids of one file.
func (g *gateway) sameGeneration() {
	g.t.Helper()
	first := ""
	for _, e := range g.server.events(g.t) {
		generation, _, _ := strings.Cut(e.Metadata.ID, "-")
		if first == "" {
			first = generation
		}
		if generation != first {
			g.t.Errorf("%q has the id %s; its file's generation is %s", e.Message, e.Metadata.ID, first)
		}
	}
}

// What a file held before begins like what it holds now, of which a copy is found.
func TestCopyOfTheNewestLifeUnderAnEqualHeader(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].Paths = []string{g.path("*.log*")}
	g.write("a.log", "time;value\n")
	g.start()
	g.want("time;value")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 11 })
	g.put("a.log", "")
	g.eventually("the truncation is seen", func() bool { return g.offset("a.log") == 0 })
	g.write("a.log", "time;value\n1;2\n")
	g.want("time;value", "time;value", "1;2")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 15 })
	g.unseen(func() {
		g.put("a.log.1", "time;value\n1;2\n")
		g.put("a.log", "time;value\n3;4\n5;6\n") // longer: no look at its size tells
	})
	g.want("time;value", "time;value", "1;2", "time;value", "3;4", "5;6")
	g.eventually("the copy is known", func() bool { return g.offset("a.log.1") == 15 })
}

func TestRenamedAndCompressedBetweenTwoLooks(t *testing.T) {
	rotate := func(g *gateway, text string) {
		g.check(os.MkdirAll(g.path("old"), 0o700))
		g.write("old/a.log.1.gz", zipped(g.t, text))
		g.check(os.Remove(g.path("a.log")))
		g.write("a.log", "new\n")
	}
	for _, stopped := range []bool{false, true} {
		t.Run(fmt.Sprint("stopped ", stopped), func(t *testing.T) {
			g := newFilestream(t)
			in := &g.cfg.Inputs[0]
			in.Compression, in.Paths = "auto", []string{g.path("*.log*"), g.path("old/*")}
			in.FileIdentity.Choose(identityNative)
			g.write("a.log", "one\n")
			g.start()
			g.want("one")
			g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
			if stopped {
				g.halt()
				rotate(g, "one\ntwo\n")
				g.start()
			} else {
				g.unseen(func() { rotate(g, "one\ntwo\n") })
			}
			g.server.wait(t, 3)
			g.eventually("the archive is acknowledged", func() bool { return g.offset("old/a.log.1.gz") == 8 })
			if got := g.server.messages(t); len(got) != 3 {
				t.Errorf("got %q", got)
			}
		})
	}
}

// An archive takes the place of a file that had to wait for its turn.
func TestCompressedBeforeItsTurn(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Compression, in.Paths, in.HarvesterLimit = "auto", []string{g.path("*.log*")}, 1
	in.Close.OnStateChange.Inactive = 400 * time.Millisecond
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.halt()
	g.write("a.log", "two\n")
	g.write("0.log", "first\n")
	g.start()
	g.want("one", "first")
	g.unseen(func() {
		g.write("a.log.gz", zipped(t, "one\ntwo\n"))
		g.check(os.Remove(g.path("a.log")))
	})
	g.want("one", "first", "two")
}

// A file was truncated and filled again right before it was compressed: its
// reader, which has it open, is to see that first.
func TestFilledAgainAndCompressedBetweenTwoLooks(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Compression, in.Paths = "auto", []string{g.path("*.log*")}
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.unseen(func() {
		g.put("a.log", "two\nthree\n")
		g.write("a.log.gz", zipped(t, "two\nthree\n"))
		g.check(os.Remove(g.path("a.log")))
		g.tailer.scan(g.tailer.inputs[0], time.Now())
	})
	g.server.wait(t, 3)
	g.eventually("only the archive is known", func() bool { return g.offset("a.log.gz") == 10 && len(g.keys("a.log")) == 0 })
	g.want("one", "two", "three")
}

// A hard link that is found first is the same file as the name that it is
// called after.
func TestHardLinkFoundBeforeItsFile(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].Paths = []string{g.path("*.log*")}
	g.start()
	g.eventually("there was a scan", func() bool { return g.tailer.stats.looked.Load() })
	g.unseen(func() {
		g.write("a.log", "one\n")
		g.check(os.Link(g.path("a.log"), g.path("a.log.1")))
		g.tailer.notice(g.path("a.log.1"), time.Now())
		if paths := g.tailer.sets[0].paths; len(paths) != 2 || paths[g.path("a.log")] != paths[g.path("a.log.1")] {
			t.Errorf("followed are %v", paths)
		}
	})
	g.want("one")
}

// An archive that is found only after its original was forgotten.
func TestCompressedRightAfterItWasForgotten(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Compression, in.Paths = "auto", []string{g.path("*.log*")}
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.unseen(func() {
		g.check(os.Remove(g.path("a.log")))
		for range 20 {
			g.tailer.scan(g.tailer.inputs[0], time.Now())
			if len(g.keys("a.log")) == 0 {
				break
			}
		}
		g.write("a.log.gz", zipped(t, "one\ntwo\n"))
		g.tailer.scan(g.tailer.inputs[0], time.Now())
	})
	g.want("one", "two")
	g.sameGeneration()
}

// A file is compressed and removed between two looks, and another one gets its
// inode, and so its key, whose State is there before the archive's turn comes.
func TestCompressedAndItsInodeUsedAnew(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Compression, in.Paths, in.IgnoreOlder = "auto", []string{g.path("*.log*")}, time.Hour
	in.FileIdentity.Choose(identityNative)
	g.write("a.log", "one\n")
	g.write("next", "old\n")
	g.age("next", 2*time.Hour) // its State is made when it is found
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.unseen(func() {
		g.giveInode("a.log", "next")
		g.write("a.log.gz", zipped(t, "one\ntwo\n"))
		g.check(os.Remove(g.path("a.log")))
		g.rename("next", "b.log")
		for range 2 {
			g.tailer.scan(g.tailer.inputs[0], time.Now())
		}
	})
	g.eventually("the archive is acknowledged", func() bool { return g.offset("a.log.gz") == 8 && g.offset("b.log") == 4 })
	g.want("one", "two")
	g.sameGeneration()
}

// giveInode makes the tailer believe that a file it follows has the inode of
// another one, as if that were to be made when the first is gone.
func (g *gateway) giveInode(name, other string) {
	g.t.Helper()
	info, err := statFile(g.path(other), false)
	g.check(err)
	if info.birth == 0 {
		g.t.Skip("the file system knows no birth times")
	}
	set := g.tailer.sets[0]
	f := set.paths[g.path(name)]
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(set.files, f.inode)
	delete(set.keys, f.key)
	g.reg.Forget(f.key)
	f.inode, f.birth = info.inode, info.birth-1
	f.key = f.in.keyOf(f.inode, f.path, "")
	set.files[f.inode], set.keys[f.key] = f, f
	f.save()
}

// What is between the end of a copy and the truncation of its original may take
// longer than some looks, and what is known of one that waits is not another's.
func TestPatienceWithACopy(t *testing.T) {
	g := newFilestream(t)
	g.start()
	g.eventually("there was a scan", func() bool { return g.tailer.stats.looked.Load() })
	g.unseen(func() {
		in, now := g.tailer.inputs[0], time.Now()
		for _, c := range []struct {
			after       time.Duration
			birth, size int64
			want        bool
		}{
			{0, 1, 0, true},
			{8 * time.Second, 1, 0, true},
			{9 * time.Second, 1, 5, true}, // it grows
			{18 * time.Second, 1, 5, true},
			{19 * time.Second, 1, 5, false},
			{20 * time.Second, 1, 5, true},
			{40 * time.Second, 2, 5, true}, // with its inode
		} {
			if got := in.mayBecomeCopy(&file{in: in, inode: inode{1, 2}, birth: c.birth, size: c.size}, now.Add(c.after)); got != c.want {
				t.Errorf("%+v: got %v", c, got)
			}
		}
	})
}

// A file that looked like a copy turns out to be none.
func TestNoCopyAfterAll(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].Paths = []string{g.path("*.log*")}
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	waiting := func(want int) {
		t.Helper()
		g.tailer.scan(g.tailer.inputs[0], time.Now())
		if got := len(g.tailer.inputs[0].copies); got != want {
			t.Errorf("%d files wait, want %d", got, want)
		}
	}
	g.unseen(func() {
		g.write("a.log.1", "")
		waiting(1)
		g.write("a.log.1", "two\n")
		waiting(0)
	})
	g.want("one", "two")
}

// The State of a file that is gone counts until every input has looked: one
// may find the file under its new name.
func TestRenamedToAnInputThatLooksLater(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].Paths = []string{g.path("a/*.log")}
	g.cfg.Inputs[0].Close.OnStateChange.Inactive = 20 * time.Millisecond
	late := g.cfg.Inputs[0]
	late.ID, late.Paths = "late", []string{g.path("b/*.log")}
	g.cfg.Inputs = append(g.cfg.Inputs, late)
	g.check(os.Mkdir(g.path("a"), 0o700))
	g.check(os.Mkdir(g.path("b"), 0o700))
	g.write("a/a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a/a.log") == 4 })
	g.eventually("it is closed", func() bool { return g.tailer.inputs[0].open.Load() == 0 })
	g.unseen(func() {
		g.rename("a/a.log", "b/a.log")
		for range 5 {
			g.tailer.scan(g.tailer.inputs[0], time.Now())
		}
	})
	g.write("b/a.log", "two\n")
	g.server.wait(t, 2)
	g.want("one", "two")
	g.sameGeneration()
}

// A symbolic link goes over to another input; the file that it leads to, in no
// input's paths, stays where it is.
func TestSymbolicLinkIsRenamedToAnotherInput(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Paths, in.Prospector.Scanner.Symlinks = []string{g.path("a/*.log")}, true
	other := *in
	other.ID, other.Paths = "other", []string{g.path("b/*.log")}
	g.cfg.Inputs = append(g.cfg.Inputs, other)
	g.check(os.Mkdir(g.path("a"), 0o700))
	g.check(os.Mkdir(g.path("b"), 0o700))
	g.write("a/target", "one\n")
	g.check(os.Symlink(g.path("a/target"), g.path("a/a.log")))
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a/a.log") == 4 })
	g.unseen(func() {
		g.check(os.Remove(g.path("a/a.log")))
		g.tailer.notice(g.path("a/target"), time.Now()) // it looks as if it were renamed
		g.check(os.Symlink(g.path("a/target"), g.path("b/a.log")))
	})
	g.write("a/target", "two\n")
	g.want("one", "two")
	g.sameGeneration()
}

// Its State stays under the link's path, where whoever follows it next finds it.
func TestLinkIsRenamedAndItsInputsIDChanges(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Paths, in.Prospector.Scanner.Symlinks = []string{g.path("*.log*")}, true
	in.FileIdentity.Choose(identityNative)
	g.write("target", "one\n")
	g.check(os.Symlink(g.path("target"), g.path("a.log")))
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.unseen(func() {
		g.rename("a.log", "a.log.1")
		g.tailer.notice(g.path("target"), time.Now()) // it was written
	})
	g.eventually("the new name is known", func() bool { return g.offset("a.log.1") == 4 })
	g.write("target", "two\n")
	g.want("one", "two")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log.1") == 8 })
}

// A file of which g has the first bytes only was renamed, and is no copy of the
// one that has taken its place, nor the other way round.
func TestRenamedFileIsNotTakenForRemoved(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].Paths = []string{g.path("*.log*")}
	g.write("a.log", "time;value\n")
	g.start()
	g.want("time;value")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 11 })
	g.unseen(func() {
		g.rename("a.log", "a.log.2")
		g.write("a.log.1", "time;value\n1;2\n") // found first
		g.tailer.notice(g.path("a.log.1"), time.Now())
	})
	g.want("time;value", "time;value", "1;2")
	g.write("a.log.2", "3;4\n")
	g.want("time;value", "time;value", "1;2", "3;4")
}
