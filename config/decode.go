package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"sluice/config/internal/schema"
)

// decoder fills structs from nodes.
type decoder struct {
	faults *faults
	// defaults gives new list entries and sections behind pointers their
	// defaults; a type without an entry starts as its zero value.
	defaults map[reflect.Type]func() any
	// names lists all options, for messages; it is asked once, at most.
	names func() []string
	// unsupported kinds of a union and what to do instead of each.
	unsupported map[reflect.Type]map[string]string
	// inside is the union whose options beside the kind are being read: in it
	// a list of such unions (then, else) may be a single one.
	inside reflect.Type
	// typed says that texts are what Filebeat makes of unquoted values: in the
	// options of a union's kinds.
	typed bool
}

// decode fills v, a settable value, from n; name is n's dotted name.
func (d *decoder) decode(n *node, v reflect.Value, name string, bytes bool) {
	if n.isNull() {
		return
	}
	if v.Kind() != reflect.Pointer && v.CanAddr() && v.Addr().Type().Implements(schema.Text) {
		d.text(n, v, name)
		return
	}
	if v.CanAddr() && takesText(v.Type(), n) {
		if err := setText(v.Addr().Interface(), n.text); err != nil {
			d.faults.add(n.at, name, "%s", err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		fresh := d.fresh(v.Type().Elem())
		if !v.IsNil() {
			fresh.Set(v.Elem())
		}
		d.decode(n, fresh, name, bytes)
		v.Set(fresh.Addr())
	case reflect.Struct:
		d.section(n, v, name)
	case reflect.Slice:
		d.list(n, v, name, bytes)
	case reflect.Map:
		d.table(n, v, name)
	case reflect.Interface:
		v.Set(reflect.ValueOf(anyOf(n)))
	default:
		d.scalar(n, v, name, bytes)
	}
}

// stringReader and scalarSetter are sections that can also be written as one
// text: a topic, backoff: 1s beside backoff.init.
type stringReader interface {
	UnmarshalConfigString(s string) error
}

type scalarSetter interface {
	SetScalar(text string) error
}

// takesText tells whether the node is a text and the type a section that can
// be written as one.
func takesText(t reflect.Type, n *node) bool {
	if n.kind != scalarKind {
		return false
	}
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[stringReader]()) || p.Implements(reflect.TypeFor[scalarSetter]())
}

func setText(section any, text string) error {
	if s, ok := section.(scalarSetter); ok {
		return s.SetScalar(text)
	}
	return section.(stringReader).UnmarshalConfigString(text)
}

// fresh returns a new value of the type with its defaults.
func (d *decoder) fresh(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	if make, ok := d.defaults[t]; ok {
		v.Set(reflect.ValueOf(make()))
	}
	return v
}

func (d *decoder) section(n *node, v reflect.Value, name string) {
	if n.kind != mapKind {
		d.faults.add(n.at, name, "wants a section of options (name: value), found %s", n.describe(isSecret(name)))
		return
	}
	if schema.IsUnion(v.Type()) {
		d.union(n, v, name)
		return
	}
	d.members(n, v, name, place{options: schema.Of(v.Type())})
}

// place is what a section may hold.
type place struct {
	options []schema.Option
	inner   string   // the part of the options' dotted names that is passed already
	kinds   []string // of a union
}

// members fills a struct's options.
func (d *decoder) members(n *node, v reflect.Value, name string, p place) {
	for _, m := range n.members {
		relative, full := join(p.inner, m.key), join(name, m.key)
		i := slices.IndexFunc(p.options, func(o schema.Option) bool { return o.Name == relative })
		if i >= 0 {
			d.decode(m.value, v.FieldByIndex(p.options[i].Index), full, p.options[i].Bytes)
			continue
		}
		partly := slices.ContainsFunc(p.options, func(o schema.Option) bool { return strings.HasPrefix(o.Name, relative+".") })
		switch {
		case !partly:
			d.unknown(m, full, p)
		case m.value.isNull():
		case m.value.kind != mapKind:
			d.faults.add(m.value.at, full, "wants a section of options (name: value), found %s", m.value.describe(isSecret(full)))
		default:
			d.members(m.value, v, full, place{options: p.options, inner: relative})
		}
	}
}

// siblings lists the names that a place knows.
func (p place) siblings() []string {
	names := slices.Clone(p.kinds)
	for _, o := range p.options {
		rest := o.Name
		if p.inner != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(o.Name, p.inner+"."); !ok {
				continue
			}
		}
		first, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(names, first) {
			names = append(names, first)
		}
	}
	slices.Sort(names)
	return names
}

// unknown handles a name that no struct has: an option of Filebeat that is
// known to be absent here, or a mistake.
func (d *decoder) unknown(m member, full string, p place) {
	if d.known(m, full) || strings.HasPrefix(full, "x-") {
		return
	}
	hint := ""
	names := p.siblings()
	if near := nearest(m.key, names); near != "" {
		hint = "; did you mean " + near + "?"
	} else if other := d.elsewhere(m.key); other != "" && len(p.kinds) == 0 {
		hint = "; there is " + other
	} else if len(names) <= 12 {
		hint = "; allowed here: " + strings.Join(names, ", ")
	} else {
		hint = "; \"sluice export reference\" prints what is allowed here"
	}
	d.faults.add(m.at, full, "unknown option%s", hint)
}

// elsewhere finds an option of that last name in the whole configuration.
func (d *decoder) elsewhere(name string) string {
	if d.names == nil {
		return ""
	}
	return elsewhere(name, d.names())
}

func (d *decoder) list(n *node, v reflect.Value, name string, bytes bool) {
	items, ok := n.entries()
	single := !ok
	elem := v.Type().Elem()
	if single && schema.IsSection(elem) && !takesText(elem, n) && !(d.inside == elem && n.kind == mapKind) {
		d.faults.add(n.at, name, "wants a list of sections; put \"- \" before the first option of each entry")
		return
	}
	if single {
		items = []*node{n}
	}
	list := reflect.MakeSlice(v.Type(), 0, len(items))
	for i, item := range items {
		if item.isNull() && !schema.IsSection(elem) {
			continue
		}
		entry := d.fresh(elem)
		full := join(name, fmt.Sprint(i))
		if single {
			full = name
		}
		d.decode(item, entry, full, bytes)
		list = reflect.Append(list, entry)
	}
	if list.Len() == 0 {
		list = reflect.Zero(v.Type())
	}
	v.Set(list)
}

// table fills a map[string]T.
func (d *decoder) table(n *node, v reflect.Value, name string) {
	if n.kind != mapKind {
		d.faults.add(n.at, name, "wants a section (name: value), found %s", n.describe(isSecret(name)))
		return
	}
	if len(n.members) == 0 {
		return
	}
	table := reflect.MakeMapWithSize(v.Type(), len(n.members))
	if old := v; !old.IsNil() {
		for _, key := range old.MapKeys() {
			table.SetMapIndex(key, old.MapIndex(key))
		}
	}
	for _, m := range n.members {
		if m.value.isNull() {
			continue
		}
		entry := d.fresh(v.Type().Elem())
		d.decode(m.value, entry, join(name, m.key), false)
		table.SetMapIndex(reflect.ValueOf(m.key).Convert(v.Type().Key()), entry)
	}
	v.Set(table)
}

// anyOf converts a node to plain Go values: string, bool, int64, uint64,
// float64, []any, map[string]any; nulls are left out of sections.
func anyOf(n *node) any {
	if items, ok := n.entries(); ok {
		list := make([]any, 0, len(items))
		for _, item := range items {
			list = append(list, anyOf(item))
		}
		return list
	}
	switch n.kind {
	case mapKind:
		table := make(map[string]any, len(n.members))
		for _, m := range n.members {
			if !m.value.isNull() {
				table[m.key] = anyOf(m.value)
			}
		}
		return table
	case scalarKind:
		return untyped(n)
	}
	return nil
}

// text fills a type that reads its own text form.
func (d *decoder) text(n *node, v reflect.Value, name string) {
	s, ok := textOf(n)
	if !ok {
		d.faults.add(n.at, name, "wants a text, found %s", n.describe(isSecret(name)))
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		d.faults.add(n.at, name, "%s", err)
	}
}

// textOf returns a node's text: of a scalar, or of a list or section that was
// written as text by a variable or override.
func textOf(n *node) (string, bool) {
	return n.text, n.kind == scalarKind || n.text != ""
}

// typed says whether the texts of an option are what Filebeat makes of
// unquoted values. Secrets, what belongs to TLS, and our own options are taken
// as written.
func typed(name string) bool {
	first, _, _ := strings.Cut(name, ".")
	return slices.Contains([]string{"filebeat", "output", "name", "tags", "path", "inputs"}, first) && !isSecret(name) && !strings.Contains(name, ".ssl.")
}

func (d *decoder) scalar(n *node, v reflect.Value, name string, bytes bool) {
	text, ok := textOf(n)
	wants := wanted(v.Type(), bytes)
	if !ok || n.kind != scalarKind && v.Kind() != reflect.String {
		d.faults.add(n.at, name, "wants %s, found %s", wants, n.describe(isSecret(name)))
		return
	}
	if (d.typed || typed(name)) && v.Kind() == reflect.String && n.kind == scalarKind {
		text = fmt.Sprint(untyped(n))
	}
	err := setScalar(v, text, bytes)
	switch {
	case errors.Is(err, errRange):
		d.faults.add(n.at, name, "%s is too large or too small here", n.describe(isSecret(name)))
	case err != nil:
		d.faults.add(n.at, name, "wants %s, found %s", wants, n.describe(isSecret(name)))
	}
}

// wanted names what a type accepts.
func wanted(t reflect.Type, bytes bool) string {
	switch {
	case t == schema.Duration:
		return "a duration such as 250ms, 30s, 5m or 48h (a plain number is seconds)"
	case bytes:
		return "a size such as 10MiB, 10MB or a plain number of bytes"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

var errForm = errors.New("wrong form")

func setScalar(v reflect.Value, text string, bytes bool) error {
	switch {
	case v.Type() == schema.Duration:
		t, err := duration(text)
		if err == nil {
			v.SetInt(int64(t))
		}
		return err
	case v.Kind() == reflect.Bool:
		b, ok := boolean(text)
		if !ok {
			return errForm
		}
		v.SetBool(b)
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.CanInt():
		return setInt(v, text, bytes)
	case v.CanUint():
		u, ok := unsigned(text)
		if !ok {
			return errForm
		}
		if v.OverflowUint(u) {
			return errRange
		}
		v.SetUint(u)
	case v.CanFloat():
		f, ok := float(text)
		if !ok {
			return errForm
		}
		v.SetFloat(f)
	default:
		return errForm
	}
	return nil
}

func setInt(v reflect.Value, text string, bytes bool) error {
	i, ok := number(text)
	if !ok && bytes {
		var err error
		if i, err = size(text); err != nil {
			return err
		}
		ok = true
	}
	if !ok {
		return errForm
	}
	if v.OverflowInt(i) {
		return errRange
	}
	v.SetInt(i)
	return nil
}
