package recorder

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Status is what the recorder is doing now.
type Status struct {
	Series []SeriesStatus `json:"series"`
}

// SeriesStatus is the state of one source and its segments. Counters count from
// the start of the process.
type SeriesStatus struct {
	Name string `json:"name"`
	// Connected tells whether the broker has accepted the session, or the serial
	// port is open; Broker is the last address tried.
	Connected bool   `json:"connected"`
	Broker    string `json:"broker,omitempty"`
	// Port is the serial port as it is configured, Device what it was resolved
	// to last; both are empty for a broker.
	Port   string `json:"port,omitempty"`
	Device string `json:"device,omitempty"`
	// Connects counts accepted connections, and openings of the port.
	Connects int64 `json:"connects"`
	// Refused are topics that the broker refused.
	Refused []string `json:"refused,omitempty"`
	// Received counts messages from the broker, or records and events of a serial
	// port; each of them is in exactly one
	// of Recorded, Duplicates (redelivered, and recorded before), Repeats
	// (retained, and recorded before), Excluded, or still in the queue.
	Received   int64 `json:"received"`
	Recorded   int64 `json:"recorded"`
	Duplicates int64 `json:"duplicates"`
	Repeats    int64 `json:"repeats"`
	Excluded   int64 `json:"excluded"`
	// Lost counts records that came and could not be written before the end, and
	// that nobody sends again: of QoS 0, or of a serial port.
	Lost int64 `json:"lost,omitempty"`
	// Truncated counts records whose payload was longer than max_payload or
	// max_line.
	Truncated int64 `json:"truncated"`
	// Of a serial port: Partial counts records whose beginning or end may be
	// missing, ChecksumFailures whole ones whose checksum is wrong or missing,
	// Gaps the times without the device, Reopens the openings after the first,
	// and Stalls how often the port was not read since the queue was full.
	Partial          int64 `json:"partial,omitempty"`
	ChecksumFailures int64 `json:"checksum_failures,omitempty"`
	Gaps             int64 `json:"gaps,omitempty"`
	Reopens          int64 `json:"reopens,omitempty"`
	Stalls           int64 `json:"stalls,omitempty"`
	// DroppedSegments were deleted for want of room although not all of their
	// DroppedRecords, DroppedBytes in all, were shipped (when_full: drop_oldest).
	DroppedSegments int64 `json:"dropped_segments,omitempty"`
	DroppedRecords  int64 `json:"dropped_records,omitempty"`
	DroppedBytes    int64 `json:"dropped_bytes,omitempty"`
	// BytesReceived came over the network (before TLS); BytesRecorded went into
	// segments.
	BytesReceived int64 `json:"bytes_received"`
	BytesRecorded int64 `json:"bytes_recorded"`
	// Commits counts groups made durable, Sealed segments sealed.
	Commits int64 `json:"commits"`
	Sealed  int64 `json:"sealed"`
	// QueueRecords and QueueBytes wait for the disk.
	QueueRecords int   `json:"queue_records"`
	QueueBytes   int64 `json:"queue_bytes"`
	// Blocked: recording is stopped by a disk error, nothing is acknowledged.
	Blocked bool `json:"blocked"`
	// LastError is the newest error, with its time; it stays after recovery.
	LastError     string    `json:"last_error,omitempty"`
	LastErrorTime time.Time `json:"last_error_time,omitzero"`
	// Segment is the active segment, empty when there is none; SegmentBytes its
	// durable size.
	Segment      string `json:"segment"`
	SegmentBytes int64  `json:"segment_bytes"`
	// LastRecord is when the newest recorded message was received.
	LastRecord time.Time `json:"last_record,omitzero"`
}

// String is one line for systemd's STATUS=.
func (s Status) String() string {
	parts := make([]string, len(s.Series))
	for i, one := range s.Series {
		parts[i] = one.String()
	}
	return strings.Join(parts, "; ")
}

// String is one short line.
func (s SeriesStatus) String() string {
	link := "connected to " + s.Broker
	if s.Port != "" {
		link = "reads " + s.Port
	}
	if !s.Connected && s.Port == "" && s.Broker == "" {
		link = "connecting"
	} else if !s.Connected {
		link = "not " + strings.Replace(link, "reads", "reading", 1)
	}
	text := fmt.Sprintf("%s: %s, %d recorded, %d waiting", s.Name, link, s.Recorded, s.QueueRecords)
	if s.Blocked {
		text += ", BLOCKED: " + s.LastError
	} else if !s.Connected && s.LastError != "" {
		text += ": " + s.LastError
	}
	return text
}

// stats collects a series' status. It is safe for concurrent use.
type stats struct {
	mu  sync.Mutex
	now SeriesStatus
}

func (s *stats) update(change func(*SeriesStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.now)
}

func (s *stats) fault(err error) {
	s.update(func(st *SeriesStatus) { st.LastError, st.LastErrorTime = err.Error(), time.Now() })
}

func (s *stats) get() SeriesStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.now
	st.Refused = append([]string(nil), st.Refused...)
	return st
}
