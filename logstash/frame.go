package logstash

import (
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"

	"sluice/internal/deflate"
)

// Codes of the Lumberjack v2 protocol; the package documentation has the frames.
const (
	codeVersion    = '2'
	codeWindow     = 'W'
	codeJSON       = 'J'
	codeCompressed = 'C'
	codeAck        = 'A'

	jsonHeader   = 10        // '2' 'J' seq len
	eventCost    = 8         // what Logstash's batch buffer adds to a document
	chunkSize    = 16 << 10  // one write, and one TLS record
	keepCapacity = 512 << 10 // a larger stream buffer is given back when little of it is used
)

// compressor makes one zlib stream out of many frames. It is used again and
// again; nothing is allocated once its buffers have grown.
type compressor interface {
	// Reset begins a new stream; the slice of the last Finish becomes invalid.
	Reset()
	// Append adds a frame's header and document.
	Append(header, doc []byte)
	// Finish returns the whole stream, valid until Reset.
	Finish() []byte
}

// newCompressor chooses the implementation for a level of 1 to 9: up to
// Filebeat's default of 3 the encoder that knows that events resemble each
// other, above it one that searches harder for less bytes.
func newCompressor(level int) compressor {
	if level <= deflate.MaxLevel {
		return deflate.NewWriter(level)
	}
	z := &zlibStream{}
	w, err := zlib.NewWriterLevel(z, level)
	if err != nil {
		panic("logstash: compression_level was not validated: " + err.Error())
	}
	z.w = w
	return z
}

// zlibStream is a compressor for the levels above deflate's.
type zlibStream struct {
	w   *zlib.Writer
	out []byte
}

func (z *zlibStream) Reset() {
	if cap(z.out) > keepCapacity && len(z.out) < cap(z.out)/4 {
		z.out = nil
	}
	z.out = z.out[:0]
	z.w.Reset(z)
}

// Write collects the stream; it never fails, so neither does the zlib.Writer.
func (z *zlibStream) Write(p []byte) (int, error) {
	z.out = append(z.out, p...)
	return len(p), nil
}

func (z *zlibStream) Append(header, doc []byte) {
	_, _ = z.w.Write(header) // see Write
	_, _ = z.w.Write(doc)
}

func (z *zlibStream) Finish() []byte {
	_ = z.w.Close() // see Write
	return z.out
}

// encoder writes windows. It belongs to one connection at a time and is handed
// on to the next, since its compressor is large.
type encoder struct {
	zip    compressor // nil: level 0
	chunk  []byte     // what the next write begins with
	header [jsonHeader]byte
}

func newEncoder(level int) *encoder {
	e := &encoder{chunk: make([]byte, 0, chunkSize)}
	if level > 0 {
		e.zip = newCompressor(level)
	}
	return e
}

// write sends one window with all documents: document i is
// buf[ends[i-1]:ends[i]].
func (e *encoder) write(w io.Writer, buf []byte, ends []int) error {
	e.chunk = append(e.chunk[:0], codeVersion, codeWindow)
	e.chunk = binary.BigEndian.AppendUint32(e.chunk, uint32(len(ends)))
	if e.zip == nil {
		return e.writePlain(w, buf, ends)
	}
	return e.writeCompressed(w, buf, ends)
}

// frameHeader returns the header of the J frame for document i of the window.
func (e *encoder) frameHeader(i, size int) []byte {
	e.header[0], e.header[1] = codeVersion, codeJSON
	binary.BigEndian.PutUint32(e.header[2:], uint32(i+1))
	binary.BigEndian.PutUint32(e.header[6:], uint32(size))
	return e.header[:]
}

func (e *encoder) writePlain(w io.Writer, buf []byte, ends []int) error {
	start := 0
	for i, end := range ends {
		if err := e.add(w, e.frameHeader(i, end-start)); err != nil {
			return err
		}
		if err := e.add(w, buf[start:end]); err != nil {
			return err
		}
		start = end
	}
	return e.flush(w)
}

// add puts p into the chunk and writes chunks as they fill up.
func (e *encoder) add(w io.Writer, p []byte) error {
	for len(p) > cap(e.chunk)-len(e.chunk) {
		if len(e.chunk) == 0 {
			_, err := w.Write(p)
			return err
		}
		n := cap(e.chunk) - len(e.chunk)
		e.chunk = append(e.chunk, p[:n]...)
		p = p[n:]
		if err := e.flush(w); err != nil {
			return err
		}
	}
	e.chunk = append(e.chunk, p...)
	return nil
}

func (e *encoder) flush(w io.Writer) error {
	if len(e.chunk) == 0 {
		return nil
	}
	_, err := w.Write(e.chunk)
	e.chunk = e.chunk[:0]
	return err
}

func (e *encoder) writeCompressed(w io.Writer, buf []byte, ends []int) error {
	e.zip.Reset()
	start := 0
	for i, end := range ends {
		e.zip.Append(e.frameHeader(i, end-start), buf[start:end])
		start = end
	}
	stream := e.zip.Finish()
	e.chunk = append(e.chunk, codeVersion, codeCompressed)
	e.chunk = binary.BigEndian.AppendUint32(e.chunk, uint32(len(stream)))
	first := min(len(stream), cap(e.chunk)-len(e.chunk))
	e.chunk = append(e.chunk, stream[:first]...)
	if err := e.flush(w); err != nil || first == len(stream) {
		return err
	}
	_, err := w.Write(stream[first:])
	return err
}

// prefix returns how many of the documents fit into one window of at most room
// documents and limit bytes, at least one.
func prefix(ends []int, room, limit int) int {
	n, used, start := 0, 0, 0
	for n < min(room, len(ends)) {
		used += eventCost + ends[n] - start
		if n > 0 && used > limit {
			break
		}
		start = ends[n]
		n++
	}
	return n
}

// checkDocuments refuses what would make the server drop the connection.
func checkDocuments(buf []byte, ends []int) error {
	start := 0
	for i, end := range ends {
		if end <= start || end > len(buf) {
			return fmt.Errorf("document %d of the window ends at byte %d of %d and begins at %d; empty documents can't be sent", i, end, len(buf), start)
		}
		start = end
	}
	return nil
}
