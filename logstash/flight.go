package logstash

import (
	"fmt"
	"time"
)

// quickAck is the latency up to which a second window may be in flight. A
// Logstash that is busy with one window sends no keepalive for a second one that
// it has already read, and drops the connection in the middle of it.
const quickAck = 2 * time.Second

// blindSilence is how long the server may be silent about a window that it has
// read while it was busy with the one before: no keepalives come for such a
// window, and a Logstash with its default settings gives up after 60 s itself.
const blindSilence = 75 * time.Second

// window is one sent, not yet fully acknowledged window.
type window struct {
	count   int       // documents
	acked   int       // the server's last ack
	written time.Time // when its last byte was written; zero before
	blind   bool      // see blindSilence
}

// flight is the bookkeeping of windows in flight. It knows neither sockets nor
// locks; the caller hands in the time.
type flight struct {
	ring     []window // first is the oldest
	first, n int

	sign     time.Time // last sign of life, or start of what we wait for
	progress time.Time // last newly acknowledged document, or start of waiting
	done     time.Time // when the last window was fully acknowledged
	latency  time.Duration
	measured bool // latency is that of the last window
	slow     bool // a keepalive came since the last full ack
}

func newFlight(limit int, now time.Time) flight {
	return flight{ring: make([]window, limit), sign: now, progress: now, done: now}
}

func (f *flight) at(i int) *window { return &f.ring[(f.first+i)%len(f.ring)] }

// begin adds a window; the caller has checked room.
func (f *flight) begin(count int, now time.Time) {
	if f.n == 0 {
		f.sign, f.progress = now, now
	}
	for i := range f.n {
		f.at(i).blind = false // new bytes make the server send keepalives again
	}
	*f.at(f.n) = window{count: count}
	f.n++
}

// written says that the newest window is wholly written, if it is still there.
func (f *flight) written(now time.Time) {
	if f.n == 0 {
		return
	}
	if w := f.at(f.n - 1); w.written.IsZero() {
		w.written = now
		f.sign = now
		if f.n == 1 {
			f.progress = now
		}
	}
}

// ack takes one ack frame and returns the newly acknowledged documents, and
// whether it completed a window.
func (f *flight) ack(seq uint32, now time.Time) (newly int, full bool, err error) {
	f.sign = now
	if seq == 0 {
		f.slow = f.slow || f.n > 0
		return 0, false, nil
	}
	if f.n == 0 {
		return 0, false, &protocolError{fmt.Sprintf("the server acknowledges %d although nothing is in flight", seq)}
	}
	w := f.at(0)
	switch {
	case int64(seq) > int64(w.count):
		return 0, false, &protocolError{fmt.Sprintf("the server acknowledges %d of a window of %d documents", seq, w.count)}
	case int(seq) < w.acked:
		return 0, false, &protocolError{fmt.Sprintf("the server acknowledges %d after %d", seq, w.acked)}
	}
	newly = int(seq) - w.acked
	w.acked = int(seq)
	if newly > 0 {
		f.progress = now
	}
	if w.acked == w.count {
		f.complete(w, now)
		return newly, true, nil
	}
	return newly, false, nil
}

// complete takes the oldest window off. The server works on one window after
// the other, so its time counts from the end of the one before.
func (f *flight) complete(w *window, now time.Time) {
	start := w.written
	if start.Before(f.done) {
		start = f.done
	}
	f.latency, f.measured = 0, true
	if !w.written.IsZero() {
		f.latency = now.Sub(start)
	}
	f.done, f.slow = now, false
	f.first = (f.first + 1) % len(f.ring)
	f.n--
	for i := range f.n {
		f.at(i).blind = true
	}
}

// documents returns how many documents are unacknowledged.
func (f *flight) documents() int {
	sum := 0
	for i := range f.n {
		sum += f.at(i).count - f.at(i).acked
	}
	return sum
}

// open tells whether another window may be sent now.
func (f *flight) open(now time.Time) bool {
	if f.n == 0 {
		return true
	}
	oldest := f.at(0)
	return f.n < len(f.ring) && f.measured && f.latency < quickAck && !f.slow &&
		(oldest.written.IsZero() || now.Sub(oldest.written) < quickAck)
}

// silence returns when the server counts as dead, zero for never.
func (f *flight) silence(timeout time.Duration) time.Time {
	switch {
	case f.n == 0 || f.at(0).written.IsZero():
		return time.Time{} // while writing, the write's progress counts
	case f.at(0).blind:
		return f.sign.Add(max(timeout, blindSilence))
	}
	return f.sign.Add(timeout)
}
