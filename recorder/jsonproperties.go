package recorder

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendProperties appends the MQTT 5 properties of a record: see the package
// documentation, "JSON lines".
func appendProperties(dst []byte, r *Record) []byte {
	p := properties(r.Properties)
	text := func(dst, b []byte) []byte { return appendJSONString(dst, b) }
	if !p.readable() {
		text = appendBase64
		dst = append(dst, `,"properties_encoding":"base64"`...)
	}
	for _, field := range []struct {
		id   byte
		name string
	}{{propContentType, "content_type"}, {propResponseTopic, "response_topic"}} {
		if one, ok := p.find(field.id); ok {
			dst = append(append(append(dst, `,"`...), field.name...), `":`...)
			dst = text(dst, one.text)
		}
	}
	if one, ok := p.find(propCorrelation); ok {
		dst = append(dst, `,"correlation_data":`...)
		if utf8.Valid(one.text) {
			dst = appendJSONString(dst, one.text)
		} else {
			dst = append(appendBase64(dst, one.text), `,"correlation_encoding":"base64"`...)
		}
	}
	dst = appendNumber(dst, `,"payload_format":`, p, propFormat)
	dst = appendNumber(dst, `,"expiry":`, p, propExpiry)
	dst = appendList(dst, `,"subscriptions":`, p, propSubscription, func(dst []byte, one property) []byte {
		return strconv.AppendUint(dst, uint64(one.number), 10)
	})
	dst = appendList(dst, `,"user_properties":`, p, propUser, func(dst []byte, one property) []byte {
		dst = append(text(append(dst, '['), one.text), ',')
		return append(text(dst, one.value), ']')
	})
	if r.PropertiesCut {
		dst = append(dst, `,"properties_truncated":true`...)
	}
	return dst
}

// readable tells whether all texts among the properties are UTF-8; correlation
// data is no text.
func (p properties) readable() bool {
	for len(p) > 0 {
		one, rest, ok := p.next()
		if !ok {
			break
		}
		if one.id != propCorrelation && !(utf8.Valid(one.text) && utf8.Valid(one.value)) {
			return false
		}
		p = rest
	}
	return true
}

func appendNumber(dst []byte, name string, p properties, id byte) []byte {
	one, ok := p.find(id)
	if !ok {
		return dst
	}
	return strconv.AppendUint(append(dst, name...), uint64(one.number), 10)
}

// appendList appends all properties of an identifier, if there are any.
func appendList(dst []byte, name string, p properties, id byte, item func([]byte, property) []byte) []byte {
	n := 0
	p.each(id, func(one property) {
		if n++; n == 1 {
			dst = append(append(dst, name...), '[')
		} else {
			dst = append(dst, ',')
		}
		dst = item(dst, one)
	})
	if n > 0 {
		dst = append(dst, ']')
	}
	return dst
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
	if len(r.Properties) > 0 {
		dst = appendMosquittoProperties(dst, r.Properties)
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

// mosquittoNames are the names of properties in %j.
var mosquittoNames = map[byte]string{
	propFormat: "payload-format-indicator", propExpiry: "message-expiry-interval", propContentType: "content-type",
	propResponseTopic: "response-topic", propCorrelation: "correlation-data", propSubscription: "subscription-identifier",
	propUser: "user-properties",
}

// appendMosquittoProperties prints properties in the order in which they came,
// user properties together where the first of them stands.
func appendMosquittoProperties(dst []byte, p properties) []byte {
	dst = append(dst, `,"properties":{`...)
	first, user := true, false
	for rest := p; len(rest) > 0; {
		one, after, ok := rest.next()
		if !ok {
			break
		}
		rest = after
		if one.id == propUser && user {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, '"'), mosquittoNames[one.id]...), `":`...)
		switch one.id {
		case propFormat, propExpiry, propSubscription:
			dst = strconv.AppendUint(dst, uint64(one.number), 10)
		case propUser:
			user = true
			dst = appendMosquittoUser(dst, p)
		default:
			dst = appendTextOrBase64(dst, one.text)
		}
	}
	return append(dst, '}')
}

func appendMosquittoUser(dst []byte, p properties) []byte {
	dst = append(dst, '{')
	n := 0
	p.each(propUser, func(one property) {
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(appendTextOrBase64(dst, one.text), ':')
		dst = appendTextOrBase64(dst, one.value)
	})
	return append(dst, '}')
}

// appendTextOrBase64 appends what is no UTF-8 in base64.
func appendTextOrBase64(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return appendJSONString(dst, b)
	}
	return appendBase64(dst, b)
}
