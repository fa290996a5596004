package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxText bounds a text with all references replaced.
const maxText = 1 << 20

// expander replaces ${…} in all texts of a merged configuration.
type expander struct {
	root     *node
	env      func(string) (string, bool)
	fallback func(name string) (string, bool) // settings that have a value without a file
	vault    *vault
	faults   *faults
	busy     map[*node]bool // being expanded: a reference to one is a cycle
	done     map[*node]bool
	left     int
	sections []string // nil: all; else those in which a reference must lead somewhere
}

// errMissing says that a reference leads nowhere.
var errMissing = errors.New("missing")

var errTooLarge = fmt.Errorf("the configuration is too large (more than %d values)", maxNodes)

// expand resolves all references below n; faults are collected.
func (x *expander) expand(n *node, name string) {
	if n == nil || x.done[n] {
		return
	}
	switch n.kind {
	case scalarKind:
		if !strings.Contains(n.text, "$") {
			return
		}
		if err := x.scalar(n); err != nil {
			if x.excused(name, err) {
				return
			}
			x.faults.add(n.at, name, "%s", err)
			x.done[n] = true
		}
	case listKind:
		for i, item := range n.items {
			x.expand(item, join(name, fmt.Sprint(i)))
		}
	case mapKind:
		for _, m := range n.members {
			x.expand(m.value, join(name, m.key))
		}
	}
}

// scalar replaces the node's content by what its text means.
func (x *expander) scalar(n *node) error {
	if x.done[n] {
		return nil
	}
	if x.busy[n] {
		return errors.New("the reference leads back to itself")
	}
	x.busy[n] = true
	defer delete(x.busy, n)
	pieces, err := splitText(n.text)
	if err != nil {
		return err
	}
	if len(pieces) == 1 && pieces[0].ref {
		return x.whole(n, pieces[0])
	}
	text, err := x.text(pieces, 0)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(pieces, func(p piece) bool { return p.ref }) {
		x.replace(n, text, true)
	} else {
		n.text, x.done[n] = text, true
	}
	return nil
}

// replace makes of a node what a text would be on the command line. Without
// sections, as for a mere ${NAME}, braces are text.
func (x *expander) replace(n *node, text string, sections bool) {
	parse := parseValue
	if !sections {
		parse = parseVariable
	}
	value, err := parse(text, n.at)
	if err != nil || value.kind == nullKind && strings.TrimSpace(text) != "null" {
		value = &node{kind: scalarKind, at: n.at, text: text}
	}
	*n = *value
	x.done[n] = true
}

// whole resolves a value that consists of one reference: it takes over the
// setting with its type, or reads the variable as the command line would.
func (x *expander) whole(n *node, p piece) error {
	name, err := x.text(p.name, 0)
	if err != nil {
		return err
	}
	if target := x.setting(name); target != nil && p.op != opPresent {
		if err := x.target(target, name); err != nil {
			return err
		}
		at := n.at
		if err := x.copyInto(n, target); err != nil {
			return err
		}
		n.at, x.done[n] = at, true
		return nil
	}
	if text, ok, err := x.secret(name); err != nil {
		return err
	} else if ok && p.op != opPresent {
		n.text, n.plain, x.done[n] = text, false, true
		return nil
	}
	text, err := x.reference(p, 0)
	if err != nil {
		return err
	}
	x.replace(n, text, p.op != opNone)
	return nil
}

// setting returns the node of a setting that has a value.
func (x *expander) setting(name string) *node {
	if n := x.root.find(name); !n.isNull() {
		return n
	}
	return nil
}

// target makes sure that a referred setting is itself expanded.
func (x *expander) target(n *node, name string) error {
	if n.kind != scalarKind {
		return x.noCycle(n, name)
	}
	if !strings.Contains(n.text, "$") {
		return nil
	}
	return x.scalar(n)
}

// noCycle refuses a reference to a section or list that holds the reference,
// and expands what it holds.
func (x *expander) noCycle(n *node, name string) error {
	if x.left < 0 {
		return errTooLarge
	}
	holds := false
	n.walk(func(c *node) { holds = holds || x.busy[c] })
	if holds {
		return errors.New("the reference leads back to itself")
	}
	x.expand(n, name)
	return nil
}

func (n *node) walk(visit func(*node)) {
	visit(n)
	for _, item := range n.items {
		item.walk(visit)
	}
	for _, m := range n.members {
		m.value.walk(visit)
	}
}

// copyInto makes n a copy of a tree, within the bounds of the configuration.
func (x *expander) copyInto(n, from *node) error {
	if x.left--; x.left < 0 {
		return errTooLarge
	}
	at := n.at
	*n = *from
	n.at = at
	x.done[n] = true
	if from.kind == listKind {
		n.items = make([]*node, len(from.items))
		for i, item := range from.items {
			n.items[i] = &node{at: at}
			if err := x.copyInto(n.items[i], item); err != nil {
				return err
			}
		}
	}
	if from.kind == mapKind {
		n.members, n.index = nil, map[string]int{}
		for _, m := range from.members {
			c := &node{at: at}
			if err := x.copyInto(c, m.value); err != nil {
				return err
			}
			n.set(m.key, at, c)
		}
	}
	return nil
}

// text puts pieces together.
func (x *expander) text(pieces []piece, depth int) (string, error) {
	var b strings.Builder
	for _, p := range pieces {
		s := p.text
		if p.ref {
			var err error
			if s, err = x.reference(p, depth+1); err != nil {
				return "", err
			}
		}
		if b.Len()+len(s) > maxText {
			return "", fmt.Errorf("the text is longer than %d bytes with its references replaced", maxText)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// reference resolves one ${…} to a text.
func (x *expander) reference(p piece, depth int) (string, error) {
	if depth > maxDepth {
		return "", errors.New("the references are nested too deeply")
	}
	name, err := x.text(p.name, depth)
	if err != nil {
		return "", err
	}
	value, err := x.lookup(name)
	missing := errors.Is(err, errMissing)
	if err != nil && !missing {
		return "", err
	}
	switch {
	case p.op == opPresent && missing:
		return "", nil
	case p.op == opPresent, p.op == opDefault && missing:
		return x.text(p.rest, depth)
	case p.op == opError && missing:
		message, err := x.text(p.rest, depth)
		if err != nil {
			return "", err
		}
		return "", nowhereError(fmt.Sprintf("${%s}: %s", name, message))
	case missing && name == "CREDENTIALS_DIRECTORY":
		return "", nowhereError("${CREDENTIALS_DIRECTORY} is set by systemd, and for services only; the guide (gateway.md) has the call that checks the configuration with it")
	case missing:
		return "", nowhereError(fmt.Sprintf("${%s} is neither a setting, a key of the keystore nor a set environment variable (an empty one counts as missing); set it, or give a default: ${%s:value}", name, name))
	}
	return value, nil
}

// lookup finds a name among the settings, then in the keystore, then in the
// environment.
func (x *expander) lookup(name string) (string, error) {
	if name == "" {
		return "", errors.New("${} has no name")
	}
	if s, err := x.lookupSetting(name); err == nil || !errors.Is(err, errMissing) {
		return s, err
	}
	if s, ok := x.fallback(name); ok {
		return s, nil
	}
	if s, ok, err := x.secret(name); ok || err != nil {
		return s, err
	}
	if s, ok := x.env(name); ok && s != "" {
		return s, nil
	}
	return "", errMissing
}

// secret finds a name in the keystore. Settings come first.
func (x *expander) secret(name string) (string, bool, error) {
	if x.vault == nil || x.setting(name) != nil {
		return "", false, nil
	}
	text, ok, err := x.vault.get(name, x.keystorePath)
	if err != nil {
		err = nowhereError(err.Error())
	}
	return text, ok, err
}

// keystorePath returns where the keystore is.
func (x *expander) keystorePath() (string, error) {
	data, err := x.lookup("path.data")
	if err != nil && !errors.Is(err, errMissing) {
		return "", err
	}
	path, err := x.lookupSetting("keystore.path")
	if err != nil && !errors.Is(err, errMissing) {
		return "", err
	}
	return keystoreFile(path, data), nil
}

// lookupSetting returns the text of a setting; errMissing if it has none.
func (x *expander) lookupSetting(name string) (string, error) {
	if n := x.setting(name); n != nil {
		if _, ok := textOf(n); !ok {
			return "", fmt.Errorf("${%s} is %s and can't be a part of a text", name, n.describe(true))
		}
		if err := x.target(n, name); err != nil {
			return "", err
		}
		return n.text, nil
	}
	return "", errMissing
}
