package recorder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"sluice/internal/durable"
)

// losses are counts of what was dropped.
type losses struct {
	Segments int64 `json:"segments"`
	Records  int64 `json:"records"`
	Bytes    int64 `json:"bytes"`
}

// loss is what an event of a dropped segment says.
type loss struct {
	Segment string `json:"segment"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
	Reason  string `json:"reason"`
	// Total is all that the series has dropped so far, this segment included: the
	// events of earlier drops may have gone with their segment.
	Total losses `json:"total"`
}

const eventDropped = "dropped"

// loss is what the deletion of a segment that was not acknowledged costs.
func (s *series) loss(f segmentFile) (loss, error) {
	name := segmentName(f.series, f.number)
	lines, err := countLines(s.path(name))
	return loss{Segment: name, Records: lines, Bytes: f.size, Reason: "the spool is full"}, err
}

func countLines(path string) (n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for buf := make([]byte, 64<<10); ; {
		k, err := f.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// makeRoom applies the operator's choice before a group is written. Events of
// what will be dropped become lines of the group.
func (w *writer) makeRoom(ctx context.Context) error {
	g := &w.group
	w.announceOwed()
	if len(g.dropping) > 0 {
		return nil
	}
	victims, err := w.retention.admit(ctx, w.series, int64(len(g.lines)), w.pressed)
	if err != nil {
		// What is over must not wait for a next record: only what is sealed can be
		// cleaned. With drop_oldest_acked that is all that may be in the way.
		if w.series.active != nil && (w.series.due(time.Now(), 0) || w.cfg.WhenFull == whenFullDropAcked) {
			err = errors.Join(err, w.series.seal())
		}
		return err
	}
	total := w.series.state.Dropped
	for _, f := range victims {
		l, err := w.series.loss(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue // shipped and deleted meanwhile
		}
		if err != nil {
			return fmt.Errorf("drop the oldest segment: %w", err)
		}
		total.add(&l)
		l.Total = total
		if err := w.announce(&l); err != nil {
			return err
		}
		g.dropping = append(g.dropping, l)
	}
	return nil
}

// announce makes a line of the group of a loss.
func (w *writer) announce(l *loss) error {
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write the event of a dropped segment: %w", err)
	}
	r := newEvent(w.series.name, eventDropped, b)
	w.queue.clock.stamp(&r)
	w.group.lines = append(w.format.appendLine(w.group.lines, &r), '\n')
	return nil
}

// announceOwed makes events of what was dropped before there was a group. The sums
// are saved already.
func (w *writer) announceOwed() {
	for i := range w.series.owed {
		if err := w.announce(&w.series.owed[i]); err != nil {
			w.log.Error().Err(err).Msg("what was dropped at the start stands in no event, only in the sums")
		}
	}
	w.series.owed = nil
}

// relieve makes room on a disk that is too full even for the start, by the
// operator's choice.
func (w *writer) relieve(ctx context.Context, err error) error {
	if !w.retention.drops() || !isNoSpace(err) {
		return err
	}
	victims, _ := w.retention.admit(ctx, w.series, 1, true)
	for _, f := range victims {
		l, e := w.series.loss(f)
		if e == nil && w.delete(l) {
			w.series.owed = append(w.series.owed, l)
		}
	}
	return err
}

// owe adds to what was dropped what relieve has.
func (s *series) owe(state *seriesFile) {
	for i := range s.owed {
		l := &s.owed[i]
		state.Dropped.add(l)
		l.Total = state.Dropped
	}
}

func (t *losses) add(l *loss) {
	t.Segments++
	t.Records += l.Records
	t.Bytes += l.Bytes
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// settleRoom deletes what a group has announced: after it was written, or
// before, if there is no room even for that.
func (w *writer) settleRoom(err error) {
	list := w.group.dropping
	noSpace := isNoSpace(err)
	w.pressed = noSpace && w.retention.drops()
	if err == nil {
		w.retention.wrote(int64(len(w.group.lines)))
	}
	if len(list) == 0 || err != nil && !noSpace {
		return
	}
	w.group.dropping = nil // the lines about them stay in the group
	if err := w.series.dropped(list); err != nil {
		if !noSpace && !isNoSpace(err) {
			w.log.Error().Err(err).Msg("what is to be dropped can't be noted; it stays, and the spool may exceed its bound")
			w.retention.unpick(list)
			return
		}
	}
	state := &w.series.state
	state.Dropped = list[len(list)-1].Total
	for _, l := range list {
		if w.delete(l) {
			state.Dropping = without(state.Dropping, l.Segment)
		}
	}
}

// dropped makes durable that segments are to be deleted, and the sums with
// them: a crash before the deletion leaves that to the next start. After an
// error the sums are known for the next attempt to save them.
func (s *series) dropped(list []loss) error {
	next := s.state
	next.Dropped = list[len(list)-1].Total
	next.Dropping = slices.Clone(s.state.Dropping)
	for _, l := range list {
		next.Dropping = append(next.Dropping, l.Segment)
	}
	return s.save(next)
}

// delete deletes a segment, and counts it; false: it stays.
func (w *writer) delete(l loss) bool {
	if err := w.series.unlink(l.Segment); err != nil && !errors.Is(err, os.ErrNotExist) {
		w.log.Error().Err(err).Str("segment", l.Segment).Msg("a segment that was to be dropped stays behind; the next start tries it again")
		return false
	}
	w.retention.wrote(-l.Bytes)
	w.stats.update(func(s *SeriesStatus) {
		s.DroppedSegments++
		s.DroppedRecords += l.Records
		s.DroppedBytes += l.Bytes
	})
	w.log.Warn().Str("segment", l.Segment).Int64("records", l.Records).Int64("bytes", l.Bytes).
		Msg("the spool is full: the oldest segment was deleted although not all of it was acknowledged (spool.when_full: drop_oldest)")
	return true
}

func (s *series) unlink(name string) error {
	if s.fail != nil {
		if err := s.fail("drop"); err != nil {
			return err
		}
	}
	return durable.Remove(s.path(name))
}

func without(list []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == name })
}

// finishDrops deletes segments that a run before has announced to drop.
func (s *series) finishDrops(state *seriesFile) {
	for _, name := range state.Dropping {
		if _, _, ok := parseSegmentName(filepath.Base(name)); !ok || filepath.Base(name) != name {
			continue
		}
		err := s.unlink(name)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			state.Dropping = without(state.Dropping, name)
			continue
		}
		s.log.Error().Err(err).Str("segment", name).Msg("a segment that was to be dropped stays behind; the next start tries it again")
	}
}
