package cleaner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/registry"
)

func TestSealedSegmentIsDeletedActiveOneStays(t *testing.T) {
	s := newSpool(t)
	sealed := s.file("mqtt-0000000001.log", "one\n", -1)
	active := s.file("mqtt-0000000002.log", "two\n", -1)
	o := later()
	o.Sealed = func(path string) (bool, bool, error) { return path == sealed, true, nil }
	r := s.clean(o)
	s.expect(r, sealed, Deleted, "")
	s.expect(r, active, Kept, "active segment")
}

func TestFileOpenForWritingIsKept(t *testing.T) {
	s := newSpool(t)
	path := s.file("daemon.log", "one\n", -1)
	writer, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := s.clean(later())
	s.expect(r, path, Kept, "a process has it open for writing")
	writer.Close()
	r = s.clean(later())
	s.expect(r, path, Deleted, "")
}

func TestAppendBetweenCheckAndRemovalIsSeen(t *testing.T) {
	s := newSpool(t)
	path := s.file("a.log", "one\n", -1)
	writer, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	o := later()
	o.noLease = true
	o.Forget = func(string) { t.Error("forgotten") }
	o.beforeRemoval = func(string) { fmt.Fprint(writer, "two\n") }
	r := s.clean(o)
	s.expect(r, path, Kept, "has changed: 8 bytes, 4 a moment ago")
	if !exists(path) {
		t.Error("deleted")
	}
}

func TestAppendAfterRemovalIsReportedAsLost(t *testing.T) {
	s := newSpool(t)
	path := s.file("a.log", "one\n", -1)
	writer, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	o := later()
	o.noLease = true
	o.afterRemoval = func(string) { fmt.Fprint(writer, "two\n") }
	r := s.clean(o)
	s.expect(r, path, Failed, "4 bytes were appended while it was deleted, and are lost; a process had kept it open: raise --older-than above its pauses")
}

func TestReplacementBetweenCheckAndRemovalIsSeen(t *testing.T) {
	for name, hook := range map[string]struct {
		reason string
		do     func(path string) error
	}{
		"replaced": {"was replaced by another file a moment ago", func(path string) error {
			if err := os.WriteFile(path+".new", []byte("xyz\n"), 0o640); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}},
		"linked":  {"has 2 names (hard links)", func(path string) error { return os.Link(path, path+".2") }},
		"renamed": {"gone", func(path string) error { return os.Rename(path, path+".1") }},
		"removed": {"gone", os.Remove},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpool(t)
			path := s.file("a.log", "one\n", -1)
			o := later()
			o.beforeRemoval = func(path string) {
				if err := hook.do(path); err != nil {
					t.Error(err)
				}
			}
			s.expect(s.clean(o), path, Kept, hook.reason)
		})
	}
}

func TestFolderReplacedByALinkDoesNotLeadElsewhere(t *testing.T) {
	s := newSpool(t)
	path := s.file("sub/a.log", "one\n", -1)
	precious := filepath.Join(s.dir, "precious")
	if err := os.MkdirAll(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(precious, "a.log")
	if err := os.WriteFile(victim, []byte("keep me\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := later()
	o.beforeRemoval = func(path string) {
		sub := filepath.Dir(path)
		if err := errors.Join(os.Rename(sub, sub+".old"), os.Symlink(precious, sub)); err != nil {
			t.Error(err)
		}
	}
	s.expect(s.clean(o), path, Deleted, "")
	if !exists(victim) || exists(filepath.Join(s.dir, "sub.old", "a.log")) {
		t.Error("the wrong file was deleted")
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	s := newSpool(t)
	path := s.file("a.log", "one\n", -1)
	o := later()
	o.DryRun = true
	o.Forget = func(string) { t.Error("forgotten") }
	r := s.clean(o)
	s.expect(r, path, WouldDelete, "")
	if !exists(path) || r.Deleted != 1 || r.Freed != 4 {
		t.Errorf("report %+v", r)
	}
}

func TestOneBadFileDoesNotStopTheOthers(t *testing.T) {
	s := newSpool(t)
	bad := s.file("bad/a.log", "one\n", -1)
	asked := s.file("bad/b.log", "one\n", -1)
	good := s.file("good/a.log", "one\n", -1)
	o := later()
	o.Sealed = func(path string) (bool, bool, error) {
		if path == bad {
			return false, false, errors.New("spool.json is garbage")
		}
		return false, false, nil
	}
	r := s.clean(o)
	s.expect(r, bad, Failed, "ask whether it is sealed: spool.json is garbage")
	s.expect(r, asked, Deleted, "")
	s.expect(r, good, Deleted, "")
	if r.Failed != 1 || r.Deleted != 2 {
		t.Errorf("report %+v", r)
	}
}

func TestFolderThatCannotBeOpenedIsReported(t *testing.T) {
	s := newSpool(t)
	loop := filepath.Join(s.dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	good := s.file("x.log", "one\n", -1)
	bad := s.states[0]
	bad.Source = filepath.Join(loop, "a.log")
	bad.Inode++
	s.states = append(s.states, bad)
	r := s.clean(later())
	s.expect(r, bad.Source, Failed, "open its folder: too many levels of symbolic links")
	s.expect(r, good, Deleted, "")
}

func TestTwoStatesOfOneFileCountOnce(t *testing.T) {
	s := newSpool(t)
	path := s.file("a.log", "one\n", -1)
	other := s.states[0]
	other.Key = "filestream::x::" + other.ID
	s.states = append(s.states, other)
	var forgotten []string
	o := later()
	o.Forget = func(key string) { forgotten = append(forgotten, key) }
	r := s.clean(o)
	if r.Deleted != 1 || r.Freed != 4 || r.Kept != 1 || exists(path) {
		t.Errorf("report %+v", r)
	}
	if len(forgotten) != 2 {
		t.Errorf("forgotten %v, want both states", forgotten)
	}
}

func TestCancelEndsBetweenFiles(t *testing.T) {
	s := newSpool(t)
	first, second := s.file("a.log", "one\n", -1), s.file("b.log", "one\n", -1)
	ctx, cancel := context.WithCancel(context.Background())
	o := later()
	o.afterRemoval = func(string) { cancel() }
	var forgotten int
	o.Forget = func(string) { forgotten++ }
	r, err := Clean(ctx, s.states, o)
	if !errors.Is(err, context.Canceled) || exists(first) || !exists(second) || r.Deleted != 1 || forgotten != 1 {
		t.Errorf("error %v, report %+v, forgotten %d", err, r, forgotten)
	}
}

func TestOneCleanerAtATime(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrBusy) {
		t.Errorf("second lock: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if _, err := Lock(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there was locked")
	}
}

func TestOnlyDurableOffsetsCount(t *testing.T) {
	s := newSpool(t)
	path := s.file("a.log", "one\ntwo\n", -1)
	cfg := registry.DefaultConfig()
	cfg.Flush = time.Hour
	reg, err := registry.Open(t.TempDir(), cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	reg.Commit(s.states[0])
	states, err := DurableStates(reg)
	if err != nil || len(states) != 1 || states[0].Offset != 8 {
		t.Fatalf("durable states %+v, %v", states, err)
	}
	o := later()
	o.Forget = reg.Forget
	r, err := Clean(context.Background(), states, o)
	if err != nil {
		t.Fatal(err)
	}
	s.expect(r, path, Deleted, "")
	if _, ok := reg.Get(s.states[0].Key); ok {
		t.Error("the state is still there")
	}
}

func TestReportForms(t *testing.T) {
	s := newSpool(t)
	s.file("a.log", "one\n", -1)
	s.file("b.log", "one\ntwo\n", 4)
	r := s.clean(later())
	text := func(quiet bool) string {
		var b bytes.Buffer
		if err := r.WriteText(&b, quiet); err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(b.String(), s.dir, "SPOOL")
	}
	want := "deleted SPOOL/a.log: 4 bytes\nkept    SPOOL/b.log: 4 of 8 bytes not yet acknowledged\ndeleted 1 file (4 bytes), kept 1, failed 0\n"
	if got := text(false); got != want {
		t.Errorf("text\n%s\nwant\n%s", got, want)
	}
	if got := text(true); got != "" {
		t.Errorf("quiet text %q", got)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct {
		Files   []map[string]any `json:"files"`
		Deleted int              `json:"deleted"`
		Freed   int64            `json:"freed_bytes"`
		Kept    int              `json:"kept"`
		Failed  int              `json:"failed"`
		DryRun  bool             `json:"dry_run"`
	}
	if err := json.Unmarshal(data, &fields); err != nil || fields.Deleted != 1 || fields.Freed != 4 || fields.Kept != 1 {
		t.Errorf("JSON %s: %v", data, err)
	}
	keys := []string{}
	for k := range fields.Files[1] {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if !slices.Equal(keys, []string{"age_seconds", "key", "offset", "reason", "result", "size", "source"}) {
		t.Errorf("fields of a file: %v", keys)
	}
}

func TestConfigRefusesANegativeAge(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil || c.OlderThan != 48*time.Hour {
		t.Errorf("default %+v: %v", c, err)
	}
	c.OlderThan = -time.Second
	if err := c.Validate(); err == nil || err.Error() != "older_than: -1s is negative; give an age such as 48h, or 0" {
		t.Errorf("error %v", err)
	}
}

func TestShortDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{48 * time.Hour: "48h", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", 0: "0s", 10 * time.Minute: "10m"} {
		if got := short(d); got != want {
			t.Errorf("short(%d) = %s, want %s", d, got, want)
		}
	}
}
