package logstash

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Conn is one connection to one server. Send belongs to one goroutine; all
// other methods may be called from any. A Conn that ended is never used again.
type Conn struct {
	cfg  *Config
	addr string
	conn net.Conn      // what we speak through: TLS or raw
	raw  *progressConn // the socket below
	lane *lane
	home *hostState // of addr
	log  zerolog.Logger
	born time.Time

	acks chan int      // see deliver
	done chan struct{} // the ack reader has ended

	mu      sync.Mutex
	flight  flight
	sending bool // a Send is writing
	sent    int  // windows begun
	acked   int  // documents acknowledged
	busy    time.Time
	expires time.Time // ttl; zero: never
	warned  bool      // no progress, and nobody to turn to
	// Bytes in the kernel at the last look for silence and for lack of
	// progress, -1 before.
	silenceQueue, progressQueue int

	finished bool      // the ack reader is through
	writeErr error     // a write failed: the ack reader looks for a TLS alert until
	drain    time.Time // this time
	err      error     // why the connection ended
	encoder  *encoder
	watched  <-chan struct{} // Done of the context whose end cancels writes
	unwatch  func() bool
}

// newConn makes a Conn of an established connection; start comes next.
func newConn(l *lane, h *hostState, conn net.Conn, raw *progressConn, away bool) *Conn {
	now := time.Now()
	c := &Conn{
		cfg: &l.client.cfg, addr: h.host.String(), conn: conn, raw: raw, lane: l, home: h,
		log: l.client.log, born: now, busy: now, silenceQueue: -1, progressQueue: -1,
		acks: make(chan int, 1), done: make(chan struct{}),
		flight: newFlight(l.client.cfg.windowsInFlight(), now),
	}
	if ttl := c.cfg.TTL; ttl > 0 {
		c.expires = now.Add(ttl)
	}
	if back := now.Add(awayLimit); away && (c.expires.IsZero() || back.Before(c.expires)) {
		c.expires = back
	}
	return c
}

// start starts the ack reader, which ends with the connection.
func (c *Conn) start() {
	c.mu.Lock()
	c.arm()
	c.mu.Unlock()
	go c.readAcks()
}

// Addr returns the server as host:port, as it stands in the option hosts.
func (c *Conn) Addr() string { return c.addr }

// Acks delivers counts of newly acknowledged documents, in the order in which
// they were sent, over all windows. Counts that are not fetched are added up. It
// is closed when the connection has ended; what was acknowledged before that is
// delivered first.
func (c *Conn) Acks() <-chan int { return c.acks }

// Err says why Acks was closed, nil before. With errors.Is(err, ErrExpired) the
// connection ended in good order. The text is one line that names the server.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Room returns how many documents the next window may hold now. 0 means: wait
// for Acks. It is bulk_max_size, or less with slow_start; 0 when pipelining
// windows are in flight, when one is and the server is slow, when the ttl is
// over, and when the connection has ended.
func (c *Conn) Room() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room(time.Now())
}

func (c *Conn) room(now time.Time) int {
	if c.err != nil || c.writeErr != nil || c.sending || c.expired(now) || !c.flight.open(now) {
		return 0
	}
	return c.lane.windowSize()
}

// expired tells whether the ttl is over. A connection that never sent anything
// has not aged: else a tiny ttl would stop all.
func (c *Conn) expired(now time.Time) bool {
	return !c.expires.IsZero() && c.sent > 0 && !now.Before(c.expires)
}

// Send writes one window with the first documents of buf and returns how many
// it took: at least one, at most Room, and no more bytes than max_window_bytes.
// Document i is buf[ends[i-1]:ends[i]], with ends[-1] = 0; the rest is for the
// next call, with offsets made anew. It returns when all is written. The
// documents may be changed once they are acknowledged or the connection ended.
//
// n = 0 with ErrNoRoom, an error about the documents, or the error of a context
// that had ended before: nothing was written and the connection is as before.
// Any other error ends the connection; n documents may have reached the server,
// and counts for them may still come from Acks before it is closed.
func (c *Conn) Send(ctx context.Context, buf []byte, ends []int) (n int, err error) {
	if len(ends) == 0 {
		return 0, ErrNoDocuments
	}
	if err := checkDocuments(buf, ends); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err = c.begin(ctx, ends)
	if err != nil {
		return 0, err
	}
	if err := c.encoder.write(c.conn, buf, ends[:n]); err != nil {
		return n, c.writeFailed(ctx, err)
	}
	return n, c.written(n)
}

// begin registers the window, so that its ack may come while it is written.
func (c *Conn) begin(ctx context.Context, ends []int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.err != nil {
		return 0, c.err
	}
	n := prefix(ends, c.room(now), c.cfg.MaxWindowBytes)
	if n == 0 {
		return 0, ErrNoRoom
	}
	if c.encoder == nil {
		c.encoder = c.lane.client.takeEncoder()
	}
	c.watch(ctx)
	c.flight.begin(n, now)
	c.sending = true
	c.sent++
	c.arm()
	return n, nil
}

// watch makes the end of ctx end writes. The same context again costs nothing.
func (c *Conn) watch(ctx context.Context) {
	if c.watched == ctx.Done() {
		return
	}
	if c.unwatch != nil {
		c.unwatch()
		c.unwatch = nil
	}
	c.raw.canceled.Store(false)
	c.watched = ctx.Done()
	if c.watched != nil {
		c.unwatch = context.AfterFunc(ctx, c.raw.cancelWrite)
	}
}

func (c *Conn) written(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.sending = false
	c.busy = now
	c.flight.written(now)
	c.lane.client.counters.windows.Add(1)
	c.lane.client.counters.documents.Add(int64(n))
	c.releaseEncoder()
	c.arm()
	return c.err
}

// writeFailed ends the connection. A server that refuses our certificate under
// TLS 1.3 lets us connect, and the write fails; only a read tells why. So the
// ack reader gets a moment to find the alert.
func (c *Conn) writeFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		c.end(connErrorf(c.addr, ctx.Err(), "stopped while sending: %v", ctx.Err()))
	}
	c.mu.Lock()
	c.sending = false
	c.releaseEncoder()
	if c.err == nil {
		c.writeErr = err
		c.drain = time.Now().Add(closeTimeout)
		c.arm()
	}
	c.mu.Unlock()
	<-c.done
	return c.Err()
}

// releaseEncoder hands the encoder on when neither Send nor a later one needs
// it. The caller holds mu.
func (c *Conn) releaseEncoder() {
	if c.encoder != nil && c.finished && !c.sending {
		c.lane.client.putEncoder(c.encoder)
		c.encoder = nil
	}
}

// Close ends the connection and waits for its ack reader. Err is ErrClosed then,
// if it had not ended before. Closing twice is allowed.
func (c *Conn) Close() error {
	c.mu.Lock()
	orderly := c.err == nil && c.writeErr == nil
	if c.err == nil {
		c.err = ErrClosed
	}
	c.mu.Unlock()
	c.raw.closing.Store(true)
	if orderly {
		_ = c.conn.Close() // with TLS's goodbye; a server that is gone doesn't matter
	}
	_ = c.raw.Close()
	<-c.done
	return nil
}

// end ends the connection for a reason; the first reason counts.
func (c *Conn) end(reason error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = reason
	}
	c.mu.Unlock()
	_ = c.raw.Close()
}

// arm sets the read deadline to the next moment at which due has something to
// say. The caller holds mu.
func (c *Conn) arm() {
	next := c.nextDeadline()
	if next.IsZero() {
		_ = c.raw.SetReadDeadline(time.Time{}) // fails only when closed
		return
	}
	_ = c.raw.SetReadDeadline(next)
}

// nextDeadline returns the earliest deadline, zero for none.
func (c *Conn) nextDeadline() time.Time {
	if c.writeErr != nil {
		return c.drain
	}
	if c.flight.n > 0 || c.sending {
		return earliest(c.flight.silence(c.cfg.Timeout), c.progressDeadline())
	}
	return earliest(c.idleDeadline(), c.ttlDeadline())
}

func (c *Conn) progressDeadline() time.Time {
	if c.cfg.ProgressTimeout == 0 || c.warned || c.flight.n == 0 || c.flight.at(0).written.IsZero() {
		return time.Time{}
	}
	return c.flight.progress.Add(c.cfg.ProgressTimeout)
}

func (c *Conn) idleDeadline() time.Time {
	if c.cfg.IdleTimeout == 0 {
		return time.Time{}
	}
	return c.busy.Add(c.cfg.IdleTimeout)
}

func (c *Conn) ttlDeadline() time.Time {
	if c.sent == 0 {
		return time.Time{}
	}
	return c.expires
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due returns the reason to end the connection at now, nil for none. The caller
// holds mu.
func (c *Conn) due(now time.Time) error {
	reached := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	switch {
	case c.err != nil:
		return c.err
	case c.writeErr != nil:
		if reached(c.drain) {
			return c.writeReason()
		}
		return nil
	case c.flight.n == 0 && !c.sending:
		if reached(c.ttlDeadline()) {
			return connErrorf(c.addr, ErrExpired, "connection is %v old (ttl)", now.Sub(c.born).Round(time.Second))
		}
		if reached(c.idleDeadline()) {
			return connErrorf(c.addr, ErrExpired, "connection was idle for %v (idle_timeout)", c.cfg.IdleTimeout)
		}
		return nil
	case reached(c.flight.silence(c.cfg.Timeout)):
		return c.dueSilence(now)
	case reached(c.progressDeadline()):
		return c.dueProgress(now)
	}
	return nil
}

// drains tells whether the peer's kernel confirmed bytes since the last look: a
// slow link still carries what the write has long handed over. Until it is
// through, the server owes nothing.
func (c *Conn) drains(last *int, now time.Time) bool {
	n, ok := c.raw.queue()
	before := *last
	*last = n
	if drained := n < before || before < 0 && n > 0; !ok || !drained {
		return false
	}
	c.flight.sign, c.flight.progress = now, now
	return true
}

func (c *Conn) dueSilence(now time.Time) error {
	if c.drains(&c.silenceQueue, now) {
		return nil
	}
	c.lane.client.countError("read")
	return connErrorf(c.addr, errSilence, "no sign of life from the server for %v with %d documents unacknowledged (timeout); look at the network and the server",
		about(now.Sub(c.flight.sign)), c.flight.documents())
}

// about rounds a duration that is a deadline and a little more, so that an
// outage's log lines are equal: each different one is logged.
func about(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

func (c *Conn) dueProgress(now time.Time) error {
	const text = "no documents acknowledged for %v although the server is alive (progress_timeout); it or what it writes to is stuck"
	if c.drains(&c.progressQueue, now) {
		return nil
	}
	if len(c.lane.client.hosts) > 1 {
		return connErrorf(c.addr, ErrNoProgress, text+", another host is used", c.cfg.ProgressTimeout)
	}
	c.warned = true
	c.log.Warn().Str("host", c.addr).Msg(fmt.Sprintf(text, c.cfg.ProgressTimeout))
	return nil
}

// writeReason is the reason when a write failed and no read told more.
func (c *Conn) writeReason() error { return c.explain(c.writeErr, "write") }
