package processor

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"sluice/internal/event"
)

// Reads a time from a field. Failures leave the event as it is. Filebeat:
// timestamp.
type timestamp struct {
	// Field holds the time: a text, or a number with the layouts UNIX and
	// UNIX_MS. Required.
	Field string `config:"field"`
	// TargetField takes the time. Default: @timestamp.
	TargetField string `config:"target_field"`
	// Layouts are Go's forms of the time 2006-01-02T15:04:05Z07:00, and UNIX
	// (seconds since 1970) and UNIX_MS (milliseconds); the first that fits is
	// used. One without a year means the current year. Required.
	Layouts []string `config:"layouts"`
	// Timezone of times that name none: UTC, Local, a name such as
	// Europe/Berlin, or an offset such as +0200. Default: UTC.
	Timezone string `config:"timezone"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// IgnoreFailure takes a time that fits no layout for no error. Default: false.
	IgnoreFailure bool `config:"ignore_failure"`
	// Test are texts that must fit a layout, else the program does not start.
	// Default: none.
	Test []string `config:"test"`
	// ID names the processor in the program's log. Default: none.
	ID string `config:"id"`

	Common `config:",squash"`
}

const (
	layoutUnix       = "UNIX"
	layoutUnixMillis = "UNIX_MS"
)

func (o *timestamp) Validate() error {
	errs := []error{required("field", o.Field != "", "message"), required("layouts", len(o.Layouts) > 0, "['2006-01-02T15:04:05Z07:00']")}
	zone, err := zoneOf(o.Timezone)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for i, text := range o.Test {
		if _, err := o.parse(text, zone); err != nil {
			errs = append(errs, fault("test."+strconv.Itoa(i), "%s", err))
		}
	}
	return errors.Join(errs...)
}

// zoneOf reads a time zone: an offset or a name.
func zoneOf(name string) (*time.Location, error) {
	for _, layout := range []string{"-07", "-0700", "-07:00"} {
		if t, err := time.Parse(layout, name); err == nil {
			_, seconds := t.Zone()
			return time.FixedZone(name, seconds), nil
		}
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fault("timezone", "%q is neither a time zone that this machine knows, such as Europe/Berlin, nor UTC, Local or an offset such as +0200", name)
	}
	return zone, nil
}

func (o *timestamp) compile(Env) (step, error) {
	zone, err := zoneOf(o.Timezone)
	if err != nil {
		return nil, err
	}
	return change(func(e *event.Event) error {
		err := o.read(e, zone)
		if err == nil || o.IgnoreFailure || o.IgnoreMissing && errors.Is(err, event.ErrNotFound) {
			return nil
		}
		if o.ID != "" {
			return fmt.Errorf("%s: %w", o.ID, err)
		}
		return err
	}), nil
}

func (o *timestamp) read(e *event.Event, zone *time.Location) error {
	v, err := e.Get(o.Field)
	if err != nil {
		return fmt.Errorf("failed to get time field %s: %w", o.Field, err)
	}
	t, err := o.parse(v, zone)
	if err != nil {
		return err
	}
	if _, err := e.Put(o.TargetField, t.UTC()); err != nil {
		return fmt.Errorf("put field %s: %w", o.TargetField, err)
	}
	return nil
}

// parse reads a time by the first layout that fits.
func (o *timestamp) parse(v any, zone *time.Location) (time.Time, error) {
	if t, ok := v.(time.Time); ok {
		return t, nil
	}
	var last error
	for _, layout := range o.Layouts {
		t, err := parseTime(layout, v, zone)
		if err == nil {
			return t, nil
		}
		last = err
	}
	return time.Time{}, fmt.Errorf("failed parsing time field %s='%s' with the layouts: %w", o.Field, shown(v), last)
}

func parseTime(layout string, v any, zone *time.Location) (time.Time, error) {
	switch layout {
	case layoutUnix:
		return unixTime(v, time.Second)
	case layoutUnixMillis:
		return unixTime(v, time.Millisecond)
	}
	text, ok := v.(string)
	if !ok {
		return time.Time{}, fmt.Errorf("a %T is no text", v)
	}
	t, err := time.ParseInLocation(layout, text, zone)
	if err == nil && t.Year() == 0 {
		t = t.AddDate(time.Now().In(zone).Year(), 0, 0)
	}
	return t, err
}

// mostUnix is about the year 2262: later times do not fit into 64 bits of
// nanoseconds.
const mostUnix = 1 << 63

func unixTime(v any, unit time.Duration) (time.Time, error) {
	if i, ok := integer(v); ok {
		if unit == time.Millisecond {
			return time.UnixMilli(i), nil
		}
		return time.Unix(i, 0), nil
	}
	if text, ok := v.(string); ok {
		if i, err := strconv.ParseInt(text, 0, 64); err == nil {
			return unixTime(i, unit)
		}
	}
	f, ok := number(v)
	if !ok {
		return time.Time{}, fmt.Errorf("%q is no number", shown(v))
	}
	nanos := f * float64(unit)
	if !(nanos > -mostUnix && nanos < mostUnix) {
		return time.Time{}, fmt.Errorf("%v is no time between 1677 and 2262", f)
	}
	return time.Unix(0, int64(nanos)), nil
}
