package tailer

// batch is a run of encoded documents in one buffer, with what is needed to
// commit any prefix of them. A lane owns a fixed number of batches and uses
// them again, so that steady traffic allocates nothing.
type batch struct {
	buf  []byte
	ends []int   // ends[i] is where document i ends in buf
	offs []int64 // offs[i] is the file offset that the ack of document i covers
	// spans say to which files the documents belong, in order.
	spans []span

	sent, acked int // documents handed to the connection / acknowledged
	committed   int // spans that are committed completely
}

// span is a run of documents from one file.
type span struct {
	file *file
	// life is the file's life that the documents belong to; see file.life.
	life uint32
	// end is the number of the batch's documents up to and with this span's.
	end int
	// skipped is the offset behind lines that came after the span's last
	// document and were filtered; 0 if there are none.
	skipped int64
}

// slack is what a batch's buffer holds beyond BatchBytes: the document that
// fills it.
const slack = 64 << 10

// newBatch makes a batch for so many bytes. They are reserved at once: growth
// would leave copies for the collector, while memory that was never touched
// costs nothing.
func newBatch(size int) *batch { return &batch{buf: make([]byte, 0, size+slack)} }

// reset empties the batch. A buffer that grew for an outlier (a 10 MiB line)
// must not stay in memory for years.
func (b *batch) reset(size int) {
	if cap(b.buf) > 2*(size+slack) {
		b.buf = make([]byte, 0, size+slack)
	}
	clear(b.spans) // let go of the files
	*b = batch{buf: b.buf[:0], ends: b.ends[:0], offs: b.offs[:0], spans: b.spans[:0]}
}

func (b *batch) len() int    { return len(b.ends) }
func (b *batch) empty() bool { return len(b.spans) == 0 }

// span returns the span that takes the next document of a file.
func (b *batch) span(f *file, life uint32) *span {
	if n := len(b.spans); n > 0 {
		if s := &b.spans[n-1]; s.file == f && s.life == life {
			return s
		}
	}
	b.spans = append(b.spans, span{file: f, life: life, end: b.len()})
	return &b.spans[len(b.spans)-1]
}

// add records the document that was appended to buf last.
func (b *batch) add(f *file, life uint32, end int64) {
	s := b.span(f, life)
	b.ends = append(b.ends, len(b.buf))
	b.offs = append(b.offs, end)
	s.end, s.skipped = b.len(), 0
}

// skip records that the file's lines up to end were read and filtered.
func (b *batch) skip(f *file, life uint32, end int64) {
	b.span(f, life).skipped = end
}

// moveLast moves the last document to an empty batch.
func (b *batch) moveLast(to *batch) {
	n := b.len() - 1
	s := &b.spans[len(b.spans)-1]
	from := 0
	if n > 0 {
		from = b.ends[n-1]
	}
	to.buf = append(to.buf, b.buf[from:]...)
	to.add(s.file, s.life, b.offs[n])
	b.buf, b.ends, b.offs = b.buf[:from], b.ends[:n], b.offs[:n]
	if s.end--; len(b.spans) == 1 && s.end == 0 || len(b.spans) > 1 && b.spans[len(b.spans)-2].end == s.end {
		b.spans = b.spans[:len(b.spans)-1]
	}
}

// unsent returns the documents that were not handed to the connection yet;
// the ends count from the start of the returned buffer.
func (b *batch) unsent(scratch []int, limit int) (buf []byte, ends []int) {
	from := 0
	if b.sent > 0 {
		from = b.ends[b.sent-1]
	}
	for _, e := range b.ends[b.sent : b.sent+min(b.len()-b.sent, limit)] { // limit may be the largest number
		scratch = append(scratch, e-from)
	}
	return b.buf[from : from+scratch[len(scratch)-1]], scratch
}

// document returns document i.
func (b *batch) document(i int) []byte {
	if i == 0 {
		return b.buf[:b.ends[0]]
	}
	return b.buf[b.ends[i-1]:b.ends[i]]
}

// commit records in the registry what n more acknowledged documents cover.
func (b *batch) commit(n int) {
	b.acked += n
	for ; b.committed < len(b.spans); b.committed++ {
		s := &b.spans[b.committed]
		start := 0
		if b.committed > 0 {
			start = b.spans[b.committed-1].end
		}
		done := min(b.acked, s.end)
		if done > start {
			s.file.commit(s.life, b.offs[done-1])
		}
		if b.acked < s.end {
			return
		}
		if s.skipped > 0 {
			s.file.commit(s.life, s.skipped)
		}
	}
}

// done says whether every document is acknowledged.
func (b *batch) done() bool { return b.acked == b.len() && b.committed == len(b.spans) }
