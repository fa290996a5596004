package recorder

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// A record that no source has sent: something happened that a reader of the
// lines must know, such as a gap, or segments that were dropped. Event names
// are lower-case words.

// eventTopic is what stands in front of the name of an event where a format
// shows the topic: $sluice/SERIES/EVENT. Brokers give "#" no topic with a "$".
const eventTopic = "$sluice/"

// newEvent makes the record of an event of a series; details is a JSON object.
func newEvent(series, event string, details []byte) Record {
	return Record{
		Time: time.Now(), Topic: eventTopic + series + "/" + event,
		Payload: details, Size: len(details), kind: kindEvent, slot: -1,
	}
}

// appendEvent appends an event as one JSON object: time, event, series, its
// details, and the clock.
func appendEvent(dst []byte, r *Record) []byte {
	series, event, _ := bytes.Cut([]byte(r.Topic[len(eventTopic):]), []byte("/"))
	dst = append(appendTime(dst, r.Time), `,"event":`...)
	dst = appendJSONString(dst, event)
	dst = append(dst, `,"series":`...)
	dst = appendJSONString(dst, series)
	if body := bytes.TrimSpace(r.Payload); len(body) > 2 && utf8.Valid(body) {
		dst = append(append(dst, ','), body[1:len(body)-1]...)
	}
	return append(appendClock(dst, r), '}')
}
