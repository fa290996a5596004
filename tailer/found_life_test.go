package tailer

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/internal/parser"
	"sluice/registry"
)

// What the model test has found of files that begin anew.

func TestFingerprintOfATruncatedFileIsGivenUp(t *testing.T) {
	g := newFilestream(t)
	long := strings.Repeat("f", 1500)
	g.write("a.log", long+"\n")
	g.start()
	g.want(long)
	g.eventually("it is known by its fingerprint", g.keyed("a.log", "filestream::fs::fingerprint::"))
	g.put("a.log", "short\n")
	g.want(long, "short")
	g.eventually("it is known by device and inode", g.keyed("a.log", "filestream::fs::native::"))
	g.write("a.log", strings.Repeat("g", 1500)+"\n")
	g.eventually("and by its new fingerprint", g.keyed("a.log", "filestream::fs::fingerprint::"))
}

// A State that is a file's by its number counts more than one, left by a file
// that is gone, with the same fingerprint.
func TestNumberCountsMoreThanAFingerprint(t *testing.T) {
	g := newFilestream(t)
	text := strings.Repeat("n", 1500) + "\n"
	g.write("a.log", text)
	in := g.cfg.Inputs[0]
	hash, err := fingerprint(strings.NewReader(text), in.Prospector.Scanner.Fingerprint)
	g.check(err)
	p, err := readPrefix(strings.NewReader(text), prefixLimit)
	g.check(err)
	g.cfg.Inputs[0] = DefaultInput()
	g.cfg.Inputs[0].Paths = in.Paths
	g.start() // as a log input
	g.server.wait(t, 1)
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 1501 })
	g.reg.Commit(registry.State{
		Key: "filestream::gone::fingerprint::" + hash, ID: "fingerprint::" + hash, IdentifierName: identityFingerprint, Type: TypeFilestream,
		Source: g.path("gone.log"), Offset: 0, TTL: -1, Generation: "11111111111", PrefixHash: p.hash, PrefixLen: p.length,
	})
	g.halt()
	g.cfg.Inputs[0] = in
	g.start()
	g.write("a.log", "more\n")
	g.want(text[:1500], "more")
	g.sameGeneration()
}

// What a State says of a file's first bytes decides whether a fingerprint can
// be trusted.
func TestFingerprintOfAnotherLifeIsNotTrusted(t *testing.T) {
	g := newFilestream(t)
	g.write("a.log", "text\n")
	g.start()
	g.want("text")
	same, err := readPrefix(strings.NewReader("text\n"), 5)
	g.check(err)
	f := &file{in: g.tailer.inputs[0], path: g.path("a.log")}
	for name, c := range map[string]struct {
		s    registry.State
		want bool
	}{
		"of Filebeat":                   {registry.State{Offset: 5}, true},
		"of these bytes":                {registry.State{Offset: 5, Generation: "x", PrefixHash: same.hash, PrefixLen: 5}, true},
		"of others":                     {registry.State{Offset: 5, Generation: "x", PrefixHash: same.hash, PrefixLen: 4}, false},
		"truncated, and not read since": {registry.State{Generation: "x"}, false},
	} {
		if got := f.mayBe(&c.s); got != c.want {
			t.Errorf("a State %s: %v, want %v", name, got, c.want)
		}
	}
}

// Whatever was acknowledged of a small file, its hash covers it.
func TestPrefixCoversWhatIsAcknowledged(t *testing.T) {
	g := newGateway(t)
	g.cfg.BatchEvents = 1
	first := true
	g.server.answer = func([]string) int { // one line, and then nothing
		if first {
			first = false
			return 1
		}
		return -1
	}
	_, text := numbered("line ", 0, 100)
	g.write("a.log", text)
	g.start()
	g.eventually("a line is acknowledged", func() bool { return g.offset("a.log") == 7 })
	if s := g.reg.States()[0]; s.PrefixLen != int64(len(text)) {
		t.Errorf("the hash is of %d bytes, want %d", s.PrefixLen, len(text))
	}
}

func TestPrefixGrowsOverTheSameBytesOnly(t *testing.T) {
	p, err := readPrefix(strings.NewReader("one\n"), 4)
	g := newGateway(t)
	g.check(err)
	for text, want := range map[string]bool{"one\ntwo\n": true, "won\ntwo\n": false, "one\n": false} {
		if longer, same := p.grow(strings.NewReader(text), make([]byte, 8)); same != want || same && longer.length != 8 {
			t.Errorf("%q: %v, %v", text, longer, same)
		}
	}
}

func TestCompleteLines(t *testing.T) {
	utf16, err := newDecoding("utf-16le")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{"": 0, "a": 0, "a\n": 2, "a\nb": 2, "\n\n": 2} {
		if got := plainDecoding.complete([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]int{"": 0, "a\x00\n\x00": 4, "a\x00\n\x00b\x00": 4, "a\n\x00b": 0, "\n\x00a\n\x00\x00": 2} {
		if got := utf16.complete([]byte(text)); got != want {
			t.Errorf("utf-16le %q: %d, want %d", text, got, want)
		}
	}
}

// A line that was read before its file was truncated has no id of what came after.
func TestLineOfAnEndedLifeGetsNoNewID(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.halt()
	f := &file{in: g.tailer.inputs[0], life: 2, generation: "new"}
	h := &harvester{life: 1, content: content{data: strings.NewReader("old\n")}}
	if err := newLane(g.tailer, 0).compile(f, h, 4); !errors.Is(err, errDropped) || h.plain != nil {
		t.Errorf("got %v", err)
	}
}

// A file that was emptied while nobody looked is followed at once, though its
// first bytes are to tell whether it is compressed.
func TestEmptiedWhileStoppedWithCompression(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		end  int64
	}{"plain": {"new\n", 4}, "compressed": {zipped(t, "new\n"), 4}} {
		t.Run(name, func(t *testing.T) {
			g := newFilestream(t)
			g.cfg.Inputs[0].Compression = "auto"
			g.write("a.log", "one\n")
			g.start()
			g.want("one")
			g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
			g.halt()
			g.put("a.log", "")
			g.start()
			g.eventually("the truncation is seen", func() bool { return g.offset("a.log") == 0 })
			g.write("a.log", c.text)
			g.want("one", "new")
			g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == c.end })
		})
	}
}

// A crash brings back the State of the file that was at a path before: the ids
// of the new file's lines are the same as before the crash.
func TestNewFileAtAPathKeepsItsIDsAfterACrash(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].FileIdentity.Choose(identityPath)
	g.write("a.log", "the old file\n")
	g.start()
	g.want("the old file")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 13 })
	g.halt()
	g.check(os.CopyFS(g.path("before"), os.DirFS(g.path("data"))))
	g.rename("a.log", "gone")
	g.write("a.log", "the new file\n")
	g.start()
	g.want("the old file", "the new file")
	g.halt()
	g.check(os.RemoveAll(g.path("data")))
	g.rename("before", "data")
	g.start()
	g.want("the old file", "the new file", "the new file")
	if es := g.server.events(t); es[1].Metadata.ID != es[2].Metadata.ID {
		t.Errorf("its ids are %s and %s", es[1].Metadata.ID, es[2].Metadata.ID)
	}
}

// A State without first bytes says nothing of a new file at its path, also
// after another restart.
func TestNewFileAtThePathOfATruncatedOne(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].FileIdentity.Choose(identityPath)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	g.put("a.log", "")
	g.eventually("the truncation is seen", func() bool { return g.offset("a.log") == 0 })
	drawn := g.reg.States()[0].Generation
	g.halt()
	g.rename("a.log", "former")
	g.write("a.log", "")
	g.start()
	g.eventually("the new file is known", func() bool { return g.reg.States()[0].Generation != drawn })
	g.halt()
	g.write("a.log", "two\n")
	g.start()
	g.want("one", "two")
	if id := g.server.events(t)[1].Metadata.ID; strings.HasPrefix(id, drawn) {
		t.Errorf("the new file has the id %s of the former one", id)
	}
}

// By path, another file that begins alike is read on, and none of its lines has
// the id of one of the former file.
func TestReplacedFileAtAPathHasNewIDs(t *testing.T) {
	g := newFilestream(t)
	g.cfg.Inputs[0].FileIdentity.Choose(identityPath)
	g.write("a.log", "header\n")
	g.start()
	g.want("header")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 7 })
	g.halt()
	g.rename("a.log", "former")
	g.write("a.log", "header\nline\n")
	g.start()
	g.want("header", "line")
	es := g.server.events(t)
	former, _, _ := strings.Cut(es[0].Metadata.ID, "-")
	if generation, _, _ := strings.Cut(es[1].Metadata.ID, "-"); generation == former {
		t.Errorf("both have generation %s", generation)
	}
}

// What parsers hold before a line over the limit whose end is still to come is
// read again with it after the file was closed.
func TestClosedWithinALongLineWhileParsersHoldOthers(t *testing.T) {
	g := newGateway(t)
	in := &g.cfg.Inputs[0]
	in.MaxBytes, in.CloseTimeout, in.CloseInactive = 100, 20*time.Millisecond, time.Hour
	multi := parser.DefaultMultiline()
	multi.Pattern, multi.Timeout = "^ ", time.Hour
	in.Multiline = &multi
	g.write("a.log", "held\n"+strings.Repeat("long ", 40_000))
	g.start()
	closed := func() bool {
		g.tailer.mu.Lock()
		defer g.tailer.mu.Unlock()
		f := g.tailer.sets[0].paths[g.path("a.log")]
		if f == nil {
			return false
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.timedOut
	}
	g.eventually("it was closed", closed)
	g.write("a.log", "\nnext\n")
	g.server.wait(t, 2)
	if got := g.server.messages(t); got[0] != "held" || !strings.HasPrefix(got[1], "long ") {
		t.Errorf("got %.40q", got)
	}
}

// The last line, which has no end, is not taken from content that has replaced
// what was read.
func TestPartialLineOfAReplacedFile(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].PartialLineTimeout = 300 * time.Millisecond
	g.write("a.log", "one\nhalf")
	g.start()
	g.want("one")
	g.unseen(func() {
		f := g.tailer.sets[0].paths[g.path("a.log")]
		due := func() bool {
			f.io.Lock()
			defer f.io.Unlock()
			return !f.harvester.partialDue.IsZero()
		}
		g.eventually("its last line waits", due)
		g.put("a.log", "another one\n")
		g.eventually("its time is over before the next look", func() bool { return !due() })
	})
	g.want("one", "another one")
}
