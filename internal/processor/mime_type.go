package processor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"sluice/internal/event"
)

// Guesses the MIME type of a field's bytes. What can't be told, and a field
// that is not there or no text, leaves the event as it is. Filebeat:
// detect_mime_type.
type detectMIMEType struct {
	// Field is the field to look at. Required.
	Field string `config:"field"`
	// Target is the field that takes the type; @metadata.NAME is possible.
	// Required.
	Target string `config:"target"`

	Common `config:",squash"`
}

func (o *detectMIMEType) Validate() error {
	return errors.Join(required("field", o.Field != "", "http.request.body.content"),
		required("target", o.Target != "", "http.request.mime_type"))
}

func (o *detectMIMEType) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		v, err := e.Get(o.Field)
		text, ok := v.(string)
		if err != nil || !ok {
			return nil
		}
		kind := mimeType([]byte(text))
		if kind == "" {
			return nil
		}
		if _, err := e.Put(o.Target, kind); err != nil {
			return fmt.Errorf("add the MIME type as %s: %w", o.Target, err)
		}
		return nil
	}), nil
}

// mimeType is http.DetectContentType with JSON, and "" for what is unknown.
func mimeType(text []byte) string {
	trimmed := bytes.TrimSpace(text)
	if len(trimmed) == 0 {
		return ""
	}
	if (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(trimmed) {
		return "application/json"
	}
	kind := http.DetectContentType(text)
	if kind == "application/octet-stream" {
		return ""
	}
	return kind
}
