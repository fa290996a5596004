package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/elasticsearch"
	"sluice/internal/localout"
	"sluice/logstash"
	"sluice/tailer"
)

// output is what a tailer ships to: the one output that is enabled.
type output interface {
	tailer.Output
	// open is called when the registry is ours, so that no other sluice writes
	// to the same place.
	open() error
	close() error
	// broken delivers the error after which the output works no more.
	broken() <-chan error
	status() logstash.Status
	// test tries it out and prints what it found.
	test(ctx context.Context, w io.Writer) error
}

// newOutput prepares the enabled output.
func newOutput(cfg *config.Config, log zerolog.Logger) (output, error) {
	o := cfg.Output
	kind := o.Kind()
	log = component(log, cmp.Or(kind, "output"))
	var out output
	var err error
	switch {
	case o.Logstash != nil:
		var client *logstash.Client
		client, err = logstash.New(*o.Logstash, log)
		out = remote{client}
	case o.Elasticsearch != nil:
		var client *elasticsearch.Client
		client, err = elasticsearch.New(*o.Elasticsearch, cfg.Compatibility.Version, log)
		out = indexed{client}
	case o.File != nil:
		var file *localout.Output
		file, err = localout.NewFile(*o.File, log)
		out = local{file}
	case o.Console != nil:
		var console *localout.Output
		console, err = localout.NewConsole(*o.Console, os.Stdout, log)
		out = local{console}
	default:
		return nil, cfg.NoOutput()
	}
	if err != nil {
		return nil, fmt.Errorf("output.%s: %w", kind, err)
	}
	return out, nil
}

// TestOutput tries each host of the output step by step and prints what it
// found, as `filebeat test output` does. The error of an output without hosts
// says that it can't be tested.
func TestOutput(ctx context.Context, cfg *config.Config, w io.Writer) error {
	out, err := newOutput(cfg, zerolog.Nop())
	if err != nil {
		return err
	}
	return out.test(ctx, w)
}

// shipTo sets what the tailer's documents and batches owe to the output.
func shipTo(o *config.OutputConfig, c *tailer.Config) {
	c.BatchEvents = math.MaxInt
	switch {
	case o.Logstash != nil:
		ls := o.Logstash
		c.BatchEvents = unlimited(ls.BulkMaxSize)
		c.Index = cmp.Or(ls.Index, c.Index)
		c.EscapeHTML = ls.EscapeHTML
		// A window of 1 MiB fills the link; larger ones only take memory.
		c.BatchBytes = min(c.BatchBytes, ls.MaxWindowBytes)
		c.BatchesInFlight = max(1, ls.Pipelining)
	case o.Elasticsearch != nil:
		es := o.Elasticsearch
		c.BatchEvents = unlimited(es.BulkMaxSize)
		c.EscapeHTML = es.EscapeHTML
		c.BatchBytes = min(c.BatchBytes, es.BulkMaxBytes)
		c.BatchesInFlight = 1
	case o.File != nil:
		c.EscapeHTML, c.BatchesInFlight = o.File.Codec.EscapeHTML(), 1
	case o.Console != nil:
		c.BatchEvents = unlimited(o.Console.BulkMaxSize)
		c.EscapeHTML, c.BatchesInFlight = o.Console.Codec.EscapeHTML(), 1
	}
}

// unlimited takes a bulk_max_size of 0 for no limit.
func unlimited(bulk int) int {
	if bulk <= 0 {
		return math.MaxInt
	}
	return bulk
}

// heldByBatch is how many events each of so many batches may hold, so that no
// more than queue.mem.events are read and not acknowledged.
func heldByBatch(events, batches int) int { return max(1, events/max(1, batches)) }

// remote lets the tailer use a Logstash client: neither knows the other.
type remote struct{ *logstash.Client }

func (o remote) Connect(ctx context.Context, lane int) (tailer.Conn, error) {
	c, err := o.Client.Connect(ctx, lane)
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

func (o remote) open() error             { return nil }
func (o remote) close() error            { return nil }
func (o remote) broken() <-chan error    { return nil }
func (o remote) status() logstash.Status { return o.Status() }

func (o remote) test(ctx context.Context, w io.Writer) error { return o.TestOutput(ctx, w) }

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

// indexed lets the tailer use an Elasticsearch client.
type indexed struct{ *elasticsearch.Client }

func (o indexed) Connect(ctx context.Context, lane int) (tailer.Conn, error) {
	c, err := o.Client.Connect(ctx, lane)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (o indexed) open() error          { return nil }
func (o indexed) broken() <-chan error { return nil }

func (o indexed) close() error {
	o.Close()
	return nil
}

func (o indexed) status() logstash.Status {
	s := o.Status()
	status := logstash.Status{
		Connects: s.Connects, ConnectErrors: s.ConnectErrors, Windows: s.Windows, Documents: s.Documents, Acked: s.Stored + s.Refused,
		BytesWritten: s.BytesWritten, BytesRead: s.BytesRead, ReadErrors: s.RequestErrors, LastAck: s.LastAck,
	}
	for _, h := range s.Hosts {
		status.Hosts = append(status.Hosts, logstash.HostStatus(h))
	}
	for _, l := range s.Lanes {
		status.Lanes = append(status.Lanes, logstash.LaneStatus{Host: l.Host, LastError: l.LastError})
	}
	return status
}

func (o indexed) test(ctx context.Context, w io.Writer) error { return o.TestOutput(ctx, w) }

var _ tailer.Refuser = (*elasticsearch.Conn)(nil)

// local lets the tailer write to files or standard output.
type local struct{ *localout.Output }

func (o local) Connect(ctx context.Context, lane int) (tailer.Conn, error) {
	c, err := o.Output.Connect(ctx, lane)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (o local) open() error          { return o.Open() }
func (o local) close() error         { return o.Close() }
func (o local) broken() <-chan error { return o.Broken() }

func (o local) status() logstash.Status {
	s := o.Status()
	return logstash.Status{
		Windows: s.Windows, Documents: s.Documents, Acked: s.Documents, BytesWritten: s.BytesWritten,
		WriteErrors: s.WriteErrors, LastAck: s.LastAck,
	}
}

func (o local) test(context.Context, io.Writer) error { return o.TestOutput() }
