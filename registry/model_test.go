package registry

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/durable"
)

var errCrash = errors.New("crash")

// model is what the registry must say: offsets in memory and on disk.
type model struct {
	t             *testing.T
	dataDir       string
	r             *Registry
	memory, saved map[string]int64
}

func drawState(t *rapid.T) State {
	n := rapid.Uint64Range(1, 6).Draw(t, "file")
	s := logState(n, rapid.Int64Range(0, 1<<40).Draw(t, "offset"))
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		s.Key, s.ID = FilestreamKey("in", nativeID(n, 65024)), nativeID(n, 65024)
		s.Type = typeFilestream
	case 1:
		s.Meta = map[string]string{"stream": "stderr", "x": "\"\\\n"}
		s.Key, s.ID = LogKey(nativeID(n, 65024), s.Meta)
	}
	s.TTL = time.Duration(rapid.SampledFrom([]int64{-2, -1, 0, 259200000000000}).Draw(t, "ttl"))
	return s
}

func (m *model) commit(t *rapid.T) {
	s := drawState(t)
	m.r.Commit(s)
	m.memory[s.Key] = s.Offset
	if got, ok := m.r.Get(s.Key); !ok || !got.equal(&s) {
		t.Fatalf("committed %+v, got %+v", s, got)
	}
}

func (m *model) forget(t *rapid.T) {
	key := drawState(t).Key
	m.r.Forget(key)
	delete(m.memory, key)
}

func (m *model) sync(t *rapid.T) {
	if err := m.r.Sync(); err != nil {
		t.Fatal(err)
	}
	m.saved = clone(m.memory)
}

func (m *model) reopen(t *rapid.T) {
	if err := m.r.Close(); err != nil {
		t.Fatal(err)
	}
	m.saved = clone(m.memory)
	m.r = open(m.t, m.dataDir)
}

// failedSync: the disk takes a part of the group and fails; nothing is durable.
func (m *model) failedSync(t *rapid.T) {
	m.r.commitJournal = func(*durable.File) error { return errCrash }
	if err := m.r.Sync(); err != nil && !errors.Is(err, errCrash) {
		t.Fatal(err)
	} else if err == nil { // nothing to do, or done by a checkpoint
		m.saved = clone(m.memory)
	}
	m.r.commitJournal = (*durable.File).Commit
}

// crash inside a Sync: any number of the group's bytes are on disk.
func (m *model) crash(t *rapid.T) {
	path := filepath.Join(store(m.dataDir), journalName)
	before := m.r.lastID
	m.r.mustCheckpoint = false
	m.r.commitJournal = func(f *durable.File) error {
		old := f.Size()
		if err := f.Commit(); err != nil {
			return err
		}
		cut := rapid.Int64Range(old, f.Size()).Draw(t, "cut")
		return errors.Join(errCrash, os.Truncate(path, cut))
	}
	err := m.r.Sync()
	if err != nil && !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	crash(m.r)
	m.r = open(m.t, m.dataDir)
	got := offsets(m.r.States())
	if m.r.lastID < before {
		t.Fatalf("id fell from %d to %d", before, m.r.lastID)
	}
	for key, offset := range got { // each key is old or new, none is invented
		if offset != m.saved[key] && offset != m.memory[key] {
			t.Fatalf("%s: %d is neither the durable %d nor the committed %d", key, offset, m.saved[key], m.memory[key])
		}
	}
	for key, offset := range m.saved {
		if m.memory[key] == offset && got[key] != offset {
			t.Fatalf("%s: durable and unchanged at %d, now %d", key, offset, got[key])
		}
	}
	m.saved, m.memory = clone(got), clone(got)
}

// checkpointCrash: a crash between the checkpoint's rename and what follows.
func (m *model) checkpointCrash(t *rapid.T) {
	m.sync(t)
	dir := store(m.dataDir)
	before := contents(m.t, dir)
	m.r.io.Lock()
	err := m.r.checkpoint()
	m.r.io.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	crash(m.r)
	switch rapid.IntRange(0, 2).Draw(t, "point") {
	case 0: // log.json not yet emptied, the old checkpoint still there
		for name, text := range before {
			write(m.t, filepath.Join(dir, name), text)
		}
	case 1: // not yet renamed
		newest := checkpointPath(dir, m.r.lastID)
		text := read(m.t, newest)
		os.Remove(newest)
		for name, text := range before {
			write(m.t, filepath.Join(dir, name), text)
		}
		n := rapid.IntRange(0, len(text)).Draw(t, "bytes")
		write(m.t, filepath.Join(dir, checkpointTemp), text[:n])
	}
	m.r = open(m.t, m.dataDir)
}

func (m *model) check(t *rapid.T) {
	if got := offsets(m.r.States()); !reflect.DeepEqual(got, m.memory) {
		t.Fatalf("in memory %v, want %v", got, m.memory)
	}
	v, err := Read(store(m.dataDir))
	if err != nil {
		t.Fatal(err)
	}
	if got := offsets(v.States()); !reflect.DeepEqual(got, m.saved) {
		t.Fatalf("on disk %v, want %v", got, m.saved)
	}
	for key := range union(m.memory, m.saved) {
		s, ok := m.r.Durable(key)
		offset, want := m.saved[key]
		if ok != want || s.Offset != offset {
			t.Fatalf("%s: durable %v %d, want %v %d", key, ok, s.Offset, want, offset)
		}
	}
	if table, _, err := filebeatLoad(store(m.dataDir)); err != nil || len(table) != len(m.saved) {
		t.Fatalf("Filebeat: %d entries, %v", len(table), err)
	}
}

func clone(m map[string]int64) map[string]int64 {
	out := make(map[string]int64)
	for k, v := range m {
		out[k] = v
	}
	return out
}

func union(a, b map[string]int64) map[string]int64 {
	out := clone(a)
	for k, v := range b {
		out[k] = v
	}
	return out
}

// TestRandomOperationsAndCrashesAgainstAModel compares the registry with two
// maps over random operations, failures and crashes at any byte.
func TestRandomOperationsAndCrashesAgainstAModel(t *testing.T) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		m := &model{t: t, dataDir: filepath.Join(t.TempDir(), fmt.Sprint(n)), memory: map[string]int64{}, saved: map[string]int64{}}
		m.r = open(t, m.dataDir)
		defer func() { crash(m.r) }()
		rt.Repeat(map[string]func(*rapid.T){
			"":                m.check,
			"commit":          m.commit,
			"commit again":    m.commit,
			"commit more":     m.commit,
			"forget":          m.forget,
			"sync":            m.sync,
			"failed sync":     m.failedSync,
			"reopen":          m.reopen,
			"crash":           m.crash,
			"checkpointCrash": m.checkpointCrash,
		})
	})
}
