package processor

import (
	"fmt"
	"reflect"
	"slices"

	"sluice/internal/event"
)

// Appends values, and the values of fields, to a list. What the target holds
// and is no list becomes its first entry. Filebeat: append.
type appendValues struct {
	// TargetField is the list. Required.
	TargetField string `config:"target_field"`
	// Fields are the fields whose values are appended; of a list, its entries
	// are. Default: none.
	Fields []string `config:"fields"`
	// Values are appended after those of the fields. Default: none.
	Values []any `config:"values"`
	// IgnoreEmptyValues leaves out "" and null, also those that the list has
	// already. Default: false.
	IgnoreEmptyValues bool `config:"ignore_empty_values"`
	// AllowDuplicate leaves equal values in the list; else only the first of
	// them stays. Default: true.
	AllowDuplicate bool `config:"allow_duplicate"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// FailOnError puts an error into error.message. The event is unchanged
	// after an error either way. Default: true.
	FailOnError bool `config:"fail_on_error"`

	Common `config:",squash"`
}

func (o *appendValues) Validate() error {
	return required("target_field", o.TargetField != "", "related.ip")
}

func (o *appendValues) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		err := o.append(e)
		if err != nil {
			err = fmt.Errorf("failed to append fields in append processor: %w", err)
			if o.FailOnError {
				e.SetError(err.Error(), "")
			}
		}
		return unless(o.FailOnError, err)
	}), nil
}

func (o *appendValues) append(e *event.Event) error {
	var list []any
	if old, err := e.Get(o.TargetField); err == nil {
		list = o.add(nil, entriesOf(old))
	}
	for _, name := range o.Fields {
		v, missing, err := fetch(e, name, o.IgnoreMissing)
		if err != nil {
			return err
		}
		if !missing {
			list = o.add(list, entriesOf(v))
		}
	}
	list = o.add(list, o.Values)
	if len(list) == 0 {
		return nil
	}
	if _, err := e.Put(o.TargetField, list); err != nil {
		return fmt.Errorf("could not put value to %s: %s", o.TargetField, reason(err))
	}
	return nil
}

func (o *appendValues) add(list, values []any) []any {
	for _, v := range values {
		if o.IgnoreEmptyValues && (v == nil || v == "") {
			continue
		}
		if !o.AllowDuplicate && slices.ContainsFunc(list, func(have any) bool { return reflect.DeepEqual(have, v) }) {
			continue
		}
		list = append(list, event.Clone(v))
	}
	return list
}

// entriesOf returns the entries of a list, or else the value as the only one;
// the list is the caller's.
func entriesOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return slices.Clone(v)
	case []string:
		list := make([]any, len(v))
		for i, text := range v {
			list[i] = text
		}
		return list
	}
	return []any{v}
}
