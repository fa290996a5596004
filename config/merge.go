package config

// overlay lays the settings of a later file or override over those of earlier
// ones: sections by name, lists entry by entry, everything else is replaced.
func overlay(base, over *node, name string, f *faults) *node {
	if base == nil {
		return over
	}
	switch {
	case base.kind == mapKind && over.kind == mapKind:
		overlaySection(base, over, name, f)
		return base
	case base.kind == listKind && over.kind == listKind:
		for i, item := range over.items {
			if i < len(base.items) {
				base.items[i] = overlay(base.items[i], item, name, f)
			} else {
				base.items = append(base.items, item)
			}
		}
		return base
	case base.kind == listKind && over.kind == mapKind:
		overlayEntries(base, over, name, f)
		return base
	default:
		return over
	}
}

func overlaySection(base, over *node, name string, f *faults) {
	for _, m := range over.members {
		at := m.at
		have := base.get(m.key)
		value := overlay(have, m.value, join(name, m.key), f)
		if have != nil && value == have {
			at = base.members[base.index[m.key]].at
		}
		base.set(m.key, at, value)
	}
}

// overlayEntries sets entries of a list by their numbers (paths.0=…).
func overlayEntries(base, over *node, name string, f *faults) {
	for _, m := range over.members {
		i, ok := entryNumber(m.key)
		switch {
		case !ok:
			f.add(m.at, join(name, m.key), "%s is a list; its entries have numbers from 0", name)
		case i >= len(base.items):
			f.add(m.at, join(name, m.key), "the list has %d entries (0 to %d); give the whole list to add one", len(base.items), len(base.items)-1)
		default:
			base.items[i] = overlay(base.items[i], m.value, join(name, m.key), f)
		}
	}
}
