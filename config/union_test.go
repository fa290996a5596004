package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/config/internal/render"
	"sluice/config/internal/schema"
)

// line is a configuration with sections of several kinds.
type line struct {
	Steps    steps      `config:"steps"`
	Identity identity   `config:"identity"`
	Pause    pause      `config:"pause"`
	Deep     *[]step    `config:"deep"`
	Any      any        `config:"any"`
	Values   []any      `config:"values"`
	Quiet    []identity `config:"quiet"`
}

type steps []step

type step struct {
	If   *test `config:"if"`
	Then steps `config:"then"`

	kind    string
	options any
	chosen  int
}

type test struct {
	Equals map[string]any `config:"equals"`
	And    []test         `config:"and"`
	Not    *test          `config:"not"`
}

type heat struct {
	To     int            `config:"to"`
	Zones  []zone         `config:"zones"`
	Extra  map[string]any `config:"extra"`
	Secret string         `config:"password"`
	When   *test          `config:"when"`
}

func (h *heat) Validate() error {
	if h.To > 1000 {
		return errors.New("to: at most 1000")
	}
	return nil
}

type zone struct {
	From string `config:"from"`
}

func (s *step) Kinds() []string { return []string{"heat", "wait"} }

func (s *step) Choose(kind string) any {
	s.kind, s.chosen, s.options = kind, s.chosen+1, nil
	if kind == "heat" {
		s.options = &heat{To: 20}
	}
	return s.options
}

func (s *step) Kind() string { return s.kind }
func (s *step) Options() any { return s.options }

func (s *step) Validate() error {
	switch {
	case s.chosen == 0 && s.If == nil:
		return errors.New("one kind is needed: heat or wait")
	case s.chosen > 1:
		return errors.New("more than one kind is given; make it two steps")
	}
	if v, ok := s.options.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("%s.%w", s.kind, err)
		}
	}
	for i := range s.Then {
		if err := s.Then[i].Validate(); err != nil {
			return fmt.Errorf("then.%d.%w", i, err)
		}
	}
	return nil
}

type identity struct{ kind string }

func (i *identity) Kinds() []string        { return []string{"native", "path"} }
func (i *identity) Choose(kind string) any { i.kind = kind; return nil }
func (i *identity) Kind() string           { return i.kind }

type pause struct {
	First time.Duration `config:"first"`
	Max   time.Duration `config:"max"`
}

func (p *pause) SetScalar(text string) error {
	d, err := ParseDuration(text)
	p.First = d
	return err
}

func readLine(t *testing.T, text string) (line, error) {
	t.Helper()
	var f faults
	var l line
	s := source{paths: []string{"a.yml"}, read: func(string) ([]byte, error) { return []byte(text), nil }, env: func(string) (string, bool) { return "", false }}
	root := s.tree(func(*expander, string) (string, bool) { return "", false }, &f)
	if root != nil {
		d := &decoder{faults: &f, names: func() []string { return schema.Names(reflect.TypeFor[line](), "") },
			unsupported: map[reflect.Type]map[string]string{reflect.TypeFor[step](): {"freeze": "use wait"}}}
		d.decode(root, reflect.ValueOf(&l).Elem(), "", false)
		validate(root, reflect.ValueOf(&l).Elem(), "", &f)
	}
	return l, f.err()
}

const allKinds = `
steps:
- heat:
    to: 30
    zones: {0: {from: a}, 1: {from: b}}
    extra: {log.level: y, list: [1, ~, {a.b: 017}]}
    when.not.equals.http.response.code: 200
- heat.password: x
- wait:
- wait: {}
- if.and: [{equals: {a: 1}}, {not.equals.b: on}]
  then: {heat: ~}
- if.equals.a: b
  then: [{wait: ~}, {heat.to: 3}]
identity.native: ~
pause: 1s
any: {a.b: [1, 2.5, y], c: ~}
values: [1, two, 3.0]
`

func TestSectionsOfSeveralKinds(t *testing.T) {
	l, err := readLine(t, allKinds)
	if err != nil {
		t.Fatal(err)
	}
	want := line{
		Steps: steps{
			{kind: "heat", chosen: 1, options: &heat{To: 30, Zones: []zone{{"a"}, {"b"}},
				Extra: map[string]any{"log": map[string]any{"level": true}, "list": []any{int64(1), nil, map[string]any{"a": map[string]any{"b": int64(15)}}}},
				When:  &test{Not: &test{Equals: map[string]any{"http": map[string]any{"response": map[string]any{"code": int64(200)}}}}}}},
			{kind: "heat", chosen: 1, options: &heat{To: 20, Secret: "x"}},
			{kind: "wait", chosen: 1}, {kind: "wait", chosen: 1},
			{If: &test{And: []test{{Equals: map[string]any{"a": int64(1)}}, {Not: &test{Equals: map[string]any{"b": true}}}}},
				Then: steps{{kind: "heat", chosen: 1, options: &heat{To: 20}}}},
			{If: &test{Equals: map[string]any{"a": "b"}}, Then: steps{{kind: "wait", chosen: 1}, {kind: "heat", chosen: 1, options: &heat{To: 3}}}},
		},
		Identity: identity{"native"}, Pause: pause{First: time.Second},
		Any:    map[string]any{"a": map[string]any{"b": []any{int64(1), 2.5, true}}},
		Values: []any{int64(1), "two", 3.0},
	}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("read\n%+v\nwant\n%+v", l, want)
	}

	var b bytes.Buffer
	r := render.Writer{Shown: func(_, text string) string { return text }}
	if err := r.Write(&b, &l); err != nil {
		t.Fatal(err)
	}
	again, err := readLine(t, b.String())
	if err != nil || !reflect.DeepEqual(again, l) {
		t.Errorf("%v: the dump\n%s\nis read back as\n%+v", err, b.String(), again)
	}
	if l, err = readLine(t, "pause: {first: 2s, max: 3s}\n"); err != nil || l.Pause != (pause{2 * time.Second, 3 * time.Second}) {
		t.Errorf("read %+v, %v", l.Pause, err)
	}
}

func TestFaultsInSectionsOfSeveralKinds(t *testing.T) {
	for text, want := range map[string]string{
		"steps: {heat: {to: 3}}":                          `a.yml:1:8: steps: wants a list of sections; put "- " before the first option of each entry`,
		"steps: heat":                                     `a.yml:1:8: steps: wants a list of sections; put "- " before the first option of each entry`,
		"steps: [heat]":                                   `a.yml:1:9: steps.0: wants a section of options (name: value), found "heat"`,
		"steps: [{haet: {to: 3}}]":                        "a.yml:1:10: steps.0.haet: unknown option; did you mean heat?",
		"steps: [{freeze: {}}]":                           "a.yml:1:10: steps.0.freeze: not supported by sluice: use wait",
		"steps: [{nosuchproc: {}}]":                       "a.yml:1:10: steps.0.nosuchproc: unknown option; allowed here: heat, if, then, wait",
		"steps: [{heat: {too: 3}}]":                       "a.yml:1:17: steps.0.heat.too: unknown option; did you mean to?",
		"steps: [{heat: {to: hot}}]":                      `a.yml:1:21: steps.0.heat.to: wants a whole number, found "hot"`,
		"steps: [{heat: 3}]":                              `a.yml:1:16: steps.0.heat: wants a section of options (name: value), found "3"`,
		"steps: [{wait: {to: 3}}]":                        "a.yml:1:16: steps.0.wait: takes no options; write wait: ~",
		"steps: [{heat: {to: 2000}}]":                     "a.yml:1:17: steps.0.heat.to: at most 1000",
		"steps: [{heat: {to: 3}, wait: ~}]":               "a.yml:1:9: steps.0: more than one kind is given; make it two steps",
		"steps: [{}]":                                     "a.yml:1:9: steps.0: one kind is needed: heat or wait",
		"steps: [~]":                                      "a.yml:1:9: steps.0: one kind is needed: heat or wait",
		"steps: [{if.equals.a: 1, then: {haet: ~}}]":      "a.yml:1:33: steps.0.then.haet: unknown option; did you mean heat?",
		"steps: [{if.equals.a: 1, then.0.heat.to: 2000}]": "a.yml:1:38: steps.0.then.0.heat.to: at most 1000",
		"steps: [{heat.zones: {from: a}}]":                `a.yml:1:22: steps.0.heat.zones: wants a list of sections; put "- " before the first option of each entry`,
		"steps: [{heat.when.equals: a}]":                  `a.yml:1:28: steps.0.heat.when.equals: wants a section (name: value), found "a"`,
		"steps: [{heat.when.or: [a]}]":                    "a.yml:1:20: steps.0.heat.when.or: unknown option; allowed here: and, equals, not",
		"identity.nativ: ~":                               "a.yml:1:10: identity.nativ: unknown option; did you mean native?",
		"identity: native":                                `a.yml:1:11: identity: wants a section of options (name: value), found "native"`,
		"pause: soon":                                     `a.yml:1:8: pause: time: invalid duration "soon"`,
		"first: 1":                                        "a.yml:1:1: first: unknown option; there is pause.first",
	} {
		if _, err := readLine(t, text+"\n"); err == nil || err.Error() != want {
			t.Errorf("%s\nfault %v\nwant  %s", text, err, want)
		}
	}
}

func TestNamesOfSectionsOfSeveralKinds(t *testing.T) {
	names := schema.Names(reflect.TypeFor[line](), "")
	for _, want := range []string{
		"steps", "steps.*.if.equals", "steps.*.if.and", "steps.*.if.not", "steps.*.then", "steps.*.heat", "steps.*.heat.to",
		"steps.*.heat.zones.*.from", "steps.*.heat.when.equals", "steps.*.wait", "identity", "identity.native", "pause.max", "quiet.*.path",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("the names lack %s: %s", want, strings.Join(names, " "))
		}
	}
	if len(names) > 40 {
		t.Errorf("%d names", len(names))
	}
}
