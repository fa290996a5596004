package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxNodes bounds the size of a configuration with all aliases and references
// expanded, so that a few nested aliases can't fill the memory.
const maxNodes = 200_000

// maxDepth bounds the nesting of a configuration.
const maxDepth = 100

// parser turns one YAML document into nodes.
type parser struct {
	file   string
	order  int
	faults *faults
	left   int                 // nodes that may still be made
	open   map[*yaml.Node]bool // what aliases stand for, while it is converted
	full   bool
}

// parse reads one document, a section. An empty one gives nil; faults are
// collected.
func parse(file string, order int, data []byte, f *faults) *node {
	n := parseAny(file, order, data, f)
	if n != nil && n.kind != mapKind {
		f.add(n.at, "", "the file must hold options (name: value), found %s", n.describe(true))
		return nil
	}
	return n
}

// parseAny reads one document of any kind.
func parseAny(file string, order int, data []byte, f *faults) *node {
	p := &parser{file: file, order: order, faults: f, left: maxNodes, open: map[*yaml.Node]bool{}}
	if line, col, fault := checkText(data); fault != "" {
		f.add(position{file: file, order: order, line: line, col: col}, "", "%s", fault)
		return nil
	}
	root, second, err := loadYAML(data)
	if err != nil {
		at, text := p.syntax(err)
		f.add(at, "", "%s", text)
		return nil
	}
	if second != nil {
		f.warn(p.position(second), "", "a second document begins above here (---) and is ignored; put all options into one, or the rest into a file of its own and name both with -c")
	}
	if root == nil {
		return nil
	}
	if n := p.value(root, "", 0); n.kind != nullKind {
		return n
	}
	return nil
}

// loadYAML returns the root of the first document, and that of another one
// that holds anything.
func loadYAML(data []byte) (root, second *yaml.Node, err error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, nil, err
	}
	if root, err = nextDocument(loader); err != nil {
		return nil, nil, ended(err)
	}
	for {
		second, err := nextDocument(loader)
		if err != nil {
			return root, nil, ended(err)
		}
		if second != nil && (second.Kind != yaml.ScalarNode || !isNullText(second.Value)) {
			return root, second, nil
		}
	}
}

// nextDocument returns the root of a document, nil for an empty one.
func nextDocument(loader *yaml.Loader) (*yaml.Node, error) {
	var doc yaml.Node
	if err := loader.Load(&doc); err != nil {
		return nil, err
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return nil, nil
}

// ended makes no error of the end of the file.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// syntax makes one line of a YAML library error.
func (p *parser) syntax(err error) (position, string) {
	at := position{file: p.file, order: p.order}
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return at, "not valid YAML: " + err.Error()
	}
	at.line, at.col = load.Mark.Line, load.Mark.Column
	text := load.Message
	if load.ContextMsg != "" {
		text += " " + load.ContextMsg
		if load.ContextMark.Line > 0 && load.ContextMark.Line != load.Mark.Line {
			text += fmt.Sprintf(" that begins on line %d", load.ContextMark.Line)
		}
	}
	if strings.Contains(text, "cannot start any token") {
		text += "; a tab can't indent a line, and text that begins with @, ` or % needs quotes"
	}
	return at, "not valid YAML: " + text
}

func (p *parser) position(y *yaml.Node) position {
	return position{file: p.file, order: p.order, line: y.Line, col: y.Column}
}

// value converts a YAML node; name is its dotted name.
func (p *parser) value(y *yaml.Node, name string, depth int) *node {
	at := p.position(y)
	p.left--
	if p.left < 0 || depth > maxDepth {
		if !p.full {
			p.full = true
			p.faults.add(at, name, "the configuration is too large or nested too deeply (more than %d values or %d levels)", maxNodes, maxDepth)
		}
		return &node{at: at}
	}
	switch y.Kind {
	case yaml.MappingNode:
		return p.section(y, name, depth)
	case yaml.SequenceNode:
		n := &node{kind: listKind, at: at, items: make([]*node, 0, len(y.Content))}
		for i, item := range y.Content {
			n.items = append(n.items, p.value(item, join(name, fmt.Sprint(i)), depth+1))
		}
		return n
	case yaml.AliasNode:
		if p.open[y.Alias] {
			if p.full {
				return &node{at: at}
			}
			p.full = true
			p.faults.add(at, name, "*%s stands inside of what it stands for; take it out", y.Value)
			return &node{at: at}
		}
		p.open[y.Alias] = true
		n := p.value(y.Alias, name, depth+1)
		delete(p.open, y.Alias)
		n.at = at
		return n
	default:
		return scalarOf(y, at)
	}
}

func scalarOf(y *yaml.Node, at position) *node {
	quoted := y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if y.Style&yaml.TaggedStyle != 0 { // !!str 5 is a text, !!int "5" a number
		quoted = !slices.Contains([]string{"!!int", "!!float", "!!bool", "!!null"}, y.ShortTag())
	}
	if !quoted && y.ShortTag() != "!!str" && isNullText(y.Value) {
		return &node{at: at}
	}
	return &node{kind: scalarKind, at: at, text: y.Value, plain: !quoted}
}

// section converts a mapping: dotted names are expanded, names given twice
// are faults, merge keys fill in what is not given.
func (p *parser) section(y *yaml.Node, name string, depth int) *node {
	n := newMap(p.position(y))
	lines := map[string]int{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		at := p.position(key)
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			p.faults.add(at, name, "the name of an option must be a text")
			continue
		}
		if key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		full := join(name, key.Value)
		if first, twice := lines[key.Value]; twice {
			p.faults.add(at, full, "given twice, on lines %d and %d; keep one", first, at.line)
			continue
		}
		lines[key.Value] = at.line
		parts := strings.Split(key.Value, ".")
		for _, part := range parts {
			if part == "" && key.Value != "" || key.Value == "" {
				p.faults.add(at, full, "the name has an empty part")
				parts = nil
				break
			}
		}
		if parts != nil {
			p.insert(n, parts, name, at, p.value(value, full, depth+len(parts)))
		}
	}
	for _, m := range merges {
		p.mergeKey(n, m, name, depth)
	}
	return n
}

// insert puts a value under a dotted name.
func (p *parser) insert(n *node, parts []string, name string, at position, value *node) {
	key, full := parts[0], join(name, parts[0])
	have := n.get(key)
	if len(parts) > 1 {
		p.left--
		inner := newMap(at)
		next := at
		if next.col > 0 {
			next.col += len(key) + 1
		}
		p.insert(inner, parts[1:], full, next, value)
		value = inner
	}
	switch {
	case have == nil:
		n.set(key, at, value)
	case have.kind == mapKind && value.kind == mapKind:
		for _, m := range value.members {
			p.insert(have, []string{m.key}, full, m.at, m.value)
		}
	case have.kind == nullKind && value.kind == mapKind:
		n.set(key, at, value)
	case have.kind == mapKind && value.kind == nullKind:
	default:
		p.faults.add(at, full, "given twice, on lines %d and %d; keep one", have.at.line, at.line)
	}
}

// mergeKey fills in the members of "<<: *anchor" that are not given.
func (p *parser) mergeKey(n *node, y *yaml.Node, name string, depth int) {
	from := p.value(y, name, depth+1)
	sections := []*node{from}
	if from.kind == listKind {
		sections = from.items
	}
	for _, s := range sections {
		if s.kind != mapKind {
			if !p.full {
				p.faults.add(s.at, join(name, "<<"), "only a section can be merged, found %s", s.describe(true))
			}
			continue
		}
		for _, m := range s.members {
			if n.get(m.key) == nil {
				n.set(m.key, m.at, m.value)
			}
		}
	}
}

// join appends a part to a dotted name.
func join(name, part string) string {
	if name == "" {
		return part
	}
	return name + "." + part
}
