package tailer

import (
	"context"
	"errors"
	"time"
)

// Output is where batches go. The tailer declares what it needs; the
// packages that speak a protocol don't know events.
type Output interface {
	// Lanes returns the number of connections that the output wants.
	Lanes() int
	// Connect opens the connection of a lane. It chooses the host, waits
	// between tries as the output's backoff says, and returns an error for
	// each failed try; ctx ends it.
	Connect(ctx context.Context, lane int) (Conn, error)
}

// Conn is one connection of an Output.
type Conn interface {
	// Send writes the first n of the given documents as one window, n being
	// at least 1; ends[i] is where document i ends in buf. The documents stay
	// untouched until they are acknowledged or the connection is closed.
	Send(ctx context.Context, buf []byte, ends []int) (n int, err error)
	// Room returns how many documents the next window may hold now; 0 means
	// that acks must come first.
	Room() int
	// Acks delivers numbers of newly acknowledged documents, counted in the
	// order of Send. It is closed when the connection has ended.
	Acks() <-chan int
	// Err says why Acks was closed. If IsExpected says so of it, the next
	// Connect is no retry.
	Err() error
	// Close ends the connection.
	Close() error
}

// Refuser is implemented by connections whose server says which document it will
// never take. setAside stores such a one in the dead-letter file, durably; with
// nil it is as good as acknowledged. It may be called by several goroutines.
type Refuser interface {
	OnRefused(setAside func(doc []byte, reason error) error)
}

// Blameless is implemented by errors of connections that no document is the cause
// of: none is suspected then.
type Blameless interface{ Blameless() bool }

// Expected is implemented by errors of connections that ended by intention:
// the output's ttl, or an idle connection closed by either side.
type Expected interface{ Expected() bool }

// shipper sends a lane's batches and keeps the unacknowledged ones.
type shipper struct {
	*lane
	conn  Conn
	acks  <-chan int
	queue []*batch // in order of reading
	ends  []int    // scratch
	isolation
	stopwatch
}

// ship sends batches until full is closed, then waits for outstanding acks
// until ctx ends.
func (l *lane) ship(ctx context.Context) {
	s := &shipper{lane: l}
	defer s.hangUp()
	in, stop := l.full, l.t.stopping
	for {
		if !s.send(ctx, in != nil) {
			continue // the connection was lost on the way
		}
		if in == nil && !s.outstanding() {
			return
		}
		from := in
		if len(s.queue) >= max(1, l.t.cfg.BatchesInFlight)+s.extra() {
			from = nil
		}
		select {
		case b, ok := <-from:
			if !ok {
				in = nil
				continue
			}
			s.queue = append(s.queue, b)
			s.t.stats.queued.Add(int64(b.len()))
			s.t.stats.queuedBytes.Add(int64(len(b.buf)))
			s.settle()
		case n, ok := <-s.acks:
			if ok {
				s.acked(n)
			} else {
				s.lost(s.conn.Err())
			}
		case <-stop:
			// What is not on its way is read again at the next start.
			in, stop = nil, nil
		case <-ctx.Done():
			return
		}
	}
}

// outstanding says whether documents were sent and not acknowledged.
func (s *shipper) outstanding() bool {
	for _, b := range s.queue {
		if b.sent > b.acked {
			return true
		}
	}
	return false
}

// send hands unsent documents to the connection, as many as it has room for.
// With fresh it connects first if need be. False: the connection was lost.
func (s *shipper) send(ctx context.Context, fresh bool) bool {
	for _, b := range s.queue {
		for b.sent < b.len() {
			if s.conn == nil && (!fresh || !s.connect()) {
				return true
			}
			room := s.room(s.conn.Room())
			if room == 0 {
				return true
			}
			var buf []byte
			buf, s.ends = b.unsent(s.ends[:0], room)
			begun := time.Now()
			n, err := s.conn.Send(ctx, buf, s.ends)
			b.sent += n
			s.sent(n)
			s.begin(n, begun)
			s.t.stats.sent.Add(int64(n))
			s.t.stats.active.Add(int64(n))
			if err != nil {
				s.lost(err)
				return false
			}
			s.t.stats.windows.Add(1)
		}
	}
	return true
}

// connect opens the lane's connection; false if the tailer stops.
func (s *shipper) connect() bool {
	ctx := s.t.runCtx // a stop doesn't wait for a server that is away
	for ctx.Err() == nil {
		conn, err := s.t.out.Connect(ctx, s.index)
		if err == nil {
			s.conn, s.acks = conn, conn.Acks()
			s.connected()
			if r, ok := conn.(Refuser); ok && s.t.cfg.DeadLetterPath != "" {
				r.OnRefused(s.refused)
			}
			return true
		}
		s.t.stats.connectErrors.Add(1)
	}
	return false
}

// acked commits n more documents.
func (s *shipper) acked(n int) {
	now := time.Now()
	s.t.stats.acked.Add(int64(n))
	s.t.stats.active.Add(int64(-n))
	s.t.stats.lastAck.Store(now.UnixNano())
	s.answer(n, now, &s.t.stats.latency)
	s.progress()
	for n > 0 && len(s.queue) > 0 {
		b := s.queue[0]
		k := min(n, b.sent-b.acked)
		if k == 0 {
			break
		}
		b.commit(k)
		n -= k
		s.settle()
	}
}

// settle gives finished batches at the head of the queue back to the reader,
// those without any document among them.
func (s *shipper) settle() {
	for len(s.queue) > 0 {
		b := s.queue[0]
		if b.acked == b.len() {
			b.commit(0) // filtered lines behind the last document
		}
		if !b.done() {
			return
		}
		s.t.stats.unqueued.Add(int64(b.len()))
		s.t.stats.unqueuedBytes.Add(int64(len(b.buf)))
		b.reset(s.t.cfg.BatchBytes)
		s.free <- b
		n := copy(s.queue, s.queue[1:])
		s.queue[n] = nil
		s.queue = s.queue[:n]
	}
}

// lost drops the connection and takes back what was not acknowledged. It is
// sent again from the batches, which still hold it.
func (s *shipper) lost(err error) {
	s.hangUp()
	again := 0
	for _, b := range s.queue {
		again += b.sent - b.acked
		b.sent = b.acked
	}
	s.t.stats.active.Add(int64(-again))
	s.stopwatch = stopwatch{}
	var e Expected
	if errors.As(err, &e) && e.Expected() {
		return
	}
	s.t.stats.retried.Add(int64(again))
	s.suspect(err, again)
}

// hangUp closes the connection and takes the acks that are there already: else
// what they cover would be sent again.
func (s *shipper) hangUp() {
	if s.conn == nil {
		return
	}
	_ = s.conn.Close() // whatever was not acked is sent again
	for n := range s.acks {
		s.acked(n) // the channel is closed with the connection
	}
	s.conn, s.acks = nil, nil
}
