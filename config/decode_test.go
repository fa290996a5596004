package config

import (
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/config/internal/schema"
)

// plant is a configuration with every kind of option.
type plant struct {
	Name     string            `config:"name"`
	On       bool              `config:"on"`
	Maybe    *bool             `config:"maybe"`
	Count    int               `config:"count"`
	Small    int8              `config:"small"`
	Big      uint64            `config:"big"`
	Mode     fs.FileMode       `config:"mode"`
	Ratio    float64           `config:"ratio"`
	Wait     time.Duration     `config:"wait"`
	Size     int64             `config:"size,bytes"`
	Tags     []string          `config:"tags"`
	Fields   map[string]any    `config:"fields"`
	Labels   map[string]string `config:"labels"`
	Motors   []motor           `config:"motors"`
	Spare    *motor            `config:"spare"`
	Topics   []topic           `config:"topics"`
	Close    closing           `config:"close"`
	Reader   bool              `config:"read.on.eof"`
	Password string            `config:"password"`
	shared   `config:",squash"`
	Shared   shared `config:",squash"`
	Ignored  string
}

type shared struct {
	Site string `config:"site"`
}

type motor struct {
	ID    string `config:"id"`
	Speed int    `config:"speed"`
}

func (m *motor) Validate() error {
	if m.Speed > 100 {
		return fmt.Errorf("speed: must be at most 100")
	}
	return nil
}

// topic may be written as one text.
type topic struct {
	Name string `config:"name"`
	QoS  int    `config:"qos"`
}

func (p *topic) UnmarshalConfigString(s string) error {
	if s == "bad" {
		return fmt.Errorf("no topic")
	}
	p.Name = s
	return nil
}

type closing struct {
	After time.Duration `config:"after"`
}

func readPlant(t *testing.T, env map[string]string, overrides []string, files ...string) (plant, []string, error) {
	t.Helper()
	var f faults
	paths := make([]string, len(files))
	for i := range files {
		paths[i] = string(rune('a'+i)) + ".yml"
	}
	s := source{
		paths: paths, overrides: overrides,
		env:  func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		read: func(path string) ([]byte, error) { return []byte(files[path[0]-'a']), nil },
	}
	root := s.tree(func(*expander, string) (string, bool) { return "", false }, &f)
	p := plant{Count: 7, Tags: []string{"old"}}
	if root != nil && len(f.list) == 0 {
		d := &decoder{faults: &f, defaults: map[reflect.Type]func() any{
			reflect.TypeFor[motor](): func() any { return motor{Speed: 10} },
		}, names: func() []string { return schema.Names(reflect.TypeFor[plant](), "") }}
		d.decode(root, reflect.ValueOf(&p).Elem(), "", false)
		validate(root, reflect.ValueOf(&p).Elem(), "", &f)
		return p, f.warnings, f.err()
	}
	return p, nil, f.err()
}

func TestEveryKindOfValueIsRead(t *testing.T) {
	p, _, err := readPlant(t, nil, nil, `
name: 0123
on: yes
maybe: off
count: 0x10
small: -128
big: 18446744073709551615
mode: 0640
ratio: 1.5e3
wait: 1.5
size: 10MiB
tags: solo
fields: {a: y, b: 'y', c: 017, d: 1.5, e: 2026-01-01, f: [1, x], g: {h.i: 3}, n: ~, big: 18446744073709551615, tagged: [!!str 5, !!int "5", !!bool 'no', !x 7]}
labels: {x: 1}
motors:
- id: a
- {id: b, speed: 20}
spare: {id: c}
close.after: 5m
read: {on.eof: true}
site: north
`)
	if err != nil {
		t.Fatal(err)
	}
	no := false
	want := plant{
		Name: "83", On: true, Maybe: &no, Count: 16, Small: -128, Big: math.MaxUint64, Mode: 0o640, Ratio: 1500,
		Wait: 1500 * time.Millisecond, Size: 10 << 20, Tags: []string{"solo"},
		Fields: map[string]any{
			"a": true, "b": "y", "c": int64(15), "d": 1.5, "e": "2026-01-01", "f": []any{int64(1), "x"},
			"g": map[string]any{"h": map[string]any{"i": int64(3)}}, "big": uint64(math.MaxUint64),
			"tagged": []any{"5", int64(5), false, "7"},
		},
		Labels: map[string]string{"x": "1"},
		Motors: []motor{{"a", 10}, {"b", 20}}, Spare: &motor{"c", 10},
		Close: closing{5 * time.Minute}, Reader: true, Shared: shared{"north"},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("read\n%+v\nwant\n%+v", p, want)
	}
}

func TestSectionsThatMayBeTexts(t *testing.T) {
	p, _, err := readPlant(t, nil, nil, "topics: ['a/#', {name: b, qos: 2}]\n")
	if err != nil || !reflect.DeepEqual(p.Topics, []topic{{"a/#", 0}, {"b", 2}}) {
		t.Errorf("read %+v, %v", p.Topics, err)
	}
	p, _, err = readPlant(t, nil, nil, "topics: a\n")
	if err != nil || !reflect.DeepEqual(p.Topics, []topic{{"a", 0}}) {
		t.Errorf("read %+v, %v", p.Topics, err)
	}
	if _, _, err = readPlant(t, nil, nil, "topics: [bad]\n"); err == nil || err.Error() != "a.yml:1:10: topics.0: no topic" {
		t.Errorf("fault %v", err)
	}
}

func TestEmptyValuesKeepTheDefault(t *testing.T) {
	p, _, err := readPlant(t, nil, nil, "count:\ntags: ~\nspare: null\nmotors:\nfields: Null\nname: ''\n")
	if err != nil {
		t.Fatal(err)
	}
	if p.Count != 7 || len(p.Tags) != 1 || p.Spare != nil || p.Motors != nil || p.Fields != nil {
		t.Errorf("read %+v", p)
	}
}

func TestFaultsNameFileLineColumnAndMend(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"misspelt", "count: 1\nnmae: x\n", "a.yml:2:1: nmae: unknown option; did you mean name?"},
		{"wrong case", "Tags: x\n", "a.yml:1:1: Tags: unknown option; did you mean tags?"},
		{"misspelt part of a dotted name", "close.afetr: 1\n", "a.yml:1:7: close.afetr: unknown option; did you mean after?"},
		{"in a section", "close:\n  bogus: 1\n", "a.yml:2:3: close.bogus: unknown option; allowed here: after"},
		{"inner part of a dotted tag", "read.on.off: 1\n", "a.yml:1:9: read.on.off: unknown option; allowed here: eof"},
		{"of another section", "speed: 1\n", "a.yml:1:1: speed: unknown option; there is motors.speed"},
		{"in a list", "motors:\n- id: a\n- sped: 1\n", "a.yml:3:3: motors.1.sped: unknown option; did you mean speed?"},
		{"text for a number", "count: many\n", `a.yml:1:8: count: wants a whole number, found "many"`},
		{"fraction for a number", "count: 1.5\n", `a.yml:1:8: count: wants a whole number, found "1.5"`},
		{"size for a number", "count: 10MiB\n", `a.yml:1:8: count: wants a whole number, found "10MiB"`},
		{"too large", "small: 128\n", `a.yml:1:8: small: "128" is too large or too small here`},
		{"negative", "big: -1\n", `a.yml:1:6: big: wants a whole number, found "-1"`},
		{"text for a boolean", "on: sometimes\n", `a.yml:1:5: on: wants true or false, found "sometimes"`},
		{"number for a boolean", "on: 1\n", `a.yml:1:5: on: wants true or false, found "1"`},
		{"days", "wait: 2d\n", `a.yml:1:7: wait: wants a duration such as 250ms, 30s, 5m or 48h (a plain number is seconds), found "2d"`},
		{"too long", "wait: 1e300\n", `a.yml:1:7: wait: "1e300" is too large or too small here`},
		{"bad size", "size: 10 apples\n", `a.yml:1:7: size: wants a size such as 10MiB, 10MB or a plain number of bytes, found "10 apples"`},
		{"list for a text", "name: [a]\n", "a.yml:1:7: name: wants a text, found a list"},
		{"section for a number", "count: {a: 1}\n", "a.yml:1:8: count: wants a whole number, found a section"},
		{"text for a section", "close: 5m\n", `a.yml:1:8: close: wants a section of options (name: value), found "5m"`},
		{"section for a list of sections", "motors: {id: a}\n", `a.yml:1:9: motors: wants a list of sections; put "- " before the first option of each entry`},
		{"list for a map", "fields: [a]\n", "a.yml:1:9: fields: wants a section (name: value), found a list"},
		{"given twice", "name: a\ncount: 1\nname: b\n", "a.yml:3:1: name: given twice, on lines 1 and 3; keep one"},
		{"dotted and nested", "close.after: 1\nclose:\n  after: 2\n", "a.yml:3:3: close.after: given twice, on lines 1 and 3; keep one"},
		{"value and section", "close: 1\nclose.after: 2\n", "a.yml:2:1: close: given twice, on lines 1 and 2; keep one"},
		{"empty name part", "close..after: 2\n", "a.yml:1:1: close..after: the name has an empty part"},
		{"empty name", "'': 2\n", "a.yml:1:1: the name has an empty part"},
		{"list as a name", "? [a]\n: 1\n", "a.yml:1:3: the name of an option must be a text"},
		{"from Validate", "motors:\n- id: a\n- {id: b, speed: 200}\n", "a.yml:3:11: motors.1.speed: must be at most 100"},
		{"secret", "password: [hunter22]\n", "a.yml:1:11: password: wants a text, found a list"},
		{"broken YAML", "tags: [a, b\nname: x\n", "a.yml:2:5: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence that begins on line 1"},
		{"tab", "close:\n\tafter: 1\n", "a.yml:2:1: not valid YAML: found character that cannot start any token while scanning for the next token; a tab can't indent a line, and text that begins with @, ` or % needs quotes"},
		{"a list", "- a\n", "a.yml:1:1: the file must hold options (name: value), found a list"},
		{"a text", "hello\n", "a.yml:1:1: the file must hold options (name: value), found another text"},
		{"merge key of a text", "<<: hello\n", "a.yml:1:5: <<: only a section can be merged, found another text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readPlant(t, nil, nil, c.text)
			if err == nil || err.Error() != c.want {
				t.Errorf("fault\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestAllFaultsComeAtOnceInTheOrderOfTheLines(t *testing.T) {
	_, _, err := readPlant(t, nil, []string{"small=x"}, "wait: soon\nnmae: x\n", "on: perhaps\nmotors: [{speed: 500}]\n")
	want := strings.Join([]string{
		`a.yml:1:7: wait: wants a duration such as 250ms, 30s, 5m or 48h (a plain number is seconds), found "soon"`,
		`a.yml:2:1: nmae: unknown option; did you mean name?`,
		`b.yml:1:5: on: wants true or false, found "perhaps"`,
		`b.yml:2:11: motors.0.speed: must be at most 100`,
		`-E small: wants a whole number, found "x"`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("faults\n%v\nwant\n%s", err, want)
	}
}

func TestFilesAndOverridesAreMerged(t *testing.T) {
	p, _, err := readPlant(t, nil, []string{"tags.1=z", "motors.0.speed=3", "fields.l=[1, two]", "fields.q='5'", "on", "name=x:y"},
		"tags: [a, b]\nmotors: [{id: a, speed: 1}]\nfields: {a: 1, deep.x: 1}\ncount: 3\nwait: 9\n",
		"tags: [c]\nmotors: [{speed: 2}, {id: b}]\nfields: {b: 2, deep: {y: 2}}\ncount: 4\nwait: ~\n", "", "# nothing\n")
	if err != nil {
		t.Fatal(err)
	}
	want := plant{
		Name: "x:y", On: true, Count: 4, Tags: []string{"c", "z"}, Motors: []motor{{"a", 3}, {"b", 10}},
		Fields: map[string]any{
			"a": int64(1), "b": int64(2), "deep": map[string]any{"x": int64(1), "y": int64(2)},
			"l": []any{int64(1), "two"}, "q": "5",
		},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("read\n%+v\nwant\n%+v", p, want)
	}
}

func TestOverrideForms(t *testing.T) {
	for _, c := range []struct{ override, want string }{
		{"tags.2=z", "-E tags.2: the list has 2 entries (0 to 1); give the whole list to add one"},
		{"tags.x=z", "-E tags.x: tags is a list; its entries have numbers from 0"},
		{"=z", "-E the name is missing; write -E name=value"},
		{"close..after=z", "-E close..after: the name has an empty part"},
		{"fields={a: [1", "-E fields: the value is no valid list, section or quoted text"},
		{"count=many", `-E count: wants a whole number, found "many"`},
	} {
		_, _, err := readPlant(t, nil, []string{c.override}, "tags: [a, b]")
		if err == nil || err.Error() != c.want {
			t.Errorf("-E %s: fault %v, want %s", c.override, err, c.want)
		}
	}
	p, _, err := readPlant(t, nil, []string{"tags=a, 'b,c' ,[d]", "name=", "fields.x=a,b", "labels={a: x}"}, "name: x\n")
	if err == nil {
		t.Error("a list as an entry of a list of texts is accepted")
	}
	p, _, err = readPlant(t, nil, []string{"tags=a, 'b,c'", "name=", "fields.x=a,b", "password=p,q"}, "name: x\n")
	if err != nil || !reflect.DeepEqual(p.Tags, []string{"a", "b,c"}) || p.Name != "" || p.Password != "p,q" ||
		!reflect.DeepEqual(p.Fields["x"], []any{"a", "b"}) {
		t.Errorf("read %+v, %v", p, err)
	}
}

func TestDottedNumbersMakeLists(t *testing.T) {
	p, _, err := readPlant(t, nil, nil, "motors.0.id: a\nmotors.1.id: b\nmotors.0.speed: 4\ntags.0: x\ntags.1: y\n")
	if err != nil || !reflect.DeepEqual(p.Motors, []motor{{"a", 4}, {"b", 10}}) || !reflect.DeepEqual(p.Tags, []string{"x", "true"}) {
		t.Errorf("read %+v, %v", p, err)
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	p, _, err := readPlant(t, nil, nil, "fields: &f {a: 1, b: 2}\nlabels:\n  <<: *f\n  b: 3\n")
	if err != nil || !reflect.DeepEqual(p.Labels, map[string]string{"a": "1", "b": "3"}) {
		t.Errorf("read %+v, %v", p, err)
	}
	for file, want := range map[string]string{
		"fields: &a [*a]\n":              "a.yml:1:13: fields.0.0: *a stands inside of what it stands for; take it out",
		"fields: &a\n  x: *a\n  y: *a\n": "a.yml:2:6: fields.x.x: *a stands inside of what it stands for; take it out",
	} {
		if _, _, err := readPlant(t, nil, nil, file); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
	}
	for _, bomb := range []string{
		"fields:\n  a: &a [1,1,1,1,1,1,1,1,1,1]\n  b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n  c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"  d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n  e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n  f: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
	} {
		if _, _, err := readPlant(t, nil, nil, bomb); err == nil || !strings.Contains(err.Error(), "too large or nested too deeply") {
			t.Errorf("alias bomb: %v", err)
		}
	}
}

func TestReferences(t *testing.T) {
	env := map[string]string{"SITE": "north", "LEVEL": "12", "EMPTY": "", "LIST": "a,b,c", "BRACE": "{x", "QUOTED": "'12'", "WHICH": "SITE", "PASS": "a,b", "MAP": "{a: 1, b: 2}", "NULL": "null", "ONE": "1"}
	p, _, err := readPlant(t, env, nil, `
name: pre-${SITE}-post
fields:
  level: ${LEVEL}
  list: '${LIST}'
  quoted: ${QUOTED}
  default: ${UNSET:fallback}
  emptyset: ${EMPTY:fallback}
  emptydefault: x${UNSET:}y
  colon: ${UNSET:http://h:1/p}
  present: ${SITE:+there}
  absent: x${UNSET:+there}
  nested: ${UNSET:${SITE}}
  name: ${${WHICH}}
  dollar: a$$b
  lone: ^a$
  brace: ${BRACE}
  setting: ${count}
  whole: ${tags}
  chain: ${fields.setting}
  noobject: ${MAP}
  object: '${MAP:}'
  null: ${NULL}
  digits: '${ONE}${ONE}'
  joined: '${ONE},x'
  again: '${fields.joined}y'
  comma: 'a,b'
  closing: '${UNSET:a$}b}'
tags: ${LIST}
count: 5
password: ${PASS}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"level": int64(12), "list": []any{"a", "b", "c"}, "quoted": "12", "default": "fallback", "emptyset": "fallback",
		"emptydefault": "xy", "colon": "http://h:1/p", "present": "there", "absent": "x", "nested": "north", "name": "north",
		"dollar": "a$b", "lone": "^a$", "brace": "{x", "setting": int64(5), "whole": []any{"a", "b", "c"}, "chain": int64(5),
		"noobject": []any{"{a: 1", "b: 2}"}, "object": map[string]any{"a": int64(1), "b": int64(2)}, "digits": int64(11),
		"joined": []any{int64(1), "x"}, "again": []any{int64(1), "xy"}, "comma": "a,b", "closing": "a}b",
	}
	if !reflect.DeepEqual(p.Fields, want) {
		t.Errorf("fields\n%v\nwant\n%v", p.Fields, want)
	}
	if p.Name != "pre-north-post" || !reflect.DeepEqual(p.Tags, []string{"a", "b", "c"}) || p.Password != "a,b" {
		t.Errorf("read %+v", p)
	}
}

func TestReferenceFaults(t *testing.T) {
	missing := "is neither a setting, a key of the keystore nor a set environment variable (an empty one counts as missing); set it, or give a default: "
	for _, c := range []struct{ text, want string }{
		{"name: ${UNSET}", "a.yml:1:7: name: ${UNSET} " + missing + "${UNSET:value}"},
		{"name: x${EMPTY}y", "a.yml:1:7: name: ${EMPTY} " + missing + "${EMPTY:value}"},
		{"name: ${UNSET:?please set UNSET}", "a.yml:1:7: name: ${UNSET}: please set UNSET"},
		{"name: ${UNSET", "a.yml:1:7: name: a ${ has no closing }"},
		{"name: ${}", "a.yml:1:7: name: ${} has no name"},
		{"name: x${tags}\ntags: [a]", "a.yml:1:7: name: ${tags} is a list and can't be a part of a text"},
		{"fields: {a: '${fields}'}", "a.yml:1:13: fields.a: the reference leads back to itself"},
	} {
		_, _, err := readPlant(t, map[string]string{"EMPTY": ""}, nil, c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\nfault %v\nwant  %s", c.text, err, c.want)
		}
	}
	_, _, err := readPlant(t, nil, nil, "fields: {a: '${fields.b}', b: 'x${fields.a}'}")
	if err == nil || !strings.Contains(err.Error(), "leads back to itself") {
		t.Errorf("circle: %v", err)
	}
	text := "fields:\n  a0: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
	for i := range 40 {
		text += fmt.Sprintf("  a%d: ${fields.a%d}${fields.a%d}\n", i+1, i, i)
	}
	if _, _, err := readPlant(t, nil, nil, text); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("text bomb: %v", err)
	}
	text = "fields:\n  a0: [1, 1, 1, 1]\n"
	for i := range 40 {
		text += fmt.Sprintf("  a%d: ['${fields.a%d}', '${fields.a%d}']\n", i+1, i, i)
	}
	if _, _, err := readPlant(t, nil, nil, text); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("list bomb: %v", err)
	}
}

func TestSizesAndDurations(t *testing.T) {
	for text, want := range map[string]int64{
		"10": 10, "10MiB": 10 << 20, "10MB": 10e6, "10 mib": 10 << 20, "1.5KiB": 1536, "3kb": 3000, "1g": 1e9, "0x10": 16, "7b": 7, "-1": -1,
	} {
		if got, err := size(text); err != nil || got != want {
			t.Errorf("size %q = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "10XB", "1e30GB", "ten", "1 0", "nan"} {
		if got, err := size(text); err == nil {
			t.Errorf("size %q = %d, want an error", text, got)
		}
	}
	for text, want := range map[string]time.Duration{"5": 5 * time.Second, "0.25": 250 * time.Millisecond, "1h30m": 90 * time.Minute, "-1": -time.Second, "0": 0} {
		if got, err := duration(text); err != nil || got != want {
			t.Errorf("duration %q = %s, %v; want %s", text, got, err, want)
		}
	}
}

func FuzzReadConfiguration(f *testing.F) {
	for _, seed := range []string{
		"a: 1\n", "fields: &a {<<: *a}", "tags: ${A:${B:?x}}", "motors: [{speed: '${count}'}]\ncount: 1", "'a.b': {c.0: x}", "{\"a\": [1,", "\xff\xfe",
		"fields: {x: ${fields.y}, y: ${fields.x}}", "tags.0: a\ntags.2: b", "- a", "a: !!binary x", "<<: [{a: 1}, {b: 2}]", "password: ${P}",
	} {
		f.Add([]byte(seed), "tags.0=x", "env")
	}
	f.Fuzz(func(t *testing.T, data []byte, override, value string) {
		var fs faults
		s := source{
			paths: []string{"a.yml", "b.yml"}, overrides: []string{override},
			env:  func(string) (string, bool) { return value, true },
			read: func(string) ([]byte, error) { return data, nil },
		}
		root := s.tree(func(*expander, string) (string, bool) { return "", false }, &fs)
		if root == nil {
			return
		}
		var p plant
		d := &decoder{faults: &fs}
		d.decode(root, reflect.ValueOf(&p).Elem(), "", false)
		secretsOf(root)
		if err := fs.err(); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if line == "" {
					t.Errorf("an empty line among the faults: %q", err.Error())
				}
			}
		}
	})
}
