package recorder

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// appendText appends a topic or payload to a text line. What would break the
// line or not survive as text is quoted as bash's $'…' quotes: see the package
// documentation, "Text lines".
func appendText[T string | []byte](dst []byte, text T) []byte {
	if plainText(text) {
		return append(dst, text...)
	}
	dst = append(dst, "$'"...)
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\\' || c == '\'':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, c)
		case c < ' ' || c == 0x7f:
			dst = appendHexEscape(dst, c)
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRuneInString(string(text[i:min(len(text), i+utf8.UTFMax)]))
			if r == utf8.RuneError && n == 1 || breaksLine(r) {
				for _, b := range []byte(text[i : i+n]) {
					dst = appendHexEscape(dst, b)
				}
			} else {
				dst = append(dst, text[i:i+n]...)
			}
			i += n
			continue
		}
		i++
	}
	return append(dst, '\'')
}

func appendHexEscape(dst []byte, b byte) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'x', digits[b>>4], digits[b&15])
}

// breaksLine tells whether some reader takes the rune for the end of a line or
// for a terminal's control: C1 controls (NEL among them), U+2028 and U+2029.
func breaksLine(r rune) bool { return r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 }

// plainText tells whether text may stand in a line as it is.
func plainText[T string | []byte](text T) bool {
	if len(text) >= 2 && text[0] == '$' && text[1] == '\'' {
		return false
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
		if c >= utf8.RuneSelf {
			return plainUTF8(string(text[i:]))
		}
	}
	return true
}

// plainUTF8 is plainText for what has bytes above ASCII.
func plainUTF8(text string) bool {
	for i, r := range text {
		if r < ' ' && r != '\t' || r == 0x7f || breaksLine(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

// ErrQuote is the error of Unquote.
var ErrQuote = errors.New("bad quoting")

// Unquote gives back the bytes of a topic or payload (a whole %t or %p without
// width) from a text line.
func Unquote(text []byte) ([]byte, error) {
	if len(text) < 2 || text[0] != '$' || text[1] != '\'' {
		return text, nil
	}
	if len(text) < 3 || text[len(text)-1] != '\'' {
		return nil, fmt.Errorf("%w: the closing quote is missing", ErrQuote)
	}
	text = text[2 : len(text)-1]
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		if text[0] == '\'' {
			return nil, fmt.Errorf("%w: a quote inside", ErrQuote)
		}
		if text[0] != '\\' {
			out = append(out, text[0])
			text = text[1:]
			continue
		}
		b, n := unescape(text[1:])
		if n == 0 {
			return nil, fmt.Errorf("%w: unknown escape at %.4q", ErrQuote, text)
		}
		out = append(out, b)
		text = text[1+n:]
	}
	return out, nil
}

// unescape reads what follows a backslash and says how long it is; 0: unknown.
func unescape(text []byte) (b byte, n int) {
	if len(text) == 0 {
		return 0, 0
	}
	switch text[0] {
	case '\\', '\'':
		return text[0], 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 'x':
		if len(text) < 3 {
			return 0, 0
		}
		high, low := nibble(text[1]), nibble(text[2])
		if high > 15 || low > 15 {
			return 0, 0
		}
		return high<<4 | low, 3
	}
	return 0, 0
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
