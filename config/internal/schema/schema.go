// Package schema knows how struct tags describe options: it is what the
// decoder, the dump and the reference file have in common.
package schema

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Option is one configurable field of a struct.
type Option struct {
	Name  string // relative to the struct; dotted when the tag is
	Index []int  // for reflect.Value.FieldByIndex
	Type  reflect.Type
	Bytes bool // an integer that accepts sizes
}

// Duration is the type of options that accept durations.
var Duration = reflect.TypeFor[time.Duration]()

// Text is what types implement that read their own text form.
var Text = reflect.TypeFor[encoding.TextUnmarshaler]()

// Of lists the options of a struct type in the order of its fields. Fields
// without a config tag are no options.
func Of(t reflect.Type) []Option {
	var list []Option
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("config")
		if !ok || !f.IsExported() || tag == "-" {
			continue
		}
		name, flags, _ := strings.Cut(tag, ",")
		words := strings.Split(flags, ",")
		if slices.Contains(words, "squash") {
			for _, o := range Of(f.Type) {
				o.Index = append([]int{i}, o.Index...)
				list = append(list, o)
			}
			continue
		}
		list = append(list, Option{Name: name, Index: []int{i}, Type: f.Type, Bytes: slices.Contains(words, "bytes")})
	}
	return list
}

// IsSection tells whether values of the type are sections of options.
func IsSection(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(Text)
}

// Names lists the full names of all options below a type; entries of lists
// are written *. A section that can hold itself (the conditions of and, the
// processors of then) is named once and not entered again.
func Names(t reflect.Type, prefix string) []string {
	var w walker
	return w.names(t, prefix)
}

// walker lists names; open are the sections that it is in.
type walker struct{ open []reflect.Type }

func (w *walker) names(t reflect.Type, prefix string) []string {
	switch {
	case t.Kind() == reflect.Pointer:
		return w.names(t.Elem(), prefix)
	case t.Kind() == reflect.Slice && IsSection(t.Elem()):
		return append([]string{prefix}, w.inside(t.Elem(), prefix+".*")...)
	case !IsSection(t) || slices.Contains(w.open, t):
		return []string{prefix}
	case IsUnion(t):
		return append([]string{prefix}, w.inside(t, prefix)...)
	}
	return w.inside(t, prefix)
}

// inside lists the options of a section, and the kinds of a union with theirs.
func (w *walker) inside(t reflect.Type, prefix string) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if slices.Contains(w.open, t) {
		return nil // names has named it
	}
	w.open = append(w.open, t)
	defer func() { w.open = w.open[:len(w.open)-1] }()
	var names []string
	for _, o := range Of(t) {
		names = append(names, w.names(o.Type, dotted(prefix, o.Name))...)
	}
	if !IsUnion(t) {
		return names
	}
	for _, kind := range Kinds(t) {
		name := dotted(prefix, kind)
		names = append(names, name)
		if inner := KindOptions(t, kind); inner != nil {
			names = append(names, w.inside(inner, name)...)
		}
	}
	return names
}

func dotted(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}
