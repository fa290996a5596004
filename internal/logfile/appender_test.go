package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

func openAppender(t *testing.T, dir string, change func(*Config)) *Appender {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	a, err := OpenAppender(cfg, dir, TornLine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// records joins records and says where each ends.
func records(list ...string) (text []byte, ends []int) {
	for _, r := range list {
		text = append(text, r...)
		ends = append(ends, len(text))
	}
	return text, ends
}

func mustAppend(t *testing.T, a *Appender, list ...string) {
	t.Helper()
	if n, err := a.Append(records(list...)); n != len(list) || err != nil {
		t.Fatalf("Append(%q) = %d, %v", list, n, err)
	}
}

func TestAppenderRotatesBetweenRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := openAppender(t, dir, func(c *Config) { c.RotateEveryBytes = 8 })
		mustAppend(t, a, "abc\n", "def\n", "g\n", "longer than a file\n", "", "h\n")
		mustAppend(t, a, "i\n")
		want(t, dir, "filebeat-20000101-1.ndjson=g| filebeat-20000101-2.ndjson=longer than a file| filebeat-20000101-3.ndjson=h|i| filebeat-20000101.ndjson=abc|def|")
	})
}

func TestAHalfRecordIsCutAtTheStart(t *testing.T) {
	for _, rotate := range []bool{true, false} {
		for before, whole := range map[string]string{
			"":                                       "",
			"a\nb\n":                                 "a\nb\n",
			"a\nhal":                                 "a\n",
			"half of the f":                          "",
			"a\n" + strings.Repeat("x", 300<<10):     "a\n",
			strings.Repeat("y\n", 100<<10) + "z\x00": strings.Repeat("y\n", 100<<10),
		} {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				old := filepath.Join(dir, "filebeat-19991231.ndjson")
				if err := os.WriteFile(old, []byte(before), 0o600); err != nil {
					t.Fatal(err)
				}
				a := openAppender(t, dir, func(c *Config) { c.RotateOnStartup = rotate })
				mustAppend(t, a, "new\n")
				wanted := whole
				if !rotate {
					wanted += "new\n"
				}
				if text, err := os.ReadFile(old); string(text) != wanted {
					t.Errorf("rotate %v, %.20q: %d bytes are left, %v; want %d", rotate, before, len(text), err, len(wanted))
				}
			})
		}
	}
}

func TestAFileOfAnotherProcessIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		other := openAppender(t, dir, nil)
		mustAppend(t, other, "other\n")
		if _, err := other.f.file.WriteString("hal"); err != nil {
			t.Fatal(err)
		}
		a := openAppender(t, dir, func(c *Config) { c.RotateOnStartup = false })
		b := openAppender(t, dir, nil)
		mustAppend(t, a, "a\n")
		mustAppend(t, b, "b\n")
		want(t, dir, "filebeat-20000101-1.ndjson=a| filebeat-20000101-2.ndjson=b| filebeat-20000101.ndjson=other|hal")
	})
}

// TestAFailedFsyncIsTakenBack: what was written since the last good one is
// cut off and reported as not written.
func TestAFailedFsyncIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := openAppender(t, dir, func(c *Config) { c.RotateEveryBytes = 6 })
		mustAppend(t, a, "a\n")
		failing := true
		a.sync = func(f *os.File) error {
			if failing && strings.Contains(f.Name(), "-1.") {
				return syscall.EIO
			}
			return f.Sync()
		}
		text, ends := records("b\n", "c\n", "d\n", "e\n")
		if n, err := a.Append(text, ends); n != 2 || !errors.Is(err, syscall.EIO) {
			t.Errorf("Append = %d, %v; want the 2 of the first file", n, err)
		}
		want(t, dir, "filebeat-20000101-1.ndjson= filebeat-20000101.ndjson=a|b|c|")
		failing = false
		mustAppend(t, a, "d\n", "e\n")
		want(t, dir, "filebeat-20000101-1.ndjson=d|e| filebeat-20000101.ndjson=a|b|c|")
	})
}

// /dev/full behaves as a file on a full disk.
func TestAnAppenderLosesNothingOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "filebeat-20000101.ndjson")
		if err := os.Symlink("/dev/full", path); err != nil {
			t.Fatal(err)
		}
		a := openAppender(t, dir, func(c *Config) { c.RotateOnStartup = false })
		for range 2 {
			if n, err := a.Append(records("a\n", "b\n")); n != 0 || !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("Append = %d, %v", n, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, a, "a\n", "b\n")
		want(t, dir, "filebeat-20000101.ndjson=a|b|")
	})
}

// TestADiskThatFillsUp: what a full disk has taken of a record is cut off, and
// what is reported as written stays.
func TestADiskThatFillsUp(t *testing.T) {
	const pages = 8
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", pages*os.Getpagesize())); err != nil {
		t.Logf("no small file system (%v): a limit of the file's size stands for it", err)
		limitFiles(t, uint64(pages*os.Getpagesize()))
	} else {
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	}
	a := openAppender(t, dir, nil)
	record := strings.Repeat("x", 999) + "\n"
	list := []string{record, record, record, record, record, record, record, record}
	taken := 0
	for {
		n, err := a.Append(records(list...))
		taken += n
		if err != nil {
			break
		}
	}
	text, err := os.ReadFile(a.Name())
	if err != nil || taken == 0 || len(text) != taken*len(record) || bytes.Count(text, []byte("\n")) != taken {
		t.Errorf("%d bytes with %d line ends, %v; %d records of %d bytes were taken", len(text), bytes.Count(text, []byte("\n")), err, taken, len(record))
	}
	if n, err := a.Append(records(list...)); n != 0 || err == nil {
		t.Errorf("Append on a full disk = %d, %v", n, err)
	}
	if err := os.Truncate(a.Name(), 0); err != nil { // room, made by somebody
		t.Fatal(err)
	}
	mustAppend(t, a, record)
	if text, err := os.ReadFile(a.Name()); string(text) != record {
		t.Errorf("%d bytes, %v; want one record", len(text), err)
	}
}

// limitFiles lets no file of this process grow beyond size.
func limitFiles(t *testing.T, size uint64) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Error(err)
		}
	})
}

func FuzzTornLine(f *testing.F) {
	f.Add([]byte("a\nb"), true)
	f.Fuzz(func(t *testing.T, tail []byte, first bool) {
		keep, ok := TornLine(tail, first)
		if keep < 0 || keep > len(tail) || keep > 0 && tail[keep-1] != '\n' || bytes.IndexByte(tail[keep:], '\n') >= 0 {
			t.Errorf("keeps %d of %q", keep, tail)
		}
		if !ok && (first || keep > 0) {
			t.Errorf("no decision on %q", tail)
		}
	})
}
