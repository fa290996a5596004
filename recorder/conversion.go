package recorder

import "strconv"

// conversions are the letters after %, as in mosquitto_sub 2.0.
const conversions = "ACDEFIJPRSUXjlmpqrtx"

// conversion returns what prints %c; nil when there is no such letter.
func (s spec) conversion(c byte) part {
	switch c {
	case 'p':
		return func(_ *format, dst []byte, r *Record) []byte { return s.payload(dst, r.Payload) }
	case 'x':
		return func(_ *format, dst []byte, r *Record) []byte { return s.hex(dst, r.Payload, "0123456789abcdef") }
	case 'X':
		return func(_ *format, dst []byte, r *Record) []byte { return s.hex(dst, r.Payload, "0123456789ABCDEF") }
	case 't':
		return func(_ *format, dst []byte, r *Record) []byte { return s.text(dst, r.Topic) }
	case 'l':
		return func(_ *format, dst []byte, r *Record) []byte { return s.integer(dst, int64(r.Size)) }
	case 'm':
		return func(_ *format, dst []byte, r *Record) []byte { return s.integer(dst, int64(r.ID)) }
	case 'q':
		return func(_ *format, dst []byte, r *Record) []byte { return append(dst, '0'+r.QoS) }
	case 'r':
		return func(_ *format, dst []byte, r *Record) []byte { return append(dst, digit(r.Retained)) }
	case 'j', 'J':
		return func(f *format, dst []byte, r *Record) []byte { return appendMosquittoJSON(dst, r, f.zone, c == 'J') }
	case 'I':
		return s.isoTime
	case 'U':
		return func(_ *format, dst []byte, r *Record) []byte { return appendUnix(dst, r.Time) }
	case 'A':
		return func(_ *format, dst []byte, _ *Record) []byte { return s.blank(dst, s.zero) }
	case 'E':
		return s.number(propExpiry)
	case 'F':
		return s.number(propFormat)
	case 'S':
		return s.number(propSubscription)
	case 'C', 'R':
		return s.property(c)
	case 'D':
		return func(_ *format, dst []byte, r *Record) []byte {
			one, _ := properties(r.Properties).find(propCorrelation)
			return appendText(dst, one.text)
		}
	case 'P':
		return func(_ *format, dst []byte, r *Record) []byte { return appendUserText(dst, r.Properties) }
	}
	return nil
}

// number prints a property that is a number. Topic aliases, which %A is for, are
// switched off.
func (s spec) number(id byte) part {
	return func(_ *format, dst []byte, r *Record) []byte {
		if one, ok := properties(r.Properties).find(id); ok {
			return s.integer(dst, int64(one.number))
		}
		return s.blank(dst, s.zero)
	}
}

// property prints a property that is a text. As in mosquitto_sub an absent one
// has a width in %C only.
func (s spec) property(c byte) part {
	id := byte(propContentType)
	if c == 'R' {
		id = propResponseTopic
	}
	return func(_ *format, dst []byte, r *Record) []byte {
		one, ok := properties(r.Properties).find(id)
		switch {
		case ok:
			return s.text(dst, string(one.text))
		case c == 'C':
			return s.blank(dst, false)
		}
		return dst
	}
}

// appendUserText prints all user properties, NAME:VALUE and a blank between two.
// Width and precision have no effect, as in mosquitto_sub.
func appendUserText(dst []byte, p properties) []byte {
	var text []byte
	n := 0
	p.each(propUser, func(one property) {
		if n++; n > 1 {
			text = append(text, ' ')
		}
		text = append(append(text, one.text...), ':')
		text = append(text, one.value...)
	})
	return appendText(dst, text)
}

func digit(b bool) byte {
	if b {
		return '1'
	}
	return '0'
}

// pad appends text in the field's width.
func (s spec) pad(dst, text []byte, zero bool) []byte {
	fill := byte(' ')
	if zero && s.zero {
		fill = '0'
	}
	n := s.width - len(text)
	if !s.left {
		dst = appendFill(dst, fill, n)
	}
	dst = append(dst, text...)
	if s.left {
		dst = appendFill(dst, ' ', n)
	}
	return dst
}

func appendFill(dst []byte, fill byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, fill)
	}
	return dst
}

func (s spec) integer(dst []byte, v int64) []byte {
	var digits [20]byte
	return s.pad(dst, strconv.AppendInt(digits[:0], v, 10), true)
}

// text prints a topic, escaped when it needs it; the precision counts its
// bytes before that.
func (s spec) text(dst []byte, text string) []byte {
	if s.precision >= 0 && len(text) > s.precision {
		text = text[:s.precision]
	}
	if s.width == 0 {
		return appendText(dst, text)
	}
	var room [128]byte
	return s.pad(dst, appendText(room[:0], text), false)
}

// payload prints the payload. As in mosquitto_sub a width also cuts it, and the
// precision has no effect.
func (s spec) payload(dst, payload []byte) []byte {
	if s.width == 0 {
		return appendText(dst, payload)
	}
	payload = payload[:min(len(payload), s.width)]
	var room [256]byte
	return s.pad(dst, appendText(room[:0], payload), true)
}

// hex prints the payload in hexadecimal. As in mosquitto_sub a width also cuts
// it, to half the smaller of payload and width, rounded down.
func (s spec) hex(dst, payload []byte, digits string) []byte {
	n := 0
	if s.width > 0 {
		payload = payload[:min(len(payload), s.width)/2]
		n = s.width - 2*len(payload)
	}
	fill := byte(' ')
	if s.zero {
		fill = '0'
	}
	if !s.left {
		dst = appendFill(dst, fill, n)
	}
	for _, b := range payload {
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	if s.left {
		dst = appendFill(dst, ' ', n)
	}
	return dst
}

// blank prints an absent property.
func (s spec) blank(dst []byte, zero bool) []byte {
	fill := byte(' ')
	if zero {
		fill = '0'
	}
	return appendFill(dst, fill, s.width)
}

// isoTime prints %I.
func (s spec) isoTime(f *format, dst []byte, r *Record) []byte {
	if s.width == 0 && s.precision < 0 {
		return f.now.appendISO(dst, r.Time, f.zone)
	}
	var room [64]byte
	text := f.now.appendISO(room[:0], r.Time, f.zone)
	if s.precision >= 0 {
		text = text[:min(len(text), s.precision)]
	}
	return s.pad(dst, text, false)
}
