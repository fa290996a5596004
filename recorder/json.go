package recorder

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendJSON appends the record as one JSON object: see the package
// documentation, "JSON lines". It allocates nothing.
func appendJSON(dst []byte, r *Record) []byte {
	if r.kind == kindEvent {
		return appendEvent(dst, r)
	}
	if r.kind == kindSerial {
		return appendSerial(dst, r)
	}
	dst = append(appendTime(dst, r.Time), `,"topic":`...)
	if utf8.ValidString(r.Topic) {
		dst = appendJSONString(dst, r.Topic)
	} else {
		dst = appendBase64(dst, []byte(r.Topic))
		dst = append(dst, `,"topic_encoding":"base64"`...)
	}
	dst = append(dst, `,"qos":`...)
	dst = append(dst, '0'+r.QoS)
	dst = append(dst, `,"retained":`...)
	dst = strconv.AppendBool(dst, r.Retained)
	dst = append(dst, `,"duplicate":`...)
	dst = strconv.AppendBool(dst, r.Duplicate)
	dst = append(dst, `,"id":`...)
	dst = strconv.AppendUint(dst, uint64(r.ID), 10)
	dst = append(dst, `,"payload":`...)
	if utf8.Valid(r.Payload) {
		dst = appendJSONString(dst, r.Payload)
		dst = append(dst, `,"encoding":"text"`...)
	} else {
		dst = appendBase64(dst, r.Payload)
		dst = append(dst, `,"encoding":"base64"`...)
	}
	dst = appendCut(dst, r.Size, len(r.Payload))
	if len(r.Properties) > 0 || r.PropertiesCut {
		dst = appendProperties(dst, r)
	}
	return append(appendClock(dst, r), '}')
}

// appendCut tells of a payload that was longer than what is kept of it.
func appendCut(dst []byte, size, kept int) []byte {
	if size == kept {
		return dst
	}
	dst = append(dst, `,"truncated":true,"size":`...)
	return strconv.AppendInt(dst, int64(size), 10)
}

// appendTime begins an object with a time.
func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, `{"time":"`...)
	return append(t.UTC().AppendFormat(dst, jsonLayout), '"')
}

// bootDigits is how much of a boot id a line has: enough to tell one start of a
// machine from another. NAME.clock.json has all of it.
const bootDigits = 8

// appendClock appends what is known of the clock that the record's time is by.
func appendClock(dst []byte, r *Record) []byte {
	if r.Boot == "" {
		return dst
	}
	dst = append(dst, `,"boot":"`...)
	dst = append(dst, r.Boot[:min(len(r.Boot), bootDigits)]...)
	dst = append(dst, `","monotonic":`...)
	dst = strconv.AppendInt(dst, int64(r.Monotonic/time.Second), 10)
	dst = append(dst, '.')
	dst = appendDigits(dst, int(r.Monotonic%time.Second/time.Microsecond), 6, '0')
	dst = append(dst, `,"synced":`...)
	return strconv.AppendBool(dst, r.Synced)
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// appendJSONString appends valid UTF-8 as a JSON string.
func appendJSONString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		dst = appendJSONEscape(dst, c)
		start = i + 1
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

func appendJSONEscape(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	}
	return append(dst, `\u00`+digits[c>>4:c>>4+1]+digits[c&15:c&15+1]...)
}
