package tailer

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/registry"
)

// newFilestream is a gateway with one filestream input, as Filebeat 9 has it.
func newFilestream(t *testing.T) *gateway {
	g := newGateway(t)
	in := &g.cfg.Inputs[0]
	d := DefaultInput()
	in.Type, in.ID, in.ScanFrequency = TypeFilestream, "fs", d.ScanFrequency
	in.Prospector.Scanner.CheckInterval = 50 * time.Millisecond
	return g
}

// keys lists the registry's keys of the file at name.
func (g *gateway) keys(name string) (keys []string) {
	for _, s := range g.reg.States() {
		if s.Source == g.path(name) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

func (g *gateway) keyed(name, prefix string) func() bool {
	return func() bool {
		k := g.keys(name)
		return len(k) == 1 && strings.HasPrefix(k[0], prefix)
	}
}

func TestSmallFileShipsAtOnceAndGetsItsFingerprintLater(t *testing.T) {
	g := newFilestream(t)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is known by device and inode", g.keyed("a.log", "filestream::fs::native::"))
	long := strings.Repeat("x", 2000)
	g.write("a.log", long+"\n")
	g.want("one", long)
	g.eventually("it is known by its fingerprint", g.keyed("a.log", "filestream::fs::fingerprint::"))
	g.halt()
	g.start()
	g.write("a.log", "three\n")
	g.want("one", long, "three")
	if e := g.server.events(t); e[2].Metadata.ID == "" || !strings.HasPrefix(e[2].Metadata.ID, strings.Split(e[0].Metadata.ID, "-")[0]+"-") {
		t.Errorf("the ids %s and %s are of two files", e[0].Metadata.ID, e[2].Metadata.ID)
	}
}

func TestTwoFilesWithOneFingerprintStayTwo(t *testing.T) {
	g := newFilestream(t)
	long := strings.Repeat("y", 1500)
	g.write("a.log", long+"\n")
	g.write("b.log", long+"\n")
	g.start()
	g.want(long, long)
	g.eventually("one is known by its fingerprint, the other by its inode", func() bool {
		a, b := g.keys("a.log"), g.keys("b.log")
		return len(a) == 1 && len(b) == 1 && strings.Contains(a[0]+b[0], "::fingerprint::") && strings.Contains(a[0]+b[0], "::native::")
	})
	g.write("a.log", "more of a\n")
	g.server.wait(t, 3)
	g.halt()
	g.start()
	g.write("b.log", "more of b\n")
	g.server.wait(t, 4)
	g.want(long, long, "more of a", "more of b")
}

// A file that is moved to another file system, or restored from a backup,
// keeps its fingerprint and nothing else.
func TestFileWithAnotherInodeGoesOnByItsFingerprint(t *testing.T) {
	g := newFilestream(t)
	long := strings.Repeat("z", 1500)
	g.write("a.log", long+"\n")
	g.start()
	g.want(long)
	g.eventually("it is known by its fingerprint", g.keyed("a.log", "filestream::fs::fingerprint::"))
	g.halt()
	if err := os.Rename(g.path("a.log"), g.path("kept")); err != nil {
		t.Fatal(err)
	}
	g.write("a.log", long+"\nnew\n")
	g.start()
	g.want(long, "new")
}

func TestPathIdentity(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].FileIdentity.Choose(identityPath)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is known by its path", g.keyed("a.log", "filestream::fs::path::"+g.path("a.log")))
	g.halt()
	// Another file at the path, with what was sent at its beginning.
	if err := os.Rename(g.path("a.log"), g.path("kept")); err != nil {
		t.Fatal(err)
	}
	g.write("a.log", "one\ntwo\n")
	g.start()
	g.want("one", "two")
}

func TestInodeMarkerIdentity(t *testing.T) {
	g := newGateway(t)
	g.write("marker", "disk-7")
	in := &g.cfg.Inputs[0]
	in.FileIdentity.Choose(identityInodeMarker).(*InodeMarker).Path = g.path("marker")
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is known by the marker", func() bool {
		k := g.keys("a.log")
		return len(k) == 1 && strings.Contains(k[0], "inode_marker::") && strings.HasSuffix(k[0], "-disk-7")
	})
	g.halt()
	g.start()
	g.write("a.log", "two\n")
	g.want("one", "two")
}

func TestChangedIdentitySendsNothingAgain(t *testing.T) {
	long := strings.Repeat("v", 1500)
	kinds := []string{identityNative, identityFingerprint, identityPath, identityFingerprint, identityNative, identityPath, identityNative}
	g := newFilestream(t)
	g.write("a.log", long+"\n")
	want := []string{long}
	for i, kind := range kinds {
		in := &g.cfg.Inputs[0]
		in.FileIdentity = FileIdentity{}
		in.FileIdentity.Choose(kind)
		in.ID = fmt.Sprintf("id-%d", i/2) // and its id with it
		g.start()
		line := fmt.Sprintf("with %s, %d", kind, i)
		g.write("a.log", line+"\n")
		want = append(want, line)
		g.want(want...)
		g.eventually("its State is known by "+kind, func() bool {
			k := g.keys("a.log")
			return len(k) == 1 && strings.Contains(k[0], "::"+kind+"::")
		})
		g.halt()
	}
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCompressedFiles(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Compression, in.Paths = "auto", []string{g.path("*.log*")}
	lines, text := numbered("packed ", 0, 20_000)
	g.write("old.log.gz", zipped(t, text))
	g.start()
	g.want(lines...)
	g.eventually("all of it is acknowledged", func() bool { return g.offset("old.log.gz") == int64(len(text)) })
	g.write("a.log", "plain\n")
	g.want(append(lines, "plain")...)
	g.halt()
	g.start() // and nothing again
	g.write("b.log", "later\n")
	g.want(append(lines, "plain", "later")...)
}

// logrotate compresses what it has rotated: the archive's lines were sent.
func TestArchiveOfAShippedFileIsNotSentAgain(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.Compression, in.Paths = "auto", []string{g.path("*.log*")}
	lines, text := numbered("line ", 0, 300)
	g.write("a.log", text)
	g.start()
	g.want(lines...)
	g.eventually("it is known by its fingerprint", g.keyed("a.log", "filestream::fs::fingerprint::"))
	if err := os.Rename(g.path("a.log"), g.path("a.log.1")); err != nil {
		t.Fatal(err)
	}
	g.write("a.log", "next\n")
	g.want(append(lines, "next")...)
	g.write("a.log.1.gz", zipped(t, text))
	if err := os.Remove(g.path("a.log.1")); err != nil {
		t.Fatal(err)
	}
	g.write("a.log", "last\n")
	g.want(append(lines, "next", "last")...)
	g.eventually("the archive goes on with the State", func() bool { return g.offset("a.log.1.gz") == int64(len(text)) })
	g.want(append(lines, "next", "last")...)
}

func TestBrokenArchiveIsReportedAndReadOnWhenComplete(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].Compression, g.cfg.Inputs[0].Paths = "gzip", []string{g.path("*.gz")}
	lines, text := numbered("line ", 0, 5000)
	all := zipped(t, text)
	g.write("a.gz", all[:len(all)/2])
	g.start()
	g.eventually("it was looked at", func() bool { return g.tailer.Status().ReadErrors > 0 })
	g.write("a.gz", all[len(all)/2:])
	g.server.wait(t, len(lines))
	g.want(lines...)
}

func TestDeleteRemovesWhatIsAcknowledged(t *testing.T) {
	g := newFilestream(t)
	d := &g.cfg.Inputs[0].Delete
	d.Enabled, d.GracePeriod = true, 100*time.Millisecond
	held := true
	g.server.answer = func(docs []string) int { // called under the server's lock
		if held {
			return -1
		}
		return len(docs)
	}
	g.write("a.log", "one\n")
	g.start()
	g.eventually("it was read", func() bool { return g.tailer.Status().Events > 0 })
	time.Sleep(300 * time.Millisecond) // three grace periods, in which nothing may happen
	if _, err := os.Stat(g.path("a.log")); err != nil {
		t.Fatalf("it was removed before it was acknowledged: %v", err)
	}
	g.server.mu.Lock()
	held = false
	g.server.mu.Unlock()
	g.want("one")
	g.eventually("it is removed", func() bool { _, err := os.Stat(g.path("a.log")); return os.IsNotExist(err) })
	g.eventually("its State is forgotten", func() bool { return len(g.reg.States()) == 0 })
	g.write("a.log", "another one\n")
	g.want("one", "another one")
}

func TestDeleteKeepsALineWithoutEnd(t *testing.T) {
	g := newFilestream(t)
	d := &g.cfg.Inputs[0].Delete
	d.Enabled, d.GracePeriod = true, time.Millisecond
	g.write("a.log", "one\nhalf")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	time.Sleep(200 * time.Millisecond) // four scans
	g.write("a.log", " a line\n")
	g.want("one", "half a line")
	g.eventually("it is removed", func() bool { _, err := os.Stat(g.path("a.log")); return os.IsNotExist(err) })
}

func TestIgnoreInactive(t *testing.T) {
	for _, value := range []string{sinceLastStart, sinceFirstStart} {
		t.Run(value, func(t *testing.T) {
			g := newFilestream(t)
			g.cfg.Inputs[0].IgnoreInactive = value
			g.cfg.FirstStart = time.Now().Add(-time.Minute)
			g.write("old.log", "old\n")
			g.age("old.log", time.Hour)
			g.start()
			g.write("new.log", "new\n")
			g.want("new")
			g.eventually("the old file is known", func() bool { return g.offset("old.log") == 4 })
			g.write("old.log", "added\n")
			g.want("new", "added")
		})
	}
}

func TestSeekToTail(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].SeekToTail = true
	g.write("a.log", "before\n")
	g.start()
	g.eventually("it is known", func() bool { return g.offset("a.log") == 7 })
	g.write("a.log", "after\n")
	g.want("after")
}

// What is given as an option of copytruncate limits which files are copies.
func TestCopytruncate(t *testing.T) {
	for name, suffix := range map[string]string{"recognised without options": "", "with suffix_regex": `\.\d+$`} {
		t.Run(name, func(t *testing.T) {
			g := newFilestream(t)
			in := &g.cfg.Inputs[0]
			in.Paths = []string{g.path("a.log*")}
			if suffix != "" {
				in.Rotation.External.Strategy.Copytruncate = &Copytruncate{SuffixRegex: suffix}
			}
			lines, text := numbered("before ", 0, 200)
			g.write("a.log", text)
			g.start()
			g.want(lines...)
			g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(len(text)) })
			for round := range 3 {
				g.copyTruncate("a.log", fmt.Sprintf("a.log.%d", round+1))
				more, text := numbered(fmt.Sprintf("round %d, ", round), 0, 200)
				g.write("a.log", text)
				lines = append(lines, more...)
				g.want(lines...)
				g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(len(text)) })
			}
		})
	}
}

// copyTruncate does what logrotate's copytruncate does.
func (g *gateway) copyTruncate(name, to string) {
	g.t.Helper()
	text, err := os.ReadFile(g.path(name))
	if err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(g.path(to), text, 0o600); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Truncate(g.path(name), 0); err != nil {
		g.t.Fatal(err)
	}
}

// The server is away while the file is copied and truncated: what was read
// is in the batches, what was not is in the copy.
func TestCopytruncateWhileTheServerIsAway(t *testing.T) {
	g := newFilestream(t)
	g.cfg.BatchEvents, g.cfg.Inputs[0].Paths = 10, []string{g.path("a.log*")}
	away := true
	g.server.refuse = func() error {
		if away {
			time.Sleep(time.Millisecond)
			return errReset
		}
		return nil
	}
	lines, text := numbered("a line that was not sent yet ", 0, 2000)
	g.write("a.log", text)
	g.start()
	g.eventually("the batches are full", func() bool { return g.tailer.Status().Events >= 20 })
	g.copyTruncate("a.log", "a.log.1")
	g.write("a.log", "after\n")
	g.server.mu.Lock()
	away = false
	g.server.mu.Unlock()
	g.server.wait(t, len(lines)+1)
	missing := make(map[string]bool)
	for _, l := range append(lines, "after") {
		missing[l] = true
	}
	g.eventually("all lines came", func() bool {
		for _, m := range g.server.messages(t) {
			delete(missing, m)
		}
		return len(missing) == 0
	})
	ids := make(map[string]string)
	for _, e := range g.server.events(t) {
		if old, again := ids[e.Metadata.ID]; again && old != e.Message {
			t.Fatalf("%q and %q have one id", old, e.Message)
		}
		ids[e.Metadata.ID] = e.Message
	}
}

// The cleaner needs to know which file a State is about, whatever its identity.
func TestStatesOfAnyIdentityNameTheInode(t *testing.T) {
	for _, kind := range []string{identityFingerprint, identityPath} {
		t.Run(kind, func(t *testing.T) {
			g := newFilestream(t)
			g.cfg.Inputs[0].FileIdentity.Choose(kind)
			long := strings.Repeat("w", 1500)
			g.write("a.log", long+"\n")
			g.start()
			g.want(long)
			g.eventually("it is known by "+kind, func() bool {
				k := g.keys("a.log")
				return len(k) == 1 && strings.Contains(k[0], "::"+kind+"::") && g.offset("a.log") == 1501
			})
			g.halt()
			reg, err := registry.Open(g.path("data"), registry.DefaultConfig(), zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			defer reg.Close()
			info, err := statFile(g.path("a.log"), false)
			if err != nil {
				t.Fatal(err)
			}
			if s := reg.States()[0]; s.Inode != info.ino || s.Device != info.dev {
				t.Errorf("the State names %d on %d, the file is %d on %d", s.Inode, s.Device, info.ino, info.dev)
			}
		})
	}
}

// prospector.scanner.fingerprint.offset and .length say which bytes count.
func TestFingerprintRange(t *testing.T) {
	g := newFilestream(t)
	fp := &g.cfg.Inputs[0].Prospector.Scanner.Fingerprint
	fp.Offset, fp.Length = 10, 64
	_, text := numbered("a line of some length ", 0, 10)
	g.write("a.log", text)
	g.start()
	g.server.wait(t, 10)
	want := fmt.Sprintf("filestream::fs::fingerprint::%x", sha256.Sum256([]byte(text[10:74])))
	g.eventually("its key is made of these bytes", func() bool { return slices.Equal(g.keys("a.log"), []string{want}) })
}

// gzip_experimental is compression: auto under its first name.
func TestGzipExperimental(t *testing.T) {
	g := newFilestream(t)
	in := &g.cfg.Inputs[0]
	in.GzipExperimental, in.Paths = true, []string{g.path("*.gz"), g.path("*.log")}
	lines, text := numbered("line ", 0, 300)
	g.write("old.gz", zipped(t, text))
	g.start()
	g.want(lines...)
	g.write("a.log", "plain\n")
	g.want(append(lines, "plain")...)
}
