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
	skipped, renamed, truncated                   atomic.Int64 // files
	inputsEnded                                   atomic.Int64
	sent, active                                  atomic.Int64 // documents
	queued, queuedBytes, unqueued, unqueuedBytes  atomic.Int64 // in batches
	latency                                       timing
	due                                           atomic.Int64 // see expect
	registryFailed, looked, stopping              atomic.Bool
}

// inputStats counts what happened to one input.
type inputStats struct {
	events, filtered, bytes, errors, opened, closed atomic.Int64
	processing                                      timing
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
	FilesOpened   int64     `json:"files_opened"`   // since the start
	Skipped       int64     `json:"skipped"`        // not opened because of harvester_limit
	Renamed       int64     `json:"renamed"`        // files
	Truncated     int64     `json:"truncated"`      // files
	InputsEnded   int64     `json:"inputs_ended"`   // by a reload
	Sent          int64     `json:"sent"`           // documents, those sent again included
	Active        int64     `json:"active"`         // documents sent and not acknowledged
	Queued        int64     `json:"queued"`         // events that a batch took to the shipper
	QueuedBytes   int64     `json:"queued_bytes"`   // their documents
	Unqueued      int64     `json:"unqueued"`       // of these, in batches that are done
	UnqueuedBytes int64     `json:"unqueued_bytes"` // their documents
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
		FilesOpen: t.stats.filesOpen.Load(), FilesOpened: t.stats.filesOpened.Load(), Skipped: t.stats.skipped.Load(),
		Renamed: t.stats.renamed.Load(), Truncated: t.stats.truncated.Load(), Sent: t.stats.sent.Load(), Active: t.stats.active.Load(),
		Unqueued: t.stats.unqueued.Load(), UnqueuedBytes: t.stats.unqueuedBytes.Load(),
		InputsEnded: t.stats.inputsEnded.Load(), Queued: t.stats.queued.Load(), QueuedBytes: t.stats.queuedBytes.Load(),
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
