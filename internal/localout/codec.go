package localout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"sluice/internal/event"
	"sluice/internal/formatstring"
	"sluice/internal/logfile"
)

// codec writes documents.
type codec interface {
	// append appends a document with its line end. With an error b comes back
	// as it was.
	append(b, doc []byte) ([]byte, error)
	// torn finds the end of the last whole document in a file.
	torn(tail []byte, first bool) (keep int, ok bool)
}

func newCodec(c *CodecConfig, pretty bool) (codec, error) {
	switch {
	case c.Format != nil:
		f, err := formatstring.Parse(c.Format.String)
		if err != nil {
			return nil, &FieldError{"codec.format.string", err.Error()}
		}
		return formatted{f}, nil
	case c.JSON != nil && c.JSON.Pretty, c.JSON == nil && pretty:
		return &indented{}, nil
	}
	return lines{}, nil
}

// lines is one document a line, as it comes.
type lines struct{}

func (lines) append(b, doc []byte) ([]byte, error) { return append(append(b, doc...), '\n'), nil }

func (lines) torn(tail []byte, first bool) (int, bool) { return logfile.TornLine(tail, first) }

// indented is JSON for people.
type indented struct{ buf bytes.Buffer }

func (c *indented) append(b, doc []byte) ([]byte, error) {
	c.buf.Reset()
	if err := json.Indent(&c.buf, doc, "", "  "); err != nil {
		return b, err
	}
	return append(append(b, c.buf.Bytes()...), '\n'), nil
}

// torn goes back over indented lines to the { that begins their document. If
// the last line is a lone }, the document is whole, and what is neither was
// written by another codec.
func (*indented) torn(tail []byte, first bool) (int, bool) {
	end, ok := logfile.TornLine(tail, first)
	if !ok {
		return 0, false
	}
	for i := end; i > 0; {
		start := bytes.LastIndexByte(tail[:i-1], '\n') + 1
		if start == 0 && !first {
			return 0, false
		}
		switch line := tail[start : i-1]; {
		case string(line) == "{":
			return start, true
		case len(line) == 0 || line[0] != ' ':
			return end, true
		}
		i = start
	}
	return end, true
}

// formatted is a text made of a document's fields.
type formatted struct{ format *formatstring.Format }

func (c formatted) append(b, doc []byte) ([]byte, error) {
	v, err := event.FromJSON(doc)
	if err != nil {
		return b, err
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return b, fmt.Errorf("the document is a %T, not an object", v)
	}
	var at time.Time
	if text, ok := fields["@timestamp"].(string); ok {
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return b, fmt.Errorf("@timestamp: %w", err)
		}
	}
	b, err = c.format.Append(b, at, func(field string) (any, error) { return event.Get(fields, field) })
	if err != nil {
		return b, err
	}
	return append(b, '\n'), nil
}

func (formatted) torn(tail []byte, first bool) (int, bool) { return logfile.TornLine(tail, first) }
