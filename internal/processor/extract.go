package processor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/event"
	"sluice/internal/order"
)

// Puts entries of a list into fields. An error undoes all; error.message is
// not set. Filebeat: extract_array.
type extractArray struct {
	// Field is the list. Required.
	Field string `config:"field"`
	// Mappings are the fields to set, each with the number of its entry from 0.
	// Required.
	Mappings map[string]any `config:"mappings"`
	// IgnoreMissing takes a list that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// OverwriteKeys replaces fields that are there; else that is an error.
	// Default: false.
	OverwriteKeys bool `config:"overwrite_keys"`
	// FailOnError undoes all after an error; else the others are still set.
	// Default: true.
	FailOnError bool `config:"fail_on_error"`
	// OmitEmpty leaves out entries that are "", null, or an empty list or
	// section. Default: false.
	OmitEmpty bool `config:"omit_empty"`

	Common `config:",squash"`
}

// mapping is one field to set.
type mapping struct {
	to    string
	index int
}

func (o *extractArray) Validate() error {
	_, err := o.mappings()
	return errors.Join(required("field", o.Field != "", "my_array"),
		required("mappings", len(o.Mappings) > 0, "{source.ip: 0}"), err)
}

// mappings returns the fields by entry, then name.
func (o *extractArray) mappings() (list []mapping, err error) {
	var errs []error
	flat := event.Flatten(o.Mappings)
	for _, name := range slices.Sorted(maps.Keys(flat)) {
		i, ok := integer(flat[name])
		if text, isText := flat[name].(string); isText {
			n, err := strconv.Atoi(text)
			i, ok = int64(n), err == nil
		}
		if !ok || i < 0 || i > 1<<30 {
			errs = append(errs, fault("mappings."+name, "wants the number of an entry, from 0, found %s", describe(flat[name])))
		}
		list = append(list, mapping{name, int(i)})
	}
	order.By(list, func(a, b mapping) int { return a.index - b.index })
	return list, errors.Join(errs...)
}

func (o *extractArray) compile(Env) (step, error) {
	mappings, err := o.mappings()
	if err != nil {
		return nil, err
	}
	return change(func(e *event.Event) error {
		v, missing, err := fetch(e, o.Field, o.IgnoreMissing)
		if err != nil || missing {
			return err
		}
		list, ok := v.([]any)
		if !ok {
			if _, texts := v.([]string); !texts {
				return fmt.Errorf("%s is a %T, no list", o.Field, v)
			}
			list = entriesOf(v)
		}
		return o.extract(e, mappings, list)
	}), nil
}

func (o *extractArray) extract(e *event.Event, mappings []mapping, list []any) error {
	var backup *event.Event
	if o.FailOnError {
		backup = e.Clone()
	}
	var errs []error
	for _, m := range mappings {
		err := o.set(e, m, list)
		if err == nil {
			continue
		}
		if o.FailOnError {
			*e = *backup
			return err
		}
		errs = append(errs, err)
	}
	return ignored(errors.Join(errs...))
}

func (o *extractArray) set(e *event.Event, m mapping, list []any) error {
	if m.index >= len(list) {
		return fmt.Errorf("%s has no entry %d: it has %d", o.Field, m.index, len(list))
	}
	v := list[m.index]
	if o.OmitEmpty && isEmpty(v) {
		return nil
	}
	if !o.OverwriteKeys && e.Has(m.to) {
		return fmt.Errorf("target field %s already exists; set overwrite_keys to replace it", m.to)
	}
	_, err := e.Put(m.to, event.Clone(v))
	return err
}

// isEmpty says that a value is "", null, or a list or section without entries.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// Splits a text and puts one part into a field. error.message is not set by an
// error. Filebeat: extract_field.
type extractField struct {
	// Field is the text. Required.
	Field string `config:"field"`
	// Separator stands between the parts. Required.
	Separator string `config:"separator"`
	// Index is the number of the part, from 0. Required.
	Index *int `config:"index"`
	// Target is the field that takes the part. Required.
	Target string `config:"target"`

	Common `config:",squash"`
}

func (o *extractField) Validate() error {
	errs := []error{
		required("field", o.Field != "", "log.file.path"), required("separator", o.Separator != "", "/"),
		required("index", o.Index != nil, "1"), required("target", o.Target != "", "fields.service"),
	}
	if o.Index != nil && *o.Index < 0 {
		errs = append(errs, fault("index", "%d is negative; parts count from 0", *o.Index))
	}
	return errors.Join(errs...)
}

func (o *extractField) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		v, _, err := fetch(e, o.Field, false)
		if err != nil {
			return err
		}
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("%s is a %T, no text", o.Field, v)
		}
		parts := strings.Split(text, o.Separator)
		if *o.Index >= len(parts) {
			return fmt.Errorf("%s has no part %d: it has %d", o.Field, *o.Index, len(parts))
		}
		_, err = e.Put(o.Target, parts[*o.Index])
		return err
	}), nil
}
