package registry

import (
	"io"
	"path/filepath"
	"time"

	"sluice/internal/durable"
)

const (
	// snapshotAge is how old data.json may be while its size allows it. With
	// the wake-up's own delay it stays under 10 s.
	snapshotAge = 9 * time.Second

	// slowShare: a data.json that the budget does not let be written every
	// snapshotAge gets 1/slowShare of the budget while little changes.
	slowShare = 8

	// retryAfter a failed write.
	retryAfter = time.Second
)

// plan says what is due when. Guarded by Registry.io.
type plan struct {
	syncAt      time.Time // zero: nothing pending was seen yet
	stale       bool      // data.json is older than log.json
	snapshotted time.Time // the last data.json, or the first Maintain
	retryAt     time.Time // not before, after a failure

	size       int64 // of data.json, in bytes
	journalled int64 // bytes of log.json since the last data.json
	live       int64 // bytes of one operation for each state
}

// Maintain does what is due at now: a Sync when the first pending change is
// Flush old, a data.json when the budget allows one. It returns when to call it
// again; zero means that nothing is pending, and that Dirty will tell. Flush
// counts from the first Maintain after the change: call it when Dirty receives.
func (r *Registry) Maintain(now time.Time) (next time.Time, err error) {
	r.io.Lock()
	defer r.io.Unlock()
	if r.closed {
		return time.Time{}, ErrClosed
	}
	p := &r.plan
	if p.snapshotted.IsZero() {
		p.snapshotted = now
	}
	if !r.isPending() {
		p.syncAt = time.Time{}
	} else if p.syncAt.IsZero() {
		p.syncAt = now.Add(r.cfg.Flush)
	}
	if !p.syncAt.IsZero() && !now.Before(p.syncAt) {
		p.syncAt = time.Time{}
		if err = r.sync(); err != nil {
			p.syncAt = now.Add(max(r.cfg.Flush, retryAfter))
		}
	}
	if due := p.snapshotDue(r.cfg.SnapshotBudget); err == nil && p.stale && !due.IsZero() && !now.Before(due) {
		if err = r.syncAndSnapshot(now); err != nil {
			p.retryAt = now.Add(snapshotAge)
		}
	}
	if r.isPending() && p.syncAt.IsZero() {
		p.syncAt = now.Add(r.cfg.Flush)
	}
	return p.next(r.cfg.SnapshotBudget), err
}

func (r *Registry) isPending() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending) > 0
}

// next is the earlier of the two, zero when neither is due at any time.
func (p *plan) next(budget int64) time.Time {
	next := p.syncAt
	if !p.stale {
		return next
	}
	due := p.snapshotDue(budget)
	if next.IsZero() || (!due.IsZero() && due.Before(next)) {
		next = due
	}
	return next
}

// snapshotDue is when the next data.json may be written; zero without budget.
// See doc.go, "Write budget".
func (p *plan) snapshotDue(budget int64) time.Time {
	if budget <= 0 {
		return time.Time{}
	}
	wait := snapshotAge
	if cost := seconds(p.size, budget); cost > snapshotAge {
		wait = max(cost, seconds(p.size-2*p.journalled, max(budget/slowShare, 1)))
	}
	due := p.snapshotted.Add(wait)
	if due.Before(p.retryAt) {
		due = p.retryAt
	}
	return due
}

// seconds is how long n bytes take at rate bytes a second, at most a year.
func seconds(n, rate int64) time.Duration {
	const year = 365 * 24 * time.Hour
	if n <= 0 {
		return 0
	}
	if n/rate >= int64(year/time.Second) {
		return year
	}
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// syncAndSnapshot makes everything durable and rewrites data.json when it is
// not current; a zero now takes the clock's. io is held.
func (r *Registry) syncAndSnapshot(now time.Time) error {
	if err := r.sync(); err != nil {
		return err
	}
	if !r.plan.stale {
		return nil
	}
	if now.IsZero() {
		now = time.Now()
	}
	states := r.durableStates()
	count := counter{}
	err := durable.WriteFile(filepath.Join(r.dir, snapshotName), r.perm, func(w io.Writer) error {
		return writeSnapshot(io.MultiWriter(&count, w), states)
	})
	r.mu.Lock()
	r.counts.snapshotFails = err != nil
	r.mu.Unlock()
	if err != nil {
		return err
	}
	r.plan.stale = false
	r.plan.snapshotted = now
	r.plan.retryAt = time.Time{}
	r.plan.size = count.n
	r.plan.journalled = 0
	return nil
}

// durableStates points to the states on disk; they stay as they are while io
// is held.
func (r *Registry) durableStates() []*State {
	entries := r.list()
	states := make([]*State, 0, len(entries))
	for _, e := range entries {
		if e.saved {
			states = append(states, &e.dur)
		}
	}
	return states
}

// checkSnapshot finds out at Open whether data.json is current.
func (r *Registry) checkSnapshot() {
	states := r.durableStates()
	count := counter{}
	write := func(w io.Writer) error { return writeSnapshot(io.MultiWriter(&count, w), states) }
	r.plan.stale = !sameContent(filepath.Join(r.dir, snapshotName), write)
	if r.plan.stale {
		count.n = 0
		if writeSnapshot(&count, states) != nil {
			count.n = 0
		}
	}
	r.plan.size = count.n
}

// counter counts bytes.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
