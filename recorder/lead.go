package recorder

import (
	"bytes"
	"strconv"
	"time"
)

// lead finds the time with which the lines of a format begin, and writes
// another one in its place.
type lead struct {
	format *format
	json   string // the text before the time: format json, %j and %J
	layout string // of the time in JSON
	pieces []piece
}

// piece is a literal byte, or a conversion that prints a time.
type piece struct {
	literal string
	layout  string // of time.Format, all of one length
	unix    bool   // seconds since 1970
	nanos   bool   // nine digits
	iso     bool   // %I
}

const (
	jsonTime     = `{"time":"`
	jsonLayout   = "2006-01-02T15:04:05.000000000Z"
	mosquittoTST = `{"tst":"`
	tstLayout    = "2006-01-02T15:04:05.000000Z-0700"
	isoLayout    = "2006-01-02T15:04:05-0700"
)

// newLead compiles a format; nil if its lines do not begin with a time that can
// be read back.
func newLead(text string) *lead {
	f, err := compileFormat(text)
	if err != nil {
		return nil
	}
	switch {
	case f.parts == nil:
		return &lead{format: f, json: jsonTime, layout: jsonLayout}
	case text == "%j" || text == "%J":
		return &lead{format: f, json: mosquittoTST, layout: tstLayout}
	}
	l := &lead{format: f}
	exact := false // date and time of day are among the pieces
	for rest := text; rest != ""; {
		p, n := nextPiece(rest)
		if n == 0 {
			break
		}
		exact = exact || p.unix || p.iso
		l.pieces, rest = append(l.pieces, p), rest[n:]
	}
	if !exact && !l.complete() {
		return nil
	}
	return l
}

// complete says whether a date and a time of day can be read from the pieces.
func (l *lead) complete() bool {
	var layout string
	for _, p := range l.pieces {
		layout += p.layout
	}
	for _, part := range []string{"2006", "01", "02", "15", "04", "05"} {
		if !bytes.Contains([]byte(layout), []byte(part)) {
			return false
		}
	}
	return true
}

// readable are the conversions of strftime that print parts of a time in a text
// of one length, which can be read back.
const readable = "FTYmdHMSzR"

// nextPiece reads one element of a format string; n 0: it prints no time.
func nextPiece(text string) (p piece, n int) {
	if len(text) == 1 || text[0] != '%' && text[0] != '@' {
		if text[0] == '%' || text[0] == '@' || text[0] == '\\' {
			return p, 0
		}
		return piece{literal: text[:1]}, 1
	}
	switch c := text[1]; {
	case text[0] == '%' && c == 'I':
		return piece{layout: isoLayout, iso: true}, 2
	case text[0] == '%' && c == 'U':
		return piece{unix: true, nanos: true}, 2
	case text[0] == '%' || c == '%' || c == '@' || c == 'n' || c == 't':
		return p, 0
	case c == 's':
		return piece{unix: true}, 2
	case c == 'N':
		return piece{nanos: true}, 2
	case bytes.IndexByte([]byte(readable), c) >= 0:
		return piece{layout: layouts[c]}, 2
	}
	return p, 0
}

// move adds shift to the time of a line.
func (l *lead) move(line []byte, shift time.Duration) (moved []byte, original string, ok bool) {
	if l.json != "" {
		return l.moveJSON(line, shift)
	}
	at, n, ok := l.parse(line)
	if !ok {
		return line, "", false
	}
	moved = make([]byte, 0, len(line)+8)
	for _, p := range l.pieces {
		moved = p.print(moved, at.Add(shift))
	}
	before, after := l.margins()
	return append(moved, line[n:]...), string(line[before : n-after]), true
}

// margins are the lengths of the literals before and after the time.
func (l *lead) margins() (before, after int) {
	for before < len(l.pieces) && l.pieces[before].literal != "" {
		before++ // a literal piece is one byte
	}
	for after < len(l.pieces)-before && l.pieces[len(l.pieces)-1-after].literal != "" {
		after++
	}
	return before, after
}

// moveJSON does so in an object, and keeps the original beside it.
func (l *lead) moveJSON(line []byte, shift time.Duration) (moved []byte, original string, ok bool) {
	rest, found := bytes.CutPrefix(line, []byte(l.json))
	end := bytes.IndexByte(rest, '"')
	if !found || end < 0 {
		return line, "", false
	}
	original = string(rest[:end])
	zone := l.format.zone
	if l.layout == jsonLayout {
		zone = time.UTC
	}
	at, err := time.ParseInLocation(l.layout, original, zone)
	if err != nil {
		return line, "", false
	}
	moved = append(make([]byte, 0, len(line)+64), l.json...)
	moved = at.Add(shift).AppendFormat(moved, l.layout)
	name := bytes.Trim([]byte(l.json), `{":`)
	moved = append(moved, `","`...)
	moved = append(append(moved, name...), `_original":"`...)
	moved = append(append(moved, original...), '"')
	return append(moved, rest[end+1:]...), original, true
}

// parse reads the time at the beginning of a line, which takes n bytes.
func (l *lead) parse(line []byte) (at time.Time, n int, ok bool) {
	var layout, value []byte
	var nanos time.Duration
	unix := int64(-1)
	rest := line
	for _, p := range l.pieces {
		var took int
		switch {
		case p.literal != "":
			if !bytes.HasPrefix(rest, []byte(p.literal)) {
				return at, 0, false
			}
			took = len(p.literal)
		case p.unix || p.nanos:
			if took, ok = p.number(rest, &unix, &nanos); !ok {
				return at, 0, false
			}
		default:
			if took = len(p.layout); len(rest) < took {
				return at, 0, false
			}
			layout = append(append(layout, p.layout...), ' ')
			value = append(append(value, rest[:took]...), ' ')
		}
		rest = rest[took:]
	}
	n = len(line) - len(rest)
	if unix >= 0 {
		return time.Unix(unix, int64(nanos)).In(l.format.zone), n, true
	}
	at, err := time.ParseInLocation(string(layout), string(value), l.format.zone)
	return at.Add(nanos).In(l.format.zone), n, err == nil
}

// number reads seconds since 1970, nanoseconds, or both.
func (p piece) number(text []byte, unix *int64, nanos *time.Duration) (n int, ok bool) {
	if p.unix {
		for n < len(text) && text[n] >= '0' && text[n] <= '9' {
			n++
		}
		v, err := strconv.ParseInt(string(text[:n]), 10, 64)
		if err != nil {
			return 0, false
		}
		*unix = v
	}
	if !p.nanos {
		return n, true
	}
	if p.unix {
		if n >= len(text) || text[n] != '.' {
			return 0, false
		}
		n++
	}
	if len(text) < n+9 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(text[n:n+9]), 10, 32)
	*nanos = time.Duration(v)
	return n + 9, err == nil
}

// print writes the piece for a time.
func (p piece) print(dst []byte, t time.Time) []byte {
	switch {
	case p.literal != "":
		return append(dst, p.literal...)
	case p.unix && p.nanos:
		return appendUnix(dst, t)
	case p.unix:
		return strconv.AppendInt(dst, t.Unix(), 10)
	case p.nanos:
		return appendDigits(dst, t.Nanosecond(), 9, '0')
	}
	return t.AppendFormat(dst, p.layout)
}
