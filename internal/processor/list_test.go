package processor

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sluice/internal/event"
)

// entry makes an entry of a kind.
func entry[T any](t *testing.T, kind string, set func(o *T)) Entry {
	t.Helper()
	var e Entry
	o, ok := e.Choose(kind).(*T)
	if !ok {
		t.Fatalf("%s has other options", kind)
	}
	if set != nil {
		set(o)
	}
	return e
}

func tag(t *testing.T, name string) Entry {
	return entry(t, "add_tags", func(o *addTags) { o.Tags = []string{name} })
}

// probe is a processor of the tests.
type probe struct {
	fail   error
	closed *int
}

func (p *probe) Validate() error           { return nil }
func (p *probe) compile(Env) (step, error) { return p, nil }
func (p *probe) Close() error              { *p.closed++; return p.fail }

func (p *probe) run(e *event.Event) (bool, error) {
	e.Fields["probe"] = true
	return false, p.fail
}

func TestChain(t *testing.T) {
	var log bytes.Buffer
	closed := 0
	broken := Entry{kind: "probe", chosen: 1, options: &probe{fail: errors.New("it is broken"), closed: &closed}}
	list := List{
		tag(t, "first"),
		broken,
		{If: &Condition{HasFields: []string{"a"}},
			Then: List{tag(t, "then"), {If: &Condition{HasFields: []string{"gone"}}, Then: List{entry[dropEvent](t, "drop_event", nil)}}, broken},
			Else: List{tag(t, "else"), broken, tag(t, "after an error")}},
		entry(t, "drop_event", func(o *dropEvent) { o.When = &Condition{HasFields: []string{"b"}} }),
		tag(t, "last"),
	}
	if err := list.Validate(); err != nil {
		t.Fatal(err)
	}
	c, err := Compile(list, Env{Log: zerolog.New(&log)})
	if err != nil || c.Empty() {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"a": 1}`: `{"a": 1, "probe": true, "tags": ["first", "then", "last"]}`, `{}`: `{"probe": true, "tags": ["first", "else", "last"]}`,
		`{"b": 1}`: "dropped", `{"a": 1, "gone": 1}`: "dropped",
	} {
		e := &event.Event{Fields: fields(t, text)}
		got := "dropped"
		if c.Run(e) {
			got = string(event.AppendJSON(nil, e.Fields, false))
		}
		same(t, got, want)
	}
	if !strings.Contains(log.String(), `"level":"debug","error":"it is broken","processor":"probe"`) {
		t.Errorf("logged %s", log.String())
	}
	if err := c.Close(); err == nil || !strings.Contains(err.Error(), "probe: it is broken") || closed != 3 {
		t.Errorf("closed %d times: %v", closed, err)
	}
}

func TestAnErrorEndsTheListOfAnInput(t *testing.T) {
	rename := func(fails bool) Entry {
		return entry(t, "rename", func(o *rename) { o.Fields, o.FailOnError = []FromTo{{"missing", "x"}}, fails })
	}
	inside := func(list ...Entry) Entry {
		return Entry{If: &Condition{HasFields: []string{"a"}}, Then: list}
	}
	undecodable := entry(t, "decode_json_fields", func(o *decodeJSON) { o.Fields = []string{"a"} })
	noText := entry(t, "add_tags", func(o *addTags) { o.Tags, o.Target = []string{"x"}, "a" })
	for name, c := range map[string]struct {
		list           List
		input, general string // the tags
	}{
		"it counts":            {List{tag(t, "1"), rename(true), tag(t, "2")}, `["1"]`, `["1","2"]`},
		"it is ignored":        {List{tag(t, "1"), rename(false), tag(t, "2")}, `["1","2"]`, `["1","2"]`},
		"in a branch":          {List{inside(tag(t, "1"), rename(true), tag(t, "2")), tag(t, "3")}, `["1"]`, `["1","3"]`},
		"ignored in a branch":  {List{inside(tag(t, "1"), rename(false), tag(t, "2")), tag(t, "3")}, `["1","2","3"]`, `["1","2","3"]`},
		"two branches deep":    {List{inside(inside(rename(true)), tag(t, "1")), tag(t, "2")}, `null`, `["2"]`},
		"no JSON":              {List{undecodable, tag(t, "1")}, `null`, `["1"]`},
		"tags that are a text": {List{noText, tag(t, "1")}, `["1"]`, `["1"]`},
	} {
		for _, how := range []struct {
			compile func(List, Env) (*Chain, error)
			want    string
		}{{CompileForInput, c.input}, {Compile, c.general}} {
			chain, err := how.compile(c.list, Env{Log: zerolog.Nop()})
			if err != nil {
				t.Fatal(err)
			}
			e := &event.Event{Fields: fields(t, `{"a": "{"}`)}
			if !chain.Run(e) {
				t.Errorf("%s: dropped", name)
			}
			if got := string(event.AppendJSON(nil, e.Fields["tags"], false)); got != how.want {
				t.Errorf("%s: tags %s, want %s", name, got, how.want)
			}
		}
	}
}

func TestNoChain(t *testing.T) {
	c, err := Compile(nil, Env{})
	if err != nil || !c.Empty() || !c.Run(&event.Event{}) || c.Close() != nil {
		t.Errorf("%v, %v", c, err)
	}
}

func TestEventsWithoutFields(t *testing.T) {
	for _, kind := range new(Entry).Kinds() {
		if kind == "drop_event" {
			continue
		}
		if _, ok := coreKinds[kind]; !ok {
			continue
		}
		c := &Chain{log: zerolog.Nop()}
		s, err := kindOf(kind)().compile(Env{})
		if err != nil {
			continue // it needs options
		}
		c.links = []link{{kind: kind, step: s}}
		c.Run(&event.Event{})
	}
}

func TestFaultsOfLists(t *testing.T) {
	two := tag(t, "x")
	two.Choose("drop_event")
	mixed := tag(t, "x")
	mixed.If = &Condition{HasFields: []string{"a"}}
	for _, c := range []struct {
		list List
		want []string
	}{
		{List{{}}, []string{"0: each processor must have exactly one action"}},
		{List{tag(t, "a"), two}, []string{"1: each processor must have exactly one action"}},
		{List{mixed}, []string{"0: if, then and else stand beside add_tags"}},
		{List{{Then: List{tag(t, "a")}}}, []string{"0: then and else need an if"}},
		{List{{If: &Condition{}}}, []string{"0.then: is required with if", "0.if: the condition is missing"}},
		{List{{If: &Condition{HasFields: []string{"a"}}, Then: List{tag(t, "a"), {}}, Else: List{entry[addTags](t, "add_tags", nil)}}},
			[]string{"0.then.1: each processor", "0.else.0.add_tags.tags: is required"}},
		{List{entry(t, "drop_event", func(o *dropEvent) { o.When = &Condition{} })}, []string{"0.drop_event.when: the condition is missing"}},
		{List{entry[addFields](t, "add_fields", nil)}, []string{"0.add_fields.fields: is required"}},
		{List{entry[addLabels](t, "add_labels", nil)}, []string{"0.add_labels.labels: is required"}},
		{List{entry(t, "add_id", func(o *addID) { o.Type = "uuid9" })}, []string{`0.add_id.type: "uuid9" is not known; use elasticsearch`}},
		{List{entry(t, "add_locale", func(o *addLocale) { o.Format = "letters" })}, []string{`0.add_locale.format: "letters" is not known`}},
		{List{entry[rename](t, "rename", nil)}, []string{"0.rename.fields: is required"}},
		{List{entry(t, "rename", func(o *rename) { o.Fields = []FromTo{{"a", "b"}, {"a", ""}} })}, []string{"0.rename.fields.1.to: is required"}},
		{List{entry(t, "copy_fields", func(o *copyFields) { o.Fields = []FromTo{{"", "b"}} })}, []string{"0.copy_fields.fields.0.from: is required"}},
		{List{entry(t, "replace", func(o *replace) { o.Fields = []replacement{{"a", "(", nil}} })}, []string{"0.replace.fields.0.replacement: is required", "0.replace.fields.0.pattern: \"(\" is no"}},
		{List{entry(t, "convert", func(o *convert) { o.Mode, o.Fields = "move", []conversion{{From: "a"}, {Type: "complex"}} })},
			[]string{"0.convert.mode: ", "0.convert.fields.0: wants to, type, or both", "0.convert.fields.1.from: ", `0.convert.fields.1.type: "complex" is not known`}},
		{List{entry(t, "fingerprint", func(o *fingerprint) { o.Method, o.Encoding = "crc", "base85" })},
			[]string{"0.fingerprint.fields: is required", `0.fingerprint.method: "crc"`, `0.fingerprint.encoding: "base85"`}},
		{List{entry(t, "drop_fields", func(o *dropFields) { o.Fields = names("a", "/(/") })}, []string{`0.drop_fields.fields.1: "(" is no regular`}},
		{List{entry[dissect](t, "dissect", nil)}, []string{"0.dissect.tokenizer: invalid dissect tokenizer"}},
		{List{entry(t, "dissect", func(o *dissect) { o.Tokenizer, o.TrimValues = "%{a}", "both" })}, []string{`0.dissect.trim_values: "both"`}},
		{List{entry[decodeJSON](t, "decode_json_fields", nil)}, []string{"0.decode_json_fields.fields: is required"}},
		{List{entry(t, "decode_csv_fields", func(o *decodeCSV) { o.Fields, o.Separator = map[string]any{"a": []any{"b"}}, ";;" })},
			[]string{"0.decode_csv_fields.fields.a: wants the name", "0.decode_csv_fields.separator: must be a single character"}},
		{List{entry(t, "truncate_fields", func(o *truncateFields) { o.Fields, o.MaxBytes, o.MaxCharacters = []string{"a"}, 1, 1 })}, []string{"0.truncate_fields: wants either max_bytes or"}},
		{List{entry(t, "rate_limit", func(o *rateLimit) { o.Limit, o.Algorithm.TokenBucket.BurstMultiplier = "5", 0 })},
			[]string{`0.rate_limit.limit: rate in invalid format: "5"`, "0.rate_limit.algorithm.token_bucket.burst_multiplier: "}},
		{List{entry(t, "timestamp", func(o *timestamp) { o.Field, o.Layouts, o.Timezone = "a", []string{"2006"}, "Mars/Base" })}, []string{`0.timestamp.timezone: "Mars/Base" is neither`}},
		{List{entry(t, "timestamp", func(o *timestamp) { o.Field, o.Layouts, o.Test = "a", []string{"2006"}, []string{"2024", "yesterday"} })}, []string{"0.timestamp.test.1: failed parsing time field a='yesterday'"}},
		{List{entry(t, "add_host_metadata", func(o *addHostMetadata) { o.Geo.Location = "91, 0" })}, []string{"0.add_host_metadata.geo.location: "}},
	} {
		err := c.list.Validate()
		if err == nil {
			t.Errorf("accepted, want %q", c.want)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(c.want) {
			t.Errorf("faults %q, want %q", lines, c.want)
		}
		for _, want := range c.want {
			if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
				t.Errorf("faults %q lack %q", lines, want)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	for _, bad := range []string{"", "5", "5/", "5/d", "/s", "x/s", "0/s", "-1/s", "NaN/s", "Inf/s", "5/s/s"} {
		if _, _, err := parseLimit(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, good := range []string{"5/s", "0.5/m", "10000/h", "1e3/s"} {
		if _, _, err := parseLimit(good); err != nil {
			t.Error(err)
		}
	}
}
