package processor

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// List is what the option processors holds, in the order of the processors.
type List []Entry

// Entry is one processor, or an if with processors. It is read as a section
// of one of several kinds: {add_tags: {tags: [a]}}.
type Entry struct {
	// If is a condition that chooses between then and else.
	If *Condition `config:"if"`
	// Then are the processors for events that meet the condition.
	Then List `config:"then"`
	// Else are the processors for events that don't. Default: none.
	Else List `config:"else"`

	kind    string
	options options
	chosen  int
}

// kinds are all kinds by name; aliases included.
func kindOf(name string) func() options {
	if make := coreKinds[name]; make != nil {
		return make
	}
	return restKinds[name]
}

// Kinds lists the processors' names.
func (e *Entry) Kinds() []string {
	names := append(slices.Collect(maps.Keys(coreKinds)), slices.Collect(maps.Keys(restKinds))...)
	slices.Sort(names)
	return names
}

// Choose makes the entry a processor of that kind and returns a pointer to
// its options with their defaults; nil if there is no such kind.
func (e *Entry) Choose(kind string) any {
	make := kindOf(kind)
	if make == nil {
		return nil
	}
	e.kind, e.options = kind, make()
	e.chosen++
	return e.options
}

// Kind is the processor's name; empty for an if.
func (e *Entry) Kind() string { return e.kind }

// Options is what Choose returned; nil for an if.
func (e *Entry) Options() any {
	if e.options == nil {
		return nil
	}
	return e.options
}

// Validate reports all faults of the entry and of the entries in it.
func (e *Entry) Validate() error {
	var errs []error
	switch {
	case e.chosen > 1:
		errs = append(errs, fault("", "each processor must have exactly one action; write \"- \" before each"))
	case e.chosen == 1 && (e.If != nil || len(e.Then) > 0 || len(e.Else) > 0):
		errs = append(errs, fault("", "if, then and else stand beside %s; put it into then, or make the condition its option when", e.kind))
	case e.chosen == 0 && e.If == nil && (len(e.Then) > 0 || len(e.Else) > 0):
		errs = append(errs, fault("", "then and else need an if with a condition"))
	case e.chosen == 0 && e.If == nil:
		errs = append(errs, fault("", "each processor must have exactly one action; name one, for example add_tags, or if"))
	case e.If != nil && len(e.Then) == 0:
		errs = append(errs, fault("then", "is required with if: a list of processors"))
	}
	errs = append(errs, inside("if", e.If.validate()), inside("then", e.Then.Validate()), inside("else", e.Else.Validate()))
	if e.options != nil {
		if c, ok := e.options.(conditional); ok {
			errs = append(errs, inside(e.kind+".when", c.condition().validate()))
		}
		errs = append(errs, inside(e.kind, e.options.Validate()))
	}
	return errors.Join(errs...)
}

// Validate reports all faults of the list's entries; their names begin with
// the number of the entry.
func (l List) Validate() error {
	var errs []error
	for i := range l {
		errs = append(errs, inside(strconv.Itoa(i), l[i].Validate()))
	}
	return errors.Join(errs...)
}

// Warnings says what is odd about valid processors, each line beginning with
// the option's name.
func (l List) Warnings() []*OptionError {
	var all []*OptionError
	add := func(section string, more []*OptionError) {
		for _, w := range more {
			all = append(all, &OptionError{strings.TrimSuffix(section+"."+w.Option, "."), w.Fault})
		}
	}
	for i := range l {
		e, name := &l[i], strconv.Itoa(i)
		add(name+".if", e.If.warnings())
		add(name+".then", e.Then.Warnings())
		add(name+".else", e.Else.Warnings())
		if c, ok := e.options.(conditional); ok {
			add(name+"."+e.kind+".when", c.condition().warnings())
		}
		if w, ok := e.options.(interface{ warnings() []*OptionError }); ok {
			add(name+"."+e.kind, w.warnings())
		}
	}
	return all
}
