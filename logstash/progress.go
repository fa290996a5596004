package logstash

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// closeTimeout bounds the TLS goodbye of a connection that is closed in order.
const closeTimeout = time.Second

// progressConn is the socket below TLS. Its Write fails only when the peer takes
// not a single byte, and says nothing either, for the whole timeout: a slow but
// steady link gets as long as it needs. TLS on top of it never sees a write that
// timed out half-way.
type progressConn struct {
	net.Conn
	timeout time.Duration
	queue   sendQueue // bytes that the peer has not confirmed
	born    time.Time

	heard    atomic.Int64 // when bytes last came in, ns after born
	read     *atomic.Int64
	wrote    *atomic.Int64
	canceled atomic.Bool // the context of the current write has ended
	closing  atomic.Bool
}

func (p *progressConn) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n > 0 {
		p.heard.Store(int64(time.Since(p.born)))
		p.read.Add(int64(n))
	}
	return n, err
}

// Write writes all of b in pieces, each with a deadline of its own.
func (p *progressConn) Write(b []byte) (total int, err error) {
	for len(b) > 0 {
		wait := p.timeout
		if p.closing.Load() {
			wait = closeTimeout
		}
		started := time.Now()
		if err := p.SetWriteDeadline(started.Add(wait)); err != nil {
			return total, err
		}
		// After the deadline: cancelWrite stores first and sets its own second.
		if p.canceled.Load() {
			return total, context.Canceled
		}
		n, err := p.Conn.Write(b[:min(len(b), chunkSize)])
		total += n
		b = b[n:]
		p.wrote.Add(int64(n))
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && p.goesOn(n, started)) {
			return total, err
		}
	}
	return total, nil
}

// goesOn tells whether a write that ran into its deadline is worth another.
func (p *progressConn) goesOn(n int, started time.Time) bool {
	if p.canceled.Load() || p.closing.Load() {
		return false
	}
	return n > 0 || p.heard.Load() >= int64(started.Sub(p.born))
}

// cancelWrite ends the current write and all later ones.
func (p *progressConn) cancelWrite() {
	p.canceled.Store(true)
	_ = p.SetWriteDeadline(time.Unix(1, 0)) // fails only when closed
}

// sendQueue tells how many bytes the kernel holds that the peer has not yet
// confirmed, and false where that can't be known.
type sendQueue func() (int, bool)
