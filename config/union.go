package config

import (
	"reflect"
	"slices"

	"sluice/config/internal/schema"
)

// union fills a section that is one of several kinds. That exactly one is
// given is for the section's own Validate to say.
func (d *decoder) union(n *node, v reflect.Value, name string) {
	u := v.Addr().Interface().(schema.Union)
	kinds := u.Kinds()
	beside := newMap(n.at)
	for _, m := range n.members {
		why, absent := d.unsupported[v.Type()][m.key]
		if slices.Contains(kinds, m.key) && !(absent && hasOptions(m.value)) {
			d.choose(u, m, join(name, m.key))
			continue
		}
		if absent {
			d.faults.add(m.at, join(name, m.key), "not supported by sluice: %s", why)
			d.faults.hold(name)
			continue
		}
		beside.set(m.key, m.at, m.value)
	}
	defer func(old reflect.Type) { d.inside = old }(d.inside)
	for _, m := range beside.members {
		one := newMap(n.at)
		one.set(m.key, m.at, m.value)
		before := len(d.faults.list)
		d.inside = v.Type()
		d.members(one, v, name, place{options: schema.Of(v.Type()), kinds: kinds})
		if len(d.faults.list) > before {
			d.faults.hold(name)
		}
	}
}

// hasOptions says whether a section has any option but a condition.
func hasOptions(n *node) bool {
	if n.kind != mapKind {
		return !n.isNull()
	}
	return slices.ContainsFunc(n.members, func(m member) bool { return m.key != "when" })
}

// choose makes a union one of its kinds and fills that kind's options.
func (d *decoder) choose(u schema.Union, m member, full string) {
	options := reflect.ValueOf(u.Choose(m.key))
	if options.IsValid() && options.Kind() == reflect.Pointer && !options.IsNil() {
		defer func(old reflect.Type, typed bool) { d.inside, d.typed = old, typed }(d.inside, d.typed)
		d.inside, d.typed = nil, true
		d.decode(m.value, options.Elem(), full, false)
		return
	}
	if !m.value.isNull() && (m.value.kind != mapKind || len(m.value.members) > 0) {
		d.faults.add(m.value.at, full, "takes no options; write %s: ~", m.key)
	}
}

// allNames lists the options of the whole configuration.
func allNames() []string { return schema.Names(reflect.TypeFor[Config](), "") }
