package demo

import (
	"fmt"
	"sync"
)

// ledger follows every single reading from the sensor to the receiver. It is
// the demo's memory of what is true; it is safe for concurrent use.
type ledger struct {
	mu     sync.Mutex
	topics map[string]uint32
	marks  [][]mark           // by topic, number
	index  map[string]reading // what an index would hold: by event id
	count  counts
}

// mark is what is known of one reading.
type mark struct {
	accepted  bool   // by the broker
	published bool   // the sensor has its PUBACK
	copies    uint16 // different event ids that it arrived under
}

// counts are the ledger's sums.
type counts struct {
	accepted   int64 // readings that the broker took
	published  int64 // readings whose PUBACK the sensor has
	received   int64 // events that reached the receiver, repeats included
	unique     int64 // different event ids among them
	retried    int64 // readings that a sensor sent again although the broker had them
	clashes    int64 // events whose id belongs to another reading
	foreign    int64 // events that are no published reading
	firstFault string
}

// newLedger returns a ledger of the given topics.
func newLedger(topics []string) *ledger {
	l := &ledger{topics: make(map[string]uint32, len(topics)), marks: make([][]mark, len(topics)), index: map[string]reading{}}
	for i, t := range topics {
		l.topics[t] = uint32(i)
	}
	return l
}

// reading finds the reading of a topic and payload.
func (l *ledger) reading(topic string, payload []byte) (reading, error) {
	t, ok := l.topics[topic] // never written after newLedger
	if !ok {
		return reading{}, fmt.Errorf("topic %.60q is none of the demo's", topic)
	}
	n, err := payloadNumber(payload)
	return reading{t, n}, err
}

// mark returns the entry of a reading. Readings of a topic begin almost in the
// order of their numbers, so the slices stay dense.
func (l *ledger) mark(r reading) *mark {
	for uint32(len(l.marks[r.topic])) <= r.number {
		l.marks[r.topic] = append(l.marks[r.topic], mark{})
	}
	return &l.marks[r.topic][r.number]
}

// retry tells whether the broker has taken the reading before, and counts it
// if so.
func (l *ledger) retry(r reading) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.mark(r).accepted {
		return false
	}
	l.count.retried++
	return true
}

// accept notes that the broker took a reading.
func (l *ledger) accept(r reading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.mark(r); !m.accepted {
		m.accepted = true
		l.count.accepted++
	}
}

// publish notes that the sensor has the PUBACK of a reading.
func (l *ledger) publish(r reading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.mark(r); !m.published {
		m.published = true
		l.count.published++
	}
}

// receive notes an event at the receiver, as an index would that stores the
// first event of each id.
func (l *ledger) receive(id, topic string, payload []byte) {
	r, err := l.reading(topic, payload)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count.received++
	if id == "" {
		err = fmt.Errorf("event of %s without @metadata._id", topic)
	}
	if err == nil && (uint32(len(l.marks[r.topic])) <= r.number || !l.marks[r.topic][r.number].accepted) {
		err = fmt.Errorf("event %s is reading %d of %s, which was never published", id, r.number, topic)
	}
	if err != nil {
		l.count.foreign++
		l.fault(err)
		return
	}
	held, ok := l.index[id]
	switch {
	case !ok:
		l.index[id] = r
		l.count.unique++
		l.marks[r.topic][r.number].copies++
	case held != r:
		l.count.clashes++
		l.fault(fmt.Errorf("event id %s stands for reading %d of %s and for another one", id, r.number, topic))
	}
}

// reject notes an event that can't be read at all.
func (l *ledger) reject(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count.received++
	l.count.foreign++
	l.fault(err)
}

func (l *ledger) fault(err error) {
	if l.count.firstFault == "" {
		l.count.firstFault = err.Error()
	}
}

// counts returns the sums so far.
func (l *ledger) counts() counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// verdict compares both ends: published readings that are in the index under
// no id, and copies of readings under further ids.
func (l *ledger) verdict() (lost, duplicated int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, topic := range l.marks {
		for _, m := range topic {
			if m.published && m.copies == 0 {
				lost++
			}
			duplicated += max(int64(m.copies)-1, 0)
		}
	}
	return lost, duplicated
}
