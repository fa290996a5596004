package logstash

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"sluice/internal/tlsconfig"
)

// settled is the age from which a connection that the server closes before it
// acknowledged anything counts as idle and not as refused.
const settled = 5 * time.Second

// readAcks is the connection's goroutine: it reads until the connection ends.
func (c *Conn) readAcks() {
	var (
		buf    [512]byte
		parser ackParser
	)
	for {
		n, err := c.conn.Read(buf[:])
		if reason := c.take(&parser, buf[:n], err); reason != nil {
			c.finish(reason)
			return
		}
	}
}

// take handles what one read returned, and returns the reason to end.
func (c *Conn) take(parser *ackParser, data []byte, readErr error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(data) > 0 {
		c.busy = now
		c.flight.sign = now
		c.silenceQueue = -1
		if err := c.feed(parser, data, now); err != nil {
			return connErrorf(c.addr, err, "%v", err)
		}
	}
	if readErr != nil && !errors.Is(readErr, os.ErrDeadlineExceeded) {
		return c.readReason(readErr, now)
	}
	if reason := c.due(now); reason != nil {
		return reason
	}
	c.arm()
	return nil
}

// feed takes all frames out of data.
func (c *Conn) feed(parser *ackParser, data []byte, now time.Time) error {
	newly := 0
	defer func() { c.deliver(newly, now) }()
	for len(data) > 0 {
		seq, rest, ok, err := parser.next(data)
		if err != nil {
			return err
		}
		data = rest
		if !ok {
			break
		}
		count, full, err := c.ackFrame(seq, now)
		newly += count
		if err != nil {
			return err
		}
		if full {
			c.warned = false
		}
	}
	return nil
}

func (c *Conn) ackFrame(seq uint32, now time.Time) (newly int, full bool, err error) {
	counters := &c.lane.client.counters
	if seq == 0 {
		counters.keepalives.Add(1)
	}
	size := 0
	if c.flight.n > 0 {
		size = c.flight.at(0).count
	}
	newly, full, err = c.flight.ack(seq, now)
	if full {
		c.lane.grow(size)
	}
	return newly, full, err
}

// deliver hands a count to the caller without ever waiting for him: what he has
// not fetched is taken back and added up. Only the ack reader sends.
func (c *Conn) deliver(newly int, now time.Time) {
	if newly == 0 {
		return
	}
	c.acked += newly
	c.progressQueue = -1
	c.lane.progressed(c.home, newly, now)
	select {
	case old := <-c.acks:
		newly += old
	default:
	}
	c.acks <- newly
}

// readReason says what the end of the stream means. The caller holds mu.
func (c *Conn) readReason(err error, now time.Time) error {
	switch {
	case c.err != nil:
		return c.err
	case c.writeErr != nil && !isAlert(err) && !(isHangup(err) && isHangup(c.writeErr)):
		return c.writeReason()
	case isAlert(err) || !isHangup(err):
		return c.explain(err, "read")
	// A window may be acknowledged in full, and the connection closed, before
	// its Send has returned: then nothing is in flight.
	case c.writeErr != nil || c.flight.n > 0 || c.acked == 0 && now.Sub(c.born) < settled:
		return c.explain(err, "read")
	}
	return connErrorf(c.addr, errors.Join(ErrExpired, err), "the server closed the idle connection")
}

// explain makes the one line out of a read or write error.
func (c *Conn) explain(err error, verb string) error {
	c.lane.client.countError(verb)
	if n := c.flight.documents(); c.acked > 0 && n > 0 && isHangup(err) {
		return connErrorf(c.addr, err, "the server closed the connection with %d documents unacknowledged (%s)", n, cause(err))
	}
	if verb == "write" && errors.Is(err, os.ErrDeadlineExceeded) {
		return connErrorf(c.addr, err, "the server took no byte for %v (timeout); look at the network and the server", c.cfg.Timeout)
	}
	return tlsconfig.Explain(err, c.addr)
}

func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// isHangup tells whether the peer, or something between, closed the connection.
func isHangup(err error) bool {
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func cause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// finish ends the connection for good: lane and host learn the reason, then the
// caller does.
func (c *Conn) finish(reason error) {
	c.end(reason)
	c.mu.Lock()
	reason = c.err
	if c.unwatch != nil {
		c.unwatch()
		c.unwatch = nil
	}
	acked, stuckSince := c.acked, c.flight.progress
	c.finished = true
	c.releaseEncoder()
	c.mu.Unlock()
	c.lane.ended(c, reason, acked, stuckSince)
	close(c.acks)
	close(c.done)
}
