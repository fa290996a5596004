package formatstring

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// layout is a date format: its elements in order; never nil once compiled.
type layout []func(b []byte, t time.Time) []byte

func (l layout) append(b []byte, t time.Time) []byte {
	for _, element := range l {
		b = element(b, t)
	}
	return b
}

// maxWidth bounds how often a letter may stand in a row.
const maxWidth = 100

// newLayout compiles letters such as yyyy.MM.dd.
func newLayout(letters string) (layout, error) {
	if letters == "" {
		return nil, fmt.Errorf("%%{+} holds no date; write for example %%{+yyyy.MM.dd}")
	}
	l := layout{}
	for i := 0; i < len(letters); {
		c := letters[i]
		n := 1
		switch {
		case c == '\'':
			text, length, err := quoted(letters[i:])
			if err != nil {
				return nil, err
			}
			l = append(l, literal(text))
			n = length
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			for i+n < len(letters) && letters[i+n] == c {
				n++
			}
			element := letter(c, n)
			if element == nil || n > maxWidth {
				return nil, fmt.Errorf("%s is no part of a date; write for example yyyy.MM.dd, and 'text' for what is to stay as it is", letters[i:i+n])
			}
			l = append(l, element)
		default:
			l = append(l, literal(letters[i:i+1]))
		}
		i += n
	}
	return l, nil
}

// quoted reads 'text', in which two quotes stand for one.
func quoted(s string) (text string, length int, err error) {
	if strings.HasPrefix(s, "''") {
		return "'", 2, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '\'':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		default:
			return b.String(), i + 1, nil
		}
	}
	return "", 0, fmt.Errorf("%s has no closing quote", s)
}

func literal(text string) func([]byte, time.Time) []byte {
	return func(b []byte, _ time.Time) []byte { return append(b, text...) }
}

// letter returns the element of n times the letter; nil if there is none.
func letter(c byte, n int) func([]byte, time.Time) []byte {
	switch c {
	case 'M':
		if n > 2 {
			return named(n > 3, "Jan", "January")
		}
	case 'E':
		return named(n > 3, "Mon", "Monday")
	case 'a':
		return named(false, "PM", "")
	case 'z', 'Z':
		return named(false, "-07:00", "")
	case 'S', 'f':
		return func(b []byte, t time.Time) []byte {
			digits := fmt.Sprintf("%09d", t.Nanosecond())
			return append(b, (digits + strings.Repeat("0", n))[:n]...)
		}
	case 'y', 'Y', 'x':
		year := func(t time.Time) int { return t.Year() }
		if c == 'x' {
			year = func(t time.Time) int { y, _ := t.ISOWeek(); return y }
		}
		return func(b []byte, t time.Time) []byte {
			if n == 2 {
				return padded(b, year(t)%100, 2)
			}
			return padded(b, year(t), n)
		}
	}
	value := number(c)
	if value == nil {
		return nil
	}
	return func(b []byte, t time.Time) []byte { return padded(b, value(t), n) }
}

// named formats with a layout of Go's.
func named(full bool, short, long string) func([]byte, time.Time) []byte {
	if full {
		short = long
	}
	return func(b []byte, t time.Time) []byte { return t.AppendFormat(b, short) }
}

// number returns what a letter counts; nil if it is none.
func number(c byte) func(time.Time) int {
	switch c {
	case 'C':
		return func(t time.Time) int { return t.Year() / 100 }
	case 'w':
		return func(t time.Time) int { _, w := t.ISOWeek(); return w }
	case 'e':
		return func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }
	case 'D':
		return time.Time.YearDay
	case 'M':
		return func(t time.Time) int { return int(t.Month()) }
	case 'd':
		return time.Time.Day
	case 'H':
		return time.Time.Hour
	case 'k':
		return func(t time.Time) int { return (t.Hour()+23)%24 + 1 }
	case 'K':
		return func(t time.Time) int { return t.Hour() % 12 }
	case 'h':
		return func(t time.Time) int { return (t.Hour()+11)%12 + 1 }
	case 'm':
		return time.Time.Minute
	case 's':
		return time.Time.Second
	case 'n':
		return time.Time.Nanosecond
	}
	return nil
}

// padded appends a number with at least n digits.
func padded(b []byte, v, n int) []byte {
	text := strconv.Itoa(v)
	for range n - len(text) {
		b = append(b, '0')
	}
	return append(b, text...)
}
