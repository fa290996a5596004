package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sluice/internal/order"
)

// position is a place in the configuration. The zero value is "nowhere".
type position struct {
	file      string // path as given, or "-E"
	order     int    // which file or override, for sorting
	line, col int    // from 1; 0 when unknown
}

func (p position) String() string {
	switch {
	case p.file == "":
		return ""
	case p.line == 0:
		return p.file
	default:
		return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.col)
	}
}

// Error is one fault of the configuration.
type Error struct {
	at     position
	Option string // full dotted name; empty for faults of a file as a whole
	Fault  string // what is wrong and how to mend it
}

// Error returns "file:line:column: option: fault".
func (e *Error) Error() string {
	var b strings.Builder
	if place := e.at.String(); place != "" {
		b.WriteString(place)
		if e.at.file == overrideName {
			b.WriteString(" ")
		} else {
			b.WriteString(": ")
		}
	}
	if e.Option != "" {
		b.WriteString(e.Option)
		b.WriteString(": ")
	}
	b.WriteString(e.Fault)
	return b.String()
}

// Field returns the option's full name.
func (e *Error) Field() string { return e.Option }

// Errors are all faults of a configuration in the order of the files' lines.
type Errors []*Error

// Error returns one line for each fault.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the single faults.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, one := range e {
		errs[i] = one
	}
	return errs
}

// faults collects Errors while a configuration is read.
type faults struct {
	list     Errors
	held     map[string]bool
	excused  []string // sections whose faults don't count
	warnings []string
}

// warn notes something odd that stops nothing.
func (f *faults) warn(at position, option, format string, args ...any) {
	f.warnings = append(f.warnings, (&Error{at: at, Option: oneLine(option), Fault: oneLine(fmt.Sprintf(format, args...))}).Error())
}

// hold makes later faults of a section as a whole count as known: one of its
// options is the reason.
func (f *faults) hold(section string) {
	if f.held == nil {
		f.held = map[string]bool{}
	}
	f.held[section] = true
}

func (f *faults) add(at position, option, format string, args ...any) {
	if slices.ContainsFunc(f.excused, func(section string) bool { return inside(option, section) }) {
		return
	}
	f.list = append(f.list, &Error{at: at, Option: oneLine(option), Fault: oneLine(fmt.Sprintf(format, args...))})
}

// oneLine replaces control characters: a fault is one line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// covers tells whether a fault of the option, of an entry of its list, or of
// a section that holds it is known already; a second one would only be noise.
func (f *faults) covers(option string) bool {
	return f.held[option] || slices.ContainsFunc(f.list, func(e *Error) bool {
		if rest, ok := strings.CutPrefix(e.Option, option+"."); ok {
			_, entry := entryNumber(rest)
			return entry
		}
		return e.Option == option || strings.HasPrefix(option, e.Option+".")
	})
}

// err returns the collected faults sorted by place, or nil.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	order.By(f.list, func(a, b *Error) int {
		if a.at.order != b.at.order {
			return a.at.order - b.at.order
		}
		if a.at.line != b.at.line {
			return a.at.line - b.at.line
		}
		return a.at.col - b.at.col
	})
	return f.list
}
