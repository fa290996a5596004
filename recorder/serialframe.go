package recorder

// framer cuts the bytes of a serial port into frames: what is one record each.
type framer struct {
	auto      bool   // a frame ends in LF, CRLF or CR
	delimiter []byte // it ends so
	border    []int  // of the delimiter: see borders
	length    int    // it has so many bytes; 0: any number
	split     bool   // a frame that reaches max ends, and its rest is the next one
	max       int    // most bytes that are kept of a frame

	buf     []byte // the beginning of the current frame
	size    int    // its length so far, delimiter included
	matched int    // how much of the delimiter its end is
	partial bool   // its beginning may be missing
	afterCR bool   // a LF now belongs to the CR before it
}

// frame is what a framer has cut out.
type frame struct {
	bytes   []byte // valid until the framer goes on
	size    int    // original length; longer than bytes if that was cut
	partial bool   // its beginning or end may be missing
}

// newFramer makes the framer that the options ask for.
func newFramer(c *SerialConfig) *framer {
	f := &framer{max: int(c.MaxLine)}
	switch c.Framing {
	case framingDelimiter:
		f.delimiter, _ = unescapeBytes(c.Delimiter) // Validate has checked it
	case framingLength:
		f.length = int(c.FrameLength)
	case framingIdle:
		f.split = true
	default:
		switch c.LineTerminator {
		case terminatorLF:
			f.delimiter = []byte("\n")
		case terminatorCRLF:
			f.delimiter = []byte("\r\n")
		case terminatorCR:
			f.delimiter = []byte("\r")
		default:
			f.auto = true
		}
	}
	f.border = borders(f.delimiter)
	return f
}

// borders tells for each beginning of the delimiter which shorter one its end
// is: where to go on when the next byte does not fit (Knuth, Morris, Pratt).
func borders(d []byte) []int {
	b := make([]int, len(d))
	for i, k := 1, 0; i < len(d); i++ {
		for k > 0 && d[i] != d[k] {
			k = b[k-1]
		}
		if d[i] == d[k] {
			k++
		}
		b[i] = k
	}
	return b
}

// begin starts afresh: partial says that the first frame may have begun before.
func (f *framer) begin(partial bool) {
	f.next()
	f.partial, f.afterCR = partial, false
}

// next begins another frame.
func (f *framer) next() { f.buf, f.size, f.matched, f.partial = f.buf[:0], 0, 0, false }

// write cuts bytes; emit gets each frame that is complete and not empty.
func (f *framer) write(b []byte, emit func(frame)) {
	for _, c := range b {
		if f.auto && f.ends(c) {
			f.emit(0, emit)
			continue
		}
		if f.afterCR = false; f.auto && c == '\n' {
			continue // of a CR LF
		}
		if f.size++; len(f.buf) < f.max+len(f.delimiter) {
			f.buf = append(f.buf, c)
		}
		switch {
		case len(f.delimiter) > 0:
			if f.match(c) {
				f.emit(len(f.delimiter), emit)
			}
		case f.length > 0 && f.size == f.length:
			f.emit(0, emit)
		case f.split && f.size == f.max:
			f.partial = true
			f.emit(0, emit)
			f.partial = true
		}
	}
}

// ends says whether c ends a line, whatever kind of end that is. A LF after a
// CR is the second half of one.
func (f *framer) ends(c byte) bool {
	if c == '\n' && f.afterCR {
		return false
	}
	f.afterCR = c == '\r'
	return c == '\r' || c == '\n'
}

// match says whether c completes the delimiter.
func (f *framer) match(c byte) bool {
	for f.matched > 0 && f.delimiter[f.matched] != c {
		f.matched = f.border[f.matched-1]
	}
	if f.delimiter[f.matched] == c {
		f.matched++
	}
	return f.matched == len(f.delimiter)
}

// emit hands the current frame over, without the last bytes, which delimit it.
func (f *framer) emit(delimiter int, emit func(frame)) {
	size := f.size - delimiter
	if size > 0 {
		emit(frame{bytes: f.buf[:min(len(f.buf), size, f.max)], size: size, partial: f.partial})
	}
	f.next()
}

// flush ends the current frame where it is, if there is one. cut says that its
// end may be missing.
func (f *framer) flush(cut bool, emit func(frame)) {
	f.partial = f.partial || cut
	f.emit(0, emit)
}

// checkXOR looks for *XX at the end of a line, as SerialConfig.Checksum has it.
// body is what is before it. without says that there is none.
func checkXOR(line []byte) (body []byte, ok, without bool) {
	end := len(line)
	for end > 0 && (line[end-1] == '\r' || line[end-1] == ' ') {
		end--
	}
	if end < 3 || line[end-3] != '*' {
		return line, false, true
	}
	high, low := hexDigit(line[end-2]), hexDigit(line[end-1])
	if high > 15 || low > 15 {
		return line, false, true
	}
	body = line[:end-3]
	return body, xor(body) == high<<4|low, false
}

// xor is the exclusive or of the bytes, without a $ or ! in front.
func xor(b []byte) (sum byte) {
	if len(b) > 0 && (b[0] == '$' || b[0] == '!') {
		b = b[1:]
	}
	for _, c := range b {
		sum ^= c
	}
	return sum
}
