package logstash

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"sluice/internal/failover"
)

const (
	// awayLimit is how long a lane stays with another lane's host before it
	// looks at its own again (loadbalance).
	awayLimit = 5 * time.Minute
	// slowStartSize is the first window with slow_start, in documents.
	slowStartSize = 10
)

// lane is one connection after the other.
type lane struct {
	client *Client
	route  *failover.Route

	mu      sync.Mutex
	window  int   // documents, with slow_start
	conn    *Conn // the open connection, for Status
	lastErr error
}

func newLane(c *Client, index int) *lane {
	home := failover.Anywhere
	if c.cfg.LoadBalance {
		home = index % len(c.hosts)
	}
	hosts := make([]*failover.Host, len(c.hosts))
	for i, h := range c.hosts {
		hosts[i] = h.Host
	}
	backoff := failover.Backoff{Init: c.cfg.Backoff.Init, Max: c.cfg.Backoff.Max}
	return &lane{client: c, route: failover.NewRoute(hosts, home, backoff), window: slowStartSize}
}

// connect tries hosts, with the backoff's waits, until one takes the connection
// or ctx ends.
func (l *lane) connect(ctx context.Context) (*Conn, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		next, wait := l.route.Next(time.Now())
		if next == nil {
			if err := failover.Sleep(ctx, wait); err != nil {
				return nil, err
			}
			continue
		}
		host := l.client.hosts[next.Index()]
		conn, raw, err := l.client.dial(ctx, host.host)
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil, ctx.Err()
		}
		if err != nil {
			l.client.counters.connectErrors.Add(1)
			l.failed("connect", host, err, time.Now())
			continue
		}
		return l.opened(host, conn, raw, l.route.Away(next)), nil
	}
}

func (l *lane) failed(what string, h *hostState, err error, since time.Time) {
	l.route.Failed(h.Host)
	l.mu.Lock()
	l.lastErr = err
	l.mu.Unlock()
	h.Failed(l.client.log, what, err, since)
}

func (l *lane) opened(h *hostState, conn net.Conn, raw *progressConn, away bool) *Conn {
	l.client.counters.connects.Add(1)
	h.Opened(l.client.log)
	c := newConn(l, h, conn, raw, away)
	l.mu.Lock()
	l.conn = c
	l.mu.Unlock()
	c.start()
	return c
}

// progressed learns that documents were acknowledged: all is well again.
func (l *lane) progressed(h *hostState, n int, now time.Time) {
	l.client.counters.acked.Add(int64(n))
	l.client.counters.lastAck.Store(now.UnixNano())
	l.route.Worked()
	h.Worked(l.client.log)
}

// ended learns why a connection ended. acked is what it had acknowledged.
func (l *lane) ended(c *Conn, reason error, acked int, stuckSince time.Time) {
	l.mu.Lock()
	if l.conn == c {
		l.conn = nil
	}
	orderly := errors.Is(reason, ErrExpired)
	if orderly && acked > 0 {
		l.window = slowStartSize // as Filebeat: ttl begins slowly again
	}
	l.mu.Unlock()
	switch {
	case orderly:
		l.client.log.Debug().Str("host", c.addr).Msg("Connection ended in good order: " + reason.Error())
	case errors.Is(reason, ErrClosed), errors.Is(reason, context.Canceled), errors.Is(reason, context.DeadlineExceeded):
		l.client.log.Debug().Str("host", c.addr).Msg("Connection closed")
	default:
		l.shrink()
		since := time.Now()
		if errors.Is(reason, ErrNoProgress) {
			since = stuckSince // it has been of no use for that long
		}
		l.failed("publish events", c.home, reason, since)
	}
}

// windowSize returns the most documents of the next window.
func (l *lane) windowSize() int {
	bulk := l.client.cfg.bulk()
	if !l.client.cfg.SlowStart {
		return bulk
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(bulk, l.window)
}

// grow learns that a window of size documents was acknowledged (slow_start).
func (l *lane) grow(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if size >= l.window && l.window < l.client.cfg.bulk() {
		l.window = min(l.client.cfg.bulk(), l.window+(l.window+1)/2)
	}
}

func (l *lane) shrink() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.window = max(1, l.window/2)
}

// Hurry makes the next wait of a lane (0 to Lanes-1) as short as the first one.
// Who looks for a document that makes the server hang up loses connections on
// purpose: the server is not down.
func (c *Client) Hurry(lane int) {
	if lane < 0 || lane >= len(c.lanes) {
		return
	}
	c.lanes[lane].route.Hurry()
}
