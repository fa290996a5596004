package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"sluice/elasticsearch"
)

// serverObject is something that a server keeps under a name: a template, a role.
// It is read, compared, and written if it is not as it should be.
type serverObject struct {
	client *serverClient
	what   string         // index template mqtt
	path   string         // it is PUT there
	read   string         // it is read there, if not at path
	in     []string       // where in the answer it stands: keys, and numbers in lists
	body   map[string]any // as it should be
	// exact are the keys of the body in which the server may not have more than we
	// want; elsewhere it may add defaults.
	exact []string
	// create is the method for a new one; empty: PUT.
	create string
	// counted says that a change must name what it changes, by _seq_no and
	// _primary_term.
	counted bool
	// without is the reason not to do it at all.
	without string
	// lacking tells from a refusal that the server can't have it; "": it is a fault.
	lacking func(reason string) string
	// mend is told behind a refusal; empty: none.
	mend string
}

func (o serverObject) do(ctx context.Context, s *Session) (report, error) {
	if o.without != "" {
		return report{verb: "skip", line: o.what + ": " + o.without}, nil
	}
	read := o.path
	if o.read != "" {
		read = o.read
	}
	now, err := o.client.do(ctx, http.MethodGet, read, nil)
	if err != nil {
		return report{}, err
	}
	if !now.ok() && now.status != http.StatusNotFound {
		return report{}, fmt.Errorf("%s: %w", o.what, o.client.refused(http.MethodGet, read, now))
	}
	have, there := at(now.body, o.in)
	there = there && now.ok()
	if there && o.holds(have) {
		return report{verb: "same", line: o.what}, nil
	}
	r := report{verb: "put", line: o.what, changed: true}
	if s.DryRun {
		r.detail = File{Content: indented(o.body)}.shown()
		return r, nil
	}
	method, path := http.MethodPut, o.path
	switch {
	case !there && o.create != "":
		method = o.create
	case there && o.counted:
		path += "?if_seq_no=" + scalarText(now.body["_seq_no"]) + "&if_primary_term=" + scalarText(now.body["_primary_term"])
	}
	done, err := o.client.do(ctx, method, path, o.body)
	if err != nil {
		return report{}, err
	}
	if !done.ok() {
		if o.lacking != nil {
			if why := o.lacking(done.reason()); why != "" {
				return report{verb: "skip", line: o.what + ": " + why}, nil
			}
		}
		err := fmt.Errorf("%s: %w", o.what, o.client.refused(method, path, done))
		if o.mend != "" {
			err = fmt.Errorf("%w; %s", err, o.mend)
		}
		return report{}, err
	}
	return r, nil
}

// holds tells whether what the server has is what we want.
func (o serverObject) holds(have any) bool {
	got, ok := plainSettings(have).(map[string]any)
	want, _ := plainSettings(normal(o.body)).(map[string]any)
	if !ok || !covers(got, want) {
		return false
	}
	for _, key := range o.exact {
		if !covers(want[key], got[key]) {
			return false
		}
	}
	return true
}

// normal makes numbers and lists of the kinds that JSON has.
func normal(v any) any {
	var out any
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("setup: an object for the server is no JSON: %v", err)) // it was made of JSON
	}
	return out
}

func indented(v any) []byte {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("setup: an object for the server is no JSON: %v", err))
	}
	return append(text, '\n')
}

// covers tells whether got has all that want has. A server may answer a number as
// text.
func covers(got, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for key, value := range w {
			if !ok || !covers(g[key], value) {
				return false
			}
		}
		return ok || len(w) == 0 && got == nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return len(w) == 0 && got == nil
		}
		for i := range w {
			if !covers(g[i], w[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, want) || got != nil && want != nil && scalarText(got) == scalarText(want)
}

// scalarText is how a server writes a scalar as text; of anything else "".
func scalarText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprintf("%T", v)
}

// plainSettings writes the settings of a template, which a server keeps as a tree,
// as index.a.b. An old template has them at its top.
func plainSettings(v any) any {
	body, ok := v.(map[string]any)
	if !ok {
		return v
	}
	if template, ok := body["template"].(map[string]any); ok {
		body = cloned(body)
		body["template"] = plainSettings(template)
		return body
	}
	settings, ok := body["settings"].(map[string]any)
	if _, repository := body["type"]; !ok || repository {
		return v
	}
	flat := make(map[string]any)
	flatten(flat, "", settings)
	body = cloned(body)
	body["settings"] = flat
	return body
}

func flatten(flat map[string]any, prefix string, tree map[string]any) {
	for key, value := range tree {
		if below, ok := value.(map[string]any); ok {
			flatten(flat, prefix+key+".", below)
			continue
		}
		flat["index."+strings.TrimPrefix(prefix+key, "index.")] = value
	}
}

func cloned(m map[string]any) map[string]any {
	c := make(map[string]any, len(m))
	for key, value := range m {
		c[key] = value
	}
	return c
}

// at finds a value in a tree.
func at(v any, path []string) (any, bool) {
	for _, key := range path {
		switch tree := v.(type) {
		case map[string]any:
			below, ok := tree[key]
			if !ok {
				return nil, false
			}
			v = below
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(tree) {
				return nil, false
			}
			v = tree[i]
		default:
			return nil, false
		}
	}
	return v, v != nil
}

// inside finds a tree that is there.
func inside(v any, path ...string) map[string]any {
	below, _ := at(v, path)
	tree, ok := below.(map[string]any)
	if !ok {
		panic(fmt.Sprintf("setup: a file for the server has no %q", path)) // a fault of the program
	}
	return tree
}

// put sets a value in a tree, making what is missing on the way.
func put(tree map[string]any, value any, path ...string) {
	for len(path) > 1 {
		below, ok := tree[path[0]].(map[string]any)
		if !ok {
			below = make(map[string]any)
			tree[path[0]] = below
		}
		tree, path = below, path[1:]
	}
	tree[path[0]] = value
}

// serverFile reads one of the files that are in the program.
func serverFile(name string) map[string]any {
	var body map[string]any
	text, err := elasticsearch.Files.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &body)
	}
	if err != nil {
		panic(fmt.Sprintf("setup: elasticsearch/%s: %v", name, err)) // a fault of the program
	}
	return body
}

// lacksPart tells from a refusal that the server lacks a part.
func lacksPart(phrases ...string) func(string) string {
	return func(reason string) string {
		if slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(reason, p) }) {
			return "this server lacks what it needs: " + reason
		}
		return ""
	}
}
