package recorder

import "unicode/utf8"

// noise tells text from what a wrong baud rate makes of it: NUL, 0xFF and other
// bytes that no text has.
type noise struct {
	bytes, odd int    // since the last good line
	rest       []byte // a character that is not complete
	told       bool
}

// So many bytes, and one of four odd, are noise.
const (
	noiseBytes = 64
	noiseShare = 4
)

// hear counts bytes; it says true once for each run of noise.
func (n *noise) hear(b []byte) bool {
	n.bytes += len(b)
	text := append(n.rest, b...)
	for len(text) > 0 && utf8.FullRune(text) {
		size := textLength(text)
		if size == 0 {
			n.odd++
		}
		text = text[max(size, 1):]
	}
	n.rest = append(n.rest[:0], text...)
	if n.told || n.bytes < noiseBytes || n.odd*noiseShare < n.bytes {
		return false
	}
	n.told = true
	return true
}

// line tells of a line that is complete: one of text ends a run.
func (n *noise) line(b []byte) {
	if len(b) < 4 {
		return
	}
	for i := 0; i < len(b); {
		size := textLength(b[i:])
		if size == 0 {
			return
		}
		i += size
	}
	n.bytes, n.odd, n.told = 0, 0, false
}

// textLength is the length of the character in front; 0: no text has it.
func textLength(b []byte) int {
	r, size := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && size <= 1, r >= 0x7f && r < 0xa0:
		return 0
	case r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != 0x1b:
		return 0
	}
	return size
}
