package processor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/internal/event"
)

// FromTo is a field and where it goes.
type FromTo struct {
	// From is the field's name. Required.
	From string `config:"from"`
	// To is the new name. Required.
	To string `config:"to"`
}

// validatePairs checks a list of fields that go elsewhere.
func validatePairs(pairs []FromTo) error {
	if len(pairs) == 0 {
		return fault("fields", "is required: a list of sections with from and to")
	}
	var errs []error
	for i, p := range pairs {
		name := "fields." + strconv.Itoa(i)
		errs = append(errs, required(name+".from", p.From != "", "message"), required(name+".to", p.To != "", "event.original"))
	}
	return errors.Join(errs...)
}

// reason is an error's text without the name that the event package puts
// before it: the texts in error.message have Filebeat's form.
func reason(err error) string {
	text := err.Error()
	if _, after, ok := strings.Cut(text, `": `); ok && strings.HasPrefix(text, `"`) {
		return after
	}
	return text
}

// shown is a value as text: sections as JSON, all else as Go prints it.
func shown(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return string(event.AppendJSON(nil, v, false))
	case time.Time:
		return v.Round(0).String() // without the monotonic clock
	}
	return fmt.Sprint(v)
}

// eachOf runs a change for each of n fields. With failOnError the first error
// undoes all and stands in error.message behind the prefix; else the others
// still change, and the errors are joined.
func eachOf(e *event.Event, n int, failOnError bool, prefix string, one func(i int) error) error {
	var backup *event.Event
	if failOnError && n > 1 { // one that fails has changed nothing
		backup = e.Clone()
	}
	var errs []error
	for i := range n {
		err := one(i)
		switch {
		case err == nil:
		case failOnError:
			if backup != nil {
				*e = *backup
			}
			err = fmt.Errorf("%s: %w", prefix, err)
			e.SetError(err.Error(), "")
			return err
		default:
			errs = append(errs, err)
		}
	}
	return ignored(errors.Join(errs...))
}

// fetch returns a field's value; missing says that there is none and that
// this is no fault.
func fetch(e *event.Event, name string, ignoreMissing bool) (v any, missing bool, err error) {
	v, err = e.Get(name)
	switch {
	case err == nil:
		return v, false, nil
	case ignoreMissing && errors.Is(err, event.ErrNotFound):
		return nil, true, nil
	}
	return nil, false, fmt.Errorf("could not fetch value for key: %s, Error: %s", name, reason(err))
}

// Copies fields; the target must not be there. An error undoes all copies and
// stands in error.message. Filebeat: copy_fields.
type copyFields struct {
	// Fields are the sections with from and to. Required.
	Fields []FromTo `config:"fields"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// FailOnError undoes all copies when one fails; else the others are still
	// made, and error.message is not set. Default: true.
	FailOnError bool `config:"fail_on_error"`

	Common `config:",squash"`
}

func (o *copyFields) Validate() error { return validatePairs(o.Fields) }

func (o *copyFields) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		return eachOf(e, len(o.Fields), o.FailOnError, "Failed to copy fields in copy_fields processor", func(i int) error {
			return o.copy(e, o.Fields[i])
		})
	}), nil
}

func (o *copyFields) copy(e *event.Event, f FromTo) error {
	if e.Has(f.To) {
		return fmt.Errorf("target field %s already exists, drop or rename this field first", f.To)
	}
	v, missing, err := fetch(e, f.From, o.IgnoreMissing)
	if err != nil || missing {
		return err
	}
	if _, err := e.Put(f.To, event.Clone(v)); err != nil {
		return fmt.Errorf("could not copy value to %s: %s, %s", f.To, shown(v), reason(err))
	}
	return nil
}

// Renames fields; the new name must not be there. An error undoes all and
// stands in error.message. Filebeat: rename.
type rename struct {
	// Fields are the sections with from and to. Required.
	Fields []FromTo `config:"fields"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// FailOnError undoes all renames when one fails; else the others are still
	// made, and error.message is not set. Default: true.
	FailOnError bool `config:"fail_on_error"`

	Common `config:",squash"`
}

func (o *rename) Validate() error { return validatePairs(o.Fields) }

func (o *rename) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		return eachOf(e, len(o.Fields), o.FailOnError, "Failed to rename fields in processor", func(i int) error {
			return o.rename(e, o.Fields[i])
		})
	}), nil
}

func (o *rename) rename(e *event.Event, f FromTo) error {
	if e.Has(f.To) {
		return fmt.Errorf("target field %s already exists, drop or rename this field first", f.To)
	}
	v, missing, err := fetch(e, f.From, o.IgnoreMissing)
	if err != nil || missing {
		return err
	}
	// First the old one goes: a may become a.b.
	if err := e.Delete(f.From); err != nil {
		return fmt.Errorf("could not delete key: %s, %s", f.From, reason(err))
	}
	if _, err := e.Put(f.To, v); err != nil {
		_, _ = e.Put(f.From, v) // where it just was
		return fmt.Errorf("could not put value: %s: %s, %s", f.To, shown(v), reason(err))
	}
	return nil
}
