package formatstring

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/internal/event"
)

// Format is a format string, compiled. It may be used by several goroutines.
type Format struct{ parts []part }

// part is one of text, date and field.
type part struct {
	text     string
	date     layout
	field    string
	fallback *Format // of the field; nil if it has none
}

// maxDepth bounds how far defaults may hold defaults.
const maxDepth = 20

// Parse compiles a format string. An error names the part that is wrong.
func Parse(text string) (*Format, error) {
	p := parser{rest: text}
	f, err := p.format(0)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return f, nil
}

// MissingError says that a field is missing, for which there is no default.
type MissingError struct{ Field string }

func (e *MissingError) Error() string { return "the event has no field " + e.Field }

// Append appends the text for an event; get returns a field of it, and an
// error if there is none. Without get, the event has no fields. An error is of
// type *MissingError; b is then returned as it came.
func (f *Format) Append(b []byte, at time.Time, get func(field string) (any, error)) ([]byte, error) {
	before := len(b)
	for i := range f.parts {
		p := &f.parts[i]
		var err error
		switch {
		case p.date != nil:
			b = p.date.append(b, at.UTC())
		case p.field != "":
			b, err = p.value(b, at, get)
		default:
			b = append(b, p.text...)
		}
		if err != nil {
			return b[:before], err
		}
	}
	return b, nil
}

// value appends a field or its default.
func (p *part) value(b []byte, at time.Time, get func(string) (any, error)) ([]byte, error) {
	if get != nil {
		if v, err := get(p.field); err == nil && v != nil {
			return appendValue(b, v), nil
		}
	}
	if p.fallback == nil {
		return b, &MissingError{p.field}
	}
	return p.fallback.Append(b, at, get)
}

// Fields lists the fields that the event must have.
func (f *Format) Fields() []string {
	var names []string
	for _, p := range f.parts {
		switch {
		case p.field != "" && p.fallback == nil:
			names = append(names, p.field)
		case p.fallback != nil:
			names = append(names, p.fallback.Fields()...)
		}
	}
	return names
}

// Dated tells whether the text depends on the time.
func (f *Format) Dated() bool {
	for _, p := range f.parts {
		if p.date != nil || p.fallback != nil && p.fallback.Dated() {
			return true
		}
	}
	return false
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(b, v...)
	case time.Time:
		return append(b, event.FormatTime(v)...)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	return event.AppendJSON(b, v, false)
}

// parser reads a format string.
type parser struct{ rest string }

// format reads parts up to the end, or inside a field up to its }.
func (p *parser) format(depth int) (*Format, error) {
	if depth > maxDepth {
		return nil, errors.New("defaults hold too many defaults")
	}
	f := &Format{}
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			f.parts = append(f.parts, part{text: text.String()})
			text.Reset()
		}
	}
	for p.rest != "" {
		switch {
		case p.rest[0] == '\\' && len(p.rest) > 1:
			text.WriteByte(p.rest[1])
			p.rest = p.rest[2:]
		case strings.HasPrefix(p.rest, "%{"):
			flush()
			p.rest = p.rest[2:]
			one, err := p.braces(depth)
			if err != nil {
				return nil, err
			}
			f.parts = append(f.parts, one)
		case depth > 0 && p.rest[0] == '}':
			flush()
			return f, nil
		default:
			text.WriteByte(p.rest[0])
			p.rest = p.rest[1:]
		}
	}
	if depth > 0 {
		return nil, errUnclosed
	}
	flush()
	return f, nil
}

var errUnclosed = errors.New("a %{ has no closing }; write %{[field]} or %{+yyyy.MM.dd}")

// braces reads what is behind %{ and its }.
func (p *parser) braces(depth int) (part, error) {
	if strings.HasPrefix(p.rest, "+") {
		letters, rest, closed := strings.Cut(p.rest[1:], "}")
		if !closed {
			return part{}, errUnclosed
		}
		p.rest = rest
		date, err := newLayout(letters)
		return part{date: date}, err
	}
	end := strings.IndexAny(p.rest, ":}")
	if end < 0 {
		return part{}, errUnclosed
	}
	one := part{field: fieldName(p.rest[:end])}
	if one.field == "" {
		return part{}, fmt.Errorf("%%{%s} is neither a field nor a date; write %%{[field]} or %%{+yyyy.MM.dd}", p.rest[:end])
	}
	if p.rest[end] == ':' {
		p.rest = p.rest[end+1:]
		var err error
		if one.fallback, err = p.format(depth + 1); err != nil {
			return part{}, err
		}
		end = 0
	}
	p.rest = p.rest[end+1:]
	return one, nil
}

// fieldName reads [a.b] or [a][b]; empty if it is neither.
func fieldName(text string) string {
	inner, ok := strings.CutPrefix(text, "[")
	if !ok {
		return ""
	}
	if inner, ok = strings.CutSuffix(inner, "]"); !ok {
		return ""
	}
	name := strings.ReplaceAll(inner, "][", ".")
	if strings.ContainsAny(name, "[]") {
		return ""
	}
	return name
}
