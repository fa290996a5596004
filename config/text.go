package config

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// checkText says what keeps a file from being YAML text before the parser
// does, which tells no line and no mend. Line and column are 0 for the file as
// a whole; fault is empty for good text.
func checkText(data []byte) (line, col int, fault string) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return 0, 0, "the file is UTF-16 text; save it as UTF-8"
	}
	line, col = 1, 1
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return line, col, fmt.Sprintf("the byte 0x%02x is no UTF-8 text; save the file as UTF-8", data[i])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			return line, col, fmt.Sprintf("the control character 0x%02x can't stand in a configuration; remove it, or restore the file if it is damaged", r)
		case r == '\n':
			line, col = line+1, 0
		}
		col++
		i += n
	}
	return 0, 0, ""
}
