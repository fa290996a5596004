package recorder

import (
	"strconv"
	"time"
)

// strftime returns what prints glibc's %c in the C locale, as mosquitto_sub's
// @c does; nil when glibc knows no such conversion.
func strftime(c byte) func(dst []byte, t time.Time) []byte {
	if layout, ok := layouts[c]; ok {
		return func(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, layout) }
	}
	return computed[c]
}

// layouts are the conversions that time.Format knows.
var layouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January",
	'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06", 'e': "_2",
	'F': "2006-01-02", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04",
	'p': "PM", 'P': "pm", 'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 'T': "15:04:05",
	'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST",
}

// computed are the others. N is mosquitto_sub's own: nanoseconds.
var computed = map[byte]func(dst []byte, t time.Time) []byte{
	'C': func(dst []byte, t time.Time) []byte { return appendDigits(dst, t.Year()/100, 2, '0') },
	'k': func(dst []byte, t time.Time) []byte { return appendDigits(dst, t.Hour(), 2, ' ') },
	'l': func(dst []byte, t time.Time) []byte { return appendDigits(dst, (t.Hour()+11)%12+1, 2, ' ') },
	'N': func(dst []byte, t time.Time) []byte { return appendDigits(dst, t.Nanosecond(), 9, '0') },
	's': func(dst []byte, t time.Time) []byte { return strconv.AppendInt(dst, t.Unix(), 10) },
	'u': func(dst []byte, t time.Time) []byte { return appendDigits(dst, (int(t.Weekday())+6)%7+1, 1, '0') },
	'w': func(dst []byte, t time.Time) []byte { return appendDigits(dst, int(t.Weekday()), 1, '0') },
	'G': func(dst []byte, t time.Time) []byte { y, _ := t.ISOWeek(); return appendDigits(dst, y, 4, '0') },
	'g': func(dst []byte, t time.Time) []byte { y, _ := t.ISOWeek(); return appendDigits(dst, y%100, 2, '0') },
	'V': func(dst []byte, t time.Time) []byte { _, w := t.ISOWeek(); return appendDigits(dst, w, 2, '0') },
	'U': func(dst []byte, t time.Time) []byte {
		return appendDigits(dst, (t.YearDay()+6-int(t.Weekday()))/7, 2, '0')
	},
	'W': func(dst []byte, t time.Time) []byte {
		return appendDigits(dst, (t.YearDay()+6-(int(t.Weekday())+6)%7)/7, 2, '0')
	},
}

func appendDigits(dst []byte, v, width int, fill byte) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], int64(v), 10)
	dst = appendFill(dst, fill, width-len(text))
	return append(dst, text...)
}

// appendUnix prints %U: seconds and nanoseconds since 1970.
func appendUnix(dst []byte, t time.Time) []byte {
	dst = strconv.AppendInt(dst, t.Unix(), 10)
	return appendDigits(append(dst, '.'), t.Nanosecond(), 9, '0')
}

// clockText keeps the text of the last second: many records share it.
type clockText struct {
	second int64
	text   []byte
}

// appendISO prints %I.
func (c *clockText) appendISO(dst []byte, t time.Time, zone *time.Location) []byte {
	if s := t.Unix(); c.text == nil || s != c.second {
		c.second = s
		c.text = t.In(zone).AppendFormat(c.text[:0], "2006-01-02T15:04:05-0700")
	}
	return append(dst, c.text...)
}
