package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sluice/internal/event"
	"sluice/internal/processor"
)

const processorsOfAllForms = good + `
processors:
- add_tags: {tags: [y, 'y', 017, 1.50], target: on}
- rename.fields: [{from: a.b, to: c}]
- if.range.n.gte: 10
  then:
    add_fields: {target: '', fields.size.word: big}
  else:
  - drop_event.when.not.has_fields: [n]
  - add_locale: ~
- dissect: {tokenizer: '%{x}', field: c, when: {equals.c: 1, contains.c: z}}
`

func TestProcessorsAreRead(t *testing.T) {
	c := mustParse(t, processorsOfAllForms)
	chain, err := processor.Compile(c.Processors, processor.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	e := &event.Event{Fields: map[string]any{"a": map[string]any{"b": "v"}, "n": int64(12)}}
	if !chain.Run(e) {
		t.Fatal("dropped")
	}
	got := string(event.AppendJSON(nil, e.Fields, false))
	if want := `{"a":{},"c":"v","n":12,"size":{"word":"big"},"true":["true","y","15","1.5"]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if chain.Run(&event.Event{}) {
		t.Error("an event without n is not dropped")
	}
	if len(c.Warnings) != 1 || !strings.HasSuffix(c.Warnings[0], "processors.3.dissect.when.contains: has no effect beside equals: write both under and") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestProcessorsAreDumpedAsTheyAre(t *testing.T) {
	c := mustParse(t, processorsOfAllForms)
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	again, err := Parse("dump.yml", b.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if !reflect.DeepEqual(again.Processors, c.Processors) {
		t.Errorf("the dump\n%s\nis read back as other processors", b.String())
	}
}

func TestFaultsOfProcessorsNameTheirLine(t *testing.T) {
	got := faultsOf(t, `filebeat.inputs:
- type: log
  paths: [/x]
  processors:
  - convert:
      fields:
      - {from: a, type: complex}
      - from: b
  - drop_event.when.equals: {a: 1.5}
processors:
- add_tag: {tags: [a]}
- add_tags: {tags: [a], nosuch: 1}
- add_docker_metadata: {host: a}
- if.equals.a: b
  else: [{drop_event: ~}]
- drop_event: ~
  add_locale: ~
- timestamp: {field: a, layouts: ['2006'], timezone: Mars/Base}
- []
output.logstash.hosts: [x]
`)
	want := []string{
		`f.yml:7:19: filebeat.inputs.0.processors.0.convert.fields.0.type: "complex" is not known; use integer, long, float, double, string, boolean, ip`,
		"f.yml:8:9: filebeat.inputs.0.processors.0.convert.fields.1: wants to, type, or both",
		"f.yml:9:30: filebeat.inputs.0.processors.1.drop_event.when.equals.a: wants a text, an integer or a boolean, found 1.5",
		"f.yml:11:3: processors.0.add_tag: unknown option; did you mean add_tags?",
		"f.yml:12:25: processors.1.add_tags.nosuch: unknown option; allowed here: tags, target, when",
		"f.yml:13:3: processors.2.add_docker_metadata: not supported by sluice: take the container's name from the path with dissect, or write its fields with add_fields",
		"f.yml:14:3: processors.3.then: is required with if: a list of processors",
		`f.yml:16:3: processors.4: each processor must have exactly one action; write "- " before each`,
		`f.yml:18:44: processors.5.timestamp.timezone: "Mars/Base" is neither`,
		"f.yml:19:3: processors.6: wants a section",
	}
	lines := strings.Split(got, "\n")
	for i, w := range want {
		if i >= len(lines) || !strings.HasPrefix(lines[i], w) {
			t.Errorf("fault %d is not %s:\n%s", i, w, got)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d faults:\n%s", len(lines), got)
	}
}

func TestEveryProcessorThatIsNotSupportedSaysWhatToDo(t *testing.T) {
	for kind, why := range processor.Unsupported {
		if got := faultsOf(t, "processors: [{"+kind+": {x: 1}}]"); !strings.HasSuffix(got, ": not supported by sluice: "+why) {
			t.Errorf("%s: %s", kind, got)
		}
	}
}
