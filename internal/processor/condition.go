package processor

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/event"
)

// Condition is a when or an if: what an event must be like. One kind is
// given; if there are several, the first in the order below counts, as in
// Filebeat, and a warning names the others.
type Condition struct {
	// Equals wants fields to have exactly these values: a text, an integer or
	// a boolean, without conversion. Filebeat: equals.
	Equals map[string]any `config:"equals"`
	// Contains wants fields that are a text, or a list with such a text, to
	// contain these. Filebeat: contains.
	Contains map[string]any `config:"contains"`
	// Regexp wants fields that are a text, or a list with such a text, to
	// match these regular expressions (RE2). Filebeat: regexp.
	Regexp map[string]any `config:"regexp"`
	// Range wants fields that are a number, or a text that is one, to be lt,
	// lte, gt or gte these. Filebeat: range.
	Range map[string]any `config:"range"`
	// HasFields wants all these fields to be there. Filebeat: has_fields.
	HasFields []string `config:"has_fields"`
	// Network wants fields that are an IP address (a list of them is none) to
	// be in one of these networks: a CIDR, or loopback, unicast,
	// global_unicast, multicast, interface_local_multicast, link_local_unicast,
	// link_local_multicast, private, public or unspecified. Filebeat: network.
	Network map[string]any `config:"network"`
	// Or wants one of these conditions to hold. Filebeat: or.
	Or []Condition `config:"or"`
	// And wants all these conditions to hold. Filebeat: and.
	And []Condition `config:"and"`
	// Not wants this condition not to hold. Filebeat: not.
	Not *Condition `config:"not"`
}

// condition is a compiled Condition.
type condition struct{ test test }

// test decides about an event.
type test interface{ holds(e *event.Event) bool }

func (c *condition) holds(e *event.Event) bool { return c == nil || c.test.holds(e) }

// Compile makes a test of the condition, for other sections that have one. Its
// error is of type *OptionError, or several of them joined.
func (c *Condition) Compile() (func(e *event.Event) bool, error) {
	compiled, err := c.compile()
	if err != nil {
		return nil, err
	}
	return compiled.holds, nil
}

// given lists the kinds that are there, the one that counts first.
func (c *Condition) given() (kinds []string) {
	for _, k := range []struct {
		name  string
		given bool
	}{
		{"equals", len(c.Equals) > 0}, {"contains", len(c.Contains) > 0}, {"regexp", len(c.Regexp) > 0},
		{"range", len(c.Range) > 0}, {"has_fields", len(c.HasFields) > 0}, {"network", len(c.Network) > 0},
		{"or", len(c.Or) > 0}, {"and", len(c.And) > 0}, {"not", c.Not != nil},
	} {
		if k.given {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// warnings names the kinds that do not count.
func (c *Condition) warnings() (all []*OptionError) {
	if c == nil {
		return nil
	}
	kinds := c.given()
	for _, k := range kinds[min(1, len(kinds)):] {
		all = append(all, &OptionError{k, "has no effect beside " + kinds[0] + ": write both under and"})
	}
	add := func(section string, more []*OptionError) {
		for _, w := range more {
			all = append(all, &OptionError{section + "." + w.Option, w.Fault})
		}
	}
	for i := range c.Or {
		add("or."+strconv.Itoa(i), c.Or[i].warnings())
	}
	for i := range c.And {
		add("and."+strconv.Itoa(i), c.And[i].warnings())
	}
	add("not", c.Not.warnings())
	return all
}

func (c *Condition) validate() error {
	if c == nil {
		return nil
	}
	_, err := c.compile()
	return err
}

// compile makes a test of a condition; nil of nil. All kinds that are given
// are checked, though only one counts.
func (c *Condition) compile() (*condition, error) {
	if c == nil {
		return nil, nil
	}
	kinds := c.given()
	if len(kinds) == 0 {
		return nil, fault("", "the condition is missing or empty; use equals, contains, regexp, range, has_fields, network, or, and, not")
	}
	var first test
	var errs []error
	for _, kind := range kinds {
		t, err := c.compileKind(kind)
		if err != nil {
			errs = append(errs, inside(kind, err))
		}
		if first == nil {
			first = t
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &condition{first}, nil
}

func (c *Condition) compileKind(kind string) (test, error) {
	switch kind {
	case "equals":
		return compileEquals(c.Equals)
	case "contains":
		return compileMatches(c.Contains, contains)
	case "regexp":
		return compileMatches(c.Regexp, matches)
	case "range":
		return compileRange(c.Range)
	case "has_fields":
		return hasFields(c.HasFields), nil
	case "network":
		return compileNetwork(c.Network)
	case "or":
		list, err := compileAll(c.Or)
		return anyOf(list), err
	case "and":
		list, err := compileAll(c.And)
		return allOf(list), err
	}
	inner, err := c.Not.compile()
	return not{inner}, err
}

func compileAll(conditions []Condition) ([]*condition, error) {
	var list []*condition
	var errs []error
	for i := range conditions {
		c, err := conditions[i].compile()
		errs = append(errs, inside(strconv.Itoa(i), err))
		list = append(list, c)
	}
	return list, errors.Join(errs...)
}

type anyOf []*condition

func (l anyOf) holds(e *event.Event) bool {
	return slices.ContainsFunc(l, func(c *condition) bool { return c.holds(e) })
}

type allOf []*condition

func (l allOf) holds(e *event.Event) bool {
	return !slices.ContainsFunc(l, func(c *condition) bool { return !c.holds(e) })
}

type not struct{ inner *condition }

func (n not) holds(e *event.Event) bool { return !n.inner.holds(e) }

type hasFields []string

func (names hasFields) holds(e *event.Event) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !e.Has(name) })
}

// eachField calls f for the fields of a condition, by their dotted names in
// order, and joins the faults.
func eachField(fields map[string]any, f func(name string, value any) error) error {
	var errs []error
	flat := event.Flatten(fields)
	for _, name := range slices.Sorted(maps.Keys(flat)) {
		if err := f(name, flat[name]); err != nil {
			errs = append(errs, inside(name, err))
		}
	}
	return errors.Join(errs...)
}

// lastName splits a dotted name before its last part.
func lastName(name string) (field, last string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}
