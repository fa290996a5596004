package tailer

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// decoding says how a file's bytes become lines of UTF-8. The zero value of
// enc means that bytes are taken as they are.
type decoding struct {
	enc     encoding.Encoding
	newline []byte // the line feed in the file's encoding
	unit    int    // bytes that a character's code takes at least: 1 or 2
	bom     bool   // the byte order is told by the file's first two bytes, if they are a mark
	marked  bool   // the file begins with a mark: two bytes that are no part of its first line
	needed  bool   // without a mark the file can't be read
	utf8    bool   // only valid UTF-8 can end a line
	exact   bool   // a line's end is newline and nothing else: a carriage return before it stays
	// hopeless says that what the bytes mean can't be known: no line is sent.
	hopeless bool
	// terminator is the line's end in UTF-8.
	terminator string
}

var plainDecoding = decoding{newline: []byte{'\n'}, unit: 1, terminator: "\n"}

// charmaps are Filebeat's names that the WHATWG list spells otherwise or lacks.
var charmaps = map[string]encoding.Encoding{
	"cp437": charmap.CodePage437, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp855": charmap.CodePage855,
	"cp858": charmap.CodePage858, "cp860": charmap.CodePage860, "cp862": charmap.CodePage862, "cp863": charmap.CodePage863,
	"cp865": charmap.CodePage865, "cp866": charmap.CodePage866,
	"ebcdic-037": charmap.CodePage037, "ebcdic-1040": charmap.CodePage1140, "ebcdic-1047": charmap.CodePage1047,
	"iso8859-1": charmap.ISO8859_1, "iso8859-2": charmap.ISO8859_2, "iso8859-3": charmap.ISO8859_3, "iso8859-4": charmap.ISO8859_4,
	"iso8859-5": charmap.ISO8859_5, "iso8859-6": charmap.ISO8859_6, "iso8859-6e": charmap.ISO8859_6E, "iso8859-6i": charmap.ISO8859_6I,
	"iso8859-7": charmap.ISO8859_7, "iso8859-8": charmap.ISO8859_8, "iso8859-8e": charmap.ISO8859_8E, "iso8859-8i": charmap.ISO8859_8I,
	"iso8859-9": charmap.ISO8859_9, "iso8859-10": charmap.ISO8859_10, "iso8859-13": charmap.ISO8859_13, "iso8859-14": charmap.ISO8859_14,
	"iso8859-15": charmap.ISO8859_15, "iso8859-16": charmap.ISO8859_16,
	"koi8r": charmap.KOI8R, "koi8u": charmap.KOI8U, "macintosh": charmap.Macintosh, "macintosh-cyrillic": charmap.MacintoshCyrillic,
	"windows1250": charmap.Windows1250, "windows1251": charmap.Windows1251, "windows1252": charmap.Windows1252,
	"windows1253": charmap.Windows1253, "windows1254": charmap.Windows1254, "windows1255": charmap.Windows1255,
	"windows1256": charmap.Windows1256, "windows1257": charmap.Windows1257, "windows1258": charmap.Windows1258, "windows874": charmap.Windows874,
}

// newDecoding looks an encoding up by Filebeat's name (option encoding).
func newDecoding(name string) (decoding, error) {
	switch n := strings.ToLower(name); n {
	case "", "plain", "nop":
		return plainDecoding, nil
	case "utf-8", "utf8", "unicode-1-1-utf-8":
		// The event's encoder replaces what is no UTF-8 in any case.
		d := plainDecoding
		d.utf8 = true
		return d, nil
	case "utf-16le-bom", "utf-16le":
		return decoding{enc: unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), newline: []byte{'\n', 0}, unit: 2, bom: n == "utf-16le-bom", terminator: "\n"}, nil
	case "utf-16-bom", "utf-16be-bom", "utf-16be":
		return decoding{enc: unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), newline: []byte{0, '\n'}, unit: 2, bom: n != "utf-16be", needed: n == "utf-16-bom", terminator: "\n"}, nil
	default:
		enc := charmaps[n]
		if enc == nil {
			if enc = labelled(n); enc == nil {
				return decoding{}, fault("encoding", "%q is unknown; use plain, utf-8, utf-16-bom, iso8859-1, windows1252 or another name of Filebeat's list", name)
			}
		}
		if enc == encoding.Replacement {
			// The names of encodings that nobody should decode any more, such as
			// hz-gb-2312. Filebeat takes them and sends nothing.
			return decoding{enc: enc, newline: nowhere, unit: 1, terminator: "\n", hopeless: true}, nil
		}
		newline, err := enc.NewEncoder().Bytes([]byte{'\n'})
		if err != nil || len(newline) == 0 {
			return decoding{}, fault("encoding", "%q has no line feed, so its lines can't be told apart", name)
		}
		return decoding{enc: enc, newline: newline, unit: len(newline), terminator: "\n"}, nil
	}
}

// nowhere is a line's end that no file has.
var nowhere = []byte("\xff\xfe no line ends here")

// terminators are the values of line_terminator.
var terminators = map[string]string{
	"auto": "\n", "line_feed": "\n", "vertical_tab": "\v", "form_feed": "\f", "carriage_return": "\r",
	"carriage_return_line_feed": "\r\n", "next_line": "\u0085", "line_separator": "\u2028",
	"paragraph_separator": "\u2029", "null_terminator": "\x00",
}

// terminate sets what ends a line.
func (d *decoding) terminate(name string) error {
	end, ok := terminators[name]
	if !ok && name != "" {
		return fault("line_terminator", "%q is not known; use %s", name, strings.Join(slices.Sorted(maps.Keys(terminators)), ", "))
	}
	d.terminator = cmp.Or(end, "\n")
	d.exact = name != "" && name != "auto"
	return d.encodeTerminator()
}

// encodeTerminator writes the line's end in the file's encoding.
func (d *decoding) encodeTerminator() error {
	if d.terminator == "\n" && d.newline != nil || d.hopeless {
		return nil
	}
	if d.terminator == "\u0085" && d.enc == nil {
		// Filebeat takes the single byte 0x85, which no UTF-8 text has as a
		// character: such a file is one line without an end.
		d.newline = []byte{0x85}
		if d.utf8 {
			d.newline = nowhere
		}
		return nil
	}
	d.newline = []byte(d.terminator)
	if d.enc != nil {
		encoded, err := d.enc.NewEncoder().Bytes(d.newline)
		if err != nil || len(encoded) == 0 {
			return fault("line_terminator", "the encoding has no such character")
		}
		d.newline = encoded
	}
	return nil
}

// errNoMark says that a file of encoding utf-16-bom has no byte order mark.
var errNoMark = errors.New("encoding utf-16-bom: missing byte order mark; use utf-16be-bom or utf-16le-bom, which say what the order is then")

// resolve settles the byte order of the encodings with a mark by the file's
// first bytes. Without a mark it is what the encoding's name says.
func (d decoding) resolve(head []byte) (decoding, error) {
	if !d.bom {
		return d, nil
	}
	name := ""
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		name = "utf-16le"
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		name = "utf-16be"
	case d.needed && len(head) >= 2:
		return d, errNoMark
	default:
		return d, nil
	}
	r, _ := newDecoding(name)
	if r.terminator, r.exact, r.marked = d.terminator, d.exact, true; d.terminator != "\n" {
		_ = r.encodeTerminator() // Validate has tried it with the other order
	}
	return r, nil
}

// shown is the log.offset of a line that starts at offset. Where a byte order
// mark has told the order, Filebeat's log begins the first line behind it, and
// its filestream counts as if the mark were not there.
func (d *decoding) shown(offset int64, filestream bool) int64 {
	switch {
	case !d.marked:
		return offset
	case filestream:
		return max(0, offset-2)
	}
	return max(2, offset)
}

// cut returns the length of the first line in data without and with its line
// feed; ok is false if there is none. data starts at a character.
func (d *decoding) cut(data []byte) (line, whole int, ok bool) {
	if len(d.newline) == 1 {
		i := bytes.IndexByte(data, d.newline[0])
		return i, i + 1, i >= 0
	}
	for from := 0; ; {
		i := bytes.Index(data[from:], d.newline)
		if i < 0 {
			return 0, 0, false
		}
		if i += from; i%d.unit == 0 {
			return i, i + len(d.newline), true
		}
		from = i + 1
	}
}

// complete returns the length of the whole lines in data, which starts at a
// character.
func (d *decoding) complete(data []byte) int {
	for end := len(data); ; {
		i := bytes.LastIndex(data[:end], d.newline)
		switch {
		case i < 0:
			return 0
		case i%d.unit == 0:
			return i + len(d.newline)
		}
		end = i + len(d.newline) - 1
	}
}

// whole returns the length of text without a last character that is not
// complete yet.
func (d *decoding) whole(text []byte) int {
	n := len(text) - len(text)%d.unit
	switch {
	case d.unit == 2 && n > 0:
		high := text[n-1]
		if d.newline[0] == 0 { // big-endian
			high = text[n-2]
		}
		if high >= 0xd8 && high < 0xdc { // the first half of a pair
			n -= 2
		}
	case d.enc == nil:
		for back := 1; back <= min(n, utf8.UTFMax-1); back++ {
			if c := text[n-back]; utf8.RuneStart(c) {
				if !utf8.FullRune(text[n-back : n]) {
					n -= back
				}
				break
			}
		}
	}
	return n
}

var utf8BOM = []byte{0xef, 0xbb, 0xbf}

// text turns a line's bytes into its message: decoded, without byte order
// marks before it and without the carriage return before the line feed.
func (d *decoding) text(line []byte) []byte {
	if d.enc != nil {
		if utf8Line, err := d.enc.NewDecoder().Bytes(line); err == nil {
			line = utf8Line
		}
	}
	for bytes.HasPrefix(line, utf8BOM) {
		line = line[len(utf8BOM):]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' && !d.exact {
		line = line[:n-1]
	}
	return line
}
