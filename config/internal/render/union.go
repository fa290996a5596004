package render

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"sluice/config/internal/schema"
)

// union writes a section of one kind: the options beside the kind that are
// given, then the kind with its options.
func (w *Writer) union(v reflect.Value, name string, depth int, lead string) {
	for _, o := range schema.Of(v.Type()) {
		field := v.FieldByIndex(o.Index)
		if field.IsZero() || field.Kind() == reflect.Slice && field.Len() == 0 {
			continue
		}
		if w.Describe != nil {
			w.describe(v.Type(), o, max(depth, 2))
		}
		w.option(field, o, name+"."+o.Name, depth, lead)
		if lead != "" {
			lead, depth = "", depth+1
		}
	}
	if chosen, ok := v.Addr().Interface().(schema.Chosen); ok && chosen.Kind() != "" {
		w.kind(chosen.Kind(), chosen.Options(), name, depth, lead)
	} else if k, ok := v.Addr().Interface().(interface{ Kind() string }); ok && k.Kind() != "" {
		w.line(depth, lead+k.Kind()+":")
	}
}

// kind writes a chosen kind.
func (w *Writer) kind(kind string, options any, name string, depth int, lead string) {
	v := reflect.ValueOf(options)
	if v.IsValid() && v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if w.Describe != nil && v.IsValid() {
		fmt.Fprintln(w.out)
		w.comment(depth, w.DescribeType(v.Type()))
	}
	w.line(depth, lead+kind+":")
	if v.IsValid() && schema.IsSection(v.Type()) {
		inner := depth + 1
		if lead != "" {
			inner++
		}
		w.section(v, name+"."+kind, inner, "")
	}
}

// alternatives describes in comments the kinds that a section may have.
func (w *Writer) alternatives(t reflect.Type, depth int) {
	w.comment(depth, "One of:")
	for _, kind := range schema.Kinds(t) {
		options := schema.KindOptions(t, kind)
		if options == nil {
			w.comment(depth, "  "+kind+":")
			continue
		}
		var text bytes.Buffer
		inner := Writer{Describe: w.Describe, DescribeType: w.DescribeType, Shown: w.Shown}
		_ = inner.writeKind(&text, kind, reflect.New(options).Interface()) // a buffer takes all
		for line := range strings.SplitSeq(strings.TrimSpace(text.String()), "\n") {
			w.comment(depth, "  "+strings.Replace(line, "#", "", 1))
		}
	}
}

func (w *Writer) writeKind(out *bytes.Buffer, kind string, options any) error {
	w.start(out)
	w.kind(kind, options, "", 0, "")
	return w.out.Flush()
}
