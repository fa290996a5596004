package processor

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"sluice/internal/event"
)

// Removes fields; @timestamp and type stay. Filebeat: drop_fields.
type dropFields struct {
	// Fields are the names; one between slashes is a regular expression over
	// the dotted names of all fields: /^tmp_/. Required, but may be empty: then
	// no field is removed.
	Fields *[]string `config:"fields"`
	// IgnoreMissing takes a field that is not there for no error; either way
	// the others are removed. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`

	Common `config:",squash"`
}

// listed returns the entries of a list that may be missing.
func listed(names *[]string) []string {
	if names == nil {
		return nil
	}
	return *names
}

// keptAlways are the fields that can't be removed.
func keptAlways(name string) bool { return name == "@timestamp" || name == "type" }

// betweenSlashes returns the regular expression of /…/.
func betweenSlashes(name string) (pattern string, ok bool) {
	if len(name) < 2 || name[0] != '/' || !strings.HasSuffix(name, "/") {
		return "", false
	}
	return name[1 : len(name)-1], true
}

func (o *dropFields) Validate() error {
	errs := []error{required("fields", o.Fields != nil, "[agent.id, /^tmp_/]")}
	for i, name := range listed(o.Fields) {
		if pattern, ok := betweenSlashes(name); ok {
			_, err := compileRegexp(pattern)
			errs = append(errs, inside("fields."+strconv.Itoa(i), err))
		}
	}
	return errors.Join(errs...)
}

func (o *dropFields) compile(Env) (step, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	var names []string
	var patterns []*regexp.Regexp
	for _, name := range *o.Fields {
		if pattern, ok := betweenSlashes(name); ok {
			patterns = append(patterns, regexp.MustCompile(pattern))
		} else if !keptAlways(name) {
			names = append(names, name)
		}
	}
	return change(func(e *event.Event) error {
		var errs []error
		for _, name := range names {
			if err := e.Delete(name); err != nil && !(o.IgnoreMissing && errors.Is(err, event.ErrNotFound)) {
				errs = append(errs, fmt.Errorf("failed to drop field [%s]: %w", name, err))
			}
		}
		if len(patterns) > 0 {
			dropMatching(e.Fields, "", patterns)
		}
		return errors.Join(errs...)
	}), nil
}

// dropMatching removes the fields and sections whose dotted names match.
func dropMatching(m map[string]any, prefix string, patterns []*regexp.Regexp) {
	for key, v := range m {
		full := prefix + key
		if !keptAlways(full) && matchesAny(full, patterns) {
			delete(m, key)
			continue
		}
		if inner, ok := v.(map[string]any); ok {
			dropMatching(inner, full+".", patterns)
		}
	}
}

func matchesAny(name string, patterns []*regexp.Regexp) bool {
	for _, p := range patterns {
		if p.MatchString(name) {
			return true
		}
	}
	return false
}

// Keeps only the named fields, and @timestamp, @metadata and type. Filebeat:
// include_fields.
type includeFields struct {
	// Fields are the names. Required, but may be empty: then no other field is
	// kept.
	Fields *[]string `config:"fields"`

	Common `config:",squash"`
}

func (o *includeFields) Validate() error {
	return required("fields", o.Fields != nil, "[message, host.name]")
}

func (o *includeFields) compile(Env) (step, error) {
	names := append([]string{"type"}, listed(o.Fields)...)
	return change(func(e *event.Event) error {
		var errs []error
		kept := make(map[string]any, len(names))
		for _, name := range names {
			v, err := event.Get(e.Fields, name)
			if err == nil {
				_, err = event.Put(kept, name, v)
			}
			if err != nil && !errors.Is(err, event.ErrNotFound) {
				errs = append(errs, fmt.Errorf("failed to include field [%s]: %w", name, err))
			}
		}
		e.Fields = kept
		return errors.Join(errs...)
	}), nil
}
