package processor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/internal/event"
)

// Changes the names and the text of fields to lower case (lowercase) or upper
// case (uppercase). It has no when: put it under if. An error stands in
// error.message, and undoes all. Filebeat: lowercase, uppercase.
type changeCase struct {
	// Fields are those whose names change; the case does not matter here.
	// Required, but may be empty.
	Fields *[]string `config:"fields"`
	// Values are the fields whose texts change; after fields. Default: none.
	Values []string `config:"values"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// FailOnError undoes all after an error; else what was changed before the
	// error stays, and error.message is not set. Default: true.
	FailOnError bool `config:"fail_on_error"`
	// FullPath changes all parts of a name with dots; else only the last one.
	// Default: true.
	FullPath bool `config:"full_path"`
	// AlterFullField is another name of full_path; both must be true. Default: true.
	AlterFullField bool `config:"alter_full_field"`

	upper bool
}

// to changes a text's case.
func (o *changeCase) to(text string) string {
	if o.upper {
		return strings.ToUpper(text)
	}
	return strings.ToLower(text)
}

func (o *changeCase) Validate() error {
	return required("fields", o.Fields != nil, "[] (with values), or [A.B]")
}

func (o *changeCase) compile(Env) (step, error) {
	full := o.FullPath && o.AlterFullField
	return change(func(e *event.Event) error {
		var backup *event.Event
		if o.FailOnError {
			backup = e.Clone()
		}
		err := o.change(e, full)
		if err != nil && o.FailOnError {
			*e = *backup
			e.SetError(err.Error(), "")
		}
		return unless(o.FailOnError, err)
	}), nil
}

func (o *changeCase) change(e *event.Event, full bool) error {
	for _, name := range *o.Fields {
		err := o.rename(e, name, full)
		if err != nil && !(o.IgnoreMissing && errors.Is(err, event.ErrNotFound)) {
			return fmt.Errorf("could not fetch value for key: %s, Error: %w", name, err)
		}
	}
	for _, name := range o.Values {
		v, missing, err := fetch(e, name, o.IgnoreMissing)
		if err != nil {
			return err
		}
		if missing {
			continue
		}
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("value of key %q is not a string", name)
		}
		if _, err := e.Put(name, o.to(text)); err != nil {
			return fmt.Errorf("could not put value to %s: %s", name, reason(err))
		}
	}
	return nil
}

func (o *changeCase) rename(e *event.Event, name string, full bool) error {
	fields := e.Fields
	if inner, ok := strings.CutPrefix(name, "@metadata."); ok {
		fields, name = e.Meta, inner
	}
	path, err := findFold(fields, name)
	if err != nil {
		return err
	}
	for i, key := range path {
		v := fields[key]
		if last := i == len(path)-1; full || last {
			if as := o.to(key); as != key {
				if _, taken := fields[as]; taken {
					return fmt.Errorf("key %s is there already", as)
				}
				delete(fields, key)
				fields[as] = v
			}
		}
		fields, _ = v.(map[string]any)
	}
	return nil
}

// findFold returns the keys that lead to a field, level by level, without
// regard to case. Two fields of that name are an error.
func findFold(m map[string]any, name string) (path []string, err error) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		var found []string
		if strings.EqualFold(key, name) {
			found = []string{key}
		} else if inner, isMap := m[key].(map[string]any); isMap {
			rest, ok := cutFold(name, key)
			if !ok {
				continue
			}
			below, err := findFold(inner, rest)
			if errors.Is(err, event.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			found = append([]string{key}, below...)
		}
		if found == nil {
			continue
		}
		if path != nil {
			return nil, fmt.Errorf("key collision: %s and %s", strings.Join(path, "."), strings.Join(found, "."))
		}
		path = found
	}
	if path == nil {
		return nil, event.ErrNotFound
	}
	return path, nil
}

// cutFold cuts a first part and its dot from a name.
func cutFold(name, first string) (rest string, ok bool) {
	n := len(first)
	if len(name) <= n || name[n] != '.' || !strings.EqualFold(name[:n], first) {
		return "", false
	}
	return name[n+1:], true
}
