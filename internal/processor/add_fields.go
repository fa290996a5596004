package processor

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"sluice/internal/event"
)

// Adds fields; what is there is replaced, sections are merged. Filebeat:
// add_fields.
type addFields struct {
	// Target is the field that takes the new ones; a dot in it does not
	// make it a nested one. With "" they go to the top level, where @metadata
	// is the event's metadata. Default: fields.
	Target string `config:"target"`
	// Fields are the fields with their values; names with dots make sections.
	// Required.
	Fields map[string]any `config:"fields"`

	Common `config:",squash"`
}

func (o *addFields) Validate() error {
	return required("fields", len(o.Fields) > 0, "{site: north}")
}

func (o *addFields) compile(Env) (step, error) {
	add := o.Fields
	if o.Target != "" {
		add = map[string]any{o.Target: o.Fields}
	}
	return change(func(e *event.Event) error { return update(e, add) }), nil
}

// update merges fields into the event, replacing what is there; @metadata
// leads to the event's metadata, and @timestamp is left alone.
func update(e *event.Event, fields map[string]any) error {
	var err error
	for _, special := range []string{"@metadata", "@timestamp"} {
		v, ok := fields[special]
		if !ok {
			continue
		}
		if m, isMap := v.(map[string]any); isMap && special == "@metadata" {
			if e.Meta == nil {
				e.Meta = make(map[string]any, len(m))
			}
			event.Merge(e.Meta, m, true)
		} else {
			err = fmt.Errorf("%s can't be %v", special, v)
		}
		rest := make(map[string]any, len(fields))
		for name, v := range fields {
			if name != special {
				rest[name] = v
			}
		}
		fields = rest
	}
	event.Merge(e.Fields, fields, true)
	return err
}

// Adds labels under labels: texts whose names may have dots. Filebeat:
// add_labels.
type addLabels struct {
	// Labels are the names and values; the names of sections and the numbers of
	// list entries are joined with dots. Required.
	Labels map[string]any `config:"labels"`

	Common `config:",squash"`
}

func (o *addLabels) Validate() error {
	return required("labels", len(o.Labels) > 0, "{site: north}")
}

func (o *addLabels) compile(Env) (step, error) {
	labels := make(map[string]any)
	flattenLabels(labels, "", o.Labels)
	add := map[string]any{"labels": labels}
	return change(func(e *event.Event) error { return update(e, add) }), nil
}

func flattenLabels(labels map[string]any, name string, v any) {
	join := func(last string) string {
		if name == "" {
			return last
		}
		return name + "." + last
	}
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for key, inner := range v {
			flattenLabels(labels, join(key), inner)
		}
	case []any:
		for i, item := range v {
			flattenLabels(labels, join(strconv.Itoa(i)), item)
		}
	default:
		labels[name] = fmt.Sprint(v)
	}
}

// Appends tags to a list of tags. Filebeat: add_tags.
type addTags struct {
	// Tags are the texts to append. Required.
	Tags []string `config:"tags"`
	// Target is the field that holds the list. Default: tags.
	Target string `config:"target"`

	Common `config:",squash"`
}

func (o *addTags) Validate() error { return required("tags", len(o.Tags) > 0, "[edge]") }

func (o *addTags) compile(Env) (step, error) {
	target := o.Target
	if target == "" {
		target = "tags"
	}
	return change(func(e *event.Event) error { return ignored(appendTags(e.Fields, target, o.Tags)) }), nil
}

// appendTags appends to a list; what is no list stays as it is.
func appendTags(m map[string]any, key string, tags []string) error {
	old, err := event.Get(m, key)
	if err != nil && !errors.Is(err, event.ErrNotFound) {
		return fmt.Errorf("add to %s: %w", key, err)
	}
	switch old.(type) {
	case nil, []any, []string:
		event.AddTags(m, key, tags...)
		return nil
	}
	return fmt.Errorf("add to %s: it is a %T, no list", key, old)
}

// Gives each event an id that no other has, which sorts by time. Filebeat:
// add_id.
type addID struct {
	// TargetField takes the id. Default: @metadata._id.
	TargetField string `config:"target_field"`
	// Type says how the id looks; elasticsearch is the only one. Default:
	// elasticsearch.
	Type string `config:"type"`

	Common `config:",squash"`
}

func (o *addID) Validate() error { return oneOf("type", o.Type, "elasticsearch") }

func (o *addID) compile(Env) (step, error) {
	next := newIDs()
	return change(func(e *event.Event) error {
		if _, err := e.Put(o.TargetField, next()); err != nil {
			return fmt.Errorf("store the id in %s: %w", o.TargetField, err)
		}
		return nil
	}), nil
}

// Adds the time zone as event.timezone. Filebeat: add_locale.
type addLocale struct {
	// Format is offset (+02:00) or abbreviation (CEST). Default: offset.
	Format string `config:"format"`

	Common `config:",squash"`
}

func (o *addLocale) Validate() error { return oneOf("format", o.Format, "offset", "abbreviation") }

func (o *addLocale) compile(Env) (step, error) {
	var last atomic.Pointer[locale] // the text changes twice a year
	return change(func(e *event.Event) error {
		name, seconds := time.Now().Zone()
		l := last.Load()
		if l == nil || l.name != name || l.seconds != seconds {
			l = &locale{name, seconds, o.text(name, seconds)}
			last.Store(l)
		}
		if _, err := e.Put("event.timezone", l.text); err != nil {
			return fmt.Errorf("add event.timezone: %w", err)
		}
		return nil
	}), nil
}

// locale is a time zone with its text.
type locale struct {
	name    string
	seconds int
	text    string
}

func (o *addLocale) text(name string, seconds int) string {
	if o.Format == "abbreviation" {
		return name
	}
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	return fmt.Sprintf("%c%02d:%02d", sign, seconds/3600, seconds/60%60)
}
