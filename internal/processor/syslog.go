package processor

import (
	"errors"
	"fmt"
	"time"

	"sluice/internal/event"
	"sluice/internal/syslog"
)

// Reads a syslog message. Its parts go to log.syslog, its text to message and
// its time to @timestamp. An error stands in error.message; what could be read
// is kept. Filebeat: syslog.
type syslogMessage struct {
	// Field is the field with the message. Default: message.
	Field string `config:"field"`
	// Format is auto, rfc3164 or rfc5424. Default: auto.
	Format string `config:"format"`
	// Timezone is the zone of times that have none: a name such as
	// Europe/Berlin, an offset such as +0200, or Local. Default: Local.
	Timezone string `config:"timezone"`
	// OverwriteKeys replaces fields that are there. Default: true.
	OverwriteKeys bool `config:"overwrite_keys"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// IgnoreFailure keeps errors out of error.message. Default: false.
	IgnoreFailure bool `config:"ignore_failure"`
	// Tag names this processor in the debug log. Default: none.
	Tag string `config:"tag"`

	Common `config:",squash"`
}

func (o *syslogMessage) Validate() error {
	var errs []error
	if err := (syslog.Options{Format: o.Format}).Validate(); err != nil {
		errs = append(errs, fault("format", "%s", err))
	}
	if _, err := syslogZone(o.Timezone); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, required("field", o.Field != "", "message"))...)
}

// syslogZone reads a time zone; none is the local one.
func syslogZone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	return zoneOf(name)
}

func (o *syslogMessage) compile(Env) (step, error) {
	zone, err := syslogZone(o.Timezone)
	if err != nil {
		return nil, err
	}
	options := syslog.Options{Format: o.Format, Location: zone}
	return change(func(e *event.Event) error {
		err := o.read(e, options)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("syslog failed to process field %q: %w", o.Field, err)
		if !o.IgnoreFailure {
			e.SetError(err.Error(), "")
		}
		if o.Tag != "" {
			err = fmt.Errorf("%s: %w", o.Tag, err)
		}
		return unless(!o.IgnoreFailure, err)
	}), nil
}

func (o *syslogMessage) read(e *event.Event, options syslog.Options) error {
	v, err := e.Get(o.Field)
	if err != nil {
		if o.IgnoreMissing && errors.Is(err, event.ErrNotFound) {
			return nil
		}
		return errors.New(reason(err))
	}
	text, ok := v.(string)
	if !ok {
		return errNoText
	}
	m, err := syslog.Parse(text, options, time.Now())
	fields := make(map[string]any, 2)
	if parts := m.Fields(); len(parts) > 0 {
		fields["log"] = map[string]any{"syslog": parts}
	}
	if m.Msg != "" || err == nil {
		fields["message"] = m.Msg
	}
	if e.Fields == nil {
		e.Fields = make(map[string]any, len(fields))
	}
	event.Merge(e.Fields, fields, o.OverwriteKeys)
	if o.OverwriteKeys && !m.Timestamp.IsZero() {
		e.Time = m.Timestamp
	}
	return err
}
