package recorder

import (
	"fmt"
	"strings"
	"time"
)

// format turns a Record into one line, without the newline at its end.
type format struct {
	text  string // the option
	parts []part // nil: json
	zone  *time.Location
	nul   bool // lines hold NUL bytes that are meant
	lines int  // newlines that the format itself writes
	now   clockText
}

// part appends one piece of a line.
type part func(f *format, dst []byte, r *Record) []byte

// maxWidth bounds field widths and precisions; mosquitto_sub has no bound and
// overflows.
const maxWidth = 10000

// compileFormat reads the option format: "json", or a format string of
// mosquitto_sub 2.0.
func compileFormat(text string) (*format, error) {
	f := &format{text: text, zone: time.Local}
	if text == "json" || text == "" {
		return f, nil
	}
	p := parser{text: text}
	if err := p.parse(); err != nil {
		return nil, err
	}
	f.parts, f.nul, f.lines = p.parts, p.nul, p.lines
	return f, nil
}

// appendLine appends the record's line, without a newline.
func (f *format) appendLine(dst []byte, r *Record) []byte {
	if f.parts == nil {
		return appendJSON(dst, r)
	}
	for _, p := range f.parts {
		dst = p(f, dst, r)
	}
	return dst
}

// parser compiles a format string.
type parser struct {
	text    string
	pos     int
	literal []byte
	parts   []part
	nul     bool
	lines   int
}

func (p *parser) fail(at int, format string, args ...any) error {
	return fmt.Errorf("%q, character %d: %s", p.text, at+1, fmt.Sprintf(format, args...))
}

func (p *parser) parse() error {
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		p.pos++
		var err error
		switch c {
		case '%':
			err = p.percent()
		case '@':
			err = p.at()
		case '\\':
			err = p.backslash()
		default:
			p.byte(c)
		}
		if err != nil {
			return err
		}
	}
	p.flush()
	if p.parts == nil { // an empty line for each record
		p.parts = []part{func(_ *format, dst []byte, _ *Record) []byte { return dst }}
	}
	return nil
}

func (p *parser) byte(c byte) {
	p.nul = p.nul || c == 0
	if c == '\n' {
		p.lines++
	}
	p.literal = append(p.literal, c)
}

func (p *parser) flush() {
	if len(p.literal) == 0 {
		return
	}
	text := string(p.literal)
	p.literal = p.literal[:0]
	p.parts = append(p.parts, func(_ *format, dst []byte, _ *Record) []byte { return append(dst, text...) })
}

func (p *parser) add(fn part) {
	p.flush()
	p.parts = append(p.parts, fn)
}

// escapes are the letters after a backslash.
var escapes = map[byte]byte{'\\': '\\', '0': 0, 'a': 7, 'e': 27, 'n': '\n', 'r': '\r', 't': '\t', 'v': 11}

func (p *parser) backslash() error {
	if p.pos == len(p.text) {
		return p.fail(p.pos-1, "a backslash at the end; write \\\\ for a backslash")
	}
	c := p.text[p.pos]
	p.pos++
	b, ok := escapes[c]
	if !ok {
		return p.fail(p.pos-2, "unknown escape \\%c; there are \\\\ \\0 \\a \\e \\n \\r \\t \\v", printable(c))
	}
	p.byte(b)
	return nil
}

func (p *parser) at() error {
	if p.pos == len(p.text) {
		return p.fail(p.pos-1, "an @ at the end; write @@ for an @")
	}
	c := p.text[p.pos]
	p.pos++
	switch c {
	case '@':
		p.byte('@')
	case 'n':
		p.byte('\n')
	case 't':
		p.byte('\t')
	case '%':
		p.byte('%')
	default:
		fn := strftime(c)
		if fn == nil { // as glibc: what is no conversion is printed as it stands
			p.byte('%')
			p.byte(c)
			return nil
		}
		p.add(func(f *format, dst []byte, r *Record) []byte { return fn(dst, r.Time.In(f.zone)) })
	}
	return nil
}

// spec is what stands between % and its letter.
type spec struct {
	left      bool // -
	zero      bool // 0
	width     int
	precision int // -1: none
}

func (p *parser) percent() error {
	start := p.pos - 1
	s := spec{precision: -1}
	if p.pos < len(p.text) && (p.text[p.pos] == '-' || p.text[p.pos] == '0') {
		s.left, s.zero = p.text[p.pos] == '-', p.text[p.pos] == '0'
		p.pos++
	}
	var err error
	if s.width, err = p.number(); err != nil {
		return err
	}
	if p.pos < len(p.text) && p.text[p.pos] == '.' {
		p.pos++
		if s.precision, err = p.number(); err != nil {
			return err
		}
	}
	if p.pos == len(p.text) {
		return p.fail(start, "an incomplete %% conversion; write %%%% for a percent sign")
	}
	c := p.text[p.pos]
	p.pos++
	if c == '%' {
		p.byte('%')
		return nil
	}
	fn := s.conversion(c)
	if fn == nil {
		return p.fail(start, "unknown conversion %q; there are %%%% and %% with one of %s", string(printable(c)), strings.Join(strings.Split(conversions, ""), " "))
	}
	p.add(fn)
	return nil
}

func (p *parser) number() (int, error) {
	start, n := p.pos, 0
	for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
		n = n*10 + int(p.text[p.pos]-'0')
		if n > maxWidth {
			return 0, p.fail(start, "a width or precision above %d", maxWidth)
		}
		p.pos++
	}
	return n, nil
}

func printable(c byte) rune {
	if c < ' ' || c > '~' {
		return '?'
	}
	return rune(c)
}
