package tailer

import (
	"slices"
	"sync"
	"time"
)

// What is counted beside stats: durations, and the lag of each file.

// lag knows since when content of a file may wait for its acknowledgement.
// Times are nanoseconds since the Tailer's start by the monotonic clock, 0 for
// none. Guarded by file.mu.
type lag struct {
	clean int64 // all that was there at this time is acknowledged
	// mark is the size that was seen at markAt: once it is acknowledged, that
	// is the time.
	mark, markAt int64
}

// grew notes a look that found the file's size changed from old.
func (l *lag) grew(old, size, acked int64, now time.Duration) {
	at := max(1, int64(now))
	switch {
	case l.clean == 0 || acked >= old:
		*l = lag{clean: at}
	case l.mark == 0:
		l.mark, l.markAt = size, at
	}
}

// acked notes that all before offset is acknowledged.
func (l *lag) acked(offset int64) {
	if l.mark > 0 && offset >= l.mark {
		*l = lag{clean: l.markAt}
	}
}

// FileStatus is what is known of a followed file.
type FileStatus struct {
	Path   string
	Input  string        // its id, else its type
	Size   int64         // in bytes, as seen last
	Offset int64         // the byte after the last acknowledged line
	Lag    int64         // bytes that are not acknowledged
	Wait   time.Duration // how long the oldest of them may have waited
}

// Files returns what is known of each followed file, in any order. Of what
// was there when the file was first seen, Wait counts from then.
func (t *Tailer) Files() []FileStatus {
	now := time.Since(t.started)
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []FileStatus
	for f := range t.followed() {
		list = append(list, f.status(now))
	}
	return list
}

func (f *file) status(now time.Duration) FileStatus {
	s := FileStatus{Input: f.in.name(), Lag: f.unread()}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Path, s.Size, s.Offset = f.path, f.size, f.acked
	if s.Lag > 0 && f.lag.clean > 0 {
		s.Wait = max(0, now-time.Duration(f.lag.clean))
	}
	return s
}

// pending is how many files have lines that are not acknowledged.
func (s *fileSet) pending() (n int) {
	for _, f := range s.files {
		f.mu.Lock()
		if f.outstanding() {
			n++
		}
		f.mu.Unlock()
	}
	return n
}

// name is the input's id, else its type.
func (in *input) name() string {
	if in.cfg.ID != "" {
		return in.cfg.ID
	}
	return in.cfg.kind()
}

// InputStatus is a snapshot of an input's counters.
type InputStatus struct {
	Type, ID       string
	Events         int64 // encoded
	Filtered       int64 // lines that became no event
	Bytes          int64 // read of files
	Errors         int64 // at reading
	Opened, Closed int64 // files
	// Processing is from the reading of a block of a file to the end of its
	// last line's way into a batch.
	Processing Timing
}

// Inputs returns the counters of the inputs that run.
func (t *Tailer) Inputs() []InputStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []InputStatus
	for _, in := range t.inputs {
		s := &in.stats
		list = append(list, InputStatus{
			Type: in.cfg.kind(), ID: in.cfg.ID, Events: s.events.Load(), Filtered: s.filtered.Load(), Bytes: s.bytes.Load(),
			Errors: s.errors.Load(), Opened: s.opened.Load(), Closed: s.closed.Load(), Processing: s.processing.get(),
		})
	}
	return list
}

// Latency is from the sending of a window to the acknowledgement of its last
// document.
func (t *Tailer) Latency() Timing { return t.stats.latency.get() }

// Progress says how the loop is that looks for files: whether it has looked
// at every input once, and how far it is behind its time. It waits for nothing.
func (t *Tailer) Progress() (started, stopping bool, late time.Duration) {
	due := time.Duration(t.stats.due.Load())
	if due > 0 {
		late = max(0, time.Since(t.started)-due)
	}
	return t.stats.looked.Load(), t.stats.stopping.Load(), late
}

// expect notes when the loop has something to do at the latest.
func (t *Tailer) expect(in time.Duration) { t.stats.due.Store(int64(max(1, time.Since(t.started)+in))) }

// Timing is a measured duration.
type Timing struct {
	Count int64
	Sum   time.Duration
	Last  []time.Duration // the newest ones, at most 512, in any order
}

// timing gathers durations.
type timing struct {
	mu sync.Mutex
	Timing
}

// kept is the number of durations that are kept.
const kept = 512

func (t *timing) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.Last) < kept {
		t.Last = append(t.Last, d)
	} else {
		t.Last[t.Count%kept] = d
	}
	t.Count++
	t.Sum += d
}

func (t *timing) get() Timing {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.Timing
	c.Last = slices.Clone(c.Last)
	return c
}

// stopwatch measures a shipper's windows on one connection.
type stopwatch struct {
	written, answered int64 // documents
	windows           []sentWindow
}

// sentWindow is one that is not acknowledged to its end.
type sentWindow struct {
	end int64 // of written
	at  time.Time
}

// begin notes a window of n documents, whose sending began at that time.
func (w *stopwatch) begin(n int, at time.Time) {
	w.written += int64(n)
	w.windows = append(w.windows, sentWindow{w.written, at})
}

// answer notes n acknowledged documents.
func (w *stopwatch) answer(n int, now time.Time, to *timing) {
	w.answered += int64(n)
	done := 0
	for done < len(w.windows) && w.windows[done].end <= w.answered {
		to.add(now.Sub(w.windows[done].at))
		done++
	}
	w.windows = slices.Delete(w.windows, 0, done)
}
