package config

import (
	"errors"
	"slices"
	"strings"
)

// nowhereError is the fault of a reference that leads nowhere, or to a keystore
// that can't be read.
type nowhereError string

func (e nowhereError) Error() string { return string(e) }

// uses tells whether a caller with these options uses an option, or a part of it.
func (o LoadOptions) uses(name string) bool { return o.Sections == nil || anyUsed(o.Sections, name) }

func anyUsed(sections []string, name string) bool {
	return slices.ContainsFunc(sections, func(s string) bool { return inside(name, s) || inside(s, name) })
}

// inside tells whether an option is a section or lies in it.
func inside(option, section string) bool {
	rest, ok := strings.CutPrefix(option, section)
	return ok && (rest == "" || rest[0] == '.')
}

// used resolves what these sections refer to. Only what is left then is excused.
func (x *expander) used(sections []string) {
	if sections == nil {
		return
	}
	for _, name := range sections {
		x.expand(x.root.find(name), name)
	}
	x.sections = append([]string{"path", "keystore"}, sections...)
}

// excused tells whether an option's reference may lead nowhere: nobody uses its
// section, of which no other fault counts then.
func (x *expander) excused(option string, err error) bool {
	var nowhere nowhereError
	if x.sections == nil || !errors.As(err, &nowhere) || anyUsed(x.sections, option) {
		return false
	}
	for i, c := range []byte(option + ".") {
		if c == '.' && !anyUsed(x.sections, option[:i]) {
			x.faults.excused = append(x.faults.excused, option[:i])
			break
		}
	}
	return true
}
