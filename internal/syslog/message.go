package syslog

import (
	"strconv"
	"strings"
	"time"
)

// Message is a syslog message. A text that is absent is empty.
type Message struct {
	// Priority is facility * 8 + severity; negative if there is none.
	Priority int
	// Timestamp is zero if there is none.
	Timestamp time.Time
	// Hostname is the sender.
	Hostname string
	// AppName is the program: RFC 3164's tag.
	AppName string
	// ProcID is mostly a process id, but any text.
	ProcID string
	// MsgID names the kind of message; RFC 5424 only.
	MsgID string
	// Version is the one of RFC 5424's form, now "1".
	Version string
	// StructuredData has an object for each element, with texts; RFC 5424 only.
	StructuredData map[string]any
	// Msg is the message's text.
	Msg string
}

// maxPriority is facility local7 (23), severity debug (7).
const maxPriority = 23*8 + 7

var facilities = [...]string{
	"kernel", "user-level", "mail", "system", "security/authorization", "syslogd", "line printer", "network news",
	"UUCP", "clock", "security/authorization", "FTP", "NTP", "log audit", "log alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

var severities = [...]string{
	"Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug",
}

// Fields returns the object log.syslog of an event: priority, facility and
// severity (code, name), hostname, appname, procid, msgid, version and
// structured_data, each if it is there. It is the caller's.
func (m *Message) Fields() map[string]any {
	f := make(map[string]any)
	if m.Priority >= 0 && m.Priority <= maxPriority {
		facility, severity := m.Priority/8, m.Priority%8
		f["priority"] = int64(m.Priority)
		f["facility"] = map[string]any{"code": int64(facility), "name": facilities[facility]}
		f["severity"] = map[string]any{"code": int64(severity), "name": severities[severity]}
	}
	for name, text := range map[string]string{
		"hostname": m.Hostname, "appname": m.AppName, "procid": m.ProcID, "msgid": m.MsgID, "version": m.Version,
	} {
		if text != "" {
			f[name] = text
		}
	}
	if len(m.StructuredData) > 0 {
		data := make(map[string]any, len(m.StructuredData))
		for id, params := range m.StructuredData {
			data[id] = params
		}
		f["structured_data"] = data
	}
	return f
}

// faults are what is wrong with a message, in its order.
type faults []string

func (f faults) Error() string { return strings.Join(f, "; ") }

// scanner goes through a message.
type scanner struct {
	data string
	at   int // of the next byte
	faults
}

// stop notes that the form is wrong at the next byte.
func (s *scanner) stop() bool {
	s.faults = append(s.faults, "parsing error at position "+strconv.Itoa(s.at+1)+": unexpected EOF")
	return false
}

// invalid notes that the value that begins at byte at is wrong.
func (s *scanner) invalid(at int, why string) {
	s.faults = append(s.faults, "validation error at position "+strconv.Itoa(at+1)+": "+why)
}

func (s *scanner) rest() string { return s.data[s.at:] }

func (s *scanner) err() error {
	if len(s.faults) == 0 {
		return nil
	}
	return s.faults
}

// skip goes over one byte if it is this one.
func (s *scanner) skip(b byte) bool {
	if s.at < len(s.data) && s.data[s.at] == b {
		s.at++
		return true
	}
	return false
}

// take returns the bytes that belong to a set, at least one of them.
func (s *scanner) take(in func(b byte) bool) (text string, ok bool) {
	from := s.at
	for s.at < len(s.data) && in(s.data[s.at]) {
		s.at++
	}
	return s.data[from:s.at], s.at > from
}

// word reads up to a space, and the space.
func (s *scanner) word() (text string, ok bool) {
	if text, ok = s.take(isGraph); !ok || !s.skip(' ') {
		return "", s.stop()
	}
	return text, true
}

// priority reads <13>; the caller has seen the <.
func (s *scanner) priority(m *Message) bool {
	s.at++
	from := s.at
	text, ok := s.take(isDigit)
	if !ok || !s.skip('>') {
		return s.stop()
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > maxPriority {
		s.invalid(from, "priority value out of range (expected 0..191)")
		return true
	}
	m.Priority = n
	return true
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// isGraph takes all but spaces and control characters.
func isGraph(b byte) bool { return b > ' ' && b != 0x7f }
