package durable

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := OpenFile(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func commit(t *testing.T, f *File, s string) {
	t.Helper()
	f.Append([]byte(s))
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestGroupCommitIsOneWriteAndOneFsync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := open(t, path)
	var steps []string
	f.fault = func(step string, p []byte) (int, error) {
		steps = append(steps, step)
		return len(p), nil
	}
	f.Append([]byte("one\n"))
	f.Grow(func(b []byte) []byte { return append(b, "two\n"...) })
	if f.Size() != 0 || f.Buffered() != 8 {
		t.Errorf("before: size %d, buffered %d", f.Size(), f.Buffered())
	}
	if got := content(t, path); got != "" {
		t.Errorf("written before Commit: %q", got)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "one\ntwo\n" {
		t.Errorf("content %q", got)
	}
	if f.Size() != 8 || f.Buffered() != 0 {
		t.Errorf("after: size %d, buffered %d", f.Size(), f.Buffered())
	}
	if err := f.Commit(); err != nil { // nothing to do
		t.Fatal(err)
	}
	if got := strings.Join(steps, " "); got != "write fsync" {
		t.Errorf("steps %q", got)
	}
}

func TestReopenedFileIsAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := open(t, path)
	commit(t, f, "one\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	if f.Size() != 4 {
		t.Errorf("size %d", f.Size())
	}
	commit(t, f, "two\n")
	if got := content(t, path); got != "one\ntwo\n" {
		t.Errorf("content %q", got)
	}
}

func TestFailedCommitIsCutBackAndTheNextOneIsTheRetry(t *testing.T) {
	bad := errors.New("no space left")
	for _, step := range []string{"write", "fsync"} {
		for written := range 5 {
			path := filepath.Join(t.TempDir(), "log")
			f := open(t, path)
			commit(t, f, "good\n")
			f.fault = func(s string, p []byte) (int, error) {
				if s == step {
					f.fault = nil
					return written, bad
				}
				return len(p), nil
			}
			f.Append([]byte("more\n"))
			if err := f.Commit(); !errors.Is(err, bad) {
				t.Fatalf("%s: error %v", step, err)
			}
			if got := content(t, path); got != "good\n" {
				t.Errorf("%s: content after the failure %q", step, got)
			}
			if f.Size() != 5 || f.Buffered() != 5 {
				t.Errorf("%s: size %d, buffered %d", step, f.Size(), f.Buffered())
			}
			if err := f.Commit(); err != nil {
				t.Fatal(err)
			}
			if got := content(t, path); got != "good\nmore\n" {
				t.Errorf("%s: content after the retry %q", step, got)
			}
		}
	}
}

func TestDiskThatAlsoRefusesToCutBackHealsLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := open(t, path)
	commit(t, f, "good\n")
	bad := errors.New("I/O error")
	f.fault = func(step string, p []byte) (int, error) {
		return min(2, len(p)), bad
	}
	f.Append([]byte("more\n"))
	for range 2 {
		if err := f.Commit(); !errors.Is(err, bad) {
			t.Fatalf("error %v", err)
		}
		if got := content(t, path); got != "good\nmo" {
			t.Fatalf("content %q", got)
		}
	}
	f.fault = nil
	f.Discard()
	commit(t, f, "other\n")
	if got := content(t, path); got != "good\nother\n" {
		t.Errorf("content %q", got)
	}
}

func TestTruncateNeverLengthens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := open(t, path)
	commit(t, f, "0123456789")
	if err := f.Truncate(11); err == nil {
		t.Error("longer than the file: no error")
	}
	bad := errors.New("I/O error")
	f.fault = func(step string, p []byte) (int, error) {
		if step == "fsync" {
			return 0, bad
		}
		return 0, nil
	}
	if err := f.Truncate(4); !errors.Is(err, bad) {
		t.Fatalf("error %v", err)
	}
	f.fault = nil
	commit(t, f, "x")
	if got := content(t, path); got != "0123x" {
		t.Errorf("content %q", got)
	}
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	commit(t, f, "new")
	if got := content(t, path); got != "new" {
		t.Errorf("content %q", got)
	}
}

func TestLargeGroupDoesNotKeepItsMemory(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "log"))
	commit(t, f, strings.Repeat("x", 4*keptBuffer))
	if cap(f.buf) > keptBuffer {
		t.Errorf("%d bytes kept", cap(f.buf))
	}
}

func TestOpenFileOfAFolder(t *testing.T) {
	if _, err := OpenFile(t.TempDir(), 0o600); err == nil {
		t.Error("a folder was opened for appending")
	}
	if _, err := OpenFile(filepath.Join(t.TempDir(), "none", "log"), 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
