package localout

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"sluice/internal/logfile"
)

// errBroken says that nothing can be written any more, ever.
var errBroken = errors.New("nobody reads it any more")

// files are the rotating files.
type files struct{ *logfile.Appender }

func (f files) write(text []byte, ends []int) (int, error) { return f.Append(text, ends) }
func (f files) close() error                               { return f.Close() }

// console is standard output.
type console struct {
	w    io.Writer
	half int // bytes of the next document that are written already
}

// write goes on where the last attempt has stopped, be it inside a document.
func (c *console) write(text []byte, ends []int) (safe int, err error) {
	n := 0
	if c.half < len(text) {
		n, err = c.w.Write(text[c.half:])
	}
	if n += c.half; n >= len(text) {
		err = nil
	}
	c.half = n
	for safe < len(ends) && ends[safe] <= n {
		c.half = n - ends[safe]
		safe++
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EBADF) || errors.Is(err, io.ErrClosedPipe) {
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	return safe, err
}

func (c *console) close() error { return nil }
