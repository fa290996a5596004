package processor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/internal/event"
)

// expandKeys makes levels of names with dots, in place. At a conflict it ends
// with what it has done so far, as Filebeat does.
func expandKeys(m map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		v, there := m[key]
		if !there {
			continue
		}
		inner, isMap := v.(map[string]any)
		if isMap {
			if err := expandKeys(inner); err != nil {
				return err
			}
		}
		if !strings.Contains(key, ".") {
			continue
		}
		delete(m, key)
		old, err := event.Put(m, key, v)
		if err != nil {
			return fmt.Errorf("cannot expand %q: found conflicting key: %s", key, reason(err))
		}
		if old == nil {
			continue
		}
		was, wasMap := old.(map[string]any)
		switch {
		case !wasMap:
			return fmt.Errorf("cannot expand %q: found existing (%T) value", key, old)
		case !isMap:
			return fmt.Errorf("cannot expand %q: found conflicting key", key)
		}
		if err := mergeNew(inner, was); err != nil {
			return fmt.Errorf("cannot expand %q: %w", key, err)
		}
	}
	return nil
}

// mergeNew puts the fields of src into dst, where they must be new.
func mergeNew(dst, src map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(src)) {
		old, exists := dst[key]
		if !exists {
			dst[key] = src[key]
			continue
		}
		into, intoMap := old.(map[string]any)
		from, fromMap := src[key].(map[string]any)
		if !intoMap || !fromMap {
			return fmt.Errorf("found existing (%T) value", old)
		}
		if err := mergeNew(into, from); err != nil {
			return err
		}
	}
	return nil
}
