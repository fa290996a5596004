package recorder

import (
	"cmp"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Times corrects, for whoever reads segments, the times of lines that were
// recorded before the machine's clock was right. It is safe for concurrent use.
type Times struct {
	clock *clock
	wait  time.Duration
	log   zerolog.Logger

	mu     sync.Mutex
	tables map[string]*timesTable // by path of NAME.clock.json
	told   bool                   // that lines are held
	now    func() time.Time
}

// timesTable is a NAME.clock.json as it was read last.
type timesTable struct {
	info os.FileInfo
	file clockFile
	lead *lead // nil: the lines' times can't be found
	held bool  // some lines wait, or have to be corrected
	told bool  // that it can't be read
}

// NewTimes prepares the reading of segments on the machine that recorded them.
func NewTimes(cfg ClockConfig, log zerolog.Logger) *Times {
	cfg = cfg.filled()
	return &Times{clock: newClock(cfg), wait: cfg.Wait, log: log, tables: map[string]*timesTable{}, now: time.Now}
}

// SegmentTimes tells about the lines of one segment.
type SegmentTimes struct {
	times     *Times
	lead      *lead
	stretches []segmentStretch // by offset
}

// segmentStretch is a stretch's part in one segment.
type segmentStretch struct {
	from  int64
	s     stretch
	shift time.Duration // what the times are behind
	known bool          // shift is right
}

// Segment looks a file up: nil if it is no segment or nothing in it has to be
// held or corrected, as far as it is written.
func (t *Times) Segment(path string) *SegmentTimes {
	dir, name := filepath.Split(path)
	series, number, ok := parseSegmentName(name)
	if !ok {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	table := t.table(dir + series + clockSuffix)
	if table == nil || !table.held {
		return nil
	}
	return t.segment(table, number)
}

// table reads a NAME.clock.json if it has changed.
func (t *Times) table(path string) *timesTable {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	old := t.tables[path]
	if old != nil && old.info != nil && os.SameFile(old.info, info) && old.info.Size() == info.Size() && old.info.ModTime().Equal(info.ModTime()) {
		return old
	}
	file, err := readClockFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && (old == nil || !old.told) {
			t.log.Error().Err(err).Msg("what is known of the clock of records is unreadable; their times stay as they are")
		}
		table := cmp.Or(old, &timesTable{})
		table.told = true
		t.tables[path] = table
		return table
	}
	table := &timesTable{info: info, file: file, lead: newLead(file.Format)}
	table.held = slices.ContainsFunc(file.Stretches, func(s stretch) bool { return s.Held })
	t.tables[path] = table
	return table
}

// segment picks what is about one segment.
func (t *Times) segment(table *timesTable, number int64) *SegmentTimes {
	s := &SegmentTimes{times: t, lead: table.lead}
	for i := range table.file.Stretches {
		p := segmentStretch{s: table.file.Stretches[i]}
		switch {
		case p.s.Segment > number:
			continue
		case p.s.Segment < number:
			s.stretches = s.stretches[:0] // it reaches into this one, if none begins here
		default:
			p.from = p.s.Offset
		}
		if p.s.Held {
			var began time.Time
			began, p.known = t.began(table, &p.s)
			p.shift = began.Sub(p.s.Started)
		}
		s.stretches = append(s.stretches, p)
	}
	if !slices.ContainsFunc(s.stretches, func(p segmentStretch) bool { return p.s.Held }) {
		return nil
	}
	return s
}

// began returns when the machine truly started, if that can be known: from the
// recorder's table, or, for the present start, from the clock itself.
func (t *Times) began(table *timesTable, s *stretch) (time.Time, bool) {
	if began, ok := table.file.began(s.Boot); ok {
		return began, true
	}
	if s.Boot != t.clock.boot {
		return time.Time{}, false
	}
	now := t.now()
	if r := t.clock.read(now); r.synced {
		return start(now, r.monotonic), true
	}
	return time.Time{}, false
}

// Ready returns how far the segment may be read: to the first line at or after
// offset that must wait for the clock.
func (s *SegmentTimes) Ready(offset int64) int64 {
	for i := range s.stretches {
		p := &s.stretches[i]
		if i+1 < len(s.stretches) && s.stretches[i+1].from <= offset {
			continue
		}
		if p.s.Held && !p.known && s.times.waits(&p.s) {
			s.times.tell()
			return max(p.from, offset)
		}
	}
	return math.MaxInt64
}

// waits says whether the true time of a stretch may still come to be known:
// only in the same start of the machine, and for a while.
func (t *Times) waits(s *stretch) bool {
	return s.Boot == t.clock.boot && t.clock.monotonic(t.now()) < t.wait
}

// tell logs once that lines are held.
func (t *Times) tell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told {
		return
	}
	t.told = true
	left := t.wait - t.clock.monotonic(t.now())
	t.log.Warn().Stringer("at_most", left.Round(time.Second)).
		Msg("the machine's clock is not synchronised: what was recorded by it is shipped when it is, or after clock.wait (recorder.clock)")
}

// Line corrects the line at offset. The fields are what an event of it must
// have in addition, under "clock": synchronised false; shift, by how many
// seconds its time was moved; and original, the text of its time before. Without
// shift nothing is known; without original no time could be found in the line,
// which is unchanged then. Nil fields: nothing is to be done.
func (s *SegmentTimes) Line(offset int64, line []byte) (corrected []byte, fields map[string]any) {
	i := len(s.stretches) - 1
	for i >= 0 && s.stretches[i].from > offset {
		i--
	}
	if i < 0 || !s.stretches[i].s.Held {
		return line, nil
	}
	p := &s.stretches[i]
	fields = map[string]any{"synchronised": false}
	if !p.known {
		return line, fields
	}
	if slight(p.shift) {
		return line, nil // it was right
	}
	fields["shift"] = p.shift.Seconds()
	if s.lead == nil {
		return line, fields
	}
	corrected, original, ok := s.lead.move(line, p.shift)
	if !ok {
		return line, fields
	}
	fields["original"] = original
	return corrected, fields
}
