package recorder

import (
	"sync"
	"time"
)

// queue holds records between a source and the writer. It is bounded by bytes
// and by number: put never blocks, but the source must not read on while the
// queue is full (waitRoom). It may so overshoot by what the source had already
// read, a handful of records. Taken records count until they are released.
type queue struct {
	maxBytes   int64
	maxRecords int
	hurryBytes int64  // waiting bytes at which the writer is woken
	clock      *clock // stamps what comes; nil: nothing

	mu      sync.Mutex
	records []Record
	spare   []Record  // for the next records
	first   time.Time // when records[0] came
	waiting int64     // bytes in records
	held    int64     // bytes in records and taken
	count   int       // number of both
	once    int       // how many of them nobody sends again
	closed  bool
	room    chan struct{} // closed when there is room again; nil when there is

	ready chan struct{} // wakes the writer: first record, burst, hurryBytes
}

// burst is the number of waiting records from which the writer commits as soon
// as nothing new comes: a broker with its limit of records in flight reached
// sends no more before it is acknowledged.
const burst = 8

func newQueue(maxBytes int64, maxRecords int, hurryBytes int64) *queue {
	return &queue{maxBytes: maxBytes, maxRecords: maxRecords, hurryBytes: hurryBytes, ready: make(chan struct{}, 1)}
}

// put adds a record; false when the queue is closed.
func (q *queue) put(r Record) bool {
	cost := r.cost()
	q.clock.stamp(&r)
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	if len(q.records) == 0 {
		q.first = r.Time
	}
	q.records = append(q.records, r)
	before := q.waiting
	q.waiting += cost
	q.held += cost
	q.count++
	if r.once() {
		q.once++
	}
	if q.room == nil && q.full() {
		q.room = make(chan struct{})
	}
	n := len(q.records)
	wake := n == 1 || n == burst || before < q.hurryBytes && q.waiting >= q.hurryBytes
	q.mu.Unlock()
	if wake {
		q.wake()
	}
	return true
}

func (q *queue) full() bool { return q.held >= q.maxBytes || q.count >= q.maxRecords }

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// blocked returns a channel that is closed when there is room; nil when there
// is room now.
func (q *queue) blocked() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.room
}

// pending is the number and bytes of waiting records and the time of the first.
func (q *queue) pending() (n int, bytes int64, first time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.records), q.waiting, q.first
}

// take removes all waiting records; they count until release.
func (q *queue) take() []Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.records
	q.records, q.spare, q.waiting = q.spare[:0], nil, 0
	return taken
}

// release frees the room of taken records and keeps their slice for reuse.
func (q *queue) release(taken []Record) {
	var bytes int64
	once := 0
	for i := range taken {
		bytes += taken[i].cost()
		if taken[i].once() {
			once++
		}
	}
	n := len(taken)
	clear(taken)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= bytes
	q.count -= n
	q.once -= once
	if cap(taken) <= 4096 {
		q.spare = taken[:0]
	}
	if q.room != nil && (!q.full() || q.closed) {
		close(q.room)
		q.room = nil
	}
}

// close refuses further records; those waiting can still be taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
}

// usage is what the queue holds, taken records included.
func (q *queue) usage() (records int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count, q.held
}

// onlyOnce is how many of these nobody sends again.
func (q *queue) onlyOnce() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.once
}
