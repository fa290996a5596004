package tailer

import (
	"fmt"
	"sync/atomic"
	"time"
)

// stats counts what happened since the start.
type stats struct {
	events, filtered, acked, retried, deadLetters atomic.Int64
	bytesRead, windows, connectErrors, readErrors atomic.Int64
	filesOpened, filesOpen, lastAck               atomic.Int64
	registryFailed                                atomic.Bool
}

// Status is a snapshot of a Tailer's counters.
type Status struct {
	Events        int64     `json:"events"`         // encoded
	Filtered      int64     `json:"filtered"`       // lines that became no event
	Acked         int64     `json:"acked"`          // acknowledged by the server
	Retried       int64     `json:"retried"`        // sent more than once
	DeadLetters   int64     `json:"dead_letters"`   // set aside
	BytesRead     int64     `json:"bytes_read"`     // of files
	Windows       int64     `json:"windows"`        // sent
	ConnectErrors int64     `json:"connect_errors"` // failed connections
	ReadErrors    int64     `json:"read_errors"`    // of files
	FilesOpen     int64     `json:"files_open"`     // harvesters
	Files         int       `json:"files"`          // followed
	Lag           int64     `json:"lag"`            // bytes on disk that are not acknowledged
	LastAck       time.Time `json:"last_ack"`       // zero: none yet
}

// String is one line for systemd's STATUS=.
func (s Status) String() string {
	text := fmt.Sprintf("%d events acknowledged, %d bytes wait in %d files", s.Acked, s.Lag, s.Files)
	if !s.LastAck.IsZero() {
		text += ", last acknowledgement " + s.LastAck.UTC().Format(time.RFC3339)
	}
	if s.DeadLetters > 0 {
		text += fmt.Sprintf(", %d set aside", s.DeadLetters)
	}
	return text
}

// Status returns the counters; safe to call at any time.
func (t *Tailer) Status() Status {
	s := Status{
		Events: t.stats.events.Load(), Filtered: t.stats.filtered.Load(), Acked: t.stats.acked.Load(),
		Retried: t.stats.retried.Load(), DeadLetters: t.stats.deadLetters.Load(), BytesRead: t.stats.bytesRead.Load(),
		Windows: t.stats.windows.Load(), ConnectErrors: t.stats.connectErrors.Load(), ReadErrors: t.stats.readErrors.Load(),
		FilesOpen: t.stats.filesOpen.Load(),
	}
	if ns := t.stats.lastAck.Load(); ns != 0 {
		s.LastAck = time.Unix(0, ns)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.followed() {
		s.Files++
		s.Lag += f.unread()
	}
	return s
}
