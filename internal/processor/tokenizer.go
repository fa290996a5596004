package processor

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// tokenizer is a compiled pattern of dissect: delimiters and keys by turns. A
// delimiter stands before each key; one more may stand behind the last.
type tokenizer struct {
	delimiters []delimiter
	keys       []tokenKey
	order      []int // in which the keys take their values
	types      map[string]string
}

type delimiter struct {
	text     string
	repeated bool // it may stand several times: the key before it ends in ->
}

// keyKind is what a key does with its part of the text.
type keyKind int

const (
	keyNormal   keyKind = iota
	keySkip             // %{} and %{?name}: nothing, but & may refer to the name
	keyAppend           // %{+name}: appends to the value of the name
	keyPointer          // %{*name}: keeps the text for &
	keyIndirect         // %{&name}: the value of name is the name
)

// tokenKey is one %{…}.
type tokenKey struct {
	kind    keyKind
	name    string
	ordinal int    // /n: keys with a greater one come later
	length  int    // #n: bytes; 0 is up to the next delimiter
	join    string // what an appended text is joined with
}

// parseTokenizer reads a pattern.
func parseTokenizer(pattern string) (*tokenizer, error) {
	t := &tokenizer{types: make(map[string]string)}
	rest, repeated := pattern, false
	for {
		before, after, found := strings.Cut(rest, "%{")
		if !found {
			break
		}
		inner, behind, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("%q: %%{%s is not closed with }", pattern, after)
		}
		t.delimiters = append(t.delimiters, delimiter{before, repeated})
		k, typ, more, err := parseTokenKey(inner)
		if err != nil {
			return nil, fmt.Errorf("%q: key %%{%s}: %w", pattern, inner, err)
		}
		k.join = before
		if before == "" {
			k.join = " "
		}
		if typ != "" {
			t.types[k.name] = typ
		}
		t.keys = append(t.keys, k)
		rest, repeated = behind, more
	}
	if err := t.checkReferences(); err != nil {
		return nil, fmt.Errorf("%q: %w", pattern, err)
	}
	if len(t.keys) == 0 {
		return nil, fmt.Errorf("%q names no key; write for example '%%{client} %%{path}'", pattern)
	}
	if rest != "" {
		t.delimiters = append(t.delimiters, delimiter{rest, repeated})
	}
	for i := range t.keys {
		t.order = append(t.order, i)
	}
	slices.SortStableFunc(t.order, func(a, b int) int { return t.keys[a].ordinal - t.keys[b].ordinal })
	return t, nil
}

// checkReferences wants for each %{&name} a %{?name} or %{*name}.
func (t *tokenizer) checkReferences() error {
	for _, k := range t.keys {
		held := func(other tokenKey) bool {
			return other.name == k.name && (other.kind == keySkip || other.kind == keyPointer)
		}
		if k.kind == keyIndirect && !slices.ContainsFunc(t.keys, held) {
			return fmt.Errorf("missing reference for key %%{&%s}; add %%{?%s} or %%{*%s}", k.name, k.name, k.name)
		}
	}
	return nil
}

// parseTokenKey reads what stands between %{ and }: a prefix, the name, /n,
// #n, -> and |type.
func parseTokenKey(text string) (k tokenKey, typ string, repeated bool, err error) {
	rest := text
	if i := strings.LastIndexByte(rest, '|'); i >= 0 {
		rest, typ = rest[:i], rest[i+1:]
		typ, repeated = strings.CutSuffix(typ, "->")
		if !isType(typ) {
			return k, "", false, fmt.Errorf("%q is no type; use integer, long, float, double, boolean, ip or string", typ)
		}
	}
	rest, arrow := strings.CutSuffix(rest, "->")
	repeated = repeated || arrow
	rest, k.length = cutNumber(rest, '#')
	rest, k.ordinal = cutNumber(rest, '/')
	switch {
	case rest == "":
		k.kind = keySkip
		return k, typ, repeated, nil
	case strings.HasPrefix(rest, "+&") || strings.HasPrefix(rest, "&+"):
		return k, "", false, errors.New("+ and & can't stand together")
	}
	prefixes := map[byte]keyKind{'?': keySkip, '+': keyAppend, '*': keyPointer, '&': keyIndirect}
	if kind, ok := prefixes[rest[0]]; ok {
		k.kind, rest = kind, rest[1:]
	}
	if k.name = rest; k.name == "" && k.kind != keySkip {
		return k, "", false, errors.New("a name is missing")
	}
	return k, typ, repeated, nil
}

// cutNumber takes a number behind a mark off the end of a text.
func cutNumber(text string, mark byte) (rest string, n int) {
	i := strings.LastIndexByte(text, mark)
	if i < 0 {
		return text, 0
	}
	n, err := strconv.Atoi(text[i+1:])
	if err != nil || n < 0 || text[i+1] == '+' {
		return text, 0
	}
	return text[:i], n
}

var errEmptyText = errors.New("the text is empty")

// split cuts a text into the parts of the keys.
func (t *tokenizer) split(s string) ([]string, error) {
	if s == "" {
		return nil, errEmptyText
	}
	parts := make([]string, len(t.keys))
	first := t.delimiters[0].text
	if !strings.HasPrefix(s, first) {
		return nil, fmt.Errorf("could not find beginning delimiter: `%s` in remaining: `%s`", first, s)
	}
	offset := len(first)
	for i, d := range t.delimiters[1:] {
		end := offset + t.keys[i].length
		switch {
		case end > len(s):
			return nil, fmt.Errorf("key `%s` of %d bytes does not fit into remaining: `%s`", t.keys[i].name, t.keys[i].length, s[offset:])
		case t.keys[i].length == 0:
			n := strings.Index(s[offset:], d.text)
			if n < 0 {
				return nil, fmt.Errorf("could not find delimiter: `%s` in remaining: `%s`", d.text, s[offset:])
			}
			end = offset + n
		case !strings.HasPrefix(s[end:], d.text):
			return nil, fmt.Errorf("could not find delimiter: `%s` in remaining: `%s`", d.text, s[end:])
		}
		parts[i] = s[offset:end]
		for d.repeated && d.text != "" && strings.HasPrefix(s[end+1:], d.text) {
			end++
		}
		offset = end + len(d.text)
	}
	if last := len(t.keys) - 1; len(t.delimiters) == len(t.keys) {
		if n := t.keys[last].length; n > 0 && offset+n != len(s) {
			return nil, fmt.Errorf("last key `%s` of %d bytes does not fit into remaining: `%s`", t.keys[last].name, n, s[offset:])
		}
		parts[last] = s[offset:]
	}
	return parts, nil
}

// values gives the keys their parts, cut by trim.
func (t *tokenizer) values(parts []string, trim func(string) string) map[string]string {
	m := make(map[string]string, len(t.keys))
	for _, i := range t.order {
		k, part := &t.keys[i], trim(parts[i])
		switch k.kind {
		case keyIndirect:
			if name := m[k.name]; name != "" {
				m[name] = part
			}
			continue
		case keyAppend:
			if old, ok := m[k.name]; ok {
				part = old + k.join + part
			}
		}
		if k.name != "" {
			m[k.name] = part
		}
	}
	for _, k := range t.keys {
		if k.kind == keySkip || k.kind == keyPointer {
			delete(m, k.name)
		}
	}
	return m
}
