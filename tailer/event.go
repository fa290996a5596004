package tailer

import (
	"strconv"
	"strings"
	"time"

	"sluice/internal/event"
)

// A dynamic part of an event, filled in for each line.
type part uint8

const (
	partTime      part = iota // @timestamp: read time, UTC, milliseconds
	partID                    // the offset inside @metadata._id
	partOffset                // log.offset: where the line starts
	partMessage               // message: the line
	partsPerEvent             // how many there are
)

// mark is what stands for a part while a template is marshalled. A NUL can't
// come from a path or from YAML, so no user's text is taken for one.
func (p part) mark() string { return "\x00" + string(rune('0'+p)) + "\x00" }

// template is the JSON of an input's events for one file, cut where the
// parts that differ from line to line go. It makes an event a handful of
// copies: no maps, no reflection, no allocation.
type template struct {
	lead  []byte // up to the first part
	cuts  []cut
	html  bool
	clock clock
}

type cut struct {
	part part
	text []byte // what follows the part
}

// jsonMark is the mark as it stands in JSON text.
func jsonMark(p part) string { return `\u0000` + string(rune('0'+p)) + `\u0000` }

func nextMark(s string) (at int, p part) {
	at = -1
	for q := range partsPerEvent {
		if i := strings.Index(s, jsonMark(q)); i >= 0 && (at < 0 || i < at) {
			at, p = i, q
		}
	}
	return at, p
}

// append appends the event of one line that starts at start, has the log.offset
// offset and was read at the given time (Unix milliseconds).
func (t *template) append(b []byte, ms, start, offset int64, line []byte) []byte {
	b = append(b, t.lead...)
	for i := range t.cuts {
		c := &t.cuts[i]
		switch c.part {
		case partTime:
			b = t.clock.append(b, ms)
		case partID:
			b = strconv.AppendInt(b, start, 10)
		case partOffset:
			b = strconv.AppendInt(b, offset, 10)
		case partMessage:
			b = event.AppendEscaped(b, line, t.html)
		}
		b = append(b, c.text...)
	}
	return b
}

// clock formats read times; consecutive ones mostly share their second.
type clock struct {
	second int64
	text   [len("2006-01-02T15:04:05.000Z")]byte
}

func (c *clock) append(b []byte, ms int64) []byte {
	second, milli := ms/1000, ms%1000
	if second != c.second || c.text[0] == 0 {
		c.second = second
		var long [64]byte
		copy(c.text[:], time.Unix(second, 0).UTC().AppendFormat(long[:0], "2006-01-02T15:04:05.000Z"))
	}
	c.text[20], c.text[21], c.text[22] = byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10)
	return append(b, c.text[:]...)
}
