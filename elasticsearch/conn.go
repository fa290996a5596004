package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"

	"sluice/internal/failover"
)

var (
	// ErrClosed is the reason after Conn.Close.
	ErrClosed = errors.New("connection closed")
	// ErrNoRoom is returned by Send when Room is 0: wait for acks.
	ErrNoRoom = errors.New("no room for another window; wait for acks")
	// ErrNoDocuments is returned by Send without documents.
	ErrNoDocuments = errors.New("no documents to send")

	errNoDeadLetters = errors.New("there is no file for it: set dead_letter.path")
)

// Conn is the use of one host until that fails. Send belongs to one goroutine;
// all other methods may be called from any.
type Conn struct {
	client *Client
	lane   *lane
	node   *node
	log    zerolog.Logger
	ctx    context.Context //nolint:containedctx // the Conn's own life
	cancel context.CancelFunc
	aside  func(doc []byte, reason error) error

	acks chan int
	work sync.WaitGroup // the window in flight

	mu      sync.Mutex
	flying  bool
	ended   bool
	err     error
	backoff failover.Backoff // between requests of one window
}

func newConn(l *lane, n *node) *Conn {
	c := &Conn{
		client: l.client, lane: l, node: n, log: l.client.log, acks: make(chan int, 1),
		backoff: failover.Backoff{Init: l.client.cfg.Backoff.Init, Max: l.client.cfg.Backoff.Max},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// OnRefused says what is done with a document that the server will never take:
// fn stores it elsewhere, durably. Without it, or with an error of it, such a
// document holds up those behind it. It is called before the first Send.
func (c *Conn) OnRefused(fn func(doc []byte, reason error) error) { c.aside = fn }

func (c *Conn) setAside(doc []byte, reason error) error {
	if c.aside == nil {
		return errNoDeadLetters
	}
	if err := c.aside(doc, reason); err != nil {
		return err
	}
	c.client.counters.refused.Add(1)
	return nil
}

// Room returns how many documents the next window may hold now: bulk_max_size, or
// 0 while one is in flight and when the Conn has ended.
func (c *Conn) Room() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flying || c.err != nil {
		return 0
	}
	return c.client.cfg.bulk()
}

// Send takes the first documents of buf, at least one, at most Room and no more
// bytes than bulk_max_bytes, and sends them; it does not wait for that. Document
// i is buf[ends[i-1]:ends[i]], with ends[-1] = 0. They stay untouched until they
// are acknowledged or the Conn is closed.
func (c *Conn) Send(ctx context.Context, buf []byte, ends []int) (n int, err error) {
	if len(ends) == 0 {
		return 0, ErrNoDocuments
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return 0, c.err
	case c.flying:
		return 0, ErrNoRoom
	}
	n = min(len(ends), c.client.cfg.bulk())
	for n > 1 && ends[n-1] > c.client.cfg.BulkMaxBytes {
		n--
	}
	c.flying = true
	c.client.counters.documents.Add(int64(n))
	w := newWindow(buf, ends[:n])
	c.work.Go(func() { c.deliver(w) })
	return n, nil
}

// deliver sends a window until all of it is done, or the host has failed.
func (c *Conn) deliver(w *window) {
	for {
		err := c.request(w)
		n := w.progress()
		finished := w.done == len(w.items)
		if finished || err != nil {
			w.settle(c, finished)
		}
		if finished {
			c.client.counters.windows.Add(1)
			c.backoff.Reset()
			c.mu.Lock()
			c.flying = false
			c.mu.Unlock()
		}
		c.ack(n)
		switch {
		case err != nil:
			c.end(err)
			return
		case finished: // the next window may be on its way already
			return
		}
		if w.wait {
			w.wait = false
			if err := failover.Sleep(c.ctx, c.backoff.Next()); err != nil {
				w.settle(c, false)
				c.end(ErrClosed)
				return
			}
		}
	}
}

// request sends what is not done, once. An error is the host's.
func (c *Conn) request(w *window) error {
	batch := w.encode(c)
	if len(batch) == 0 {
		return nil
	}
	body := c.lane.encoder.finish()
	r, err := c.node.bulk(c.ctx, body, c.lane.encoder.zip != nil)
	if err != nil {
		c.client.counters.requestErrors.Add(1)
		return err
	}
	return w.take(c, batch, r)
}

// stored learns that the server has taken documents: it works.
func (c *Conn) stored(n int) {
	if n == 0 {
		return
	}
	c.backoff.Reset()
	c.lane.worked(c.node, n)
}

// ack delivers a count. Counts that are not fetched are added up.
func (c *Conn) ack(n int) {
	for n > 0 {
		select {
		case c.acks <- n:
			return
		default:
		}
		select {
		case before := <-c.acks:
			n += before
		default:
		}
	}
}

// end ends the Conn; the first reason counts.
func (c *Conn) end(reason error) {
	c.mu.Lock()
	first := !c.ended
	c.ended = true
	if c.err == nil {
		c.err = reason
	}
	reason = c.err
	c.mu.Unlock()
	if !first {
		return
	}
	if !errors.Is(reason, ErrClosed) && !errors.Is(reason, context.Canceled) {
		c.lane.failed(c.node, reason)
	}
	c.cancel()
	close(c.acks)
}

// Acks delivers counts of documents that are newly stored or set aside, in the
// order of Send. It is closed when the Conn has ended.
func (c *Conn) Acks() <-chan int { return c.acks }

// Err says why Acks was closed, nil before. The text is one line that names the
// host. Errors that are no document's fault have a method Blameless.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the Conn, and with it the request that is on its way. Closing twice
// is allowed.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.err == nil {
		c.err = ErrClosed
	}
	c.mu.Unlock()
	c.cancel()
	c.work.Wait()
	c.end(ErrClosed)
	return nil
}

// String names the host.
func (c *Conn) String() string { return fmt.Sprint(c.node) }
