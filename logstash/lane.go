package logstash

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	// homePatience is how long the host of a lane must have been down before
	// the lane uses another one (loadbalance).
	homePatience = 10 * time.Second
	// awayLimit is how long a lane stays with another lane's host before it
	// looks at its own again (loadbalance).
	awayLimit = 5 * time.Minute
	// slowStartSize is the first window with slow_start, in documents.
	slowStartSize = 10
)

// lane is one connection after the other: it knows which host is next, and when.
type lane struct {
	client *Client
	home   int // loadbalance: index of its own host; -1: any

	mu      sync.Mutex
	current int    // failover: the host to use
	tried   []bool // hosts that failed since the last wait or ack
	backoff backoff
	window  int // documents, with slow_start

	conn    *Conn // the open connection, for Status
	lastErr error
}

func newLane(c *Client, index int) *lane {
	l := &lane{client: c, home: -1, tried: make([]bool, len(c.hosts)), backoff: backoff{cfg: c.cfg.Backoff}, window: slowStartSize}
	l.current = rand.IntN(len(c.hosts))
	if c.cfg.LoadBalance {
		l.home = index % len(c.hosts)
		l.current = l.home
	}
	return l
}

// connect tries hosts, with the backoff's waits, until one takes the connection
// or ctx ends.
func (l *lane) connect(ctx context.Context) (*Conn, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		index, wait := l.next(time.Now())
		if index < 0 {
			if err := sleep(ctx, wait); err != nil {
				return nil, err
			}
			continue
		}
		host := l.client.hosts[index]
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
		return l.opened(host, conn, raw, l.home >= 0 && index != l.home), nil
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// next returns the host to try, or -1 and how long to wait when all failed.
func (l *lane) next(now time.Time) (int, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.home >= 0 {
		l.current = l.home
	}
	if !l.tried[l.current] {
		return l.current, 0
	}
	var rest []int
	for i := range l.tried {
		if !l.tried[i] && (l.home < 0 || l.client.hosts[l.home].downFor(now) >= homePatience) {
			rest = append(rest, i)
		}
	}
	if len(rest) > 0 {
		l.current = rest[rand.IntN(len(rest))]
		return l.current, 0
	}
	clear(l.tried)
	l.current = rand.IntN(len(l.tried))
	return -1, l.backoff.next()
}

func (l *lane) failed(what string, h *hostState, err error, since time.Time) {
	l.mu.Lock()
	l.tried[h.index] = true
	l.lastErr = err
	l.mu.Unlock()
	h.failed(l.client.log, what, err, since)
}

func (l *lane) opened(h *hostState, conn net.Conn, raw *progressConn, away bool) *Conn {
	l.client.counters.connects.Add(1)
	h.opened(l.client.log)
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
	l.mu.Lock()
	clear(l.tried)
	l.backoff.reset()
	l.mu.Unlock()
	h.worked(l.client.log)
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

// backoff is the growing wait after failures: equal jitter, as in Filebeat.
type backoff struct {
	cfg     BackoffConfig
	current time.Duration
}

// next returns the next wait: between half of d and d, where d begins at twice
// init and doubles up to max.
func (b *backoff) next() time.Duration {
	if b.current == 0 {
		b.current = b.cfg.Init
	}
	b.current = min(2*b.current, b.cfg.Max)
	half := b.current / 2
	return half + time.Duration(rand.Int64N(int64(half)+1))
}

func (b *backoff) reset() { b.current = 0 }

// Hurry makes the next wait of a lane (0 to Lanes-1) as short as the first one.
// Who looks for a document that makes the server hang up loses connections on
// purpose: the server is not down.
func (c *Client) Hurry(lane int) {
	if lane < 0 || lane >= len(c.lanes) {
		return
	}
	l := c.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.backoff.reset()
}
