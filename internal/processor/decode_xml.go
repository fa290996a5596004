package processor

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"sluice/internal/event"
)

// Reads XML. Elements and attributes become fields, elements that repeat a
// list; the text of an element that has either is "#text". An error stands in
// error.message, and leaves the rest of the event as it is. Filebeat:
// decode_xml.
type decodeXML struct {
	// Field is the text to decode. Default: message.
	Field string `config:"field"`
	// TargetField takes the result; "" puts its fields at the top level.
	// Default: the field that is read.
	TargetField *string `config:"target_field"`
	// OverwriteKeys replaces fields that are there. Default: true.
	OverwriteKeys bool `config:"overwrite_keys"`
	// ToLower makes the names lower case. Default: true.
	ToLower bool `config:"to_lower"`
	// DocumentID is the field of the result that becomes @metadata._id and is
	// taken out. Default: none.
	DocumentID string `config:"document_id"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// IgnoreFailure keeps errors out of error.message. Default: false.
	IgnoreFailure bool `config:"ignore_failure"`

	Common `config:",squash"`
}

func (o *decodeXML) Validate() error { return required("field", o.Field != "", "message") }

func (o *decodeXML) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		err := o.decode(e)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("failed in decode_xml on the %q field: %w", o.Field, err)
		if !o.IgnoreFailure {
			e.SetError(err.Error(), "")
		}
		return unless(!o.IgnoreFailure, err)
	}), nil
}

func (o *decodeXML) decode(e *event.Event) error {
	v, err := e.Get(o.Field)
	if err != nil {
		if o.IgnoreMissing && errors.Is(err, event.ErrNotFound) {
			return nil
		}
		return errors.New(reason(err))
	}
	text, ok := v.(string)
	if !ok {
		return errNoText
	}
	tree, err := readXML(text, o.ToLower)
	if err != nil {
		return fmt.Errorf("error decoding XML field: %w", err)
	}
	id := o.takeID(tree)
	target := o.Field
	if o.TargetField != nil {
		target = *o.TargetField
	}
	switch {
	case target == "":
		event.Merge(e.Fields, tree, o.OverwriteKeys)
	case target != o.Field && !o.OverwriteKeys && e.Has(target):
		return fmt.Errorf("target field %s already exists", target)
	default:
		if _, err := e.Put(target, tree); err != nil {
			return fmt.Errorf("failed to put value into %s: %s", target, reason(err))
		}
	}
	if id != "" {
		_, err = e.Put("@metadata._id", id)
	}
	return err
}

// takeID takes the document's id out of the tree.
func (o *decodeXML) takeID(tree map[string]any) string {
	if o.DocumentID == "" {
		return ""
	}
	v, err := event.Get(tree, o.DocumentID)
	id, ok := v.(string)
	if err != nil || !ok || event.Delete(tree, o.DocumentID) != nil {
		return ""
	}
	return id
}

const (
	xmlText = "#text"
	// maxXMLDepth bounds how deep elements may lie in each other.
	maxXMLDepth = 1000
)

var errXMLDepth = fmt.Errorf("elements lie more than %d deep", maxXMLDepth)

// errNoText is Filebeat's text for error.message.
var errNoText = errors.New("field value is not a string")

// readXML returns {root: …}.
func readXML(text string, lower bool) (map[string]any, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // events are UTF-8
	tree := make(map[string]any)
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && len(tree) > 0:
			return tree, nil
		case err != nil:
			return nil, err
		}
		if start, ok := token.(xml.StartElement); ok {
			v, err := readElement(d, start, lower, 1)
			if err != nil {
				return nil, err
			}
			addXML(tree, xmlName(start.Name, lower), v)
		}
	}
}

// readElement reads up to the element's end.
func readElement(d *xml.Decoder, start xml.StartElement, lower bool, depth int) (any, error) {
	if depth > maxXMLDepth {
		return nil, errXMLDepth
	}
	fields := make(map[string]any)
	for _, a := range start.Attr {
		addXML(fields, xmlName(a.Name, lower), a.Value)
	}
	var text strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			v, err := readElement(d, t, lower, depth+1)
			if err != nil {
				return nil, err
			}
			addXML(fields, xmlName(t.Name, lower), v)
		case xml.EndElement:
			plain := strings.TrimSpace(text.String())
			if len(fields) == 0 {
				return plain, nil
			}
			if plain != "" {
				fields[xmlText] = plain
			}
			return fields, nil
		}
	}
}

func xmlName(n xml.Name, lower bool) string {
	if lower {
		return strings.ToLower(n.Local)
	}
	return n.Local
}

// addXML sets a field; one that is there becomes a list.
func addXML(fields map[string]any, name string, v any) {
	old, ok := fields[name]
	if !ok {
		fields[name] = v
		return
	}
	list, isList := old.([]any)
	if !isList {
		list = []any{old}
	}
	fields[name] = append(list, v)
}
