package processor

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"sluice/internal/event"
)

// Cuts long texts and flags each in log.flags: truncated. Filebeat:
// truncate_fields.
type truncateFields struct {
	// Fields are the names of the texts. Required.
	Fields []string `config:"fields"`
	// MaxBytes is the most bytes of a text; a character may be cut in two.
	// Either this or max_characters is required. Default: none.
	MaxBytes int `config:"max_bytes,bytes"`
	// MaxCharacters is the most characters of a text. Default: none.
	MaxCharacters int `config:"max_characters"`
	// FailOnError ends the work at the first error; else the other fields are
	// cut. Default: true.
	FailOnError bool `config:"fail_on_error"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`

	Common `config:",squash"`
}

func (o *truncateFields) Validate() error {
	errs := []error{required("fields", len(o.Fields) > 0, "[message]")}
	switch {
	case o.MaxBytes < 0:
		errs = append(errs, fault("max_bytes", "must be greater than 0"))
	case o.MaxCharacters < 0:
		errs = append(errs, fault("max_characters", "must be greater than 0"))
	case (o.MaxBytes > 0) == (o.MaxCharacters > 0):
		errs = append(errs, fault("", "wants either max_bytes or max_characters"))
	}
	return errors.Join(errs...)
}

func (o *truncateFields) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		var errs []error
		for _, name := range o.Fields {
			err := o.truncate(e, name)
			if err != nil && o.FailOnError {
				return err
			}
			errs = append(errs, err)
		}
		return ignored(errors.Join(errs...))
	}), nil
}

func (o *truncateFields) truncate(e *event.Event, name string) error {
	v, missing, err := fetch(e, name, o.IgnoreMissing)
	if err != nil || missing {
		return err
	}
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("cut field %s: it is a %T, no text", name, v)
	}
	n := o.length(text)
	if n == len(text) {
		return nil
	}
	if _, err := e.Put(name, text[:n]); err != nil {
		return fmt.Errorf("put field %s: %w", name, err)
	}
	return appendTags(e.Fields, "log.flags", []string{"truncated"})
}

// length is how many bytes of the text stay.
func (o *truncateFields) length(text string) int {
	if o.MaxBytes > 0 {
		return min(len(text), o.MaxBytes)
	}
	n := 0
	for range o.MaxCharacters {
		if n == len(text) {
			break
		}
		_, size := utf8.DecodeRuneInString(text[n:])
		n += size
	}
	return n
}
