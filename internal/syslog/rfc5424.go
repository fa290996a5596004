package syslog

import "strings"

// nilValue stands for a value that is absent.
const nilValue = "-"

// rfc5424 reads <PRIORITY>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID
// STRUCTURED-DATA [MSG].
func (s *scanner) rfc5424(m *Message) bool {
	if !strings.HasPrefix(s.data, "<") {
		return s.stop()
	}
	if !s.priority(m) {
		return false
	}
	version, ok := s.take(isDigit)
	if !ok || !s.skip(' ') {
		return s.stop()
	}
	m.Version = version
	from := s.at
	stamp, ok := s.word()
	if !ok {
		return false
	}
	if stamp != nilValue {
		s.rfc3339(m, from, stamp)
	}
	for _, field := range []*string{&m.Hostname, &m.AppName, &m.ProcID, &m.MsgID} {
		text, ok := s.word()
		if !ok {
			return false
		}
		if text != nilValue {
			*field = text
		}
	}
	return s.dataAndText(m)
}

// dataAndText reads structured data and the message behind it.
func (s *scanner) dataAndText(m *Message) bool {
	from := s.at
	if !s.skip('-') && !s.rawData() {
		return false
	}
	raw := s.data[from:s.at]
	if s.at < len(s.data) && !s.skip(' ') {
		return s.stop()
	}
	const byteOrderMark = "\ufeff"
	m.Msg = strings.TrimPrefix(s.rest(), byteOrderMark)
	if raw == nilValue {
		return true
	}
	var ok bool
	if m.StructuredData, ok = structuredData(raw); !ok {
		m.Msg = strings.TrimSuffix(raw+" "+m.Msg, " ")
	}
	return true
}

// rawData goes over elements in brackets. Only a bracket may be escaped.
func (s *scanner) rawData() bool {
	if s.at == len(s.data) || s.data[s.at] != '[' {
		return s.stop()
	}
	for s.skip('[') {
		for !s.skip(']') {
			if s.at < len(s.data) && s.data[s.at] == '\\' {
				s.at++
				if !s.skip(']') {
					return s.stop()
				}
				continue
			}
			if s.at == len(s.data) {
				return s.stop()
			}
			s.at++
		}
	}
	return true
}

// structuredData reads elements: [id name="value" name="value"].
func structuredData(raw string) (data map[string]any, ok bool) {
	s := &scanner{data: raw}
	data = make(map[string]any)
	for s.skip('[') {
		id, ok := s.take(isName)
		if !ok {
			return nil, false
		}
		params := make(map[string]any)
		for s.skip(' ') {
			name, ok := s.take(isName)
			if !ok || !s.skip('=') || !s.skip('"') {
				return nil, false
			}
			if params[name], ok = s.value(); !ok {
				return nil, false
			}
		}
		if !s.skip(']') {
			return nil, false
		}
		data[id] = params
	}
	return data, s.at == len(raw)
}

// value reads up to the quote.
func (s *scanner) value() (text string, ok bool) {
	var b strings.Builder
	for s.at < len(s.data) {
		c := s.data[s.at]
		s.at++
		switch {
		case c == '"':
			return b.String(), true
		case c == '\\' && s.skip(']'):
			b.WriteByte(']')
		case c == ']':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// isName takes the characters of an element's or parameter's name.
func isName(b byte) bool { return isGraph(b) && b != '=' && b != ']' && b != '"' }
