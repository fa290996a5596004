package tailer

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
	"golang.org/x/text/encoding/unicode"
)

func (g *gateway) age(name string, age time.Duration) {
	g.t.Helper()
	past := time.Now().Add(-age)
	if err := os.Chtimes(g.path(name), past, past); err != nil {
		g.t.Fatal(err)
	}
}

func TestMaxBytesCountsTheTextOfALine(t *testing.T) {
	utf16 := func(s string) string {
		b, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		encoding, data string
		want           []string
		truncated      bool
	}{
		"as long as allowed":         {"plain", "0123456789\nx\n", []string{"0123456789", "x"}, false},
		"a carriage return":          {"plain", "0123456789\r\nx\n", []string{"0123456789", "x"}, false},
		"a byte order mark":          {"plain", "\ufeff0123456789\r\nx\n", []string{"0123456789", "x"}, false},
		"one too long":               {"plain", "0123456789a\nx\n", []string{"0123456789", "x"}, true},
		"far too long":               {"plain", strings.Repeat("0123456789", 20) + "\nx\n", []string{"0123456789", "x"}, true},
		"inside a character":         {"plain", "012345678ü\nx\n", []string{"012345678\ufffd", "x"}, true},
		"UTF-16":                     {"utf-16le", utf16("0123456789\r\nx\n"), []string{"0123456789", "x"}, false},
		"UTF-16 too long":            {"utf-16le", utf16("0123456789a\r\nx\n"), []string{"0123456789", "x"}, true},
		"ten bytes are five letters": {"windows1252", "\xfc\xfc\xfc\xfc\xfc\xfc\nx\n", []string{"üüüüü", "x"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.cfg.Inputs[0].MaxBytes, g.cfg.Inputs[0].Encoding = 10, c.encoding
			g.write("a.log", c.data)
			g.start()
			g.want(c.want...)
			if got := slices.Equal(g.server.events(t)[0].Log.Flags, []string{"truncated"}); got != c.truncated {
				t.Errorf("flagged: %v, want %v", got, c.truncated)
			}
			g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(len(c.data)) })
		})
	}
}

// Line feeds at odd places (U+0A00, U+000A after an odd byte) and at the
// borders of the read buffer.
func TestUTF16OverManyBuffers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	letters := []rune{'a', 'ü', '\u0a00', '\u0a0a', '\u000d', '\u0d0a', '€', '\U0001f600'}
	var want []string
	for range 3000 {
		line := make([]rune, 1+r.IntN(100))
		for i := range line {
			line[i] = letters[r.IntN(len(letters))]
		}
		line[len(line)-1] = 'z'
		want = append(want, string(line))
	}
	text, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(strings.Join(want, "\n") + "\n")
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t)
	g.cfg.Inputs[0].Encoding = "utf-16-bom"
	half := len(text)/2 | 1 // the writer stops inside a character
	g.write("a.log", text[:half])
	g.start()
	g.server.wait(t, 100)
	g.write("a.log", text[half:])
	g.want(want...)
}

func TestCleanInactiveForgetsAndSendsNothingAgain(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.halt()
	g.age("a.log", 3*time.Hour)
	in := &g.cfg.Inputs[0]
	in.IgnoreOlder, in.CleanInactive = time.Hour, 2*time.Hour
	g.start()
	g.eventually("the State is forgotten", func() bool { return len(g.reg.States()) == 0 })
	g.write("b.log", "two\n")
	g.want("one", "two")
}

func TestStateOfAnOldFileIsForgottenWhenItIsRemoved(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.halt()
	g.age("a.log", 3*time.Hour)
	g.cfg.Inputs[0].IgnoreOlder = time.Hour
	g.start()
	g.write("b.log", "two\n")
	g.want("one", "two")
	g.eventually("two scans have passed", func() bool {
		g.tailer.mu.Lock()
		defer g.tailer.mu.Unlock()
		return len(g.tailer.orphans.at) == 0
	})
	if err := os.Remove(g.path("a.log")); err != nil {
		t.Fatal(err)
	}
	g.eventually("only b is known", func() bool { return len(g.reg.States()) == 1 && g.offset("b.log") == 4 })
}

func TestStatesAreKeptWithoutCleanRemoved(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].CleanRemoved = false
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	g.eventually("it is acknowledged", func() bool { return g.offset("a.log") == 4 })
	if err := os.Remove(g.path("a.log")); err != nil {
		t.Fatal(err)
	}
	g.eventually("it is followed no more", func() bool { return g.tailer.Status().Files == 0 && g.tailer.Status().FilesOpen == 0 })
	if g.offset("a.log") != 4 {
		t.Error("its State is gone")
	}
}

// A board without a battery starts in 1970, and years pass in a moment.
func TestAgeOfAFollowedFileIsMonotonic(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	f := g.one()
	changed := func() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.quiet }
	if before := changed(); !strings.Contains(before.String(), " m=") {
		t.Errorf("%v is of the wall clock alone", before)
	}
	before := changed()
	g.age("a.log", -100*365*24*time.Hour)
	g.eventually("the change is seen", func() bool { return changed().After(before) })
	if after := changed(); !strings.Contains(after.String(), " m=") || time.Since(after) < 0 {
		t.Errorf("%v is of the wall clock", after)
	}
}

func TestTruncationByASymlinkSwap(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].Symlinks = true
	g.write("target.1", "one\ntwo\n")
	if err := os.Symlink(g.path("target.1"), g.path("a.log")); err != nil {
		t.Fatal(err)
	}
	g.start()
	g.want("one", "two")
	g.write("target.2", "three\n")
	if err := os.Symlink(g.path("target.2"), g.path("new")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(g.path("new"), g.path("a.log")); err != nil {
		t.Fatal(err)
	}
	g.want("one", "two", "three")
	g.write("target.1", "late\n") // its writer goes on for a moment
	g.want("one", "two", "three", "late")
}

func TestIdleCacheLetsGoOfClosedFiles(t *testing.T) {
	g := newGateway(t)
	g.start()
	g.halt()
	in := g.tailer.inputs[0]
	c := newIdleFiles()
	g.tailer.idle = c
	for i := range 2 * maxIdleOpen {
		f := &file{in: in}
		if i > 0 { // the first was closed by the scan a moment before
			h, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			f.harvester = &harvester{content: content{file: h}}
			in.admit()
			in.opened()
		}
		f.io.Lock()
		c.add(f)
		f.io.Unlock()
	}
	if n := c.order.Len(); n > maxIdleOpen {
		t.Errorf("%d files are in the cache", n)
	}
	if n := in.open.Load(); n > maxIdleOpen {
		t.Errorf("%d files are open", n)
	}
}

func TestFileDroppedWhileItIsReadIsClosed(t *testing.T) {
	g := newGateway(t)
	g.write("a.log", "one\n")
	g.start()
	g.want("one")
	f := g.one()
	f.io.Lock() // its reader is at work
	g.tailer.mu.Lock()
	g.tailer.drop(f)
	g.tailer.mu.Unlock()
	f.io.Unlock()
	g.eventually("its handle is closed", func() bool {
		f.io.Lock()
		defer f.io.Unlock()
		return f.harvester == nil
	})
}

func TestUnreadableFileIsReportedOnce(t *testing.T) {
	g := newGateway(t)
	g.start()
	g.halt()
	var said bytes.Buffer
	l := g.tailer.lanes[0]
	l.log = zerolog.New(&said)
	f := &file{in: g.tailer.inputs[0], path: "/var/log/secret.log"}
	for range 10 {
		l.reportRead(f, errors.New("open: permission denied"))
	}
	l.reportRead(f, errors.New("read: input/output error"))
	if n := strings.Count(said.String(), "can't read"); n != 2 {
		t.Errorf("reported %d times: %s", n, &said)
	}
	f.harvester = &harvester{path: f.path}
	l.readable(f)
	l.reportRead(f, errors.New("read: input/output error"))
	if n := strings.Count(said.String(), "can't read"); n != 3 {
		t.Errorf("a new failure was not reported: %s", &said)
	}
}

// Files that always have more to read, all of it filtered, must not keep the
// few events of others, or the offsets, waiting.
func TestEventsDoNotWaitForABacklogOfFilteredLines(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].ExcludeLines = []string{"^noise"}
	g.write("a.log", "one\n"+strings.Repeat("noise noise noise noise noise noise noise\n", 500_000))
	size := int64(4 + 42*500_000)
	seen := make(chan int64, 1)
	g.server.answer = func(w []string) int {
		select {
		case seen <- g.tailer.Status().BytesRead:
		default:
		}
		return len(w)
	}
	g.start()
	g.want("one")
	g.eventually("filtered lines are acknowledged", func() bool { return g.offset("a.log") == size })
	if read := <-seen; read >= size {
		t.Errorf("the event left when all %d bytes were read", read)
	}
}

func TestPoisonInABatchOfItsOwn(t *testing.T) {
	g := newGateway(t)
	g.cfg.DeadLetterPath = g.path("dead.ndjson")
	g.cfg.BatchesInFlight, g.cfg.BatchEvents = 1, 1
	g.server.answer = func(w []string) int {
		if slices.ContainsFunc(w, func(d string) bool { return strings.Contains(d, "poison") }) {
			return -1
		}
		return len(w)
	}
	g.write("a.log", "poison\nfine\n")
	g.start()
	g.eventually("both are settled", func() bool { return g.offset("a.log") == 12 })
}

func TestManyPoisonDocumentsInARow(t *testing.T) {
	g := newGateway(t)
	g.cfg.DeadLetterPath = g.path("dead.ndjson")
	g.server.answer = func(w []string) int {
		if slices.ContainsFunc(w, func(d string) bool { return strings.Contains(d, "poison") }) {
			return -1
		}
		return len(w)
	}
	text := strings.Repeat("poison\n", 20) + "fine\n"
	g.write("a.log", text)
	g.start()
	g.eventually("all are settled", func() bool { return g.offset("a.log") == int64(len(text)) })
	if n := g.tailer.Status().DeadLetters; n != 20 {
		t.Errorf("%d documents were set aside", n)
	}
}

func TestFolderThatMayNotBeReadIsReportedOnce(t *testing.T) {
	var text bytes.Buffer
	w := &watch{folders: map[string]bool{}, denied: map[string]bool{}, log: zerolog.New(&text)}
	n, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	w.notify = n
	dir := t.TempDir()
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // root may read everything: ask as someone else
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Setfsuid(0) }()
	}
	for range 3 {
		w.folder(dir)
	}
	if got := text.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "may not read the folder") || !strings.Contains(got, dir) {
		t.Errorf("logged %q, want one line that names the folder", got)
	}
}
