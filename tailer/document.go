package tailer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/internal/event"
)

// document describes what the events of one file have in common.
type document struct {
	cfg         *Config
	in          *input
	path        string
	inode, dev  uint64
	fingerprint string
	generation  string
}

// base is the fixed part of every event's @metadata.
func (d *document) base() event.Base {
	return event.Base{Beat: d.cfg.Index, Type: "_doc", Version: d.cfg.Version}
}

// event makes the event of one line as the processors of its input see it:
// with tags and fields, without agent, ecs and host. now is the read time.
func (d *document) event(message string, offset any, id string, flags []string, now time.Time) *event.Event {
	log := map[string]any{"offset": offset}
	if d.path != "" || d.in.typ == TypeStdin { // standard input has an empty one, as in Filebeat
		file := map[string]any{"path": d.path}
		if d.in.typ == TypeFilestream {
			file["device_id"] = strconv.FormatUint(d.dev, 10)
			file["inode"] = strconv.FormatUint(d.inode, 10)
			if d.fingerprint != "" {
				file["fingerprint"] = d.fingerprint
			}
		}
		log["file"] = file
	}
	if len(flags) > 0 {
		log["flags"] = anyList(flags)
	}
	e := &event.Event{Time: now, Fields: map[string]any{"message": message, "log": log}}
	if d.in.cfg.Type != "" || d.in.cfg.InputType != "" {
		e.Fields["input"] = map[string]any{"type": d.in.typ}
	}
	if id != "" {
		e.Meta = map[string]any{"_id": id}
	}
	return e
}

// general adds tags and fields, the input's winning over the general ones.
func (d *document) general(e *event.Event) {
	if n := len(d.cfg.Tags) + len(d.in.cfg.Tags); n > 0 {
		found, there := e.Fields["tags"]
		own, isList := found.([]any)
		if isList || !there { // what is no list stays, as in Filebeat
			tags := make([]any, 0, n+len(own))
			e.Fields["tags"] = append(append(append(tags, own...), anyList(d.cfg.Tags)...), anyList(d.in.cfg.Tags)...)
		}
	}
	addFields(e, d.cfg.Fields, d.cfg.FieldsUnderRoot)
	addFields(e, d.in.cfg.Fields, d.in.cfg.FieldsUnderRoot)
	if d.in.cfg.Pipeline != "" {
		e.Meta = set(e.Meta, "pipeline", d.in.cfg.Pipeline)
	}
	if index, ok := d.in.index.render(d.cfg, e); ok {
		e.Meta = set(e.Meta, "raw_index", index)
	}
}

func set(m map[string]any, key string, value any) map[string]any {
	if m == nil {
		m = make(map[string]any, 1)
	}
	m[key] = value
	return m
}

// agent adds what says where the event comes from. What the event has wins, but
// for an agent, ecs or host that is no object, as in Filebeat.
func (d *document) agent(e *event.Event) {
	c := d.cfg
	event.Merge(e.Fields, map[string]any{
		"agent": map[string]any{"ephemeral_id": c.EphemeralID, "id": c.AgentID, "name": c.Name, "type": "filebeat", "version": c.Version},
		"ecs":   map[string]any{"version": "8.0.0"},
	}, false)
	if !d.in.cfg.PublisherPipeline.DisableHost {
		event.Merge(e.Fields, map[string]any{"host": map[string]any{"name": c.Name}}, false)
	}
}

// addFields merges configured fields into the event.
func addFields(e *event.Event, fields map[string]any, underRoot bool) {
	if len(fields) == 0 {
		return
	}
	own := event.CloneMap(fields)
	if !underRoot {
		event.Merge(e.Fields, map[string]any{"fields": own}, true)
		return
	}
	delete(own, "@timestamp") // the event's own stays, as in Filebeat
	event.Merge(e.Fields, own, true)
}

func anyList[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// template encodes the event of the file's plain lines once and cuts it where
// lines differ. A part that configured fields replaced is not in the event,
// and so not filled in.
func (d *document) template(flags []string) (*template, error) {
	id := ""
	if d.generation != "" {
		id = d.generation + "-" + partID.mark()
	}
	e := d.event(partMessage.mark(), partOffset.mark(), id, flags, time.Unix(0, 0))
	d.general(e)
	d.agent(e)
	if !d.in.cfg.KeepNull {
		event.DropNulls(e.Fields)
	}
	text := string(e.AppendJSON(nil, d.base(), d.cfg.EscapeHTML))
	const lead = `{"@timestamp":"`
	const stamp = "1970-01-01T00:00:00.000Z"
	if !strings.HasPrefix(text, lead+stamp) {
		return nil, fmt.Errorf("encode the event of %s: it begins %.40q", d.path, text)
	}
	// The offset is a number: its mark stands in quotes that must go.
	text = strings.Replace(text, `"`+jsonMark(partOffset)+`"`, jsonMark(partOffset), 1)
	t := &template{lead: []byte(lead), cuts: []cut{{part: partTime}}, html: d.cfg.EscapeHTML}
	rest := text[len(lead)+len(stamp):]
	for {
		at, p := nextMark(rest)
		last := &t.cuts[len(t.cuts)-1]
		if at < 0 {
			last.text = []byte(rest)
			return t, nil
		}
		last.text = []byte(rest[:at])
		rest = rest[at+len(jsonMark(p)):]
		t.cuts = append(t.cuts, cut{part: p})
	}
}
