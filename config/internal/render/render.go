// Package render writes a configuration as YAML: a dump of a running one, or
// the commented reference of all options.
package render

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"strings"

	"sluice/config/internal/schema"
)

// Writer writes sections of options.
type Writer struct {
	// Describe, when set, returns the description of a struct's field: it is
	// written above the option, and every option is commented out.
	Describe func(t reflect.Type, index []int, option string) string
	// DescribeType returns the description of a type: of a kind's options. It
	// is needed with Describe.
	DescribeType func(t reflect.Type) string
	// Shown returns what is shown of a text option's value.
	Shown func(name, text string) string

	out *bufio.Writer
}

// Write writes a struct, or a pointer to one.
func (w *Writer) Write(out io.Writer, config any) error {
	w.start(out)
	v := reflect.Indirect(reflect.ValueOf(config))
	w.section(v, "", 0, "")
	return w.out.Flush()
}

func (w *Writer) start(out io.Writer) { w.out = bufio.NewWriter(out) }

// section writes a struct's options; lead stands before the first one instead
// of its indentation ("- " of a list's entry).
func (w *Writer) section(v reflect.Value, name string, depth int, lead string) {
	if schema.IsUnion(v.Type()) {
		w.union(v, name, depth, lead)
		return
	}
	for _, o := range schema.Of(v.Type()) {
		full := strings.TrimPrefix(name+"."+o.Name, ".")
		field := v.FieldByIndex(o.Index)
		if field.Kind() == reflect.Pointer && field.IsNil() && schema.IsSection(o.Type) {
			continue
		}
		if w.Describe != nil {
			w.describe(v.Type(), o, depth)
		}
		w.option(field, o, full, depth, lead)
		if lead != "" {
			lead = ""
			depth++
		}
	}
}

// describe writes the comment above an option.
func (w *Writer) describe(t reflect.Type, o schema.Option, depth int) {
	text := w.Describe(t, o.Index, o.Name)
	if depth < 2 {
		fmt.Fprintln(w.out)
	}
	w.comment(depth, text)
}

// comment writes lines of text that nothing reads.
func (w *Writer) comment(depth int, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n "), "\n") {
		if line != "" {
			fmt.Fprintf(w.out, "%s# %s\n", strings.Repeat("  ", depth), line)
		}
	}
}

func (w *Writer) option(v reflect.Value, o schema.Option, name string, depth int, lead string) {
	v = indirect(v)
	inner := depth + 1
	if lead != "" {
		inner++
	}
	switch {
	case v.IsValid() && schema.IsSection(v.Type()):
		w.line(depth, lead+o.Name+":")
		w.section(v, name, inner, "")
		if w.Describe != nil && schema.IsUnion(v.Type()) {
			w.alternatives(v.Type(), inner)
		}
	case o.Type.Kind() == reflect.Slice && schema.IsSection(o.Type.Elem()):
		w.list(v, o, name, depth, inner, lead)
	case !v.IsValid():
		w.line(depth, lead+o.Name+":")
	default:
		w.line(depth, lead+o.Name+": "+w.value(v, o, name))
	}
}

// list writes a list of sections.
func (w *Writer) list(v reflect.Value, o schema.Option, name string, depth, inner int, lead string) {
	if v.Len() == 0 {
		w.line(depth, lead+o.Name+": []")
		return
	}
	w.line(depth, lead+o.Name+":")
	for i := range v.Len() {
		w.section(v.Index(i), fmt.Sprintf("%s.%d", name, i), inner-1, "- ")
	}
}

// line writes an option's line, commented out in a reference.
func (w *Writer) line(depth int, text string) {
	mark := ""
	if w.Describe != nil {
		mark = "#"
	}
	fmt.Fprintf(w.out, "%s%s%s\n", strings.Repeat("  ", depth), mark, text)
}

// indirect follows a pointer; the zero Value for nil.
func indirect(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer {
		return v.Elem()
	}
	return v
}
