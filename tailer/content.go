package tailer

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

// content is an open file and what it holds: its bytes, or those that its
// compressed bytes stand for.
type content struct {
	file *os.File
	data io.ReaderAt
	gz   bool
	// undecided says that there are too few bytes to tell what it is.
	undecided bool
}

func (c *content) close() { _ = c.file.Close() } // opened for reading: nothing to lose

// openContent opens a file for reading as the input's compression says.
func (in *input) openContent(path string) (*content, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	c := &content{file: f, data: f}
	if err := c.decide(in); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// decide looks at the first bytes, as far as the input asks for it.
func (c *content) decide(in *input) error {
	if in.compression == "" {
		return nil
	}
	var magic [2]byte
	n, err := c.file.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if c.gz = in.compression == "gzip" || n == 2 && magic == [2]byte{0x1f, 0x8b}; c.gz {
		c.data = &unzipped{file: c.file}
	}
	c.undecided = n == 0 || n == 1 && magic[0] == 0x1f
	return nil
}

// unzipped reads the content of a gzip file at any offset. Reading on is
// cheap; going back begins anew, but for the first bytes, which are kept.
type unzipped struct {
	file io.ReaderAt
	zr   *gzip.Reader
	at   int64 // of the next byte that zr gives
	head []byte
}

// errUnzip says that a file's compressed bytes are damaged or end early.
var errUnzip = errors.New("the gzip file is damaged, or not written to its end yet")

// ReadAt reads decompressed bytes; io.EOF marks the end of the content.
func (u *unzipped) ReadAt(p []byte, off int64) (int, error) {
	if int(off) < len(u.head) && off+int64(len(p)) <= int64(len(u.head)) {
		return copy(p, u.head[off:]), nil
	}
	if u.zr == nil || off < u.at {
		if err := u.rewind(); err != nil {
			return 0, err
		}
	}
	if u.at < off {
		n, err := io.CopyN(io.Discard, u.zr, off-u.at)
		u.at += n
		if err != nil {
			return 0, unzipFault(err)
		}
	}
	n, err := io.ReadFull(u.zr, p)
	if off == 0 && len(u.head) < prefixLimit {
		u.head = append(u.head[:0], p[:min(n, prefixLimit)]...)
	}
	u.at += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) && n < len(p) {
		// Either the content ends, or the file does in the midst of it.
		if _, next := u.zr.Read(make([]byte, 1)); errors.Is(next, io.EOF) {
			return n, io.EOF
		}
	}
	return n, unzipFault(err)
}

func (u *unzipped) rewind() error {
	raw := io.NewSectionReader(u.file, 0, 1<<62)
	u.at = 0
	if u.zr == nil {
		zr, err := gzip.NewReader(raw)
		if err != nil {
			return unzipFault(err)
		}
		u.zr = zr
		return nil
	}
	return unzipFault(u.zr.Reset(raw))
}

func unzipFault(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("%w: %w", errUnzip, err)
}

// feed is the content of standard input: what was read and not used yet.
type feed struct {
	pump *pump
}

// ReadAt gives what has come; io.EOF marks the end of what is there now.
func (s feed) ReadAt(p []byte, off int64) (int, error) { return s.pump.readAt(p, off) }
