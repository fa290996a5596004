package processor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"sluice/internal/event"
)

// Env is what processors know of the program that they run in.
type Env struct {
	// Log takes what goes wrong with single events, at debug level.
	Log zerolog.Logger
	// DataPath is the folder for what a processor keeps (path.data).
	DataPath string
	// Name and Version are what agent.name and agent.version will be.
	Name, Version string
}

// options is implemented by the pointer to each kind's options.
type options interface {
	// Validate reports all faults; each has a method Field that names the
	// option, dotted and relative to the kind.
	Validate() error
	// compile makes a step of valid options.
	compile(env Env) (step, error)
}

// step changes one event. With drop the event is unwanted. After an error the
// chain goes on with the event as the step left it.
type step interface {
	run(e *event.Event) (drop bool, err error)
}

// closer is a step that holds something until the chain ends.
type closer interface{ Close() error }

// ignoredError is only logged: no list ends at it.
type ignoredError struct{ error }

func (e ignoredError) Unwrap() error { return e.error }

// ignored marks an error as one that its processor's options ignore.
func ignored(err error) error {
	if err == nil {
		return nil
	}
	return ignoredError{err}
}

// unless marks an error as ignored if it does not count.
func unless(counts bool, err error) error {
	if counts {
		return err
	}
	return ignored(err)
}

// isIgnored says that all parts of an error are ignored.
func isIgnored(err error) bool {
	switch e := err.(type) { //nolint:errorlint // it walks the tree by itself
	case ignoredError:
		return true
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(part error) bool { return !isIgnored(part) })
	case interface{ Unwrap() error }:
		return isIgnored(e.Unwrap())
	}
	return false
}

// change is a step that never drops an event.
type change func(e *event.Event) error

func (c change) run(e *event.Event) (drop bool, err error) { return false, c(e) }

// Common holds what the options of all processors have.
type Common struct {
	// When is a condition; the processor takes only events that meet it.
	// Default: none, all events.
	When *Condition `config:"when"`
}

func (c *Common) condition() *Condition { return c.When }

// conditional are options with a condition of their own.
type conditional interface{ condition() *Condition }

// OptionError is a fault of one option.
type OptionError struct {
	// Option is the dotted name relative to the section that was validated.
	Option string
	// Fault is what is wrong, and the mend.
	Fault string
}

// Error returns "option: fault".
func (e *OptionError) Error() string {
	if e.Option == "" {
		return e.Fault
	}
	return e.Option + ": " + e.Fault
}

// Field returns the option's dotted name.
func (e *OptionError) Field() string { return e.Option }

// fault makes an OptionError.
func fault(option, format string, args ...any) error {
	return &OptionError{option, fmt.Sprintf(format, args...)}
}

// required is the fault of an option that must be given; nil if it is.
func required(option string, given bool, example string) error {
	if given {
		return nil
	}
	return fault(option, "is required, for example %s: %s", option, example)
}

// oneOf is the fault of a value that is not among those allowed.
func oneOf(option, value string, allowed ...string) error {
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return fault(option, "%q is not known; use %s", value, strings.Join(allowed, ", "))
}

// inside puts the name of a section before the options that the parts of an
// error name.
func inside(section string, err error) error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, one := range many.Unwrap() {
			errs = append(errs, inside(section, one))
		}
		return errors.Join(errs...)
	}
	var named *OptionError
	switch {
	case !errors.As(err, &named):
		return &OptionError{section, err.Error()}
	case named.Option == "":
		return &OptionError{section, named.Fault}
	}
	return &OptionError{section + "." + named.Option, named.Fault}
}
