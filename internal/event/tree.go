package event

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Get returns a field of a tree; see Event.Get.
func Get(m map[string]any, key string) (any, error) {
	parent, last, err := find(m, key, false)
	if err != nil {
		return nil, err
	}
	v, ok := parent[last]
	if !ok {
		return nil, ErrNotFound
	}
	return v, nil
}

// Has says whether a tree has a field.
func Has(m map[string]any, key string) bool {
	_, err := Get(m, key)
	return err == nil
}

// Put sets a field of a tree, which must not be nil; see Event.Put.
func Put(m map[string]any, key string, v any) (old any, err error) {
	parent, last, err := find(m, key, true)
	if err != nil {
		return nil, err
	}
	old = parent[last]
	parent[last] = v
	return old, nil
}

// Delete removes a field of a tree; see Event.Delete.
func Delete(m map[string]any, key string) error {
	parent, last, err := find(m, key, false)
	if err != nil {
		return err
	}
	if _, ok := parent[last]; !ok {
		return ErrNotFound
	}
	delete(parent, last)
	return nil
}

// find returns the map that holds the field, or would, and its name there.
func find(m map[string]any, key string, create bool) (parent map[string]any, last string, err error) {
	for {
		if _, ok := m[key]; ok {
			return m, key, nil
		}
		name, rest, dotted := strings.Cut(key, ".")
		if !dotted {
			return m, key, nil
		}
		v, ok := m[name]
		switch {
		case !ok && !create:
			return nil, "", ErrNotFound
		case !ok:
			inner := make(map[string]any)
			m[name] = inner
			m, key = inner, rest
			continue
		}
		inner, isMap := v.(map[string]any)
		if !isMap {
			return nil, "", fmt.Errorf("%q: expected map but type is %s", name, typeName(v))
		}
		m, key = inner, rest
	}
}

// typeName names the type of a value for messages.
func typeName(v any) string {
	if v == nil {
		return "<nil>" // as Go prints it
	}
	return fmt.Sprintf("%T", v)
}

// Merge puts the fields of src into dst, level by level; without overwrite
// what is there stays, but for what is no object where src has one.
func Merge(dst, src map[string]any, overwrite bool) {
	for key, v := range src {
		old, exists := dst[key]
		from, isMap := v.(map[string]any)
		into, wasMap := old.(map[string]any)
		switch {
		case isMap && wasMap:
			Merge(into, from, overwrite)
		case !exists || overwrite || isMap:
			dst[key] = Clone(v)
		}
	}
}

// CloneMap copies a tree; nil stays nil.
func CloneMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	c := make(map[string]any, len(m))
	for key, v := range m {
		c[key] = Clone(v)
	}
	return c
}

// Clone copies a value.
func Clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return CloneMap(v)
	case []any:
		c := make([]any, len(v))
		for i, item := range v {
			c[i] = Clone(item)
		}
		return c
	case []string:
		return append([]string(nil), v...)
	case map[string]string:
		return maps.Clone(v)
	}
	return v
}

// DropNulls removes the fields without a value, in lists too the fields of
// their objects. A list keeps its nulls.
func DropNulls(m map[string]any) {
	for key, v := range m {
		if v == nil {
			delete(m, key)
			continue
		}
		dropIn(v)
	}
}

func dropIn(v any) {
	switch v := v.(type) {
	case map[string]any:
		DropNulls(v)
	case []any:
		for _, item := range v {
			dropIn(item)
		}
	}
}

// Flatten returns the fields that hold no others, by their dotted names. An
// object without fields vanishes.
func Flatten(m map[string]any) map[string]any {
	flat := make(map[string]any)
	flatten(flat, "", m)
	return flat
}

func flatten(flat map[string]any, prefix string, m map[string]any) {
	for key, v := range m {
		if inner, ok := v.(map[string]any); ok {
			flatten(flat, prefix+key+".", inner)
			continue
		}
		flat[prefix+key] = v
	}
}

// Nested returns the tree in which dotted names have become levels. Where a
// name is a field and a level at once, it is an error that names it.
func Nested(m map[string]any) (map[string]any, error) {
	tree := make(map[string]any, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		v := m[key]
		if inner, ok := v.(map[string]any); ok {
			nested, err := Nested(inner)
			if err != nil {
				return nil, err
			}
			v = nested
		}
		if err := place(tree, key, v); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

func place(tree map[string]any, key string, v any) error {
	full := key
	for {
		name, rest, dotted := strings.Cut(key, ".")
		if !dotted {
			break
		}
		inner, ok := tree[name].(map[string]any)
		if !ok {
			if old, taken := tree[name]; taken {
				return fmt.Errorf("cannot expand %q: found conflicting key: expected map but type is %s", full, typeName(old))
			}
			inner = make(map[string]any)
			tree[name] = inner
		}
		tree, key = inner, rest
	}
	old, taken := tree[key]
	from, isMap := v.(map[string]any)
	into, wasMap := old.(map[string]any)
	switch {
	case !taken:
		tree[key] = v
		return nil
	case isMap && wasMap:
		for name, inner := range from {
			if err := place(into, name, inner); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("cannot expand %q: found existing (%s) value", full, typeName(old))
}

// FormatTime writes a time as events have it: UTC, in milliseconds.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

const timeLayout = "2006-01-02T15:04:05.000Z"
