package parser

import (
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/event"
	"sluice/internal/syslog"
)

// syslogLine is the parser syslog of filestream.
type syslogLine struct {
	*syslogProgram
	c    *Chain
	next step
}

type syslogProgram struct {
	SyslogConfig
	options syslog.Options
	log     *throttle
}

// Validate reports the first fault.
func (c *SyslogConfig) Validate() error {
	_, err := c.options()
	return err
}

func (c *SyslogConfig) options() (o syslog.Options, err error) {
	o.Format = c.Format
	if err = o.Validate(); err != nil {
		return o, &OptionError{"format", err.Error()}
	}
	if o.Location, err = location(c.Timezone); err != nil {
		return o, &OptionError{"timezone", err.Error()}
	}
	return o, nil
}

// location finds a time zone by its name or its offset.
func location(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	if at, err := time.Parse("-07:00", name); err == nil {
		_, offset := at.Zone()
		return time.FixedZone(name, offset), nil
	}
	if at, err := time.Parse("-0700", name); err == nil {
		_, offset := at.Zone()
		return time.FixedZone(name, offset), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone; use Local, a name such as Europe/Berlin, or an offset such as +02:00", name)
	}
	return zone, nil
}

func syslogStep(o SyslogConfig, log zerolog.Logger) (builder, error) {
	options, err := o.options()
	if err != nil {
		return nil, err
	}
	p := &syslogProgram{o, options, newThrottle(log)}
	return func(c *Chain, next step) step { return &syslogLine{p, c, next} }, nil
}

// put drops a message without a text, as Filebeat does.
func (s *syslogLine) put(l *Line) bool {
	m, err := syslog.Parse(string(l.Text), s.options, s.c.now)
	if err != nil {
		s.fail(l, err)
	} else if m.Msg == "" {
		return s.c.drop()
	}
	if found := m.Fields(); len(found) > 0 {
		l.set("log", map[string]any{"syslog": found})
		l.Flags = nil
	}
	if m.Msg != "" {
		l.Text = []byte(m.Msg)
	}
	if !m.Timestamp.IsZero() {
		l.Time = m.Timestamp
	}
	return s.next.put(l)
}

func (s *syslogLine) fail(l *Line, err error) {
	fault := "Error parsing syslog message: " + err.Error()
	if s.LogErrors {
		s.log.error(s.c.now, fault)
	}
	if !s.AddErrorKey {
		return
	}
	if l.fields == nil {
		l.fields = make(map[string]any, 2)
	}
	_, _ = event.Put(l.fields, "error.message", fault) // a text in the way stays
}
