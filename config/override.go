package config

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// overrideName stands for the file name in the faults of overrides.
const overrideName = "-E"

// parseOverride reads one "-E key=value". Without = the value is true; an
// empty value unsets the option.
func parseOverride(text string, order int, f *faults) *node {
	at := position{file: overrideName, order: order}
	key, value, given := strings.Cut(text, "=")
	key = strings.TrimSpace(key)
	if key == "" {
		f.add(at, "", "the name is missing; write -E name=value")
		return nil
	}
	n := &node{kind: scalarKind, at: at, text: "true", plain: true}
	if given {
		var err error
		if n, err = parseValue(value, at); err != nil {
			f.add(at, key, "the value is no valid list, section or quoted text")
			return nil
		}
	}
	parts := strings.Split(key, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] == "" {
			f.add(at, key, "the name has an empty part")
			return nil
		}
		outer := newMap(at)
		outer.set(parts[i], at, n)
		n = outer
	}
	return n
}

// parseVariable reads a value as the environment gives it: as parseValue does,
// but a text that begins with { is no section.
func parseVariable(text string, at position) (*node, error) {
	trimmed := strings.TrimSpace(text)
	if !strings.HasPrefix(trimmed, "{") {
		return parseValue(text, at)
	}
	parts := strings.Split(trimmed, ",")
	if len(parts) == 1 {
		return &node{kind: scalarKind, at: at, text: text}, nil
	}
	list := &node{kind: listKind, at: at, text: text}
	for _, part := range parts {
		list.items = append(list.items, &node{kind: scalarKind, at: at, text: strings.TrimSpace(part)})
	}
	return list, nil
}

// parseValue reads a value as the command line and ${NAME:default} give it:
// [a, b] and {a: b} as YAML, a,b as a list, quoted text, or plain text, which
// may turn out to be a number or a boolean. A list that was written a,b keeps
// its text, for options that want a text.
func parseValue(text string, at position) (*node, error) {
	trimmed := strings.TrimSpace(text)
	parts := splitCommas(trimmed)
	if len(parts) == 1 {
		n, err := parseSingle(trimmed, at)
		if err == nil && (n.kind == listKind || n.kind == mapKind) {
			n.text = text
		}
		return n, err
	}
	list := &node{kind: listKind, at: at, text: text}
	for _, part := range parts {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		n, err := parseSingle(part, at)
		if err != nil {
			return nil, err
		}
		list.items = append(list.items, n)
	}
	return list, nil
}

func parseSingle(text string, at position) (*node, error) {
	if text == "" || isNullText(text) {
		return &node{at: at}, nil
	}
	if !strings.ContainsRune(`[{"'`, rune(text[0])) {
		return &node{kind: scalarKind, at: at, text: text, plain: true}, nil
	}
	root, _, err := loadYAML([]byte(text))
	if err != nil {
		return nil, err
	}
	if root == nil {
		return &node{at: at}, nil
	}
	var f faults
	p := &parser{file: at.file, order: at.order, faults: &f, left: maxNodes, open: map[*yaml.Node]bool{}}
	n := p.value(root, "", 0)
	n.moveTo(at)
	return n, f.err()
}

// moveTo sets the place of a whole tree.
func (n *node) moveTo(at position) {
	n.at = at
	for _, item := range n.items {
		item.moveTo(at)
	}
	for i := range n.members {
		n.members[i].at = at
		n.members[i].value.moveTo(at)
	}
}

// splitCommas splits at the commas that are outside of quotes and brackets.
func splitCommas(text string) []string {
	var parts []string
	depth, start := 0, 0
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == '\\' && quote == '"' {
				i++
			} else if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && strings.TrimSpace(text[start:i]) == "" || depth > 0 && (c == '"' || c == '\''):
			quote = c
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth <= 0:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}
