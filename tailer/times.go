package tailer

import (
	"context"
	"maps"
	"math"
	"time"

	"sluice/internal/event"
)

// Times tells about lines of a segment that were recorded before the machine's
// clock was right.
type Times interface {
	// Ready returns how far the segment may be read now: to the first line at or
	// after offset whose time can't be corrected yet.
	Ready(offset int64) int64
	// Line corrects the time of the line at offset. The fields are what its
	// event has beside; nil: the line is as it should be.
	Line(offset int64, line []byte) (corrected []byte, fields map[string]any)
}

// timely returns the part of data, which stands at offset, that may be read now.
func (l *lane) timely(h *harvester, offset int64, data []byte) (part []byte, all bool) {
	h.times = nil
	if l.t.cfg.Times == nil || h.file == nil || len(data) == 0 {
		return data, true
	}
	if h.times = l.t.cfg.Times(h.path); h.times == nil {
		return data, true
	}
	end := h.times.Ready(offset)
	if end == math.MaxInt64 || end >= offset+int64(len(data)) {
		return data, true
	}
	return data[:max(0, end-offset)], false
}

// postpone leaves the rest of the file to a later look of the scan.
func (f *file) postpone() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.postponed, f.end = true, f.size
}

// resume lets a file be read on that was left; f.mu is held.
func (f *file) resume() {
	if f.postponed {
		f.postponed, f.end = false, -1
	}
}

// send sends one whole line, by the fast way if it can.
func (l *lane) send(ctx context.Context, f *file, h *harvester, now time.Time, start, end int64, raw []byte) bool {
	h.clock = nil
	if h.times != nil {
		raw, h.clock = h.times.Line(start, raw)
	}
	if f.in.slow || h.clock != nil {
		return l.line(ctx, f, h, now, start, end, raw)
	}
	return l.event(ctx, f, h, now.UnixMilli(), start, end, raw)
}

// clockField is where an event says that its time was corrected, or should be.
const clockField = "clock"

// putClock adds what is known of the clock to an event.
func putClock(e *event.Event, fields map[string]any) {
	if fields == nil {
		return
	}
	if old, ok := e.Fields[clockField].(map[string]any); ok {
		maps.Copy(old, fields)
		return
	}
	e.Fields[clockField] = fields
}
