package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// loadedState is a state as read from disk.
type loadedState struct {
	state State
	rest  *rest
}

// damage is a file, or the end of one, that could not be read.
type damage struct {
	path   string
	from   int64 // the first byte that is not good; 0 = the whole file
	reason error
}

func (d damage) String() string {
	if d.from > 0 {
		return fmt.Sprintf("%s: byte %d: %v", d.path, d.from, d.reason)
	}
	return fmt.Sprintf("%s: %v", d.path, d.reason)
}

// loaded is what a store's folder holds.
type loaded struct {
	states  map[string]loadedState
	foreign map[string][]byte // values of entries that are not files'

	lastID      uint64   // highest id of an operation or checkpoint
	checkpoints []uint64 // ascending, bad ones included
	journalGood int64    // durable length of log.json
	journalTorn bool     // log.json ends in a cut-off write: no damage
	damages     []damage
	rebased     bool   // the states are not what the files say: write a checkpoint
	version     string // to be written to meta.json, after the checkpoint; empty = it is right
}

// loader reads a store's folder; it writes nothing.
type loader struct {
	dir     string
	out     *loaded
	removed map[string]bool // by the journal
	next    uint64          // expected id; 0 = take the first one as it comes
}

// load reads version 1: the newest good checkpoint, and log.json on top. It
// fails only when the folder cannot be read at all.
func load(dir string) (*loaded, error) {
	l := &loader{dir: dir, removed: make(map[string]bool), out: &loaded{
		states:  make(map[string]loadedState),
		foreign: make(map[string][]byte),
	}}
	ids, err := listCheckpoints(dir)
	if err != nil {
		return nil, err
	}
	l.out.checkpoints = ids
	if err := l.base(ids); err != nil {
		return nil, err
	}
	if err := l.replay(); err != nil {
		return nil, err
	}
	return l.out, nil
}

// base finds the states that log.json starts from.
func (l *loader) base(ids []uint64) error {
	first, err := firstID(filepath.Join(l.dir, journalName))
	if err != nil {
		return err
	}
	var partial []map[string]loadedState // newest first
	good, complete := uint64(0), false
	for i := len(ids) - 1; i >= 0 && !complete; i-- {
		states, err := l.checkpoint(ids[i])
		if err != nil {
			return err
		}
		if states == nil {
			good, complete = ids[i], true
			break
		}
		partial = append(partial, states)
	}
	if n := len(ids); n > 0 {
		l.out.lastID = ids[n-1]
	}
	l.out.rebased = len(partial) > 0
	whole := len(partial) == 0 && (complete || first == 1)
	continues := complete && first > 0 && first <= good+1
	if whole || continues {
		l.next = good + 1
		return nil
	}
	// The base is lost, or there never was one.
	l.out.rebased = l.out.rebased || first > 1
	l.overlay(partial)
	return l.fallBack()
}

// firstID returns the id of log.json's first operation, 0 when it has none.
func firstID(path string) (uint64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return 0, err
	}
	if err != nil {
		return 0, nil // replay reports it
	}
	defer f.Close()
	id := uint64(0)
	_, _ = readJournal(f, func(o op) error {
		id = o.id
		return io.EOF // enough
	})
	return id, nil
}

// checkpoint reads one checkpoint. A complete one becomes the base and nil is
// returned; of a damaged one, what could be read of its states.
func (l *loader) checkpoint(id uint64) (map[string]loadedState, error) {
	path := checkpointPath(l.dir, id)
	f, err := os.Open(path)
	if refuses(err) {
		return nil, err
	}
	if err != nil {
		l.damaged(path, 0, err)
		return map[string]loadedState{}, nil
	}
	defer f.Close()
	states := make(map[string]loadedState)
	foreign := make(map[string][]byte)
	err = readCheckpoint(f, func(key string, value []byte) error {
		if kindOf(key) == kindForeign {
			foreign[key] = withoutKey(value)
			return nil
		}
		s, more, err := decodeValue(key, value)
		if err != nil {
			return fmt.Errorf("%.80s: %w", key, err)
		}
		states[key] = loadedState{s, more}
		return nil
	})
	for k, v := range foreign {
		if _, newer := l.out.foreign[k]; !newer {
			l.out.foreign[k] = v
		}
	}
	if err != nil {
		l.damaged(path, 0, err)
		return states, nil
	}
	l.out.states = states
	return nil, nil
}

// overlay puts the readable parts of damaged checkpoints on the base.
func (l *loader) overlay(newestFirst []map[string]loadedState) {
	for i := len(newestFirst) - 1; i >= 0; i-- {
		for k, s := range newestFirst[i] {
			l.out.states[k] = s
		}
	}
}

// fallBack takes data.json for the lost base; a state keeps the fields that
// data.json does not have. A data.json that is older than the damaged
// checkpoint only adds what is missing.
func (l *loader) fallBack() error {
	states, modified, err := l.snapshot()
	if err != nil || len(states) == 0 {
		return err
	}
	l.out.rebased = true
	newer := true
	if n := len(l.out.checkpoints); n > 0 {
		fi, err := os.Stat(checkpointPath(l.dir, l.out.checkpoints[n-1]))
		newer = err != nil || !modified.Before(fi.ModTime())
	}
	for k, s := range states {
		old, known := l.out.states[k]
		if known && !newer {
			continue
		}
		if known {
			s.rest = old.rest
			s.state.Generation, s.state.Birth = old.state.Generation, old.state.Birth
			s.state.PrefixHash, s.state.PrefixLen = old.state.PrefixHash, old.state.PrefixLen
		}
		l.out.states[k] = s
	}
	return nil
}

// snapshot reads data.json; none when it is missing.
func (l *loader) snapshot() (map[string]loadedState, time.Time, error) {
	path := filepath.Join(l.dir, snapshotName)
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, time.Time{}, nil
	case refuses(err):
		return nil, time.Time{}, err
	case err != nil:
		l.damaged(path, 0, err)
		return nil, time.Time{}, nil
	}
	defer f.Close()
	modified := time.Time{}
	if fi, err := f.Stat(); err == nil {
		modified = fi.ModTime()
	}
	states, err := readSnapshot(f)
	if err != nil {
		l.damaged(path, 0, err)
	}
	return states, modified, nil
}

// replay applies log.json.
func (l *loader) replay() error {
	path := filepath.Join(l.dir, journalName)
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case refuses(err):
		return err
	case err != nil:
		l.damaged(path, 0, err)
		return l.addMissing()
	}
	defer f.Close()
	unreadable, err := l.replayFrom(f)
	if unreadable != nil {
		// Not the end of the replay, but its bytes are worth keeping.
		l.damaged(path, 0, unreadable)
		l.out.rebased = true
	}
	if errors.Is(err, errUnended) {
		l.out.rebased = true // the checkpoint takes the last operation over
		return nil
	}
	if err == nil {
		return nil
	}
	l.out.journalTorn = errors.Is(err, errTorn)
	if unreadable == nil {
		l.damaged(path, l.out.journalGood, err)
	}
	if !l.out.journalTorn {
		return l.addMissing()
	}
	return nil
}

// replayFrom applies the operations in f. unreadable is the first value that
// could not be read: its key keeps the state it had.
func (l *loader) replayFrom(f io.Reader) (unreadable, err error) {
	l.out.journalGood, err = readJournal(f, func(o op) error {
		if o.id < l.next {
			return nil // in the checkpoint
		}
		if l.next != 0 && o.id != l.next {
			return fmt.Errorf("operation %d follows %d: some are missing", o.id, l.next-1)
		}
		l.next = o.id + 1
		l.out.lastID = max(l.out.lastID, o.id)
		if err := l.apply(o); err != nil && unreadable == nil {
			unreadable = fmt.Errorf("operation %d: %.80s: %w", o.id, o.key, err)
		}
		return nil
	})
	return unreadable, err
}

func (l *loader) apply(o op) error {
	if kindOf(o.key) == kindForeign {
		if o.remove {
			delete(l.out.foreign, o.key)
		} else {
			l.out.foreign[o.key] = bytes.Clone(o.value)
		}
		return nil
	}
	if o.remove {
		delete(l.out.states, o.key)
		l.removed[o.key] = true
		return nil
	}
	s, more, err := decodeValue(o.key, o.value)
	if err != nil {
		return err
	}
	delete(l.removed, o.key)
	l.out.states[o.key] = loadedState{s, more}
	return nil
}

// addMissing adds the files that only data.json knows, after damage that hides
// operations which were durable.
func (l *loader) addMissing() error {
	states, _, err := l.snapshot()
	if err != nil {
		return err
	}
	for k, s := range states {
		if _, known := l.out.states[k]; !known && !l.removed[k] {
			l.out.states[k] = s
			l.out.rebased = true
		}
	}
	return nil
}

func (l *loader) damaged(path string, from int64, reason error) {
	l.out.damages = append(l.out.damages, damage{path: path, from: from, reason: reason})
}

// refuses tells what the user has to mend (permissions), or what a reader has
// to try again (a file that has just gone), from damage.
func refuses(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)
}
