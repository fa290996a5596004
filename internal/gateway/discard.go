package gateway

import (
	"context"

	"sluice/tailer"
)

// discard is an output that sends nothing: every document counts as
// acknowledged at once (TailerOptions.Discard).
type discard struct{ output }

func (discard) open() error          { return nil }
func (discard) close() error         { return nil }
func (discard) broken() <-chan error { return nil }

func (discard) Connect(context.Context, int) (tailer.Conn, error) {
	return &discarding{acks: make(chan int, 1)}, nil
}

// discarding is a connection that leads nowhere. It takes one window at a
// time, so that there is always room for its acknowledgement.
type discarding struct{ acks chan int }

func (c *discarding) Send(ctx context.Context, _ []byte, ends []int) (int, error) {
	select {
	case c.acks <- len(ends):
		return len(ends), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Room is unlimited, but for an acknowledgement that nobody has taken yet.
func (c *discarding) Room() int {
	if len(c.acks) > 0 {
		return 0
	}
	return 1 << 20
}

func (c *discarding) Acks() <-chan int { return c.acks }
func (c *discarding) Err() error       { return nil }
func (c *discarding) Close() error     { close(c.acks); return nil }
