package event

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Base is the fixed part of every event's @metadata.
type Base struct{ Beat, Type, Version string }

// AppendJSON appends the event as one document, in the form that Logstash's
// beats input and Filebeat's own outputs know:
//
//	{"@timestamp":…,"@metadata":{"beat":…,"type":…,"version":…,…},…}
//
// Names are sorted but for these and for log and message, which come next. The
// result is always valid UTF-8.
func (e *Event) AppendJSON(b []byte, base Base, escapeHTML bool) []byte {
	w := writer{b, escapeHTML}
	w.raw(`{"@timestamp":"`)
	w.b = e.Time.UTC().AppendFormat(w.b, timeLayout)
	w.raw(`","@metadata":{"beat":`)
	w.text(base.Beat)
	w.raw(`,"type":`)
	w.text(base.Type)
	w.raw(`,"version":`)
	w.text(base.Version)
	w.members(e.Meta, true)
	w.raw(`}`)
	for _, name := range changing {
		if v, ok := e.Fields[name]; ok {
			w.raw(`,"` + name + `":`)
			w.value(v)
		}
	}
	w.members(e.Fields, true, changing...)
	w.raw(`}`)
	return w.b
}

// changing are the fields that differ from event to event. They come first,
// near the time and the id: what is equal is then one piece, which a
// compressor finds at once.
var changing = []string{"log", "message"}

// AppendJSON appends any value as JSON, names sorted. Numbers that JSON has
// none for (NaN, infinities) become null.
func AppendJSON(b []byte, v any, escapeHTML bool) []byte {
	w := writer{b, escapeHTML}
	w.value(v)
	return w.b
}

// writer appends JSON to b.
type writer struct {
	b    []byte
	html bool
}

func (w *writer) raw(s string) { w.b = append(w.b, s...) }

func (w *writer) text(s string) {
	w.b = append(w.b, '"')
	w.b = AppendEscaped(w.b, []byte(s), w.html)
	w.b = append(w.b, '"')
}

// members appends fields without braces, but for those named; more says that
// some come before.
func (w *writer) members(m map[string]any, more bool, but ...string) {
	var scratch [32]string
	names := scratch[:0]
	for name := range m {
		if !slices.Contains(but, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if more {
			w.raw(",")
		}
		more = true
		w.text(name)
		w.raw(":")
		w.value(m[name])
	}
}

func (w *writer) value(v any) {
	switch v := v.(type) {
	case nil:
		w.raw("null")
	case bool:
		w.b = strconv.AppendBool(w.b, v)
	case string:
		w.text(v)
	case int64:
		w.b = strconv.AppendInt(w.b, v, 10)
	case int:
		w.b = strconv.AppendInt(w.b, int64(v), 10)
	case uint64:
		w.b = strconv.AppendUint(w.b, v, 10)
	case float64:
		w.float(v, 64)
	case float32:
		w.float(float64(v), 32)
	case time.Time:
		w.text(FormatTime(v))
	case []any:
		list(w, v, w.value)
	case []string:
		list(w, v, w.text)
	case map[string]any:
		w.raw("{")
		w.members(v, false)
		w.raw("}")
	case json.Number:
		w.raw(string(v))
	case time.Duration:
		w.b = strconv.AppendInt(w.b, int64(v), 10)
	default:
		w.other(v)
	}
}

func list[T any](w *writer, items []T, add func(T)) {
	w.raw("[")
	for i, item := range items {
		if i > 0 {
			w.raw(",")
		}
		add(item)
	}
	w.raw("]")
}

// other appends what only a few processors make.
func (w *writer) other(v any) {
	switch v := v.(type) {
	case map[string]string:
		m := make(map[string]any, len(v))
		for name, text := range v {
			m[name] = text
		}
		w.value(m)
	case []map[string]any:
		list(w, v, func(m map[string]any) { w.value(m) })
	default:
		text, err := json.Marshal(v)
		if err != nil {
			w.text(fmt.Sprint(v))
			return
		}
		w.b = append(w.b, text...)
	}
}

// float appends a number in its shortest form, from a million on with an
// exponent, as Filebeat does: so one that is too large for an integer is not
// taken for one.
func (w *writer) float(f float64, bits int) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.raw("null")
		return
	}
	w.b = strconv.AppendFloat(w.b, f, 'g', -1, bits)
}
