package processor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/internal/event"
)

// Cuts a text into fields by a pattern. A text that does not fit is flagged in
// log.flags: dissect_parsing_error. Filebeat: dissect.
type dissect struct {
	// Tokenizer is the pattern: '%{client} %{verb} %{path} %{status|integer}'.
	// Keys: %{name}, %{} and %{?name} skip, %{+name} appends (%{+name/2} as the
	// second), %{&name} takes the value of name as its name (%{?name} or
	// %{*name} holds it), %{name->} swallows a repeated delimiter, %{name#3}
	// takes three bytes, %{name|type} converts to integer, long, float, double,
	// boolean or ip; what can't be converted stays a text. Required.
	Tokenizer string `config:"tokenizer"`
	// Field holds the text. Default: message.
	Field string `config:"field"`
	// TargetPrefix is the field that takes the new ones; "" is the top level.
	// Default: dissect.
	TargetPrefix string `config:"target_prefix"`
	// IgnoreFailure takes a text that does not fit for no error; it is flagged
	// nevertheless. Default: false.
	IgnoreFailure bool `config:"ignore_failure"`
	// OverwriteKeys replaces fields that are there; else one that is there is an
	// error and nothing is changed. Default: false.
	OverwriteKeys bool `config:"overwrite_keys"`
	// TrimValues says where trim_chars are removed from values: none, left,
	// right or all. Default: none.
	TrimValues string `config:"trim_values"`
	// TrimChars are the characters to remove. Default: " ".
	TrimChars string `config:"trim_chars"`

	Common `config:",squash"`
}

func (o *dissect) Validate() error {
	errs := []error{required("field", o.Field != "", "message"), oneOf("trim_values", strings.ToLower(o.TrimValues), "none", "left", "right", "all")}
	if _, err := parseTokenizer(o.Tokenizer); err != nil {
		errs = append(errs, fault("tokenizer", "invalid dissect tokenizer %s", err))
	}
	return errors.Join(errs...)
}

// trim returns the function that cuts values.
func (o *dissect) trim() func(string) string {
	switch strings.ToLower(o.TrimValues) {
	case "left":
		return func(s string) string { return strings.TrimLeft(s, o.TrimChars) }
	case "right":
		return func(s string) string { return strings.TrimRight(s, o.TrimChars) }
	case "all":
		return func(s string) string { return strings.Trim(s, o.TrimChars) }
	}
	return func(s string) string { return s }
}

func (o *dissect) compile(Env) (step, error) {
	t, err := parseTokenizer(o.Tokenizer)
	if err != nil {
		return nil, fault("tokenizer", "invalid dissect tokenizer %s", err)
	}
	prefix := o.TargetPrefix
	if prefix != "" {
		prefix += "."
	}
	trim := o.trim()
	return change(func(e *event.Event) error {
		v, _, err := fetch(e, o.Field, false)
		if err != nil {
			return err
		}
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("dissect field %s: it is a %T, no text", o.Field, v)
		}
		parts, err := t.split(text)
		if err != nil {
			if flagErr := appendTags(e.Fields, "log.flags", []string{"dissect_parsing_error"}); flagErr != nil || !o.IgnoreFailure {
				return errors.Join(fmt.Errorf("dissect field %s: %w", o.Field, err), flagErr)
			}
			return nil
		}
		return o.store(e, prefix, t.values(parts, trim), t.types)
	}), nil
}

// store puts the values, all or none unless overwrite_keys is set.
func (o *dissect) store(e *event.Event, prefix string, values, types map[string]string) error {
	names := slices.Sorted(maps.Keys(values))
	if !o.OverwriteKeys {
		for _, name := range names {
			if err := free(e, prefix+name, values, name); err != nil {
				return err
			}
		}
	}
	var errs []error
	for _, name := range names {
		var v any = values[name]
		if typ := types[name]; typ != "" {
			if converted, err := convertTo(typ, v); err == nil {
				v = converted
			}
		}
		if _, err := e.Put(prefix+name, v); err != nil {
			errs = append(errs, fmt.Errorf("put field %s%s: %w", prefix, name, err))
		}
	}
	return errors.Join(errs...)
}

// free says why a field can't be made: it is there, or one of the new ones
// stands where it needs a section.
func free(e *event.Event, full string, values map[string]string, name string) error {
	_, err := e.Get(full)
	switch {
	case err == nil:
		return fmt.Errorf("cannot override existing key: `%s`", full)
	case !errors.Is(err, event.ErrNotFound):
		return fmt.Errorf("cannot override existing key with `%s`: %w", full, err)
	}
	for i := range name {
		if _, taken := values[name[:i]]; taken && name[i] == '.' {
			return fmt.Errorf("cannot override existing key with `%s`: `%s` is a key, too", full, name[:i])
		}
	}
	return nil
}
