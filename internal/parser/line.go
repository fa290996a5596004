package parser

import (
	"time"

	"sluice/internal/event"
)

// Line is one line of a file, or several that were joined.
type Line struct {
	// Text is the line without its end. It is valid only during the call that
	// it was handed over in.
	Text []byte
	// Start is the offset of the line's first byte in the file; no two emitted
	// lines share it. End: see the package's doc.
	Start, End int64
	// Offset is log.offset: an int64; nil for none.
	Offset any
	// Flags are log.flags.
	Flags []string
	// Clock is what the event says of the clock that the line's time is by.
	Clock map[string]any
	// Time is @timestamp: when the line was read, or what it says itself.
	Time time.Time

	// fields are what parsers have found. It has a log only if a parser has
	// touched that; see ownLog.
	fields map[string]any
	id     string // @metadata._id
	// full says that there is something to send though Text is empty.
	full bool

	// The log input's json.
	json    map[string]any
	decoded *JSONConfig // nil: not decoded
}

// Blank says whether the line becomes no event: it is empty, and nothing was
// found in it.
func (l *Line) Blank() bool { return len(l.Text) == 0 && !l.full }

// Bare returns log.offset of a line of which there is nothing to tell but its
// text and its flags.
func (l *Line) Bare() (offset int64, ok bool) {
	if len(l.Text) == 0 || len(l.fields) > 0 || l.Clock != nil || l.decoded != nil || l.id != "" {
		return 0, false
	}
	offset, ok = l.Offset.(int64)
	return offset, ok
}

// FilterText is what line filters look at.
func (l *Line) FilterText() []byte { return l.Text }

// Apply puts what the parsers found into the line's event, which has message,
// log, and input if the input has a type.
func (l *Line) Apply(e *event.Event) {
	if len(l.Text) == 0 {
		delete(e.Fields, "message")
	}
	if l.Offset == nil {
		l.forget(e)
	}
	if len(l.fields) > 0 {
		l.applyFields(e)
	}
	if l.decoded != nil {
		l.applyJSON(e)
	}
	if l.id != "" {
		if e.Meta == nil {
			e.Meta = make(map[string]any, 1)
		}
		e.Meta["_id"] = l.id
	}
}

// forget takes out of log what a line without text has not.
func (l *Line) forget(e *event.Event) {
	log, ok := e.Fields["log"].(map[string]any)
	if !ok {
		return
	}
	delete(log, "offset")
	delete(log, "file")
	if len(log) == 0 {
		delete(e.Fields, "log")
	}
}

func (l *Line) applyFields(e *event.Event) {
	base, _ := e.Fields["log"].(map[string]any)
	input := e.Fields["input"]
	for key, v := range l.fields {
		if key == "message" && len(l.Text) > 0 {
			continue
		}
		e.Fields[key] = v
	}
	if log, ok := l.fields["log"].(map[string]any); ok {
		fillFile(log, base)
	}
	restoreInput(e, input)
}

// restoreInput makes the event's own input win over one of the data.
func restoreInput(e *event.Event, input any) {
	if input == nil {
		return
	}
	own, isMap := input.(map[string]any)
	found, wasMap := e.Fields["input"].(map[string]any)
	if isMap && wasMap {
		merge(found, own, true)
		return
	}
	e.Fields["input"] = input
}

// fileField stands for a field of log.file whose value only the event has.
type fileField struct{}

// ownLog makes log one of the line's own fields, as a parser finds it.
func (l *Line) ownLog() {
	if _, ok := l.fields["log"]; ok {
		return
	}
	log := make(map[string]any, 3)
	if l.Offset != nil {
		log["offset"] = l.Offset
		log["file"] = map[string]any{"path": fileField{}, "device_id": fileField{}, "inode": fileField{}, "fingerprint": fileField{}}
	}
	l.set("log", log)
	flags := l.Flags
	l.Flags = nil
	event.AddTags(l.fields, "log.flags", flags...)
}

// fillFile replaces what stands for the event's fields.
func fillFile(log, base map[string]any) {
	file, ok := log["file"].(map[string]any)
	if !ok {
		return
	}
	from, _ := base["file"].(map[string]any)
	for key, v := range file {
		if _, open := v.(fileField); !open {
			continue
		}
		if v, ok = from[key]; ok {
			file[key] = v
		} else {
			delete(file, key)
		}
	}
	if len(file) == 0 {
		delete(log, "file")
	}
}

// set sets one of the line's fields.
func (l *Line) set(key string, v any) {
	if l.fields == nil {
		l.fields = make(map[string]any, 2)
	}
	l.fields[key] = v
}

// flag adds to log.flags.
func (l *Line) flag(flag string) {
	if _, own := l.fields["log"]; own {
		event.AddTags(l.fields, "log.flags", flag)
		return
	}
	l.Flags = append(l.Flags[:len(l.Flags):len(l.Flags)], flag)
}

// merge is event.Merge for a src that is given away: nothing is copied.
func merge(dst, src map[string]any, overwrite bool) {
	for key, v := range src {
		old, exists := dst[key]
		from, isMap := v.(map[string]any)
		into, wasMap := old.(map[string]any)
		switch {
		case isMap && wasMap:
			merge(into, from, overwrite)
		case !exists || overwrite || isMap:
			dst[key] = v
		}
	}
}
