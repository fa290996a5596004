package registry

import (
	"cmp"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"

	"sluice/internal/durable"
	"sluice/internal/order"
)

// ErrClosed is returned by the methods that write after Close.
var ErrClosed = errors.New("registry is closed")

// Registry is an open store. Its methods are safe for concurrent use; there is
// no goroutine inside.
type Registry struct {
	dir  string // absolute, …/filebeat
	cfg  Config
	perm fs.FileMode
	log  zerolog.Logger
	lock *flock.Flock

	// commitJournal is (*durable.File).Commit; tests inject faults here.
	commitJournal func(*durable.File) error

	dirty chan struct{}

	// io serialises everything that touches the disk, and guards:
	io             sync.Mutex
	closed         bool
	journal        *durable.File // nil: see openJournal
	broken         *loaded       // what Open found damaged and could not yet repair
	mustCheckpoint bool          // log.json cannot be trusted with more
	noAppend       bool          // nor may anything be appended to it
	checkpointOff  int64         // after a failed checkpoint: not before log.json has this size
	lastID         uint64
	checkpoints    []uint64 // on disk
	flights        []flight
	plan           plan

	// mu guards the entries; nobody holds it while waiting for a disk. The
	// durable half of an entry is written under both locks.
	mu      sync.Mutex
	entries map[string]*entry
	foreign map[string][]byte // read-only after Open
	pending []*entry
	counts  counts
	opened  time.Time // by the monotonic clock too
	expired time.Time // the last Expire that looked, or opened
}

// entry is a state in memory (cur, when live) and on disk (dur, when saved).
type entry struct {
	key              string
	cur, dur         State
	curRest, durRest *rest
	live, saved      bool
	queued           bool    // in pending
	flight           *flight // during a Sync (guarded by io)
	size             int64   // of its last operation, in bytes (guarded by io)
}

// flight is one entry's change on its way to the disk.
type flight struct {
	entry *entry
	state State
	rest  *rest
	live  bool
	size  int64
}

// Get returns what was committed last for key.
func (r *Registry) Get(key string) (State, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	if e == nil || !e.live {
		return State{}, false
	}
	return e.cur, true
}

// Durable returns what is on disk for key: what a process that starts now
// would find. It never runs ahead of the disk.
func (r *Registry) Durable(key string) (State, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	if e == nil || !e.saved {
		return State{}, false
	}
	return e.dur, true
}

// States returns a copy of all states in memory, sorted by key.
func (r *Registry) States() []State {
	r.mu.Lock()
	states := make([]State, 0, len(r.entries))
	for _, e := range r.entries {
		if e.live {
			states = append(states, e.cur)
		}
	}
	r.mu.Unlock()
	order.By(states, func(a, b State) int { return cmp.Compare(a.Key, b.Key) })
	return states
}

// Commit records a state in memory; Sync makes it durable. It does not touch
// the disk and does not allocate for a known key. A state that equals the last
// one changes nothing. Empty ID, IdentifierName and Type are filled in from the
// key. A key that is neither a log input's nor a filestream's is logged and
// dropped: it would not be found again.
func (r *Registry) Commit(s State) {
	if kindOf(s.Key) == kindForeign || s.Offset < 0 {
		r.log.Error().Str("key", s.Key).Int64("offset", s.Offset).Msg("state dropped: its key or offset is not a file's (a bug: please report it)")
		return
	}
	s.complete()
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[s.Key]
	if e == nil {
		e = &entry{key: s.Key}
		r.entries[s.Key] = e
	}
	if e.live && e.cur.equal(&s) {
		return
	}
	s.Key = e.key
	e.cur, e.live = s, true
	r.counts.updates++
	r.enqueue(e)
}

// Forget drops the state of key; Sync makes that durable.
func (r *Registry) Forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	if e == nil || !e.live {
		return
	}
	e.cur, e.curRest, e.live = State{}, nil, false
	r.counts.cleanups++
	r.enqueue(e)
}

func (r *Registry) enqueue(e *entry) {
	if e.queued {
		return
	}
	e.queued = true
	r.pending = append(r.pending, e)
	if len(r.pending) == 1 {
		select {
		case r.dirty <- struct{}{}:
		default:
		}
	}
}

// Dirty receives when something was committed or forgotten since the last
// Sync: call Maintain then. Its capacity is 1.
func (r *Registry) Dirty() <-chan struct{} { return r.dirty }

// Sync makes all that was committed before it durable: one operation for each
// changed state, one write, one fsync. After an error everything stays
// pending and the next Sync is the retry.
func (r *Registry) Sync() error {
	r.io.Lock()
	defer r.io.Unlock()
	if r.closed {
		return ErrClosed
	}
	return r.sync()
}

// Snapshot makes everything durable and data.json current.
func (r *Registry) Snapshot() error {
	r.io.Lock()
	defer r.io.Unlock()
	if r.closed {
		return ErrClosed
	}
	return r.syncAndSnapshot(time.Time{})
}

// Close makes everything durable, data.json current, and releases the lock.
// What could not be made durable is lost with the memory; the error says so.
// A second Close does nothing.
func (r *Registry) Close() error {
	r.io.Lock()
	defer r.io.Unlock()
	if r.closed {
		return nil
	}
	err := r.syncAndSnapshot(time.Time{})
	r.closed = true
	if r.journal != nil {
		err = errors.Join(err, r.journal.Close())
	}
	return errors.Join(err, releaseLock(r.lock))
}

// list returns all entries.
func (r *Registry) list() []*entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := make([]*entry, 0, len(r.entries))
	for _, e := range r.entries {
		entries = append(entries, e)
	}
	return entries
}
