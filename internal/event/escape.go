package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// wide says whether 8 bytes can be looked at in one register. On 32-bit ARM
// the byte table is faster: unaligned words are assembled byte by byte there.
const wide = bits.UintSize == 64

const (
	lows   = 0x0101010101010101
	highs  = 0x8080808080808080
	hexLow = "0123456789abcdef"
)

// plainByte[b] says that b may stand in a JSON string as it is and needs no
// look at its neighbours.
var plainByte = func() (t [256]bool) {
	for b := 0x20; b < 0x80; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// AppendEscaped appends s as the inside of a JSON string (RFC 8259 section 7).
// Bytes that are no UTF-8 become U+FFFD, so that the result is always valid:
// one bad byte would make Logstash drop the connection with the whole window.
// With html, the characters <, > and & are escaped too.
func AppendEscaped(b, s []byte, html bool) []byte {
	for i := 0; ; {
		run := plainRun(s[i:])
		if html {
			run = htmlRun(s[i : i+run])
		}
		b = append(b, s[i:i+run]...)
		i += run
		if i == len(s) {
			return b
		}
		var n int
		b, n = appendEscapedRune(b, s[i:], html)
		i += n
	}
}

// plainRun returns how many bytes at the start of s need no escaping.
func plainRun(s []byte) int {
	i := 0
	if wide {
		for ; i+8 <= len(s); i += 8 {
			w := binary.LittleEndian.Uint64(s[i:])
			quote := w ^ lows*'"'
			slash := w ^ lows*'\\'
			// A borrow only ever comes from a byte that is itself a hit, so the
			// lowest set bit is exact.
			if m := ((w - lows*0x20) | (quote - lows) | (slash - lows) | w) & highs; m != 0 {
				return i + bits.TrailingZeros64(m)>>3
			}
		}
	}
	for i < len(s) && plainByte[s[i]] {
		i++
	}
	return i
}

// htmlRun shortens a plain run to what comes before the first <, > or &.
func htmlRun(s []byte) int {
	for i, c := range s {
		if c == '<' || c == '>' || c == '&' {
			return i
		}
	}
	return len(s)
}

// appendEscapedRune appends the first character of s, escaped where it must
// be, and returns how many bytes of s it took.
func appendEscapedRune(b, s []byte, html bool) ([]byte, int) {
	switch c := s[0]; {
	case c >= 0x80:
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			return append(b, `\ufffd`...), 1
		}
		if html && (r == 0x2028 || r == 0x2029) {
			return append(b, '\\', 'u', '2', '0', '2', hexLow[r&15]), n
		}
		return append(b, s[:n]...), n
	case c == '"' || c == '\\':
		return append(b, '\\', c), 1
	case c == '\n':
		return append(b, '\\', 'n'), 1
	case c == '\r':
		return append(b, '\\', 'r'), 1
	case c == '\t':
		return append(b, '\\', 't'), 1
	case c < 0x20 || html && (c == '<' || c == '>' || c == '&'):
		return append(b, '\\', 'u', '0', '0', hexLow[c>>4], hexLow[c&15]), 1
	default:
		return append(b, c), 1
	}
}
