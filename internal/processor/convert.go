package processor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sluice/internal/event"
)

// Converts fields to other types. With fail_on_error, either all are converted
// or none; error.message is never set. Filebeat: convert.
type convert struct {
	// Fields are sections with from and to, type, or both. Required.
	Fields []conversion `config:"fields"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// FailOnError leaves all fields as they are when one can't be converted;
	// else the others are converted. Default: true.
	FailOnError bool `config:"fail_on_error"`
	// Tag names the processor in the program's log. Default: none.
	Tag string `config:"tag"`
	// Mode is what to does: copy keeps the old field, rename removes it.
	// Default: copy.
	Mode string `config:"mode"`

	Common `config:",squash"`
}

// conversion is one entry of convert.fields.
type conversion struct {
	// From is the field's name. Required.
	From string `config:"from"`
	// To is the field that takes the result. Default: the same field.
	To string `config:"to"`
	// Type is integer (32 bits), long (64 bits), float (32 bits), double (64
	// bits), boolean, string or ip (a text that is an address). Default: none,
	// the value is only copied.
	Type string `config:"type"`
}

func (o *convert) Validate() error {
	errs := []error{oneOf("mode", strings.ToLower(o.Mode), "copy", "rename")}
	if len(o.Fields) == 0 {
		errs = append(errs, fault("fields", "is required: a list of sections with from, and to or type"))
	}
	for i, f := range o.Fields {
		name := "fields." + strconv.Itoa(i)
		errs = append(errs, required(name+".from", f.From != "", "message"))
		if f.To == "" && f.Type == "" {
			errs = append(errs, fault(name, "wants to, type, or both"))
		}
		if f.Type != "" && !isType(f.Type) {
			errs = append(errs, oneOf(name+".type", f.Type, "integer", "long", "float", "double", "string", "boolean", "ip"))
		}
	}
	return errors.Join(errs...)
}

func (o *convert) compile(Env) (step, error) { return change(o.convert), nil }

func (o *convert) convert(e *event.Event) error {
	values := make([]any, len(o.Fields))
	skipped := make([]bool, len(o.Fields))
	var errs []error
	for i := range o.Fields {
		var err error
		if values[i], skipped[i], err = o.value(e, &o.Fields[i]); err == nil {
			continue
		}
		errs = append(errs, o.annotate(err))
		if o.FailOnError {
			return errs[0]
		}
		skipped[i] = true
	}
	for i := range o.Fields {
		if skipped[i] {
			continue
		}
		if err := o.store(e, &o.Fields[i], values[i]); err != nil {
			errs = append(errs, o.annotate(err))
		}
	}
	return unless(o.FailOnError, errors.Join(errs...))
}

func (o *convert) annotate(err error) error {
	if o.Tag == "" {
		return err
	}
	return fmt.Errorf("%s: %w", o.Tag, err)
}

// value converts a field; skip says that it is not there, which is no fault.
func (o *convert) value(e *event.Event, f *conversion) (v any, skip bool, err error) {
	old, err := e.Get(f.From)
	switch {
	case err != nil && o.IgnoreMissing && errors.Is(err, event.ErrNotFound):
		return nil, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("convert field %s: %w", f.From, err)
	case f.Type == "":
		return event.Clone(old), false, nil
	}
	if v, err = convertTo(f.Type, old); err != nil {
		return nil, false, fmt.Errorf("convert field %s: %w", f.From, err)
	}
	return v, false, nil
}

func (o *convert) store(e *event.Event, f *conversion, v any) error {
	if f.To == "" || f.To == f.From {
		_, err := e.Put(f.From, v)
		return err
	}
	if strings.EqualFold(o.Mode, "rename") {
		old, _ := e.Get(f.From)
		if err := e.Delete(f.From); err != nil {
			return fmt.Errorf("remove field %s: %w", f.From, err)
		}
		if _, err := e.Put(f.To, v); err != nil {
			_, _ = e.Put(f.From, old) // where it just was
			return fmt.Errorf("put field %s: %w", f.To, err)
		}
		return nil
	}
	if _, err := e.Put(f.To, v); err != nil {
		return fmt.Errorf("put field %s: %w", f.To, err)
	}
	return nil
}
