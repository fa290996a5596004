package tailer

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
)

// Some documents make a server close the connection with the whole window,
// each time they are sent: a poison document would block its lane for ever.
// The encoder makes none that we know of, but servers and their limits vary.
//
// When a window fails without any progress, the next ones are made smaller,
// down to one document. When that one alone fails too, another document is
// tried on a connection of its own. Only if the server takes that one, closes
// the connection on the suspect again, and takes the other once more, is the
// suspect set aside: into the dead-letter file, durably, then counted as
// acknowledged. A server that refuses everything is ill, not the document.
//
// All of these connections are lost on purpose, so the output is asked not to
// let its waits grow with them (Hurrier), for as many as the search for one
// document takes.
const (
	failuresBeforeShrink = 2 // a single reset is the network's
	shrinkFactor         = 8
	failuresAlone        = 3
	hurriesAtMost        = 20
)

// Hurrier is implemented by outputs that can make the wait before a lane's next
// connection short again.
type Hurrier interface{ Hurry(lane int) }

// isolation is a shipper's search for a poison document.
type isolation struct {
	limit    int // most documents in a window; 0: no limit of ours
	window   int // documents in the largest window of this connection
	failures int // connections in a row that ended without an ack
	served   bool
	flight   bool // a window of limited size is out
	tried    int  // documents that were tried beside the suspect
	hurries  int  // since the last ack
	proved   bool // the server has acknowledged something since the start
}

// connected resets what is known about one connection.
func (i *isolation) connected() { i.window, i.served, i.flight = 0, false, false }

func (i *isolation) sent(n int) {
	i.window, i.flight = max(i.window, n), true
}

// room applies the limit: one limited window at a time.
func (i *isolation) room(room int) int {
	if i.limit == 0 {
		return room
	}
	if i.flight {
		return 0
	}
	return min(room, i.limit)
}

// extra is one batch more while a document is suspected: without another
// document it can't be judged, and its own batch may hold none.
func (i *isolation) extra() int {
	if i.limit == 1 {
		return 1
	}
	return 0
}

// progress notes an ack: the limit is loosened step by step.
func (i *isolation) progress() {
	i.served, i.proved, i.failures, i.flight, i.tried, i.hurries = true, true, 0, false, 0, 0
	if i.limit > 0 {
		if i.limit *= 2; i.limit >= 1<<16 {
			i.limit = 0
		}
	}
}

// suspect notes a connection that ended with documents outstanding.
func (s *shipper) suspect(err error, outstanding int) {
	var timeout interface{ Timeout() bool }
	var blameless Blameless
	if s.served || outstanding == 0 || errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.Canceled) ||
		errors.As(err, &blameless) && blameless.Blameless() {
		return
	}
	s.failures++
	if s.limit > 0 || s.failures >= failuresBeforeShrink {
		s.hurry()
	}
	switch {
	case s.limit == 1 && s.failures >= failuresAlone:
		s.judge(err)
	case s.limit == 0 && s.failures >= failuresBeforeShrink, s.limit > 1:
		s.limit = max(1, s.window/shrinkFactor)
		s.failures = 0
		level := zerolog.WarnLevel
		if !s.proved || s.window == 1 {
			level = zerolog.DebugLevel // it refuses us rather than a document: the output has said so
		}
		s.log.WithLevel(level).Err(err).Int("documents", s.limit).Msg("the server closes the connection on the same window: trying smaller ones")
	}
}

// hurry keeps the wait before the next connection short.
func (s *shipper) hurry() {
	if h, ok := s.t.out.(Hurrier); ok && s.hurries < hurriesAtMost {
		s.hurries++
		h.Hurry(s.index)
	}
}

// judge decides on the first unacknowledged document.
func (s *shipper) judge(err error) {
	s.failures = 0
	if s.t.cfg.DeadLetterPath == "" || len(s.queue) == 0 {
		return
	}
	b := s.queue[0]
	other := s.accepted()
	if other == nil || s.probe(b.document(b.acked)) || !s.probe(other) {
		return // the server was ill, or is well again
	}
	if err := s.setAside(b.document(b.acked), err, "the server refuses this document alone while it takes others"); err != nil {
		s.log.Error().Err(err).Msg("can't write the dead-letter file, so the refused document is tried again")
		return
	}
	b.sent++
	b.commit(1)
	s.settle()
}

// accepted finds another document that the server takes on a connection of
// its own; nil if it takes none. It is sent again in its turn, with the same
// id. Each call tries the next few, as many that follow may be poison too.
func (s *shipper) accepted() []byte {
	others := -1 // the suspect is no other
	for _, b := range s.queue {
		others += b.len() - b.acked
	}
	for range min(probes, others) {
		doc := s.unacked(1 + s.tried%others)
		if s.tried++; s.probe(doc) {
			return doc
		}
	}
	return nil
}

// unacked returns the queue's i-th document that is not acknowledged.
func (s *shipper) unacked(i int) []byte {
	for _, b := range s.queue {
		if left := b.len() - b.acked; i >= left {
			i -= left
			continue
		}
		return b.document(b.acked + i)
	}
	return nil
}

const (
	probes       = 3
	probeTimeout = time.Minute
)

// probe sends one document alone and says whether it was acknowledged. The
// output's own wait before the connection doesn't count.
func (s *shipper) probe(doc []byte) bool {
	s.hurry()
	conn, err := s.t.out.Connect(s.t.runCtx, s.index)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // it was for this document alone
	ctx, cancel := context.WithTimeout(s.t.runCtx, probeTimeout)
	defer cancel()
	if _, err := conn.Send(ctx, doc, []int{len(doc)}); err != nil {
		return false
	}
	select {
	case n, ok := <-conn.Acks():
		return ok && n > 0
	case <-ctx.Done():
		return false
	}
}

// refused sets aside a document that the server has named.
func (s *shipper) refused(doc []byte, reason error) error {
	return s.setAside(doc, reason, "the server refuses a document")
}

// setAside appends a document to the dead-letter file and syncs it.
func (s *shipper) setAside(doc []byte, reason error, what string) error {
	if err := AppendDeadLetter(s.t.cfg.DeadLetterPath, doc, reason); err != nil {
		return err
	}
	s.log.Error().Str("path", s.t.cfg.DeadLetterPath).AnErr("reason", reason).Int("bytes", len(doc)).
		Msg(what + ": set aside in the dead-letter file")
	s.t.stats.deadLetters.Add(1)
	return nil
}
