package event

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Event is one event.
type Event struct {
	// Time is @timestamp.
	Time time.Time
	// Meta is @metadata but for beat, type and version, which the encoder adds.
	Meta map[string]any
	// Fields are all others.
	Fields map[string]any
}

const (
	timestampKey = "@timestamp"
	metadataKey  = "@metadata"
)

// ErrNotFound says that there is no field of that name.
var ErrNotFound = errors.New("key not found")

var errReadOnly = errors.New("can't be removed")

// metaKey returns the name inside @metadata; false if the name leads elsewhere.
func metaKey(key string) (inner string, ok bool) {
	rest, ok := strings.CutPrefix(key, metadataKey)
	if !ok || rest != "" && rest[0] != '.' {
		return "", false
	}
	return strings.TrimPrefix(rest, "."), true
}

// Get returns a field; the error is ErrNotFound if there is none. The value is
// the event's own: who changes it changes the event.
func (e *Event) Get(key string) (any, error) {
	if key == timestampKey {
		return e.Time, nil
	}
	if inner, ok := metaKey(key); ok {
		switch {
		case e.Meta == nil:
			return nil, ErrNotFound
		case inner == "":
			return e.Meta, nil
		}
		return Get(e.Meta, inner)
	}
	return Get(e.Fields, key)
}

// Has says whether there is a field of that name, be it null.
func (e *Event) Has(key string) bool {
	_, err := e.Get(key)
	return err == nil
}

// Put sets a field, makes the levels that are missing, and returns what was
// there. It is an error if a level is there and holds no fields, or if
// @timestamp gets what is no time.
func (e *Event) Put(key string, v any) (old any, err error) {
	if key == timestampKey {
		t, ok := v.(time.Time)
		if !ok {
			return nil, fmt.Errorf("@timestamp wants a time, got %T", v)
		}
		old, e.Time = e.Time, t
		return old, nil
	}
	if inner, ok := metaKey(key); ok {
		if inner == "" {
			m, isMap := v.(map[string]any)
			if !isMap {
				return nil, fmt.Errorf("@metadata wants an object, got %T", v)
			}
			old, e.Meta = e.Meta, m
			return old, nil
		}
		if e.Meta == nil {
			e.Meta = make(map[string]any)
		}
		return Put(e.Meta, inner, v)
	}
	if e.Fields == nil {
		e.Fields = make(map[string]any)
	}
	return Put(e.Fields, key, v)
}

// Delete removes a field; the error is ErrNotFound if there is none.
// @timestamp and @metadata as a whole stay.
func (e *Event) Delete(key string) error {
	if key == timestampKey {
		return fmt.Errorf("@timestamp %w", errReadOnly)
	}
	if inner, ok := metaKey(key); ok {
		if inner == "" {
			return fmt.Errorf("@metadata %w", errReadOnly)
		}
		return Delete(e.Meta, inner)
	}
	return Delete(e.Fields, key)
}

// Clone returns an event that shares nothing with this one.
func (e *Event) Clone() *Event {
	return &Event{Time: e.Time, Meta: CloneMap(e.Meta), Fields: CloneMap(e.Fields)}
}

// AddTags appends to tags, which a text becomes the first of; they are not
// de-duplicated. What is neither text nor list stays as it is.
func (e *Event) AddTags(tags ...string) { AddTags(e.Fields, "tags", tags...) }

// AddTags is the method AddTags for a field of any name.
func AddTags(m map[string]any, key string, tags ...string) {
	if len(tags) == 0 {
		return
	}
	var list []any
	switch old, _ := Get(m, key); old := old.(type) {
	case nil:
	case string:
		list = append(list, old)
	case []any:
		list = append(list, old...)
	case []string:
		for _, tag := range old {
			list = append(list, tag)
		}
	default:
		return
	}
	for _, tag := range tags {
		list = append(list, tag)
	}
	_, _ = Put(m, key, list) // a scalar in the way: there is no place for tags
}

// SetError notes what went wrong with the event as error.message, and the
// field that it concerns as error.field if it is given.
func (e *Event) SetError(message, field string) {
	_, _ = e.Put("error.message", message)
	if field != "" {
		_, _ = e.Put("error.field", field)
	}
}
