package elasticsearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/internal/event"
)

// document is one document, cut where @metadata was.
type document struct {
	whole []byte
	lead  []byte // {"@timestamp":"…"
	meta  []byte // the object @metadata
	rest  []byte // what comes behind it: ,"message":… or }

	parsed *event.Event
}

const (
	leadText = `{"@timestamp":"`
	metaText = `,"@metadata":`
)

var errForm = errors.New(`it does not begin with @timestamp and @metadata`)

// cut finds the parts of a document. It may be used for one after the other.
func (d *document) cut(doc []byte) error {
	*d = document{whole: doc}
	if !bytes.HasPrefix(doc, []byte(leadText)) {
		return errForm
	}
	end := bytes.IndexByte(doc[len(leadText):], '"')
	if end < 0 {
		return errForm
	}
	at := len(leadText) + end + 1
	d.lead = doc[:at]
	if !bytes.HasPrefix(doc[at:], []byte(metaText)) {
		return errForm
	}
	at += len(metaText)
	n := objectLength(doc[at:])
	if n == 0 {
		return errForm
	}
	d.meta, d.rest = doc[at:at+n], doc[at+n:]
	return nil
}

// objectLength returns the length of the JSON object that b begins with, 0 if it
// does not begin with a whole one.
func objectLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			n := stringLength(b[i:])
			if n == 0 {
				return 0
			}
			i += n - 1
		}
		if depth == 0 {
			return 0
		}
	}
	return 0
}

// stringLength returns the length of the JSON string that b begins with, quotes
// included; 0 if it does not end.
func stringLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// target is what @metadata says about where the document goes. The values are
// JSON strings, quotes included; nil: it says nothing.
type target struct {
	id, rawIndex, index, pipeline, op []byte
}

// target reads the members of @metadata that count. Their values are texts;
// others are passed over.
func (d *document) target() target {
	var t target
	b := d.meta
	for i := 1; i < len(b) && b[i] == '"'; {
		n := stringLength(b[i:])
		if n == 0 || i+n >= len(b) {
			break
		}
		key := b[i+1 : i+n-1]
		i += n + 1 // the colon too
		value := b[i : i+valueLength(b[i:])]
		i += len(value) + 1 // the comma or brace too
		if len(value) < 3 || value[0] != '"' {
			continue
		}
		switch string(key) {
		case "_id":
			t.id = value
		case "raw_index":
			t.rawIndex = value
		case "index":
			t.index = value
		case "pipeline":
			t.pipeline = value
		case "op_type":
			t.op = value
		}
	}
	return t
}

// valueLength returns the length of the JSON value that b begins with, as far as
// a comma or brace behind it.
func valueLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := stringLength(b[i:])
			if n == 0 {
				return len(b)
			}
			i += n - 1
		case '{', '[':
			depth++
		case '}', ']', ',':
			if depth == 0 {
				return i
			}
			if b[i] != ',' {
				depth--
			}
		}
	}
	return len(b)
}

// minute is @timestamp up to the minute.
func (d *document) minute() []byte {
	const length = len("2006-01-02T15:04")
	stamp := d.lead[len(leadText):]
	return stamp[:min(length, len(stamp))]
}

// time is @timestamp.
func (d *document) time() (time.Time, error) {
	text := d.lead[len(leadText) : len(d.lead)-1]
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return time.Time{}, fmt.Errorf("@timestamp: %w", err)
	}
	return t, nil
}

// event parses the document, once.
func (d *document) event() (*event.Event, error) {
	if d.parsed != nil {
		return d.parsed, nil
	}
	v, err := event.FromJSON(d.whole)
	if err != nil {
		return nil, err
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the document is a %T, not an object", v)
	}
	at, err := d.time()
	if err != nil {
		return nil, err
	}
	meta, _ := fields["@metadata"].(map[string]any)
	delete(fields, "@metadata")
	delete(fields, "@timestamp")
	d.parsed = &event.Event{Time: at, Meta: meta, Fields: fields}
	return d.parsed, nil
}

// text reads a JSON string.
func text(quoted []byte) string {
	if !bytes.ContainsRune(quoted, '\\') {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return ""
	}
	return s
}

// hasID tells whether a document has an id: sent twice, it is stored once.
func hasID(doc []byte) bool {
	var d document
	return d.cut(doc) == nil && d.target().id != nil
}
