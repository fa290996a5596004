package localout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/logfile"
)

// Output is output.file or output.console.
type Output struct {
	kind  string
	log   zerolog.Logger
	codec codec
	open  func() (destination, error)

	mu     sync.Mutex
	dest   destination // nil: not open
	ill    bool        // the last attempt has failed
	warned time.Time   // of documents that are left out
	dead   error       // nothing can be written any more
	broken chan error
	status Status

	fault atomic.Pointer[Fault]
}

// destination is where the text goes. write returns how many of the documents
// are safe, the i-th of which ends at ends[i]; those behind are given again,
// the same text, after an error.
type destination interface {
	write(text []byte, ends []int) (safe int, err error)
	close() error
}

// Status is a snapshot of an Output's counters.
type Status struct {
	Windows      int64     // written, whole or in part
	Documents    int64     // written
	Unformatted  int64     // left out, as they lack a field of the format string
	BytesWritten int64     // of whole documents
	WriteErrors  int64     // failed attempts
	LastAck      time.Time // zero: none yet
	LastError    string    // why nothing can be written now; empty: it can
}

// NewFile prepares output.file; Open touches the disk.
func NewFile(cfg FileConfig, log zerolog.Logger) (*Output, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	codec, err := newCodec(&cfg.Codec, false)
	if err != nil {
		return nil, err
	}
	return newOutput("file", codec, log, func() (destination, error) {
		folder, err := cfg.folder(time.Now())
		if err != nil {
			return nil, &FieldError{"path", err.Error()}
		}
		a, err := logfile.OpenAppender(cfg.files(folder), "", codec.torn)
		if err != nil {
			return nil, &FieldError{"path", err.Error()}
		}
		return files{a}, nil
	}), nil
}

// NewConsole prepares output.console; w is standard output.
func NewConsole(cfg ConsoleConfig, w io.Writer, log zerolog.Logger) (*Output, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	codec, err := newCodec(&cfg.Codec, cfg.Pretty)
	if err != nil {
		return nil, err
	}
	return newOutput("console", codec, log, func() (destination, error) { return &console{w: w}, nil }), nil
}

func newOutput(kind string, c codec, log zerolog.Logger, open func() (destination, error)) *Output {
	return &Output{kind: kind, codec: c, log: log, open: open, broken: make(chan error, 1)}
}

// Open opens the file: it fails when that can't be, but for a full disk. Send
// may be called after it only.
func (o *Output) Open() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	dest, err := o.open()
	if err == nil {
		o.dest = dest
	}
	return err
}

// Close closes the file. Standard output stays open.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dest == nil {
		return nil
	}
	err := o.dest.close()
	o.dest = nil
	return err
}

// Kind is file or console.
func (o *Output) Kind() string { return o.kind }

// Broken delivers the error after which nothing can be written any more.
func (o *Output) Broken() <-chan error { return o.broken }

// Status returns a snapshot. It may be called at any time.
func (o *Output) Status() Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.status
}

// TestOutput fails: there is nothing to reach.
func (o *Output) TestOutput() error {
	return fmt.Errorf("the %s output doesn't support testing", o.kind)
}

// Lanes returns 1: the order of the documents is kept.
func (o *Output) Lanes() int { return 1 }

// Connect returns a Conn. It fails only when ctx ends, for which it waits when
// nothing can be written any more.
func (o *Output) Connect(ctx context.Context, _ int) (*Conn, error) {
	o.mu.Lock()
	dead := o.dead
	o.mu.Unlock()
	if dead != nil {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &Conn{out: o, acks: make(chan int, 1)}, nil
}

// Conn writes windows. It is for one goroutine.
type Conn struct {
	out  *Output
	acks chan int
	end  error

	text []byte // of the window
	ends []int
}

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	keptBuffer = 4 << 20 // a larger one is not kept
)

// Send writes documents, and tries until at least one of them is safe, ctx
// ends, or nothing can be written any more. It returns how many are safe: so
// many are acknowledged.
func (c *Conn) Send(ctx context.Context, buf []byte, ends []int) (int, error) {
	if c.end != nil {
		return 0, c.end
	}
	c.render(buf, ends)
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		n, err := c.out.write(c.text, c.ends)
		if n > 0 {
			c.acks <- n // Room has seen to it that there is room
			return n, nil
		}
		if errors.Is(err, errBroken) {
			return 0, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// render makes the text of a window. A document that can't be written has
// none.
func (c *Conn) render(buf []byte, ends []int) {
	if cap(c.text) > keptBuffer {
		c.text = nil
	}
	c.text, c.ends = c.text[:0], c.ends[:0]
	start := 0
	for _, end := range ends {
		var err error
		if c.text, err = c.out.codec.append(c.text, buf[start:end]); err != nil {
			c.out.unformatted(err)
		}
		c.ends = append(c.ends, len(c.text))
		start = end
	}
}

// unformatted counts a document that can't be written, and logs it, but not
// more often than once a minute.
func (o *Output) unformatted(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.status.Unformatted++
	if time.Since(o.warned) < time.Minute {
		return
	}
	o.warned = time.Now()
	o.log.Warn().Err(err).Int64("left_out", o.status.Unformatted).Msg("Failed to serialize the event: it is left out; give the fields of codec.format.string that may be missing a default, such as %{[field]:-}")
}

// write tries to write once, and logs when that fails for the first time, and
// when it works again.
func (o *Output) write(text []byte, ends []int) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dest == nil {
		return 0, errBroken
	}
	n, err := o.dest.write(text, ends)
	o.note(err)
	if n > 0 {
		o.status.Windows++
		o.status.Documents += int64(n)
		o.status.BytesWritten += int64(ends[n-1])
		o.status.LastAck = time.Now()
	}
	switch {
	case err == nil && o.ill:
		o.ill, o.status.LastError = false, ""
		o.log.Info().Msgf("the %s output can be written again", o.kind)
	case errors.Is(err, errBroken):
		o.status.WriteErrors++
		o.status.LastError = err.Error()
		if o.dead == nil {
			o.dead = fmt.Errorf("output.%s: %w", o.kind, err)
			o.broken <- o.dead
		}
	case err != nil:
		o.status.WriteErrors++
		o.status.LastError = err.Error()
		if !o.ill {
			o.log.Error().Err(err).Msgf("the %s output can't be written: it is tried again until it can; nothing is lost, as nothing is acknowledged", o.kind)
		}
		o.ill = true
	}
	return n, err
}

// Room is unlimited, unless an ack waits to be taken.
func (c *Conn) Room() int {
	if len(c.acks) > 0 {
		return 0
	}
	return math.MaxInt
}

// Acks delivers how many documents are safe, counted in the order of Send. It
// is closed by Close.
func (c *Conn) Acks() <-chan int { return c.acks }

// Err is nil before Close.
func (c *Conn) Err() error { return c.end }

var errClosed = errors.New("closed")

// Close ends the use of the Conn; it is for the goroutine that sends.
func (c *Conn) Close() error {
	if c.end == nil {
		c.end = errClosed
		close(c.acks)
	}
	return nil
}
