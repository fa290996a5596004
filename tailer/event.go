package tailer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
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

// document describes the fixed content of one file's events.
type document struct {
	cfg        *Config
	input      *InputConfig
	path       string
	inode, dev uint64
	generation string
	truncated  bool
}

// object is a JSON object with a chosen order of keys.
type object []member

type member struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, m := range o {
		b.WriteByte("{,"[min(i, 1)])
		if err := encodeJSON(&b, m.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encodeJSON(&b, m.value); err != nil {
			return nil, err
		}
	}
	if len(o) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func encodeJSON(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
	return nil
}

// set replaces a member or adds one at the end.
func (o *object) set(key string, value any) {
	for i := range *o {
		if (*o)[i].key == key {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{key, value})
}

// event builds the event as Filebeat sends it, @timestamp and @metadata first.
func (d *document) event() object {
	c := d.cfg
	meta := object{{"beat", c.Index}, {"type", "_doc"}, {"version", c.Version}}
	if d.generation != "" {
		meta.set("_id", d.generation+"-"+partID.mark())
	}
	file := object{{"path", d.path}}
	if d.input.Type == TypeFilestream {
		file.set("device_id", strconv.FormatUint(d.dev, 10))
		file.set("inode", strconv.FormatUint(d.inode, 10))
	}
	log := object{{"offset", partOffset.mark()}, {"file", file}}
	if d.truncated {
		log.set("flags", []string{"truncated"})
	}
	e := object{{"@timestamp", partTime.mark()}, {"@metadata", meta}, {"log", log}, {"message", partMessage.mark()}}
	if tags := slices.Concat(c.Tags, d.input.Tags); len(tags) > 0 {
		e.set("tags", tags)
	}
	e.set("input", object{{"type", d.input.Type}})
	e.set("agent", object{{"ephemeral_id", c.EphemeralID}, {"id", c.AgentID}, {"name", c.Name}, {"type", "filebeat"}, {"version", c.Version}})
	e.set("ecs", object{{"version", "8.0.0"}})
	if !d.input.PublisherPipeline.DisableHost {
		e.set("host", object{{"name", c.Name}})
	}
	e.addFields(c.Fields, c.FieldsUnderRoot)
	e.addFields(d.input.Fields, d.input.FieldsUnderRoot)
	return e
}

// addFields merges configured fields; those of the input win over general ones.
func (o *object) addFields(fields map[string]any, underRoot bool) {
	if len(fields) == 0 {
		return
	}
	if !underRoot {
		o.merge("fields", fields)
		return
	}
	for _, key := range sortedKeys(fields) {
		if sub, ok := fields[key].(map[string]any); ok {
			o.merge(key, sub)
		} else {
			o.set(key, fields[key])
		}
	}
}

// merge adds the members of a map to the object under key.
func (o *object) merge(key string, fields map[string]any) {
	var into object
	for _, m := range *o {
		if m.key == key {
			into, _ = m.value.(object)
		}
	}
	into = slices.Clone(into)
	for _, k := range sortedKeys(fields) {
		if sub, ok := fields[k].(map[string]any); ok {
			into.merge(k, sub)
		} else {
			into.set(k, fields[k])
		}
	}
	o.set(key, into)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// compile marshals the event and cuts it at its marks. A part that the
// configured fields replaced is not in the event, and so not filled in.
func (d *document) compile() (*template, error) {
	var b bytes.Buffer
	if err := encodeJSON(&b, d.event()); err != nil {
		return nil, fmt.Errorf("encode the event of %s: %w", d.path, err)
	}
	t := &template{html: d.cfg.EscapeHTML}
	rest := b.String()
	if t.html {
		rest = escapeHTMLText(rest)
	}
	// The offset is a number: its mark stands in quotes that must go.
	rest = strings.Replace(rest, `"`+jsonMark(partOffset)+`"`, jsonMark(partOffset), 1)
	for first := true; ; first = false {
		at, p := nextMark(rest)
		text := rest
		if at >= 0 {
			text, rest = rest[:at], rest[at+len(jsonMark(p)):]
		}
		if first {
			t.lead = []byte(text)
		} else {
			t.cuts[len(t.cuts)-1].text = []byte(text)
		}
		if at < 0 {
			return t, nil
		}
		t.cuts = append(t.cuts, cut{part: p})
	}
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

func escapeHTMLText(s string) string {
	return strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace(s)
}

// append appends the event of one line that starts at offset and was read at
// the given time (Unix milliseconds).
func (t *template) append(b []byte, ms, offset int64, line []byte) []byte {
	b = append(b, t.lead...)
	for i := range t.cuts {
		c := &t.cuts[i]
		switch c.part {
		case partTime:
			b = t.clock.append(b, ms)
		case partID, partOffset:
			b = strconv.AppendInt(b, offset, 10)
		case partMessage:
			b = appendEscaped(b, line, t.html)
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

// validateFields refuses configured fields that Logstash would answer by
// dropping the connection, for ever.
func validateFields(option string, fields map[string]any, underRoot bool) error {
	if !underRoot {
		return validateValue(option, fields)
	}
	for _, key := range sortedKeys(fields) {
		name := option + "." + key
		switch _, isMap := fields[key].(map[string]any); {
		case key == "@timestamp" || key == "@metadata":
			return fault(name, "with fields_under_root would replace the event's own %s; choose another name", key)
		case (key == "beat" || key == "event" || key == "log" || key == "host" || key == "agent") && !isMap:
			return fault(name, "with fields_under_root must be an object, since Logstash and Elasticsearch expect one there; choose another name")
		case key == "tags":
			return fault(name, "with fields_under_root would replace the tags; use the option tags")
		case strings.ContainsAny(key, "[]"):
			return fault(name, "holds [ or ], which Logstash reads as a field reference; choose another name")
		}
	}
	return validateValue(option, fields)
}

func validateValue(name string, v any) error {
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return fault(name, "is no valid UTF-8 text")
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			if err := validateValue(name+"."+k, v[k]); err != nil {
				return err
			}
		}
	case []any:
		for i, e := range v {
			if err := validateValue(name+"."+strconv.Itoa(i), e); err != nil {
				return err
			}
		}
	default:
		if _, err := json.Marshal(v); err != nil {
			return fault(name, "can't stand in JSON: %v", err)
		}
	}
	return nil
}
