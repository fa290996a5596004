package config

import (
	"strconv"
	"strings"
)

type kind uint8

const (
	nullKind kind = iota
	scalarKind
	listKind
	mapKind
)

// node is a value of the configuration: a scalar, a list or a section.
type node struct {
	kind  kind
	at    position
	text  string // of a scalar, and of a list that was written as text (a,b,c)
	plain bool   // the scalar was not quoted: it may be a number, a boolean or null
	items []*node
	// members of a section, in the order of the file.
	members []member
	index   map[string]int
}

// member is a named value of a section.
type member struct {
	key   string
	at    position // of the key
	value *node
}

func newMap(at position) *node {
	return &node{kind: mapKind, at: at, index: map[string]int{}}
}

// get returns the member of that name, or nil.
func (n *node) get(key string) *node {
	if n == nil || n.kind != mapKind {
		return nil
	}
	if i, ok := n.index[key]; ok {
		return n.members[i].value
	}
	return nil
}

// set adds or replaces a member.
func (n *node) set(key string, at position, value *node) {
	if i, ok := n.index[key]; ok {
		n.members[i] = member{key, at, value}
		return
	}
	n.index[key] = len(n.members)
	n.members = append(n.members, member{key, at, value})
}

// find follows a dotted name, through lists by number; nil when there is
// nothing.
func (n *node) find(name string) *node {
	for part := range strings.SplitSeq(name, ".") {
		if n = n.child(part); n == nil {
			return nil
		}
	}
	return n
}

func (n *node) child(part string) *node {
	if n.kind != listKind {
		return n.get(part)
	}
	if i, ok := entryNumber(part); ok && i < len(n.items) {
		return n.items[i]
	}
	return nil
}

// locate returns the place of the option or, if it is not given, of the
// nearest section around it that is.
func (n *node) locate(name string) position {
	at := position{}
	if n == nil {
		return at
	}
	for part := range strings.SplitSeq(name, ".") {
		next := n.child(part)
		if next == nil {
			return at
		}
		at = next.at
		if n.kind == mapKind {
			at = n.members[n.index[part]].at
		}
		n = next
	}
	return at
}

// entries returns the entries when the node can be read as a list: a list, or
// a section whose names are 0, 1, 2, … without a gap.
func (n *node) entries() ([]*node, bool) {
	switch n.kind {
	case listKind:
		return n.items, true
	case mapKind:
		if len(n.members) == 0 {
			return nil, false
		}
		items := make([]*node, len(n.members))
		for _, m := range n.members {
			i, ok := entryNumber(m.key)
			if !ok || i >= len(items) || items[i] != nil {
				return nil, false
			}
			items[i] = m.value
		}
		return items, true
	default:
		return nil, false
	}
}

// entryNumber reads a list entry's number: digits without a leading zero.
func entryNumber(s string) (int, bool) {
	if s == "" || len(s) > 6 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	i, err := strconv.Atoi(s)
	return i, err == nil
}

// isNull tells whether the node counts as no setting: null, or an empty or
// null-like plain scalar.
func (n *node) isNull() bool {
	return n == nil || n.kind == nullKind
}

// describe says what was found, for messages; the text of a secret is not shown.
func (n *node) describe(secret bool) string {
	switch n.kind {
	case listKind:
		return "a list"
	case mapKind:
		return "a section"
	case nullKind:
		return "nothing"
	}
	if secret {
		return "another text"
	}
	const most = 60
	if len(n.text) > most {
		return strconv.Quote(strings.ToValidUTF8(n.text[:most], "") + "…")
	}
	return strconv.Quote(n.text)
}
