package recorder

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendJSON appends the record as one JSON object: see the package
// documentation, "JSON lines". It allocates nothing.
func appendJSON(dst []byte, r *Record) []byte {
	dst = append(dst, `{"time":"`...)
	dst = r.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
	dst = append(dst, `","topic":`...)
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
	if r.Truncated() {
		dst = append(dst, `,"truncated":true,"size":`...)
		dst = strconv.AppendInt(dst, int64(r.Size), 10)
	}
	return append(dst, '}')
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

// appendMosquittoJSON prints %j, and %J when raw: see the package
// documentation for where it differs from mosquitto_sub.
func appendMosquittoJSON(dst []byte, r *Record, zone *time.Location, raw bool) []byte {
	dst = append(dst, `{"tst":"`...)
	dst = r.Time.In(zone).AppendFormat(dst, "2006-01-02T15:04:05.000000Z-0700")
	dst = append(dst, `","topic":`...)
	if utf8.ValidString(r.Topic) {
		dst = appendJSONString(dst, r.Topic)
	} else {
		dst = append(appendBase64(dst, []byte(r.Topic)), `,"topic_encoding":"base64"`...)
	}
	dst = append(dst, `,"qos":`...)
	dst = append(dst, '0'+r.QoS)
	dst = append(dst, `,"retain":`...)
	dst = append(dst, digit(r.Retained))
	dst = append(dst, `,"payloadlen":`...)
	dst = strconv.AppendInt(dst, int64(r.Size), 10)
	if r.QoS > 0 {
		dst = append(dst, `,"mid":`...)
		dst = strconv.AppendUint(dst, uint64(r.ID), 10)
	}
	dst = append(dst, `,"payload":`...)
	switch {
	case !utf8.Valid(r.Payload):
		dst = append(appendBase64(dst, r.Payload), `,"encoding":"base64"`...)
	case raw && !bytes.ContainsAny(r.Payload, "\n\r") && json.Valid(r.Payload):
		dst = append(dst, r.Payload...)
	default:
		dst = appendJSONString(dst, r.Payload)
	}
	return append(dst, '}')
}
