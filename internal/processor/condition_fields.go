package processor

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/event"
)

// equalTo wants a field to have a value: a string, an int64 or a bool.
type equalTo struct {
	field string
	value any
}

type equals []equalTo

func compileEquals(fields map[string]any) (test, error) {
	var list equals
	err := eachField(fields, func(name string, value any) error {
		switch v := value.(type) {
		case string, bool:
		case uint64:
			value = int64(v) // as integers of events are compared
		case int64:
		default:
			return fault("", "wants a text, an integer or a boolean, found %s", describe(value))
		}
		list = append(list, equalTo{name, value})
		return nil
	})
	return list, err
}

func (l equals) holds(e *event.Event) bool {
	return !slices.ContainsFunc(l, func(want equalTo) bool {
		v, err := e.Get(want.field)
		if err != nil {
			return true
		}
		if i, ok := integer(v); ok {
			v = i
		}
		switch v.(type) {
		case string, bool, int64:
			return v != want.value
		}
		return true
	})
}

// integer returns the value of any of Go's integers.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(v), true
	case int:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint32:
		return int64(v), true
	case int16:
		return int64(v), true
	case uint16:
		return int64(v), true
	case int8:
		return int64(v), true
	case uint8:
		return int64(v), true
	case uint:
		return int64(v), true
	}
	return 0, false
}

// describe says what a configured value is, for messages.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "a section"
	case []any:
		return "a list"
	case string:
		return strconv.Quote(v)
	}
	return fmt.Sprint(v)
}

// pattern wants a field's text to match.
type pattern struct {
	field string
	match func(text string) bool
}

type patterns []pattern

func contains(text string) (func(string) bool, error) {
	return func(s string) bool { return strings.Contains(s, text) }, nil
}

func matches(text string) (func(string) bool, error) {
	re, err := compileRegexp(text)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

// compileRegexp reads a regular expression; the error says what is wrong.
func compileRegexp(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fault("", "%q is no regular expression (RE2): %s", text, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}

func compileMatches(fields map[string]any, compile func(string) (func(string) bool, error)) (test, error) {
	var list patterns
	err := eachField(fields, func(name string, value any) error {
		text, ok := value.(string)
		if !ok {
			return fault("", "wants a text, found %s; put it in quotes", describe(value))
		}
		match, err := compile(text)
		list = append(list, pattern{name, match})
		return err
	})
	return list, err
}

func (l patterns) holds(e *event.Event) bool {
	return !slices.ContainsFunc(l, func(p pattern) bool {
		v, err := e.Get(p.field)
		return err != nil || !p.matches(v)
	})
}

func (p pattern) matches(v any) bool {
	switch v := v.(type) {
	case string:
		return p.match(v)
	case []string:
		return slices.ContainsFunc(v, p.match)
	case []any:
		return slices.ContainsFunc(v, func(item any) bool {
			text, ok := item.(string)
			return ok && p.match(text)
		})
	}
	return false
}

// limit is one bound of a range.
type limit struct {
	field string
	met   func(v float64) bool
}

type ranges []limit

// compileRange reads {field: {gte: 1}} and {field.gte: 1}.
func compileRange(fields map[string]any) (test, error) {
	var list ranges
	err := eachField(fields, func(name string, value any) error {
		field, sign := lastName(name)
		bound, ok := number(value)
		if !ok {
			return fault("", "wants a number, found %s", describe(value))
		}
		l := limit{field: field}
		switch sign {
		case "gt":
			l.met = func(v float64) bool { return v > bound }
		case "gte":
			l.met = func(v float64) bool { return v >= bound }
		case "lt":
			l.met = func(v float64) bool { return v < bound }
		case "lte":
			l.met = func(v float64) bool { return v <= bound }
		}
		if l.met == nil || field == "" {
			return fault("", "wants FIELD.gt, FIELD.gte, FIELD.lt or FIELD.lte with a number")
		}
		list = append(list, l)
		return nil
	})
	return list, err
}

func (l ranges) holds(e *event.Event) bool {
	return !slices.ContainsFunc(l, func(b limit) bool {
		v, err := e.Get(b.field)
		if err != nil {
			return true
		}
		f, ok := number(v)
		return !ok || !b.met(f)
	})
}

// number returns the value of a number, or of a text that is one.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case float32:
		return float64(v), true
	case uint64:
		return float64(v), true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	i, ok := integer(v)
	return float64(i), ok
}
