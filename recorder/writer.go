package recorder

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// writer turns queued records into durable lines and acknowledges them: the
// group commit. One goroutine per series.
type writer struct {
	cfg    SpoolConfig
	queue  *queue
	series *series
	clock  *stretches // which lines are by which setting of the clock
	table  *inflight  // nil for sources that deliver nothing again
	format *format
	stats  *stats
	log    zerolog.Logger

	retention *retention // of all series; nil: there are no bounds
	pressed   bool       // the disk has no space, and something may be dropped

	group   group
	blocked time.Time // since when the disk fails; zero: it works

	cutTold   bool      // the first cut payload was logged
	sealAfter time.Time // not before that is a failed seal tried again
}

// group is what is made durable together.
type group struct {
	lines    []byte
	first    uint64 // sequence number of the first entry in the redelivery table
	ends     []int  // where the lines of the entries end
	slots    []slot
	dropping []loss // what gives way for it
	head     Record // what the clock was at the first line

	recorded, duplicates, repeats, excluded, truncated int64

	last time.Time
}

// quiet is how long the writer watches a burst for further records.
const quiet = time.Millisecond

// maxGroup bounds the records of a group, well below the redelivery table's
// size.
const maxGroup = 8192

// keptLines is how much memory the group keeps for the next one, in bytes.
const keptLines = 2 << 20

// run records until ctx ends; then it stops the source, records what is queued,
// and seals. The error says what could not be recorded.
func (w *writer) run(ctx context.Context, src source) error {
	var err error
	for err == nil && w.wait(ctx) {
		err = w.record(ctx, w.queue.take())
	}
	src.pause()
	w.queue.close()
	if err == nil {
		// What came before the pause is still recorded and acknowledged. ctx has
		// ended: a disk that fails now gets no second chance.
		err = w.record(ctx, w.queue.take())
	}
	if err == nil {
		return w.series.seal()
	}
	return w.giveUp(err)
}

// giveUp leaves what could not be recorded to the broker.
func (w *writer) giveUp(err error) error {
	n, _ := w.queue.usage()
	lost := w.queue.onlyOnce()
	w.stats.update(func(s *SeriesStatus) { s.Lost += int64(lost) })
	fate := "messages could not be recorded and are not acknowledged, the broker will deliver them again"
	switch {
	case w.table == nil:
		fate = "records of a serial port could not be written and are lost"
	case lost > 0:
		fate += fmt.Sprintf(", but for %d of QoS 0, which are lost", lost)
	}
	err = fmt.Errorf("stop: %d %s: %w", n, fate, err)
	if w.table != nil && len(w.group.ends) > 0 {
		if err := w.table.revoke(w.group.first, len(w.group.ends)); err != nil {
			// The segment stays open: then the next start checks what it holds.
			w.log.Error().Err(err).Msg("the redelivery table can't be corrected; the next start will do it")
			return err
		}
	}
	if sealErr := w.series.seal(); sealErr != nil {
		w.log.Error().Err(sealErr).Msg("the last segment can't be sealed; the next start will do it")
	}
	return err
}

// wait returns true when a group is complete, false when ctx has ended. While
// it waits it seals the active segment when its period ends.
func (w *writer) wait(ctx context.Context) bool {
	for ctx.Err() == nil {
		n, bytes, first := w.queue.pending()
		if n > 0 {
			w.gather(ctx, n, bytes, first)
			return ctx.Err() == nil
		}
		w.idle(ctx)
	}
	return false
}

// idle waits for a record, the end of ctx, or of the active segment's period.
func (w *writer) idle(ctx context.Context) {
	rotate, stop := after(w.untilRotation())
	defer stop()
	look, stop := after(w.clock.look(time.Now()))
	defer stop()
	select {
	case <-ctx.Done():
	case <-w.queue.ready:
	case <-look:
	case <-rotate:
		w.sealPeriod()
	}
}

// untilRotation is when the active segment's period ends; 0: never.
func (w *writer) untilRotation() time.Duration {
	end := w.series.periodEnd(time.Now())
	if end.IsZero() {
		return 0
	}
	return max(time.Until(end), time.Until(w.sealAfter), 1)
}

// after is a timer for d; nil for 0, which is never.
func after(d time.Duration) (c <-chan time.Time, stop func() bool) {
	if d == 0 {
		return nil, func() bool { return true }
	}
	timer := time.NewTimer(d)
	return timer.C, timer.Stop
}

// sealPeriod seals the active segment when its period has ended.
func (w *writer) sealPeriod() {
	now := time.Now()
	if end := w.series.periodEnd(now); end.IsZero() || end.After(now) {
		return
	}
	if err := w.series.seal(); err != nil {
		w.sealAfter = now.Add(retryLast)
		w.stats.fault(err)
		w.log.Error().Err(err).Msg("the segment can't be sealed; it is tried again")
	}
	w.show()
}

// gather waits until the group is complete: the first record is as old as the
// interval allows, there are enough bytes, or a burst has ended.
func (w *writer) gather(ctx context.Context, n int, bytes int64, first time.Time) {
	// The wall clock may have jumped since: the wait is never longer than the
	// interval.
	deadline := time.Now().Add(min(w.cfg.CommitInterval, max(0, w.cfg.CommitInterval-time.Since(first))))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for bytes < w.cfg.CommitBytes {
		left := time.Until(deadline)
		if left <= 0 {
			return
		}
		if n >= burst {
			left = min(left, quiet)
		}
		timer.Reset(left)
		woken := false
		select {
		case <-ctx.Done():
			return
		case <-w.queue.ready:
			woken = true
		case <-timer.C:
		}
		before := n
		n, bytes, _ = w.queue.pending()
		if !woken && n >= burst && n == before {
			return
		}
	}
}

// record makes records durable and acknowledges them, in as many groups as
// segments and memory ask for. An error means that ctx has ended: the records
// from the failed group on are not acknowledged.
func (w *writer) record(ctx context.Context, records []Record) error {
	left := records
	for len(left) > 0 {
		n, err := w.fill(ctx, left)
		if err != nil {
			return err
		}
		if err := w.commit(ctx); err != nil {
			return err
		}
		w.acknowledge(left[:n])
		w.count()
		left = left[n:]
	}
	w.queue.release(records)
	w.show()
	return nil
}

// fill makes the next group from the front of records and says how many they
// are.
func (w *writer) fill(ctx context.Context, records []Record) (int, error) {
	w.resetGroup()
	if records[0].kind == kindConnected {
		return 1, w.connected(ctx, &records[0])
	}
	room := min(w.series.room(time.Now()), w.cfg.CommitBytes)
	for i := range records[:min(len(records), maxGroup)] {
		r := &records[i]
		if r.kind == kindConnected {
			return i, nil
		}
		if w.drop(r) {
			continue
		}
		start := len(w.group.lines)
		if start == 0 {
			w.group.head = Record{Time: r.Time, Boot: r.Boot, Monotonic: r.Monotonic, Synced: r.Synced}
		} else if !w.clock.alike(&w.group.head, r) {
			return i, nil
		}
		w.group.lines = append(w.format.appendLine(w.group.lines, r), '\n')
		if start > 0 && int64(len(w.group.lines)) > room {
			w.group.lines = w.group.lines[:start]
			return i, nil
		}
		w.admit(r)
	}
	return min(len(records), maxGroup), nil
}

func (w *writer) resetGroup() {
	g := &w.group
	if cap(g.lines) > keptLines {
		g.lines = nil
	}
	w.retention.unpick(g.dropping)
	*g = group{lines: g.lines[:0], ends: g.ends[:0], slots: g.slots[:0]}
	if w.table != nil {
		g.first = w.table.next
	}
}

// drop tells whether the record is acknowledged without a line.
func (w *writer) drop(r *Record) bool {
	r.slot = -1
	switch {
	case r.kind == kindExcluded:
		w.group.excluded++
		return true
	case w.table == nil || !r.Duplicate && !r.Retained:
		return false
	case !w.table.seen(r, hashRecord(r)):
		return false
	case r.Duplicate:
		w.group.duplicates++
	default:
		w.group.repeats++
	}
	return true
}

// admit enters a record whose line is in the group.
func (w *writer) admit(r *Record) {
	if w.table != nil && (r.QoS > 0 || r.Retained) {
		w.table.note(r, hashRecord(r))
		w.group.ends = append(w.group.ends, len(w.group.lines))
	}
	w.group.recorded++
	if r.Truncated() {
		w.group.truncated++
		if !w.cutTold {
			w.cutTold = true
			name, limit := "topic", "payload is longer than max_payload"
			if r.kind == kindSerial {
				name, limit = "port", "record is longer than max_line"
			}
			w.log.Warn().Str(name, r.Topic).Int("bytes", r.Size).Int("kept", len(r.Payload)).
				Msg("a " + limit + " and was cut; further ones are only counted")
		}
	}
	w.group.last = r.Time
}

// connected enters the beginning of a connection.
func (w *writer) connected(ctx context.Context, r *Record) error {
	if w.table == nil {
		return nil
	}
	return w.insist(ctx, func() error { return w.table.connected(r.from.session(), r.Retained) })
}

// commit makes the group durable.
func (w *writer) commit(ctx context.Context) error {
	if len(w.group.lines) == 0 {
		return nil
	}
	return w.insist(ctx, func() error {
		err := w.makeRoom(ctx)
		if err == nil {
			err = w.commitOnce()
			w.settleRoom(err)
		}
		return err
	})
}

// commitOnce: redelivery table first, durably, then the lines: see the package
// documentation, "Order".
func (w *writer) commitOnce() error {
	g, now := &w.group, time.Now()
	segment, offset, err := w.series.target(now, len(g.lines))
	if err != nil {
		return err
	}
	if len(g.ends) > 0 {
		g.slots = w.table.slots(g.slots[:0], g.first, g.ends, segment, offset)
		if err := w.table.ring.write(g.slots); err != nil {
			return err
		}
	}
	if err := w.series.begin(now); err != nil {
		return err
	}
	if err := w.series.stretch(w.clock, &g.head, offset); err != nil {
		return err
	}
	return w.series.append(g.lines)
}

// Waits between attempts to write to a failing disk.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 10 * time.Second
)

// insist tries step until it works. Nothing is acknowledged meanwhile and the
// queue fills up, so that the source stops reading. When ctx has ended, an
// error is final.
func (w *writer) insist(ctx context.Context, step func() error) error {
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		err := step()
		if err == nil {
			w.resume()
			return nil
		}
		w.block(err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// block logs and shows the beginning of a disk failure.
func (w *writer) block(err error) {
	w.stats.fault(err)
	if !w.blocked.IsZero() {
		w.log.Debug().Err(err).Msg("still can't record")
		return
	}
	w.blocked = time.Now()
	w.stats.update(func(s *SeriesStatus) { s.Blocked = true })
	w.log.Error().Err(err).Msg("recording stops: the spool can't be written; nothing is acknowledged until it works again; free space there, or mend the disk")
}

// resume ends it.
func (w *writer) resume() {
	if w.blocked.IsZero() {
		return
	}
	since := time.Since(w.blocked)
	w.blocked = time.Time{}
	w.stats.update(func(s *SeriesStatus) { s.Blocked = false })
	w.log.Info().Dur("after", since).Msg("recording resumes")
}

// acknowledge tells the connections, in receive order. Records of a connection
// that has gone are not acknowledged: the broker delivers them again.
func (w *writer) acknowledge(records []Record) {
	for start := 0; start < len(records); {
		end := start + 1
		for end < len(records) && records[end].from == records[start].from {
			end++
		}
		part := records[start:end]
		if from := part[0].from; from != nil && part[0].kind != kindConnected && from.ack(part) && w.table != nil {
			w.table.acked(part)
		}
		start = end
	}
}

// count adds the group to the status.
func (w *writer) count() {
	g := &w.group
	w.stats.update(func(s *SeriesStatus) {
		s.Recorded += g.recorded
		s.Duplicates += g.duplicates
		s.Repeats += g.repeats
		s.Excluded += g.excluded
		s.Truncated += g.truncated
		s.BytesRecorded += int64(len(g.lines))
		if g.recorded > 0 {
			s.Commits++
			s.LastRecord = g.last
		}
	})
}

// show puts the segment into the status.
func (w *writer) show() {
	w.stats.update(func(s *SeriesStatus) {
		s.Segment, s.SegmentBytes, s.Sealed = "", 0, w.series.sealed
		if a := w.series.active; a != nil {
			s.Segment, s.SegmentBytes = segmentName(w.series.name, a.number), a.file.Size()
		}
	})
}
