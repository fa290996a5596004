package config

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"sluice/config/internal/schema"
)

// validator is a section that checks its own options.
type validator interface{ Validate() error }

// validate asks every section that can check itself, the outermost first: it
// answers for all that it holds. Faults are traced back to their lines.
func validate(root *node, v reflect.Value, name string, f *faults) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Slice && schema.IsSection(v.Type().Elem()) {
		for i := range v.Len() {
			validate(root, v.Index(i), join(name, strconv.Itoa(i)), f)
		}
		return
	}
	if !schema.IsSection(v.Type()) {
		return
	}
	if own, ok := v.Addr().Interface().(validator); ok {
		trace(root, own.Validate(), name, f)
		return
	}
	for _, o := range schema.Of(v.Type()) {
		validate(root, v.FieldByIndex(o.Index), join(name, o.Name), f)
	}
}

// trace adds the parts of a section's error with the places of their options.
func trace(root *node, err error, name string, f *faults) {
	if err == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			trace(root, one, name, f)
		}
		return
	}
	field, text := fieldOf(err)
	full := join(name, field)
	if field == "" {
		full = name
	}
	if f.covers(full) {
		return
	}
	f.add(root.locate(full), full, "%s", text)
}

// fieldOf splits an error into the option's relative name and the fault.
func fieldOf(err error) (field, text string) {
	text = err.Error()
	var named interface{ Field() string }
	if errors.As(err, &named) {
		field = named.Field()
	} else if before, _, ok := strings.Cut(text, ": "); ok && isName(before) {
		field = before
	}
	if field != "" {
		text = strings.TrimPrefix(text, field+": ")
	}
	return normalName(field), text
}

// isName tells whether a text can be a dotted option name.
func isName(s string) bool {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '[' || c == ']') {
			return false
		}
	}
	return s != ""
}

// normalName writes mqtt[0].hosts as mqtt.0.hosts.
func normalName(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "[", "."), "]", "")
}
