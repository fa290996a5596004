package processor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sluice/internal/event"
)

// Decodes texts that are JSON. Filebeat: decode_json_fields.
type decodeJSON struct {
	// Fields are the names of the texts. Required.
	Fields []string `config:"fields"`
	// MaxDepth is how deep texts that are JSON objects inside of what was
	// decoded are decoded, too; 1 decodes the fields only. Default: 1.
	MaxDepth int `config:"max_depth"`
	// ProcessArray goes into lists with max_depth, too. Default: false.
	ProcessArray bool `config:"process_array"`
	// Target takes the result; with "" an object's fields are merged into the
	// top level. Default: none, the field itself.
	Target *string `config:"target"`
	// OverwriteKeys replaces fields of the event with those of an object that is
	// merged into the top level, @timestamp and @metadata among them. Default: false.
	OverwriteKeys bool `config:"overwrite_keys"`
	// ExpandKeys makes sections of names with dots. Default: false.
	ExpandKeys bool `config:"expand_keys"`
	// AddErrorKey puts what went wrong into error.message, error.type: json and,
	// if the text is no JSON, error.data and error.field. Default: false.
	AddErrorKey bool `config:"add_error_key"`
	// DocumentID is the name of a text in the object that becomes the document's
	// id (@metadata._id) and leaves the object. Default: none.
	DocumentID string `config:"document_id"`

	Common `config:",squash"`
}

func (o *decodeJSON) Validate() error { return required("fields", len(o.Fields) > 0, "[message]") }

func (o *decodeJSON) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		var errs []error
		for _, name := range o.Fields {
			if err := o.decode(e, name); err != nil {
				errs = append(errs, fmt.Errorf("decode field %s as JSON: %w", name, err))
			}
		}
		return errors.Join(errs...)
	}), nil
}

func (o *decodeJSON) decode(e *event.Event, name string) error {
	v, missing, err := fetch(e, name, true)
	if err != nil || missing {
		return err
	}
	text, ok := v.(string)
	if !ok {
		return nil // as in Filebeat: what is no text stays
	}
	result, err := decodeText(text, o.MaxDepth, o.ProcessArray)
	if err != nil {
		o.note(e, "parsing input as JSON: "+err.Error(), text, name)
		return err
	}
	object, isObject := result.(map[string]any)
	id := ""
	if o.DocumentID != "" && isObject {
		if found, err := event.Get(object, o.DocumentID); err == nil {
			var isText bool
			if id, isText = found.(string); isText {
				_ = event.Delete(object, o.DocumentID)
			}
		}
	}
	if o.Target != nil && *o.Target == "" {
		if !isObject {
			return errors.New("failed to add target to root: it is no object")
		}
		err = ignored(o.mergeRoot(e, object))
	} else {
		err = o.put(e, name, result)
	}
	if id != "" {
		_, idErr := e.Put("@metadata._id", id)
		err = errors.Join(err, idErr)
	}
	return err
}

// put stores the result in the target.
func (o *decodeJSON) put(e *event.Event, name string, result any) error {
	target := name
	if o.Target != nil {
		target = *o.Target
	}
	var expandErr error
	if object, ok := result.(map[string]any); ok && o.ExpandKeys {
		if expandErr = expandKeys(object); expandErr != nil {
			o.note(e, expandErr.Error(), "", "")
		}
	}
	if _, err := e.Put(target, result); err != nil {
		return err
	}
	return ignored(expandErr)
}

// note sets error, if that is wanted.
func (o *decodeJSON) note(e *event.Event, message, data, field string) {
	if !o.AddErrorKey {
		return
	}
	fault := map[string]any{"message": message, "type": "json"}
	if data != "" {
		fault["data"] = data
	}
	if field != "" {
		fault["field"] = field
	}
	e.Fields["error"] = fault
}

// mergeRoot merges an object into the event.
func (o *decodeJSON) mergeRoot(e *event.Event, object map[string]any) error {
	if o.ExpandKeys {
		if err := expandKeys(object); err != nil {
			o.note(e, err.Error(), "", "")
			return err
		}
	}
	stamp, hasStamp := object["@timestamp"]
	meta, hasMeta := object["@metadata"]
	delete(object, "@timestamp")
	delete(object, "@metadata")
	if !o.OverwriteKeys {
		event.Merge(e.Fields, object, false)
		return nil
	}
	var errs []error
	refuse := func(message string) {
		o.note(e, message, "", "")
		errs = append(errs, errors.New(message))
	}
	if hasStamp {
		if message := setTime(e, stamp); message != "" {
			refuse(message)
		}
	}
	if m, ok := meta.(map[string]any); ok {
		if e.Meta == nil {
			e.Meta = make(map[string]any, len(m))
		}
		event.Merge(e.Meta, m, true)
	} else if hasMeta {
		refuse("failed to update @metadata")
	}
	if typ, ok := object["type"]; ok {
		switch text, isText := typ.(string); {
		case !isText:
			refuse("type not overwritten (not string)")
			delete(object, "type")
		case text == "" || text[0] == '_':
			refuse(fmt.Sprintf("type not overwritten (invalid value [%s])", text))
			delete(object, "type")
		}
	}
	event.Merge(e.Fields, object, true)
	return errors.Join(errs...)
}

// setTime sets @timestamp; the message says why not.
func setTime(e *event.Event, v any) (message string) {
	text, ok := v.(string)
	if !ok {
		return "@timestamp not overwritten (not string)"
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700"} {
		if t, err := parseTime(layout, text, nil); err == nil {
			e.Time = t
			return ""
		}
	}
	return fmt.Sprintf("@timestamp not overwritten (parse error on %s)", text)
}

var (
	errMoreJSON  = errors.New("multiple json elements found")
	errSkipArray = errors.New("processing skipped")
)

// decodeText decodes one JSON value, and up to depth levels of texts in it. In
// what is no object, numbers become texts, as in Filebeat.
func decodeText(text string, depth int, arrays bool) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errMoreJSON
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	object, isObject := v.(map[string]any)
	v = numbers(v, !isObject)
	if depth--; depth == 0 {
		return v, nil
	}
	if isObject {
		for key, inner := range object {
			object[key] = decodeInner(inner, depth, arrays)
		}
		return object, nil
	}
	list, isList := v.([]any)
	if isList && !arrays {
		return nil, errSkipArray
	}
	for i, inner := range list {
		list[i] = decodeInner(inner, depth, arrays)
	}
	return v, nil
}

// decodeInner decodes a text that looks like an object or a list; anything else
// stays.
func decodeInner(v any, depth int, arrays bool) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	trimmed := strings.TrimSpace(text)
	if n := len(trimmed); n < 2 || !(trimmed[0] == '{' && trimmed[n-1] == '}' || trimmed[0] == '[' && trimmed[n-1] == ']') {
		return v
	}
	inner, err := decodeText(text, depth, arrays)
	if err != nil {
		return v
	}
	return inner
}

// numbers replaces the decoder's numbers by int64, float64 or, if neither can
// hold them or it is wanted, their text.
func numbers(v any, asText bool) any {
	switch v := v.(type) {
	case json.Number:
		if asText {
			return string(v)
		}
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return string(v)
	case map[string]any:
		for key, inner := range v {
			v[key] = numbers(inner, asText)
		}
	case []any:
		for i, inner := range v {
			v[i] = numbers(inner, asText)
		}
	}
	return v
}
