package render

import (
	"bufio"
	"io"
	"maps"
	"slices"
	"strings"
)

// Tree writes nested map[string]any and []any as YAML with sorted names; the
// values at their ends are texts that are valid YAML scalars already.
func Tree(out io.Writer, root any) error {
	w := bufio.NewWriter(out)
	tree(w, root, 0)
	return w.Flush()
}

// tree writes a section or a list; its first line is already indented.
func tree(w *bufio.Writer, v any, depth int) {
	indent := strings.Repeat("  ", depth)
	switch v := v.(type) {
	case map[string]any:
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				w.WriteString(indent)
			}
			w.WriteString(Quote(name) + ":")
			inner(w, v[name], depth)
		}
	case []any:
		for i, item := range v {
			if i > 0 {
				w.WriteString(indent)
			}
			if leaf, ok := leaf(item); ok {
				w.WriteString("- " + leaf + "\n")
				continue
			}
			w.WriteString("- ")
			tree(w, item, depth+1)
		}
	}
}

// inner writes what stands behind a name's colon.
func inner(w *bufio.Writer, v any, depth int) {
	if leaf, ok := leaf(v); ok {
		w.WriteString(" " + leaf + "\n")
		return
	}
	if _, list := v.([]any); !list {
		depth++
	}
	w.WriteString("\n" + strings.Repeat("  ", depth))
	tree(w, v, depth)
}

// leaf returns a value that stands on its name's line.
func leaf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case map[string]any:
		return "{}", len(v) == 0
	case []any:
		return "[]", len(v) == 0
	}
	return "null", true
}
