package gateway

import (
	"context"
	"errors"
	"io"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/logstash"
	"sluice/tailer"
)

// output lets the tailer use a Logstash client: neither knows the other.
type output struct{ *logstash.Client }

func (o output) Connect(ctx context.Context, lane int) (tailer.Conn, error) {
	c, err := o.Client.Connect(ctx, lane)
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

type conn struct{ *logstash.Conn }

// Send and Err mark the ends of connections that were meant to end.
func (c conn) Send(ctx context.Context, buf []byte, ends []int) (int, error) {
	n, err := c.Conn.Send(ctx, buf, ends)
	return n, mark(err)
}

func (c conn) Err() error { return mark(c.Conn.Err()) }

func mark(err error) error {
	if errors.Is(err, logstash.ErrExpired) {
		return expected{err}
	}
	return err
}

type expected struct{ error }

func (expected) Expected() bool  { return true }
func (e expected) Unwrap() error { return e.error }

var _ tailer.Expected = expected{}

// TestOutput tries each host of the output step by step and prints what it
// found, as `filebeat test output` does.
func TestOutput(ctx context.Context, cfg *config.Config, w io.Writer) error {
	if cfg.Output.Logstash == nil {
		return &config.OptionError{Option: "output", Fault: "no output is enabled; add output.logstash with its hosts"}
	}
	client, err := logstash.New(*cfg.Output.Logstash, zerolog.Nop())
	if err != nil {
		return err
	}
	return client.TestOutput(ctx, w)
}
