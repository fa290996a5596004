package tailer

import (
	"os"
	"strings"
	"testing"
	"time"
)

// What the model test has found of whose States and ids a file goes on with.

// A crash has forgotten the id that a file got when it was first read, and the
// file is read no more where it was: what a copy or an archive of it sends again
// has the same ids.
func TestCopyOfAFileWhoseIDACrashForgot(t *testing.T) {
	text := strings.Repeat("ignored", 200) + "\n" // enough for a fingerprint
	for name, rotate := range map[string]func(g *gateway){
		"copied and truncated while stopped": func(g *gateway) {
			g.write("a.log.1", text+"two\n")
			g.put("a.log", "new\n")
			g.start()
		},
		"compressed while stopped": func(g *gateway) {
			g.write("a.log.gz", zipped(g.t, text+"two\n"))
			g.check(os.Remove(g.path("a.log")))
			g.start()
		},
		"copied and removed": func(g *gateway) {
			g.age("a.log", 2*time.Hour)
			g.start()
			g.eventually("it is passed over", func() bool { return g.tailer.Status().Files == 1 })
			g.unseen(func() {
				g.write("a.log.1", text+"two\n")
				g.check(os.Remove(g.path("a.log")))
			})
		},
	} {
		for _, identity := range []string{identityNative, identityPath, identityFingerprint} {
			if identity == identityFingerprint && name != "copied and truncated while stopped" {
				continue // its State has no key yet that says by what its id was derived
			}
			t.Run(name+", "+identity, func(t *testing.T) {
				g := newFilestream(t)
				in := &g.cfg.Inputs[0]
				in.Compression, in.Paths, in.IgnoreOlder = "auto", []string{g.path("*.log*")}, time.Hour
				in.FileIdentity.Choose(identity)
				g.write("a.log", text)
				g.age("a.log", 2*time.Hour)
				g.start()
				g.eventually("it is known", func() bool { return g.offset("a.log") == int64(len(text)) })
				g.halt()
				g.check(os.CopyFS(g.path("before"), os.DirFS(g.path("data"))))
				g.start()
				g.write("a.log", "two\n")
				g.want("two")
				g.halt()
				g.check(os.RemoveAll(g.path("data")))
				g.rename("before", "data")
				rotate(g)
				g.wantIDs(map[string]int{"two": 1}, 2)
			})
		}
	}
}

// An archive is known though its input has another id since it was made, before
// the first look.
func TestCompressedWhileStoppedAndAnotherID(t *testing.T) {
	for _, identity := range []string{identityNative, identityPath, identityFingerprint} {
		t.Run(identity, func(t *testing.T) {
			g := newFilestream(t)
			in := &g.cfg.Inputs[0]
			in.Compression, in.Paths = "auto", []string{g.path("*.log*")}
			in.FileIdentity.Choose(identity)
			g.write("a.log", "one\n")
			g.start()
			g.want("one")
			g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
			g.halt()
			g.write("a.log.gz", zipped(t, "one\ntwo\n"))
			g.check(os.Remove(g.path("a.log")))
			in.ID = "another"
			g.start()
			g.eventually("the archive is acknowledged", func() bool { return g.offset("a.log.gz") == 8 })
			g.want("one", "two")
			g.sameGeneration()
			if states := g.reg.States(); len(states) != 1 {
				t.Errorf("States are %+v", states)
			}
		})
	}
}

// A file with the inode of one that is gone has that one's key. When the inputs'
// ids change, and another input looks first, its own State goes on.
func TestReusedInodeAndAnotherID(t *testing.T) {
	g := newFilestream(t)
	main := g.cfg.Inputs[0]
	main.FileIdentity.Choose(identityNative)
	main.Compression = "auto" // what is known of a file that is gone is kept
	main.Prospector.Scanner.CheckInterval = time.Hour
	other := main
	other.ID, other.Paths = "other", []string{g.path("*.txt")}
	g.cfg.Inputs = []InputConfig{main, other}
	g.write("a.log", "one\n")
	g.write("next", "two\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.unseen(func() {
		g.giveInode("a.log", "next")
		g.check(os.Remove(g.path("a.log")))
		g.rename("next", "b.log")
		g.tailer.notice(g.path("b.log"), time.Now())
		if n := len(g.tailer.gone); n != 1 {
			t.Fatalf("%d files are known to be gone", n)
		}
	})
	g.want("one", "two")
	g.eventually("it is acknowledged", func() bool { return g.offset("b.log") == 4 })
	other.ID, main.ID = "yet another", "another"
	g.setInputs(other, main)
	g.eventually("its input has looked", func() (looked bool) {
		g.unseen(func() { in := g.tailer.inputs[1]; looked = in.cfg.ID == "another" && in.scanned })
		return looked
	})
	g.write("b.log", "three\n")
	g.want("one", "two", "three")
	g.eventually("it is acknowledged", func() bool { return g.offset("b.log") == 10 })
	var generations []string
	for _, e := range g.server.events(t) {
		generation, _, _ := strings.Cut(e.Metadata.ID, "-")
		generations = append(generations, generation)
	}
	if generations[0] == generations[1] || generations[1] != generations[2] {
		t.Errorf("the generations are %v", generations)
	}
	if s := g.reg.States(); len(s) != 1 || s[0].Generation != generations[2] || s[0].Source != g.path("b.log") {
		t.Errorf("States are %+v", s)
	}
}

// wantIDs waits until a message came so many times, and says how many ids the
// documents with each message have.
func (g *gateway) wantIDs(want map[string]int, times int) {
	g.t.Helper()
	ids := map[string]map[string]int{}
	g.eventually("the messages came", func() bool {
		clear(ids)
		for _, e := range g.server.events(g.t) {
			if ids[e.Message] == nil {
				ids[e.Message] = map[string]int{}
			}
			ids[e.Message][e.Metadata.ID]++
		}
		for message := range want {
			n := 0
			for _, c := range ids[message] {
				n += c
			}
			if n < times {
				return false
			}
		}
		return true
	})
	for message, n := range want {
		if len(ids[message]) != n {
			g.t.Errorf("%q came with the ids %v", message, ids[message])
		}
	}
}

// A file is renamed into another input's folder and compressed there between
// two looks.
func TestRenamedToAnotherInputAndCompressed(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Compression, in.Paths = "auto", []string{g.path("a/*.log*")}
	other := *in
	other.ID, other.Paths = "other", []string{g.path("b/*.log*")}
	g.cfg.Inputs = append(g.cfg.Inputs, other)
	g.check(os.Mkdir(g.path("a"), 0o700))
	g.check(os.Mkdir(g.path("b"), 0o700))
	g.write("a/a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a/a.log") == 4 })
	g.unseen(func() {
		g.write("b/a.log.1.gz", zipped(t, "one\ntwo\n"))
		g.check(os.Remove(g.path("a/a.log")))
	})
	g.want("one", "two")
	g.sameGeneration()
	g.eventually("only the archive is known", func() bool { return g.offset("b/a.log.1.gz") == 8 && len(g.keys("a/a.log")) == 0 })
}

// An input that goes on under its id takes no State of a renamed one, though it
// has none of its own yet.
func TestInputWithoutStatesIsNotNew(t *testing.T) {
	g := newFilestream(t)
	main := g.cfg.Inputs[0]
	main.Prospector.Scanner.CheckInterval = time.Hour
	late := main
	late.ID = "late"
	main.ID, main.Paths = "renamed", []string{g.path("*.log")}
	late.Paths = []string{g.path("none/*.log")}
	g.cfg.Inputs = []InputConfig{late, main}
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	before, _, _ := strings.Cut(g.server.events(t)[0].Metadata.ID, "-")
	late.Paths, main.ID = main.Paths, "another"
	g.setInputs(late, main)
	g.want("one", "one") // the late one has read nothing yet
	for _, s := range g.reg.States() {
		if renamed := strings.HasPrefix(s.Key, "filestream::another::"); renamed != (s.Generation == before) {
			t.Errorf("%s has the generation %s; that of the renamed input was %s", s.Key, s.Generation, before)
		}
	}
}
