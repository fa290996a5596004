package tailer

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"
)

// What the model test has found, each alone.

// taking makes the server note every document and acknowledge none.
func (g *gateway) taking() (seen func() map[string]string) {
	docs := map[string]string{}                   // id → message
	g.server.answer = func(window []string) int { // called under the server's lock
		for _, d := range window {
			var e sentEvent
			if err := json.Unmarshal([]byte(d), &e); err != nil {
				g.t.Error(err)
			}
			docs[e.Metadata.ID] = e.Message
		}
		return -1
	}
	return func() map[string]string {
		g.server.mu.Lock()
		defer g.server.mu.Unlock()
		return maps.Clone(docs)
	}
}

func TestInputIDChangesBeforeTheFirstAck(t *testing.T) {
	g := newFilestream(t)
	seen := g.taking()
	g.write("a.log", "one\n")
	g.start()
	g.eventually("it was sent", func() bool { return len(seen()) == 1 })
	g.halt()
	g.cfg.Inputs[0].ID = "another"
	g.server.mu.Lock()
	g.server.answer = nil
	g.server.mu.Unlock()
	g.start()
	g.want("one")
	if e := g.server.events(t)[0]; seen()[e.Metadata.ID] != "one" {
		t.Errorf("the line has ids %v and %s", seen(), e.Metadata.ID)
	}
}

func TestInputIDAndNameChangeAtOnce(t *testing.T) {
	for _, identity := range []string{identityNative, identityFingerprint} {
		t.Run(identity, func(t *testing.T) {
			g := newFilestream(t)
			g.cfg.Inputs[0].FileIdentity.Choose(identity)
			g.cfg.Inputs[0].Paths = []string{g.path("*.log*")}
			long := strings.Repeat("u", 1100)
			g.write("a.log", long+"\n")
			g.start()
			g.want(long)
			g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 1101 })
			g.halt()
			g.rename("a.log", "a.log.1")
			g.cfg.Inputs[0].ID = "another"
			g.start()
			g.write("a.log.1", "two\n")
			g.want(long, "two")
		})
	}
}

func (g *gateway) rename(from, to string) {
	g.t.Helper()
	if err := os.Rename(g.path(from), g.path(to)); err != nil {
		g.t.Fatal(err)
	}
}

// Its fingerprint tells nothing any more of a file that was truncated.
func TestIdentityOfATruncatedFileChanges(t *testing.T) {
	g := newFilestream(t)
	long := strings.Repeat("t", 1500)
	g.write("a.log", long+"\n")
	g.start()
	g.want(long)
	g.eventually("it is known by its fingerprint", g.keyed("a.log", "filestream::fs::fingerprint::"))
	if err := os.Truncate(g.path("a.log"), 0); err != nil {
		t.Fatal(err)
	}
	g.eventually("the truncation is seen", func() bool { return g.offset("a.log") == 0 })
	g.write("a.log", "new\n")
	g.want(long, "new")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.halt()
	g.cfg.Inputs[0].FileIdentity.Choose(identityNative)
	g.start()
	g.write("a.log", "last\n")
	g.want(long, "new", "last")
}

// Files with equal first bytes are told apart by device and inode, in whatever
// order they are found.
func TestEqualFingerprintsFoundInAnotherOrder(t *testing.T) {
	g := newFilestream(t)
	long := strings.Repeat("e", 1500)
	g.write("b.log", long+"\n")
	g.start()
	g.want(long)
	g.eventually("b is known by its fingerprint", g.keyed("b.log", "filestream::fs::fingerprint::"))
	g.write("b.log", "more of b\n")
	g.want(long, "more of b")
	g.write("a.log", long+"\n") // found first after a restart
	g.want(long, "more of b", long)
	g.eventually("both are acknowledged", func() bool { return g.offset("a.log") == 1501 && g.offset("b.log") == 1511 })
	g.halt()
	g.write("a.log", "more of a\n")
	g.start()
	g.want(long, "more of b", long, "more of a")
	g.write("c.log", long+"\n") // and one that nobody knows yet, as another identity is chosen
	g.want(long, "more of b", long, "more of a", long)
	g.eventually("it is acknowledged", func() bool { return g.offset("c.log") == 1501 })
}

func TestUnchangedInputTakesNoStateOfARenamedOne(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].FileIdentity.Choose(identityNative)
	other := g.cfg.Inputs[0]
	other.ID = "two"
	g.write("a.log", "one\n")
	g.cfg.Inputs = []InputConfig{other}
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.halt()
	// "fs" is known by another file, has not seen this one, and comes first.
	g.cfg.Inputs[0].ID = "fs"
	g.cfg.Inputs[0].Paths = []string{g.path("*.txt")}
	g.write("b.txt", "text\n")
	g.start()
	g.want("one", "text")
	g.eventually("it is acknowledged", func() bool { return g.offset("b.txt") == 5 })
	g.halt()
	first := g.cfg.Inputs[0]
	first.Paths = []string{g.path("*.txt"), g.path("*.log")}
	other.ID = "three"
	g.cfg.Inputs = []InputConfig{first, other}
	g.start()
	g.server.wait(t, 3)
	g.want("one", "text", "one") // by fs, which has not sent it before
	g.eventually("each has its State", func() bool {
		_, fs := g.reg.Get(fmt.Sprintf("filestream::fs::native::%s", g.place("a.log")))
		s, three := g.reg.Get(fmt.Sprintf("filestream::three::native::%s", g.place("a.log")))
		return fs && three && strings.HasPrefix(g.server.events(t)[0].Metadata.ID, s.Generation+"-")
	})
}

// place is how native keys name a file.
func (g *gateway) place(name string) string {
	info, err := statFile(g.path(name), false)
	if err != nil {
		g.t.Fatal(err)
	}
	return fmt.Sprintf("%d-%d", info.ino, info.dev)
}

func TestCompressedWhileStopped(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Compression, in.Paths = "auto", []string{g.path("*.log*")}
	in.FileIdentity.Choose(identityNative)
	lines, text := numbered("line ", 0, 100)
	g.write("a.log", text)
	g.start()
	g.want(lines...)
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == int64(len(text)) })
	g.halt()
	more, rest := numbered("unread ", 0, 10)
	g.write("a.log.gz", zipped(t, text+rest))
	if err := os.Remove(g.path("a.log")); err != nil {
		t.Fatal(err)
	}
	g.start()
	g.want(append(lines, more...)...)
}

func TestOldFileThatIsTruncatedAndFilledAgain(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].IgnoreOlder = time.Hour
	g.write("a.log", "ignored\n")
	g.age("a.log", 2*time.Hour)
	g.start()
	g.eventually("it is known", func() bool { return g.offset("a.log") == 8 })
	g.tailer.mu.Lock() // no look at it
	if err := os.WriteFile(g.path("a.log"), []byte("new 1\nnew 2\nnew 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.tailer.mu.Unlock()
	g.want("new 1", "new 2", "new 3")
}

func TestPathThatAFileLeftIsForgotten(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].Paths = []string{g.path("*.log*")}
	g.cfg.Inputs[0].FileIdentity.Choose(identityPath)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.rename("a.log", "b.log")
	g.want("one", "one") // another path, another file
	g.eventually("only the new path is known", func() bool { return len(g.keys("a.log")) == 0 && g.offset("b.log") == 4 })
}

func TestPartialLineKeepsCharactersWhole(t *testing.T) {
	for name, c := range map[string]struct {
		encoding, first, rest string
		want                  []string
	}{
		"utf-8":              {"plain", "caf\xc3", "\xa9\n", []string{"caf", "é"}},
		"utf-16le":           {"utf-16le", "a\x00b", "\x00\n\x00", []string{"a", "b"}},
		"a pair in utf-16le": {"utf-16le", "a\x00\x3d\xd8", "\x00\xde\n\x00", []string{"a", "😀"}},
		"a pair in utf-16be": {"utf-16be", "\x00a\xd8\x3d", "\xde\x00\x00\n", []string{"a", "😀"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.cfg.Inputs[0].Encoding, g.cfg.Inputs[0].PartialLineTimeout = c.encoding, 20*time.Millisecond
			g.write("a.log", c.first)
			g.start()
			g.want(c.want[0])
			g.write("a.log", c.rest)
			g.want(c.want...)
		})
	}
}
