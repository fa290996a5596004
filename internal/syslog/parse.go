package syslog

import (
	"fmt"
	"strings"
	"time"
)

// The names of Options.Format.
const (
	Auto    = "auto"
	RFC3164 = "rfc3164"
	RFC5424 = "rfc5424"
)

// Options say how to read messages.
type Options struct {
	// Format is auto, rfc3164 or rfc5424. With auto, <PRIORITY>VERSION and a
	// space at the beginning mean RFC 5424. Default: auto.
	Format string
	// Location is the time zone of timestamps that have none. Default: local.
	Location *time.Location
}

// Validate says what is wrong with the format.
func (o Options) Validate() error {
	switch o.Format {
	case "", Auto, RFC3164, RFC5424:
		return nil
	}
	return fmt.Errorf("%q is no format of syslog messages; use auto, rfc3164 or rfc5424", o.Format)
}

// Parse reads one message. now gives timestamps of RFC 3164 their year. With
// an error it returns what could be read: an empty Msg then says that the
// message's text was not reached.
func Parse(data string, o Options, now time.Time) (Message, error) {
	if o.Location == nil {
		o.Location = time.Local
	}
	m := Message{Priority: -1}
	s := &scanner{data: data}
	if o.Format == RFC5424 || o.Format != RFC3164 && is5424(data) {
		s.rfc5424(&m)
	} else {
		s.rfc3164(&m, o.Location, now)
	}
	return m, s.err()
}

// is5424 looks for <13>1 and a space.
func is5424(data string) bool {
	s := &scanner{data: data}
	if !s.skip('<') {
		return false
	}
	if _, ok := s.take(isDigit); !ok || !s.skip('>') {
		return false
	}
	_, ok := s.take(isDigit)
	return ok && s.skip(' ')
}

// rfc3164 reads [<PRIORITY>]TIMESTAMP HOSTNAME [TAG[[PID]][:] ]MSG.
func (s *scanner) rfc3164(m *Message, zone *time.Location, now time.Time) bool {
	if strings.HasPrefix(s.data, "<") && !s.priority(m) {
		return false
	}
	if !s.timestamp(m, zone, now) {
		return false
	}
	host, ok := s.word()
	if !ok {
		return false
	}
	m.Hostname = host
	s.tag(m)
	m.Msg = s.rest()
	return true
}

// timestamp reads a time and the space behind it.
func (s *scanner) timestamp(m *Message, zone *time.Location, now time.Time) bool {
	from := s.at
	if s.at < len(s.data) && isDigit(s.data[s.at]) {
		text, ok := s.word()
		if ok {
			s.rfc3339(m, from, text)
		}
		return ok
	}
	month, ok := s.spaced(isLetter)
	if !ok {
		return s.stop()
	}
	day, ok := s.spaced(isDigit)
	if !ok {
		return s.stop()
	}
	clock, ok := s.take(isClock)
	if !ok || !s.skip(' ') {
		return s.stop()
	}
	// A leap year, so that February 29 is a day.
	t, err := time.ParseInLocation("2006 Jan 2 15:04:05", "2000 "+month+" "+day+" "+clock, zone)
	if err != nil {
		s.invalid(from, fmt.Sprintf("%q is no time of the form Jan _2 15:04:05", s.data[from:s.at-1]))
		return true
	}
	m.Timestamp = withYear(t, now.In(zone))
	return true
}

// withYear puts a time without a year close to now: into this year, or the
// last one if it would be more than a day ahead, as the messages of December
// are that are read in January.
func withYear(t, now time.Time) time.Time {
	in := func(year int) time.Time {
		return time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	}
	if this := in(now.Year()); this.Before(now.AddDate(0, 0, 1)) {
		return this
	}
	return in(now.Year() - 1)
}

func (s *scanner) rfc3339(m *Message, from int, text string) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		s.invalid(from, err.Error())
		return
	}
	m.Timestamp = t
}

// spaced is take with spaces behind the text, at least one.
func (s *scanner) spaced(in func(b byte) bool) (text string, ok bool) {
	if text, ok = s.take(in); ok {
		_, ok = s.take(isSpace)
	}
	return text, ok
}

func isSpace(b byte) bool { return b == ' ' }

func isClock(b byte) bool { return isDigit(b) || b == ':' || b == '.' }

// tag reads "su[230]: " or "su: ". A first word without a colon or brackets
// belongs to the message.
func (s *scanner) tag(m *Message) {
	from := s.at
	name, ok := s.take(func(b byte) bool { return isGraph(b) && b != ':' && b != '[' })
	if !ok {
		return
	}
	pid := ""
	if s.skip('[') {
		pid, ok = s.take(func(b byte) bool { return isGraph(b) && b != ']' })
		ok = ok && s.skip(']')
		s.skip(':')
	} else {
		ok = s.skip(':')
	}
	if !ok {
		s.at = from
		return
	}
	s.skip(' ')
	m.AppName, m.ProcID = name, pid
}
