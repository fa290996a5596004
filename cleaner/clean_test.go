package cleaner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/registry"
)

// spool is a folder with files and the states that the tailer made of them.
type spool struct {
	t      *testing.T
	dir    string
	states []registry.State
}

func newSpool(t *testing.T) *spool {
	t.Helper()
	return &spool{t: t, dir: t.TempDir()}
}

// file writes a file and a state with the given offset; -1 is its size.
func (s *spool) file(name, content string, offset int64) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		s.t.Fatal(err)
	}
	if offset < 0 {
		offset = int64(len(content))
	}
	s.states = append(s.states, stateOf(s.t, path, offset))
	return path
}

func stateOf(t *testing.T, path string, offset int64) registry.State {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("native::%d-%d", stat.Ino, stat.Dev)
	return registry.State{
		Key: "filebeat::logs::" + id, ID: id, IdentifierName: "native", Type: "log", TTL: -1,
		Source: path, Offset: offset, Inode: stat.Ino, Device: uint64(stat.Dev),
	}
}

// later returns options of a clean two days and a minute from now.
func later() Options {
	return Options{OlderThan: 48 * time.Hour, now: func() time.Time { return time.Now().Add(48*time.Hour + time.Minute) }}
}

func (s *spool) clean(o Options) Report {
	s.t.Helper()
	report, err := Clean(context.Background(), s.states, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// expect checks the outcome of one file.
func (s *spool) expect(r Report, path string, result Result, reason string) {
	s.t.Helper()
	i := slices.IndexFunc(r.Files, func(c Candidate) bool { return c.Source == path })
	if i < 0 {
		s.t.Fatalf("the report does not name %s: %+v", path, r.Files)
	}
	if c := r.Files[i]; c.Result != result || c.Reason != reason {
		s.t.Errorf("%s: %s (%s), want %s (%s)", filepath.Base(path), c.Result, c.Reason, result, reason)
	}
}

func TestAcknowledgedOldFileIsDeletedAndForgottenAfterwards(t *testing.T) {
	s := newSpool(t)
	path := s.file("a.log", "one\ntwo\n", -1)
	var forgotten []string
	o := later()
	o.Forget = func(key string) {
		if exists(path) {
			t.Error("the state was forgotten before its file was removed")
		}
		forgotten = append(forgotten, key)
	}
	r := s.clean(o)
	s.expect(r, path, Deleted, "")
	if exists(path) || r.Deleted != 1 || r.Freed != 8 || r.Kept != 0 || r.Failed != 0 {
		t.Errorf("report %+v, file there: %v", r, exists(path))
	}
	if !slices.Equal(forgotten, []string{s.states[0].Key}) {
		t.Errorf("forgotten %v", forgotten)
	}
	if !exists(s.dir) {
		t.Error("the empty folder was removed")
	}
}

func TestReasonsToKeepAFile(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		prepare      func(s *spool, o *Options) string
	}{
		{"not all acknowledged", "12 of 480 bytes not yet acknowledged", func(s *spool, _ *Options) string {
			return s.file("a.log", strings.Repeat("x", 479)+"\n", 468)
		}},
		{"truncated", "was cut to 3 bytes behind the acknowledged offset 8", func(s *spool, _ *Options) string {
			path := s.file("a.log", "one\ntwo\n", -1)
			if err := os.Truncate(path, 3); err != nil {
				s.t.Fatal(err)
			}
			return path
		}},
		{"another input is behind", "4 of 8 bytes not yet acknowledged for another input", func(s *spool, _ *Options) string {
			path := s.file("a.log", "one\ntwo\n", -1)
			other := stateOf(s.t, path, 4)
			other.Key, other.Source = "filestream::x::"+other.ID, filepath.Join(s.dir, "elsewhere.log")
			s.states = append(s.states, other)
			return path
		}},
		{"another input, which knows no inode, is behind", "4 of 8 bytes not yet acknowledged for another input", func(s *spool, _ *Options) string {
			path := s.file("a.log", "one\ntwo\n", -1)
			s.states = append(s.states, registry.State{
				Key: "filestream::x::fingerprint::abc", ID: "fingerprint::abc", IdentifierName: "fingerprint",
				Type: "filestream", TTL: -1, Source: path, Offset: 4,
			})
			return path
		}},
		{"young", "younger than 48h", func(s *spool, o *Options) string {
			o.now = time.Now
			return s.file("a.log", "one\n", -1)
		}},
		{"old mtime, young ctime", "younger than 48h", func(s *spool, o *Options) string {
			o.now = time.Now
			path := s.file("a.log", "one\n", -1)
			old := time.Now().Add(-1000 * time.Hour)
			if err := os.Chtimes(path, old, old); err != nil {
				s.t.Fatal(err)
			}
			return path
		}},
		{"mtime set ahead", "younger than 48h", func(s *spool, _ *Options) string {
			path := s.file("a.log", "one\n", -1)
			ahead := time.Now().Add(time.Hour)
			if err := os.Chtimes(path, ahead, ahead); err != nil {
				s.t.Fatal(err)
			}
			return path
		}},
		{"active segment", "active segment", func(s *spool, o *Options) string {
			o.Sealed = func(string) (bool, bool, error) { return false, true, nil }
			return s.file("mqtt-0000000001.log", "one\n", -1)
		}},
		{"replaced", "other file at this path (device or inode differs)", func(s *spool, _ *Options) string {
			path := s.file("a.log", "one\n", -1)
			if err := os.WriteFile(path+".new", []byte("two\n"), 0o640); err != nil {
				s.t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				s.t.Fatal(err)
			}
			return path
		}},
		{"inode reused", "other file at this path (inode reused)", func(s *spool, o *Options) string {
			path := s.file("a.log", "new\n", -1)
			o.PrefixHash = sha
			s.states[0].PrefixHash, _ = sha(strings.NewReader("old\n"), 4)
			s.states[0].PrefixLen = 4
			return path
		}},
		{"inode reused for a file with equal content", "other file at this path (inode reused)", func(s *spool, o *Options) string {
			path := s.file("a.log", "one\n", -1)
			f, err := os.Open(path)
			if err != nil {
				s.t.Fatal(err)
			}
			defer f.Close()
			born := (&file{f: f}).birth()
			if born == 0 {
				s.t.Fatalf("the file system of %s knows no birth times; set TMPDIR to one that does (ext4, xfs, btrfs, tmpfs of Linux 6.0)", s.dir)
			}
			s.states[0].Birth = born - 1
			return path
		}},
		{"shorter than its hash", "other file at this path (inode reused)", func(s *spool, o *Options) string {
			path := s.file("a.log", "new\n", -1)
			o.PrefixHash = sha
			s.states[0].PrefixHash, s.states[0].PrefixLen = "x", 100
			return path
		}},
		{"hard link", "has 2 names (hard links)", func(s *spool, _ *Options) string {
			path := s.file("a.log", "one\n", -1)
			if err := os.Link(path, filepath.Join(s.dir, "b.log")); err != nil {
				s.t.Fatal(err)
			}
			return path
		}},
		{"symbolic link", "is a symbolic link; neither it nor its target is deleted", func(s *spool, _ *Options) string {
			target := s.file("real.log", "one\n", -1)
			link := filepath.Join(s.dir, "a.log")
			if err := os.Symlink(target, link); err != nil {
				s.t.Fatal(err)
			}
			s.states[0].Source = link
			return link
		}},
		{"gone", "gone", func(s *spool, _ *Options) string {
			path := s.file("a.log", "one\n", -1)
			os.Remove(path)
			return path
		}},
		{"folder gone", "gone", func(s *spool, _ *Options) string {
			path := s.file("sub/a.log", "one\n", -1)
			os.RemoveAll(filepath.Dir(path))
			return path
		}},
		{"a pipe", "is not a regular file", func(s *spool, _ *Options) string {
			path := filepath.Join(s.dir, "a.log")
			if err := unix.Mkfifo(path, 0o600); err != nil {
				s.t.Fatal(err)
			}
			s.states = append(s.states, stateOf(s.t, path, 0))
			return path
		}},
		{"relative path", "its state names no absolute path", func(s *spool, _ *Options) string {
			s.file("a.log", "one\n", -1)
			s.states[0].Source = "a.log"
			return "a.log"
		}},
		{"identity without inode", "its state does not name the inode: Filebeat wrote it, and the file was not read since", func(s *spool, _ *Options) string {
			path := s.file("a.log", "one\n", -1)
			s.states[0].Inode = 0
			return path
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSpool(t)
			o := later()
			path := c.prepare(s, &o)
			was := exists(path)
			o.Forget = func(key string) { t.Errorf("%s was forgotten", key) }
			r := s.clean(o)
			s.expect(r, path, Kept, c.reason)
			if r.Deleted != 0 || r.Freed != 0 || r.Failed != 0 || exists(path) != was {
				t.Errorf("report %+v", r)
			}
		})
	}
}

func sha(r io.ReaderAt, n int64) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, io.NewSectionReader(r, 0, n))
	return hex.EncodeToString(h.Sum(nil)), err
}
