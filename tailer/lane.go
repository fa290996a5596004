package tailer

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// lane is one connection with its batches, and the files that are read for
// it: a file belongs to one lane, so its acknowledgements are always in order
// and no two lanes share state. Two goroutines: read and ship.
type lane struct {
	t     *Tailer
	index int
	log   zerolog.Logger

	mu   sync.Mutex
	ring []*file // ready files, served in turn from head on
	head int
	// waiting holds files whose parsers hold lines, or whose last line has no
	// end yet, with when something is to be done; due is the first such time.
	waiting map[*file]time.Time
	due     time.Time

	wake chan struct{} // there is something in ring
	full chan *batch   // read → ship
	free chan *batch   // ship → read

	// The reader's own.
	batch    *batch
	over     batch             // the document that did not fit into batch
	spare    []byte            // what is read from the file at hand
	first    [prefixLimit]byte // scratch: the first bytes of a file
	lastPush time.Time
	flush    *time.Timer

	files int // that belong to the lane; the scan's own
}

func newLane(t *Tailer, index int) *lane {
	l := &lane{
		t: t, index: index, log: t.log.With().Int("lane", index).Logger(),
		wake: make(chan struct{}, 1), waiting: make(map[*file]time.Time),
		full: make(chan *batch),
		free: make(chan *batch, t.cfg.BatchesInFlight+1),
	}
	for range cap(l.free) {
		l.free <- newBatch(t.cfg.BatchBytes)
	}
	return l
}

// ready puts a file into the lane's ring; f.mu is not held.
func (l *lane) ready(f *file) {
	f.mu.Lock()
	if f.queued {
		f.mu.Unlock()
		return
	}
	f.queued = true
	f.mu.Unlock()

	l.mu.Lock()
	l.ring = append(l.ring, f)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next takes a file from the ring; nil if none is ready.
func (l *lane) next() *file {
	l.mu.Lock()
	if l.head == len(l.ring) {
		l.ring, l.head = l.ring[:0], 0
		l.mu.Unlock()
		return nil
	}
	f := l.ring[l.head]
	l.ring[l.head] = nil
	if l.head++; l.head > 64 && l.head > len(l.ring)/2 {
		n := copy(l.ring, l.ring[l.head:])
		clear(l.ring[n:])
		l.ring, l.head = l.ring[:n], 0
	}
	l.mu.Unlock()

	// Cleared before the read: what is written during it makes the file ready anew.
	f.mu.Lock()
	f.queued = false
	f.mu.Unlock()
	return f
}

// read fills batches from the ready files until ctx ends.
func (l *lane) read(ctx context.Context) {
	l.flush = time.NewTimer(time.Hour)
	defer l.flush.Stop()
	defer close(l.full)
	l.batch = <-l.free
	for ctx.Err() == nil {
		l.expire(ctx, time.Now())
		f := l.next()
		if f == nil {
			l.rest(ctx)
			continue
		}
		if l.turn(ctx, f) {
			l.ready(f)
		}
		if ctx.Err() == nil && !l.batch.empty() && time.Since(l.lastPush) >= l.t.cfg.FlushTimeout {
			l.push(ctx) // files that are always ready, but whose lines are filtered
		}
	}
}

// turn reads one file and returns true if there is more of it.
func (l *lane) turn(ctx context.Context, f *file) (more bool) {
	f.io.Lock()
	defer f.io.Unlock()
	l.t.idle.remove(f)
	more = l.harvest(ctx, f)
	switch {
	case f.dropped():
		f.close("Closing file: it is followed no more")
		return false
	case !more && f.harvester != nil:
		l.t.idle.add(f)
	}
	return more
}

// rest waits for work. What is in the batch is sent at once after a pause, or
// if it is much, else when the flush timeout since the last batch has passed:
// a lone line leaves without delay, and a steady trickle makes few,
// well-filled windows.
func (l *lane) rest(ctx context.Context) {
	due := l.nextDue()
	if !l.batch.empty() {
		flush := l.lastPush.Add(l.t.cfg.FlushTimeout)
		if !flush.After(time.Now()) || l.batch.len() >= l.t.cfg.FlushEvents {
			l.push(ctx)
			return
		}
		if due.IsZero() || flush.Before(due) {
			due = flush
		}
	}
	if due.IsZero() {
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
		return
	}
	l.flush.Reset(max(0, time.Until(due)))
	select {
	case <-l.wake:
	case <-l.flush.C:
	case <-ctx.Done():
	}
}

// push hands the batch to ship and waits for an empty one. It is here that a
// slow or absent server stops the reading.
func (l *lane) push(ctx context.Context) bool {
	select {
	case l.full <- l.batch:
		l.lastPush = time.Now()
	case <-ctx.Done():
		return false
	}
	l.batch = nil
	select {
	case l.batch = <-l.free:
		return true
	case <-ctx.Done():
		return false
	}
}
