package processor

import (
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"sluice/internal/event"
)

// Makes lists of texts that are lines of comma-separated values; broken quotes
// are read as they stand. With fail_on_error, either all fields are decoded or
// none. Filebeat: decode_csv_fields.
type decodeCSV struct {
	// Fields are the names of the texts with those of the fields that take the
	// lists; the two may be the same. Required.
	Fields map[string]any `config:"fields"`
	// Separator is the character between values. Default: ",".
	Separator string `config:"separator"`
	// TrimLeadingSpace removes white space before values. Default: false.
	TrimLeadingSpace bool `config:"trim_leading_space"`
	// OverwriteKeys allows targets that are there already. Default: false.
	OverwriteKeys bool `config:"overwrite_keys"`
	// FailOnError leaves all fields as they are when one fails; else the others
	// are decoded. Default: true.
	FailOnError bool `config:"fail_on_error"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`

	Common `config:",squash"`
}

func (o *decodeCSV) Validate() error {
	errs := []error{required("fields", len(o.Fields) > 0, "{message: csv}")}
	for name, to := range event.Flatten(o.Fields) {
		if targetName(to) == "" {
			errs = append(errs, fault("fields."+name, "wants the name of a field, found %s", describe(to)))
		}
	}
	r, n := utf8.DecodeRuneInString(o.Separator)
	switch {
	case n != len(o.Separator) || n == 0:
		errs = append(errs, fault("separator", "must be a single character, found %d in %q", utf8.RuneCountInString(o.Separator), o.Separator))
	case r == '"' || r == '\r' || r == '\n' || r == utf8.RuneError:
		errs = append(errs, fault("separator", "%q can't separate values; use another character", o.Separator))
	}
	return errors.Join(errs...)
}

// targetName is the name of a field, which may look like a number or a boolean.
func targetName(v any) string {
	switch v.(type) {
	case string, bool, int64, uint64, float64:
		return shown(v)
	}
	return ""
}

func (o *decodeCSV) compile(Env) (step, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	separator, _ := utf8.DecodeRuneInString(o.Separator)
	targets := event.Flatten(o.Fields)
	names := slices.Sorted(maps.Keys(targets))
	return change(func(e *event.Event) error {
		var errs []error
		var backup *event.Event
		if o.FailOnError && len(names) > 1 { // one that fails has changed nothing
			backup = e.Clone()
		}
		for _, name := range names {
			err := o.decode(e, name, targetName(targets[name]), separator)
			if err != nil && o.FailOnError {
				if backup != nil {
					*e = *backup
				}
				return err
			}
			errs = append(errs, err)
		}
		return ignored(errors.Join(errs...))
	}), nil
}

func (o *decodeCSV) decode(e *event.Event, from, to string, separator rune) error {
	v, missing, err := fetch(e, from, o.IgnoreMissing)
	if err != nil || missing {
		return err
	}
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("decode field %s as CSV: it is a %T, no text", from, v)
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.TrimLeadingSpace, r.LazyQuotes, r.FieldsPerRecord = separator, o.TrimLeadingSpace, true, -1
	record, err := r.Read()
	if err != nil {
		return fmt.Errorf("decode field %s as CSV: %w", from, err)
	}
	if from != to && !o.OverwriteKeys && e.Has(to) {
		return fmt.Errorf("target field %s already has a value. Set the overwrite_keys flag or drop/rename the field first", to)
	}
	list := make([]any, len(record))
	for i, value := range record {
		list[i] = value
	}
	if _, err := e.Put(to, list); err != nil {
		return fmt.Errorf("put field %s: %w", to, err)
	}
	return nil
}
