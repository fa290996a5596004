package registry

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"syscall"

	"sluice/internal/durable"
)

const (
	// checkpointSize is Filebeat's bound of log.json in bytes.
	checkpointSize = 10 << 20

	// smallestCheckpoint and growth are ours: log.json of a small registry ends
	// at the larger of smallestCheckpoint bytes and growth times the size of
	// all states.
	smallestCheckpoint = 64 << 10
	growth             = 20
)

// sync is Sync; io is held.
func (r *Registry) sync() error {
	if err := r.repair(); err != nil {
		return err
	}
	flights := r.collect()
	if len(flights) == 0 {
		return nil
	}
	err := r.write(flights)
	r.settle(flights, err == nil)
	if err != nil {
		return fmt.Errorf("registry not written, %d changes stay in memory: %w", len(flights), err)
	}
	if e := r.log.Debug(); e.Enabled() {
		e.Msgf("Registrar state updates processed. Count: %d", len(flights))
		r.log.Debug().Msgf("Registry file updated. %d active states.", r.Stats().States)
	}
	r.checkpointWhenDue()
	return nil
}

// collect takes the pending changes; what came back to its durable value is
// none.
func (r *Registry) collect() []flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	flights := r.flights[:0]
	for i, e := range r.pending {
		r.pending[i] = nil
		e.queued = false
		switch {
		case e.live && e.saved && e.cur.equal(&e.dur):
		case !e.live && !e.saved:
			delete(r.entries, e.key)
		default:
			flights = append(flights, flight{entry: e, state: e.cur, rest: e.curRest, live: e.live})
		}
	}
	r.pending = r.pending[:0]
	r.flights = flights
	return flights
}

// settle ends the flights: they are on disk, or pending again.
func (r *Registry) settle(flights []flight, written bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.wrote(written)
	for i := range flights {
		f := &flights[i]
		e := f.entry
		e.flight = nil
		if !written {
			r.enqueue(e)
			continue
		}
		r.plan.live += f.size - e.size
		e.size = f.size
		e.dur, e.durRest, e.saved = f.state, f.rest, f.live
		if !e.live && !e.saved && !e.queued {
			delete(r.entries, e.key)
		}
	}
	clear(flights)
	if cap(flights) > 1024 {
		r.flights = nil
	}
	if written {
		r.plan.stale = true
	}
}

// write brings the flights to the disk: into log.json, or with everything else
// into a checkpoint when log.json cannot be trusted.
func (r *Registry) write(flights []flight) error {
	if r.mustCheckpoint {
		for i := range flights {
			flights[i].entry.flight = &flights[i]
			if flights[i].live {
				flights[i].size = typicalOperation
			}
		}
		err := r.checkpoint()
		if err == nil {
			r.mustCheckpoint = false
			return nil
		}
		if r.noAppend {
			return err
		}
	}
	if err := r.openJournal(); err != nil {
		return err
	}
	id := r.lastID
	r.journal.Grow(func(b []byte) []byte {
		for i := range flights {
			f := &flights[i]
			id++
			start := len(b)
			if f.live {
				b = appendSet(b, id, &f.state, f.rest)
				f.size = int64(len(b) - start)
			} else {
				b = appendRemove(b, id, f.entry.key)
			}
		}
		return b
	})
	n := r.journal.Buffered()
	if err := r.commitJournal(r.journal); err != nil {
		r.journal.Discard()
		// A full disk heals; a failing one is better left: into a new file.
		r.mustCheckpoint = r.mustCheckpoint || !diskFull(err)
		return err
	}
	r.lastID = id
	r.plan.journalled += int64(n)
	return nil
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// openJournal opens log.json when the last checkpoint had to leave it closed;
// its operations are all older than that checkpoint.
func (r *Registry) openJournal() error {
	if r.journal != nil {
		return nil
	}
	path := filepath.Join(r.dir, journalName)
	if err := writeText(path, "", r.perm); err != nil {
		return err
	}
	f, err := durable.OpenFile(path, r.perm)
	if err != nil {
		return err
	}
	r.journal = f
	return nil
}

// effective yields what is on disk after the flights under way: what a
// checkpoint must hold.
func (r *Registry) effective(entries []*entry) iter.Seq2[*State, *rest] {
	return func(yield func(*State, *rest) bool) {
		for _, e := range entries {
			s, more, ok := &e.dur, e.durRest, e.saved
			if f := e.flight; f != nil {
				s, more, ok = &f.state, f.rest, f.live
			}
			if ok && !yield(s, more) {
				return
			}
		}
	}
}

// checkpointWhenDue shortens log.json. A failure costs nothing but space, and
// is tried again when log.json has grown on.
func (r *Registry) checkpointWhenDue() {
	if r.journal == nil {
		return
	}
	size := r.journal.Size()
	limit := min(checkpointSize, max(smallestCheckpoint, growth*r.plan.live))
	if size < limit || size < r.checkpointOff {
		return
	}
	if err := r.checkpoint(); err != nil {
		r.checkpointOff = size + smallestCheckpoint
		r.log.Warn().Err(err).Int64("bytes", size).Msg("checkpoint not written; log.json grows on until it is")
	}
}

// checkpoint writes all states to <id>.json and empties log.json. Once the
// file has its name, nothing that fails later can lose a state.
func (r *Registry) checkpoint() error {
	if err := r.writeCheckpointFile(); err != nil {
		return err
	}
	r.noAppend = false
	r.checkpointOff = 0
	if r.journal != nil {
		if err := r.journal.Truncate(0); err != nil {
			r.log.Warn().Err(err).Msg("log.json not emptied after a checkpoint; a new one is made")
			_ = r.journal.Close() // the checkpoint holds it all
			r.journal = nil
		}
	}
	r.finishCheckpoint()
	return nil
}

func (r *Registry) writeCheckpointFile() error {
	id := r.lastID + 1
	path := checkpointPath(r.dir, id)
	entries := r.list()
	err := durable.Replace(filepath.Join(r.dir, checkpointTemp), path, r.perm, func(w io.Writer) error {
		return writeCheckpoint(w, r.effective(entries), r.foreign)
	})
	if err == nil {
		r.lastID = id
		r.checkpoints = append(r.checkpoints, id)
		return nil
	}
	// It may have got its name already. An operation with its id would then be
	// passed over: without it, or not at all.
	if exists(path) {
		if e := durable.Remove(path); e != nil {
			r.noAppend, r.mustCheckpoint = true, true
		}
	}
	return err
}

// finishCheckpoint points active.dat to the newest checkpoint and deletes the
// older ones. Both are a service: a failure is tried again by the next one.
func (r *Registry) finishCheckpoint() {
	path := checkpointPath(r.dir, r.lastID)
	if err := writeText(filepath.Join(r.dir, activeName), path, r.perm); err != nil {
		r.log.Warn().Err(err).Msg("active.dat not written (it is informational)")
	}
	var kept []uint64
	for _, id := range r.checkpoints {
		old := checkpointPath(r.dir, id)
		if id == r.lastID {
			kept = append(kept, id)
			continue
		}
		if err := durable.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			kept = append(kept, id)
			r.log.Warn().Err(err).Msg("old checkpoint not deleted")
		}
	}
	r.checkpoints = kept
}
