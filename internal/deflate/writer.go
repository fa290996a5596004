package deflate

import "encoding/binary"

const (
	// winSize is the capacity of the window in bytes.
	winSize = 128 << 10

	// maxRecords is how many record begins are remembered before the parser
	// must run.
	maxRecords = 512

	// keepOutput is the capacity in bytes that the output always may keep, and
	// keepStreams how many small streams in a row end the keeping of more.
	keepOutput  = 64 << 10
	keepStreams = 8
)

// Levels of NewWriter.
const (
	MinLevel = 1
	MaxLevel = 3
)

// begin is where a record begins in the window, and the distance to the begin
// of the record before it: 0 if there is none within reach.
type begin struct{ at, distance int32 }

// Writer compresses a stream of records. It is not safe for concurrent use.
type Writer struct {
	n          int // bytes in win
	parsed     int // bytes in win that the parser has taken
	blockStart int // index in win of the block's first byte; negative: it is gone
	prevLen    int // length of the newest record in bytes
	nbegins    int
	begins     [maxRecords]begin // of the records in win that are not parsed
	sum        adler
	finished   bool
	small      int // streams in a row that needed little of the output's capacity

	bw  bitWriter
	blk block
	lz  matcher
	win [winSize + slack]byte
}

// NewWriter returns a Writer with an empty stream. A level below MinLevel counts
// as MinLevel, one above MaxLevel as MaxLevel:
//
//	1  asks the tables once at each position of a gap
//	2  also looks for a nearer or longer match where one continues, and
//	   remembers more positions: 1 % fewer bytes for short events (one
//	   changing line in a constant frame), 3 % for documents with many changing
//	   fields, up to 10 % more time
//	3  also looks up to 5 bytes ahead for a longer match, searches shorter gaps
//	   and remembers all positions of short matches: another 1 to 2 % for both,
//	   3 to 5 % for free text, 10 to 20 % more time
func NewWriter(level int) *Writer {
	w := new(Writer)
	w.lz.effort = efforts[min(max(level, MinLevel), MaxLevel)-MinLevel]
	w.Reset()
	return w
}

// Reset drops the stream and starts an empty one. What Finish returned is no
// longer valid.
func (w *Writer) Reset() {
	w.shrink()
	w.n, w.parsed, w.blockStart, w.prevLen, w.nbegins = 0, 0, 0, 0, 0
	w.finished = false
	w.sum.reset()
	w.blk.reset()
	w.lz.reset()
	// Method 8, window 32 KiB, FLEVEL 0 (RFC 1950, section 2.2).
	w.bw.reset(0x78, 0x01)
}

// shrink gives an output space back that was needed only once.
func (w *Writer) shrink() {
	if cap(w.bw.out) <= keepOutput || len(w.bw.out) >= cap(w.bw.out)/4 {
		w.small = 0
		return
	}
	if w.small++; w.small == keepStreams {
		w.small = 0
		w.bw.out = nil
	}
}

// Append adds one record: the bytes of header and doc, which are copied. Either
// may be empty. It panics after Finish until Reset is called.
func (w *Writer) Append(header, doc []byte) {
	if w.finished {
		panic("deflate: Append after Finish without Reset")
	}
	n := len(header) + len(doc)
	if n == 0 {
		return
	}
	w.mark(n)
	w.fill(header)
	w.fill(doc)
}

// mark notes that a record of n bytes begins here.
func (w *Writer) mark(n int) {
	if w.n == winSize {
		w.parse()
		w.slide()
	}
	if w.nbegins == maxRecords {
		w.parse()
	}
	d := w.prevLen
	if d > maxDistance {
		d = 0
	}
	w.begins[w.nbegins] = begin{int32(w.n), int32(d)}
	w.nbegins++
	w.prevLen = n
}

// fill copies p into the window.
func (w *Writer) fill(p []byte) {
	for {
		n := copy(w.win[w.n:winSize], p)
		w.n += n
		p = p[n:]
		if len(p) == 0 {
			return
		}
		w.parse()
		w.slide()
	}
}

// slide makes room in the full, parsed window. It keeps the history that
// matches may reach, or all of the block if it might be stored.
func (w *Writer) slide() {
	keep := maxDistance
	if span := w.n - w.blockStart; span > keep && span <= maxStored {
		keep = span
	}
	drop := w.n - keep
	copy(w.win[:keep], w.win[drop:w.n])
	w.n -= drop
	w.parsed -= drop
	w.blockStart -= drop
	w.lz.slide(drop)
}

// Finish ends the stream and returns it, complete. The bytes belong to the Writer
// and are valid until Reset. Further calls return the same.
func (w *Writer) Finish() []byte {
	if w.finished {
		return w.bw.out
	}
	w.finished = true
	w.parse()
	w.endBlock(true)
	w.bw.align()
	w.bw.out = binary.BigEndian.AppendUint32(w.bw.out, w.sum.sum())
	return w.bw.out
}

// endBlock writes the block and starts the next one.
func (w *Writer) endBlock(final bool) {
	var raw []byte
	if w.blockStart >= 0 && w.lz.lit-w.blockStart <= maxStored {
		raw = w.win[w.blockStart:w.lz.lit]
	}
	w.blk.write(&w.bw, raw, final)
	w.blockStart = w.lz.lit
}
