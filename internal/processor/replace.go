package processor

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"sluice/internal/event"
)

// Replaces what matches a regular expression in texts. An error undoes all and
// stands in error.message. Filebeat: replace.
type replace struct {
	// Fields are sections with field, pattern and replacement. Required.
	Fields []replacement `config:"fields"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// FailOnError undoes all replacements when one fails; else the others are
	// still made, and error.message is not set. Default: true.
	FailOnError bool `config:"fail_on_error"`

	Common `config:",squash"`
}

// replacement is one entry of replace.fields.
type replacement struct {
	// Field is the name of the text. Required.
	Field string `config:"field"`
	// Pattern is a regular expression (RE2). Required.
	Pattern string `config:"pattern"`
	// Replacement takes the place of each match; $1 and ${name} stand for its
	// groups. Required, but may be "".
	Replacement *string `config:"replacement"`
}

func (o *replace) Validate() error {
	if len(o.Fields) == 0 {
		return fault("fields", "is required: a list of sections with field, pattern and replacement")
	}
	var errs []error
	for i, f := range o.Fields {
		name := "fields." + strconv.Itoa(i)
		errs = append(errs, required(name+".field", f.Field != "", "message"), required(name+".pattern", f.Pattern != "", `'\d+'`),
			required(name+".replacement", f.Replacement != nil, `""`))
		_, err := compileRegexp(f.Pattern)
		errs = append(errs, inside(name+".pattern", err))
	}
	return errors.Join(errs...)
}

func (o *replace) compile(Env) (step, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	patterns := make([]*regexp.Regexp, len(o.Fields))
	for i, f := range o.Fields {
		patterns[i] = regexp.MustCompile(f.Pattern)
	}
	return change(func(e *event.Event) error {
		return eachOf(e, len(o.Fields), o.FailOnError, "Failed to replace fields in processor", func(i int) error {
			return o.replace(e, &o.Fields[i], patterns[i])
		})
	}), nil
}

func (o *replace) replace(e *event.Event, f *replacement, pattern *regexp.Regexp) error {
	v, missing, err := fetch(e, f.Field, o.IgnoreMissing)
	if err != nil || missing {
		return err
	}
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("could not replace in key: %s, Error: it is a %T, no text", f.Field, v)
	}
	if _, err := e.Put(f.Field, pattern.ReplaceAllString(text, *f.Replacement)); err != nil {
		return fmt.Errorf("could not put value: %s: %s, %s", f.Field, text, reason(err))
	}
	return nil
}
