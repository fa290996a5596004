package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/event"
)

// decoder decodes lines as JSON objects.
type decoder struct {
	JSONConfig
	log *throttle
	// ended says that lines were decoded with their line feed in Filebeat: it
	// shows in some error messages.
	ended bool
}

// decode returns the text that the line has from now on, and its object: nil
// if the line is none. With add_error_key the object then holds the error.
func (d *decoder) decode(now time.Time, line []byte) (text []byte, object map[string]any) {
	object, err := decodeObject(line)
	if err != nil || object == nil {
		if d.ended && errors.Is(err, io.ErrUnexpectedEOF) {
			_, err = decodeObject(append(bytes.Clone(line), '\n'))
		}
		fault := fmt.Sprintf("Error decoding JSON: %v", err)
		if !d.IgnoreDecodingError {
			d.log.error(now, fault)
		}
		return line, d.withError(nil, fault)
	}
	if d.MessageKey == "" {
		return nil, object
	}
	v, ok := object[d.MessageKey]
	if !ok {
		return nil, d.withError(object, fmt.Sprintf("Key '%s' not found", d.MessageKey))
	}
	message, ok := v.(string)
	if !ok {
		return nil, d.withError(object, fmt.Sprintf("Value of key '%s' is not a string", d.MessageKey))
	}
	return []byte(message), object
}

// withError adds the error to an object, if add_error_key says so.
func (d *decoder) withError(object map[string]any, fault string) map[string]any {
	if !d.AddErrorKey {
		return object
	}
	if object == nil {
		object = make(map[string]any, 1)
	}
	object["error"] = jsonError(fault)
	return object
}

// onlyError says whether an object holds an error and nothing else. It is taken
// for a line that could not be decoded, though it may be what a line says: the
// event has a message then, which is the line's text, and may be empty.
func onlyError(object map[string]any) bool { return len(object) == 1 && object["error"] != nil }

func jsonError(fault string) map[string]any {
	return map[string]any{"message": fault, "type": "json"}
}

// decodeObject decodes the JSON object that text begins with; null gives nil.
func decodeObject(text []byte) (map[string]any, error) {
	if begin := bytes.TrimLeft(text, " \t\r\n"); len(begin) > 0 && begin[0] == '{' {
		v, err := event.FromJSON(text)
		object, _ := v.(map[string]any)
		return object, err
	}
	// Not an object: this is for the error.
	var object map[string]any
	err := json.NewDecoder(bytes.NewReader(text)).Decode(&object)
	return object, err
}

// takeID takes the document id out of an object.
func (c *JSONConfig) takeID(object map[string]any) string {
	if c.DocumentID == "" {
		return ""
	}
	v, err := event.Get(object, c.DocumentID)
	id, ok := v.(string)
	if err != nil || !ok {
		return ""
	}
	_ = event.Delete(object, c.DocumentID) // it is there
	return id
}

// writeKeys puts the fields of an object, which is given away, at the top level
// of an event.
func (c *JSONConfig) writeKeys(e *event.Event, object map[string]any) {
	fail := func(fault string) {
		if c.AddErrorKey {
			e.Fields["error"] = jsonError(fault)
		}
	}
	if c.ExpandKeys {
		nested, err := event.Nested(object)
		if err != nil {
			fail(err.Error())
			return
		}
		object = nested
	}
	stamp, stamped := object["@timestamp"]
	meta, hasMeta := object["@metadata"]
	delete(object, "@timestamp")
	delete(object, "@metadata")
	if !c.OverwriteKeys {
		merge(e.Fields, object, false)
		return
	}
	fault := ""
	if stamped {
		if t, err := parseStamp(stamp); err != nil {
			fault = err.Error()
		} else {
			e.Time = t
		}
	}
	if _, ok := meta.(map[string]any); hasMeta && !ok {
		fault = "failed to update @metadata"
	}
	if why := checkType(object); why != "" {
		fault = why
		delete(object, "type")
	}
	merge(e.Fields, object, true)
	if fault != "" {
		fail(fault)
	}
}

// parseStamp reads @timestamp of an object.
func parseStamp(v any) (time.Time, error) {
	text, ok := v.(string)
	if !ok {
		return time.Time{}, errors.New("@timestamp not overwritten (not string)")
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.000Z0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("@timestamp not overwritten (parse error on %s)", text)
}

// checkType says why the object's type is not taken; empty if it is.
func checkType(object map[string]any) string {
	v, ok := object["type"]
	if !ok {
		return ""
	}
	text, ok := v.(string)
	switch {
	case !ok:
		return "type not overwritten (not string)"
	case text == "" || text[0] == '_':
		return fmt.Sprintf("type not overwritten (invalid value [%s])", text)
	}
	return ""
}

// decodeLog is the step json of the log input. The object becomes part of the
// event only in Apply: lines are joined before.
type decodeLog struct {
	*decoder
	c    *Chain
	next step
}

func jsonStep(o JSONConfig, log zerolog.Logger) builder {
	d := &decoder{JSONConfig: o, log: newThrottle(log), ended: true}
	return func(c *Chain, next step) step { return &decodeLog{d, c, next} }
}

func (s *decodeLog) put(l *Line) bool {
	l.Text, l.json = s.decode(s.c.now, l.Text)
	l.decoded = &s.JSONConfig
	return s.next.put(l)
}

// applyJSON puts the object of the log input's line into the event.
func (l *Line) applyJSON(e *event.Event) {
	c, object := l.decoded, l.json
	if len(object) == 0 {
		e.Fields["json"] = map[string]any{}
		return
	}
	if c.MessageKey != "" {
		object[c.MessageKey] = string(l.Text) // a multiline may have joined it
		delete(e.Fields, "message")
	}
	if onlyError(object) {
		e.Fields["message"] = string(l.Text)
	}
	l.id = c.takeID(object)
	if !c.KeysUnderRoot {
		e.Fields["json"] = object
		return
	}
	input := e.Fields["input"]
	delete(e.Fields, "input")
	c.writeKeys(e, object)
	restoreInput(e, input)
}

// ndjson is the parser ndjson of filestream.
type ndjson struct {
	*decoder
	target string
	c      *Chain
	next   step
}

func ndjsonStep(o NDJSONConfig, log zerolog.Logger) builder {
	d := &decoder{log: newThrottle(log), JSONConfig: JSONConfig{
		KeysUnderRoot: o.Target == "", OverwriteKeys: o.OverwriteKeys, ExpandKeys: o.ExpandKeys, AddErrorKey: o.AddErrorKey,
		MessageKey: o.MessageKey, DocumentID: o.DocumentID, IgnoreDecodingError: o.IgnoreDecodingError,
	}}
	return func(c *Chain, next step) step { return &ndjson{d, o.Target, c, next} }
}

func (s *ndjson) put(l *Line) bool {
	text, object := s.decode(s.c.now, l.Text)
	l.Text = text
	if len(object) == 0 {
		return s.next.put(l)
	}
	if s.MessageKey != "" {
		object[s.MessageKey] = string(text)
	}
	if onlyError(object) {
		l.set("message", string(text))
	}
	if id := s.takeID(object); id != "" {
		l.id = id
	}
	if s.target == "" {
		s.root(l, object)
	} else {
		s.below(l, object)
	}
	return s.next.put(l)
}

// root puts the object at the top level.
func (s *ndjson) root(l *Line, object map[string]any) {
	if s.touchesLog(object) {
		l.ownLog()
	}
	if l.fields == nil {
		l.fields = make(map[string]any, len(object))
	}
	e := event.Event{Fields: l.fields}
	s.writeKeys(&e, object)
	if !e.Time.IsZero() {
		l.Time = e.Time
	}
}

func (s *ndjson) touchesLog(object map[string]any) bool {
	for key := range object {
		if key == "log" || s.ExpandKeys && len(key) > 4 && key[:4] == "log." {
			return true
		}
	}
	return false
}

// below puts the object into a field, in the place of what is there.
func (s *ndjson) below(l *Line, object map[string]any) {
	if s.target == "log" || len(s.target) > 4 && s.target[:4] == "log." {
		l.ownLog()
	}
	if l.fields == nil {
		l.fields = make(map[string]any, 1)
	}
	_, _ = event.Put(l.fields, s.target, object) // a text in the way stays
}
