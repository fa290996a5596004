package parser

import (
	"errors"
	"strings"
)

// The kinds of parsers.
const (
	kindMultiline = "multiline"
	kindNDJSON    = "ndjson"
	kindContainer = "container"
	kindSyslog    = "syslog"
	kindInclude   = "include_message"
)

// List is the option parsers of the filestream input: lines go through them
// in turn.
type List []Entry

// Entry is one parser of a List: a section that holds one section, which is
// named multiline, ndjson, container, syslog or include_message.
type Entry struct {
	kind    string
	options any
	chosen  int
}

// Kinds lists the parsers.
func (e *Entry) Kinds() []string {
	return []string{kindMultiline, kindNDJSON, kindContainer, kindSyslog, kindInclude}
}

// Choose makes it a parser of that kind and returns its options, which have
// their defaults.
func (e *Entry) Choose(kind string) any {
	e.kind, e.chosen, e.options = kind, e.chosen+1, nil
	switch kind {
	case kindMultiline:
		c := DefaultMultiline()
		e.options = &c
	case kindNDJSON:
		e.options = &NDJSONConfig{}
	case kindContainer:
		c := DefaultContainer()
		e.options = &c
	case kindSyslog:
		c := DefaultSyslog()
		e.options = &c
	case kindInclude:
		e.options = &IncludeConfig{}
	}
	return e.options
}

// Kind is the parser's kind, empty before the choice.
func (e *Entry) Kind() string { return e.kind }

// Options are the parser's options, a pointer to one of the config structs.
func (e *Entry) Options() any { return e.options }

// Validate reports a parser that can't work.
func (e *Entry) Validate() error {
	switch {
	case e.chosen == 0:
		return &OptionError{"", "one kind of parser is needed: " + strings.Join(e.Kinds(), ", ")}
	case e.chosen > 1:
		return &OptionError{"", "more than one kind of parser is given; begin each with \"- \" of its own"}
	}
	if v, ok := e.options.(interface{ Validate() error }); ok {
		return within(e.kind, v.Validate())
	}
	return nil
}

// OptionError is a fault of one option. Option is its dotted name, relative to
// what was validated; empty for the whole.
type OptionError struct {
	Option string
	Fault  string
}

func (e *OptionError) Error() string {
	if e.Option == "" {
		return e.Fault
	}
	return e.Option + ": " + e.Fault
}

// Field returns the option's dotted name.
func (e *OptionError) Field() string { return e.Option }

// within puts a section's name before the option of an error.
func within(section string, err error) error {
	var f *OptionError
	if !errors.As(err, &f) {
		return err
	}
	option := section
	if f.Option != "" {
		option += "." + f.Option
	}
	return &OptionError{option, f.Fault}
}
