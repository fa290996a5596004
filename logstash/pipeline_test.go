package logstash_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write 00-mqtt-7.conf anew from 00-mqtt.conf")

const (
	newest = "00-mqtt.conf"
	older  = "00-mqtt-7.conf"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readPipeline(t *testing.T, name string) pipelineFile {
	t.Helper()
	file, err := parsePipeline(readFile(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file
}

// differences are all that the file for Logstash 7.6 to 8.7 has otherwise, and how
// often.
var differences = []struct {
	newest, older string
	times         int
}{
	{"For Logstash 8.8 and later, 9 included; 00-mqtt-7.conf beside it\n# is for 7.6 to 8.7 and differs in the names of TLS options only (its test says\n# so).",
		"For Logstash 7.6 to 8.7; 00-mqtt.conf beside it is for 8.8 and\n# later, and is where changes are made: go test ./logstash -run Older -update\n# writes this file, which differs in the names of TLS options only.\n#", 1},
	{"ssl_enabled => true", "ssl => true", 1},
	{`ssl_client_authentication => "required"`, `ssl_verify_mode => "force_peer"`, 1},
	{"      " + `ssl_certificate_authorities => ["/etc/logstash/sluice/ca.crt"]` + "\n      index", "      " + `cacert => "/etc/logstash/sluice/ca.crt"` + "\n      index", 2},
}

func TestTheOlderPipelineDiffersInNamesOfTLSOptionsOnly(t *testing.T) {
	want := readFile(t, newest)
	for _, d := range differences {
		if n := strings.Count(want, d.newest); n != d.times {
			t.Fatalf("%s has %q %d times, want %d", newest, d.newest, n, d.times)
		}
		want = strings.ReplaceAll(want, d.newest, d.older)
	}
	if *update {
		if err := os.WriteFile(older, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if readFile(t, older) != want {
		t.Errorf("%s is not what %s makes of it; go test ./logstash -run Older -update", older, newest)
	}
}

// known says in which versions of Logstash a plugin has an option, from the first
// to the one before the last; 0: no bound. Versions are major*100+minor. From the
// plugins' sources by version. Options that are deprecated in a version count as
// missing there if there is another one.
type known struct{ from, before int }

var always = known{}

var knownOptions = map[string]map[string]known{
	"input beats": {
		"host": always, "port": always, "ssl_certificate": always, "ssl_key": always, "ssl_certificate_authorities": always,
		"ssl": {0, 808}, "ssl_verify_mode": {0, 808}, "ssl_enabled": {808, 0}, "ssl_client_authentication": {808, 0},
		"tls_min_version": {0, 803}, "cipher_suites": {0, 803}, "ssl_supported_protocols": {803, 0}, "ssl_cipher_suites": {803, 0},
		"ssl_peer_metadata": {0, 807}, "enrich": {807, 0}, "ecs_compatibility": {712, 0},
		"ssl_handshake_timeout": always, "client_inactivity_timeout": always, "executor_threads": always,
	},
	"filter json": {"source": always, "target": always, "tag_on_failure": always},
	"filter grok": {"match": always, "pattern_definitions": always, "keep_empty_captures": always, "tag_on_failure": always},
	"filter date": {"match": always, "tag_on_failure": always},
	"filter mutate": {"rename": always, "copy": always, "convert": always, "gsub": always, "strip": always,
		"add_field": always, "add_tag": always, "remove_field": always, "remove_tag": always},
	"output elasticsearch": {
		"hosts": always, "user": always, "password": always, "index": always, "document_id": always, "action": always,
		"manage_template": always, "ilm_enabled": always,
		"ssl": {0, 808}, "cacert": {0, 808}, "ssl_enabled": {808, 0}, "ssl_certificate_authorities": {808, 0}, "data_stream": {713, 0},
	},
}

func TestOptionsAreThoseOfTheVersions(t *testing.T) {
	for name, versions := range map[string][]int{newest: {808, 815, 819, 900, 905}, older: {706, 710, 712, 717, 800, 803, 807}} {
		for _, p := range readPipeline(t, name).plugins {
			options, ok := knownOptions[p.section+" "+p.name]
			if !ok {
				t.Errorf("%s:%d: nothing is known of %s %s", name, p.line, p.section, p.name)
			}
			for _, o := range p.options {
				k, ok := options[o.name]
				for _, v := range versions {
					if !ok || v < k.from || k.before != 0 && v >= k.before {
						t.Errorf("%s:%d: Logstash %d.%d has no %s in %s", name, p.line, v/100, v%100, o.name, p.name)
					}
				}
			}
		}
	}
}

func TestTheTableOfOptionsRefusesTheOtherVariant(t *testing.T) {
	for option, k := range knownOptions["input beats"] {
		if k.before != 0 && k.from != 0 {
			t.Errorf("%s: two bounds", option)
		}
	}
	if k := knownOptions["input beats"]["ssl"]; k.before == 0 {
		t.Error("ssl is refused by Logstash 9")
	}
}

// dotted makes a.b of [a][b].
func dotted(field string) string {
	return strings.NewReplacer("][", ".", "[", "", "]", "").Replace(field)
}

// written lists the fields that the filters make, without those below @metadata,
// and leaves out what they remove again.
func written(file pipelineFile) map[string]bool {
	fields := map[string]bool{"@timestamp": true}
	add := func(name string) {
		if name = dotted(name); !strings.HasPrefix(name, "@metadata") {
			fields[name] = true
		}
	}
	for _, p := range file.plugins {
		for _, o := range p.options {
			switch {
			case p.section != "filter":
			case o.name == "rename" || o.name == "copy":
				for _, pair := range o.value.pairs {
					add(pair.value.text)
				}
			case o.name == "add_field" || o.name == "convert":
				for _, pair := range o.value.pairs {
					add(pair.name)
				}
			case o.name == "target":
				add(o.value.text)
			case o.name == "add_tag":
				add("tags")
			}
		}
	}
	return fields
}

// templateFields lists the fields of the index template, sections left out.
func templateFields(t *testing.T) map[string]bool {
	t.Helper()
	var file struct {
		Template struct {
			Mappings struct{ Properties map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "../elasticsearch/component-mqtt-mappings.json")), &file); err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	var walk func(prefix string, all map[string]json.RawMessage)
	walk = func(prefix string, all map[string]json.RawMessage) {
		for name, text := range all {
			var p struct {
				Properties map[string]json.RawMessage
			}
			if err := json.Unmarshal(text, &p); err != nil {
				t.Fatal(err)
			}
			if p.Properties == nil {
				fields[prefix+name] = true
			}
			walk(prefix+name+".", p.Properties)
		}
	}
	walk("", file.Template.Mappings.Properties)
	return fields
}

// shippers are the fields of the template that no filter makes: the event has them.
var shippers = []string{"message", "log.file.path", "log.offset", "log.flags", "clock.shift", "clock.original"}

// names are the report's own names, which the template gives to our fields.
var names = []string{"Topic", "Value", "IP"}

func TestFieldsOfPipelineAndTemplateAreTheSame(t *testing.T) {
	template := templateFields(t)
	fields := written(readPipeline(t, newest))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !template[name] && name != "values" {
			t.Errorf("the pipeline writes %s, which is not in the index template", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(template)) {
		if !fields[name] && !strings.HasPrefix(name, "values.") && !slices.Contains(shippers, name) && !slices.Contains(names, name) {
			t.Errorf("the index template has %s, which the pipeline never writes", name)
		}
	}
}

// The edge's file and the ingest pipeline move the same fields.
func TestTheOtherWaysWriteTheSameFields(t *testing.T) {
	fields := written(readPipeline(t, newest))
	delete(fields, "ip") // only Logstash knows the address of the client
	edge := map[string]bool{"@timestamp": true, "tags": true, "values": true}
	for _, m := range regexp.MustCompile(`(?:to|target_field): '?([A-Za-z@_.]+)`).FindAllStringSubmatch(readFile(t, "../deploy/edge/filebeat.yml"), -1) {
		edge[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`target: ('?\w*'?), fields: \{(\w+):`).FindAllStringSubmatch(readFile(t, "../deploy/edge/filebeat.yml"), -1) {
		if section := strings.Trim(m[1], "'"); section != "" {
			edge[section+"."+m[2]] = true
			continue
		}
		edge[m[2]] = true
	}
	maps.DeleteFunc(edge, func(name string, _ bool) bool { return strings.HasPrefix(name, "record.") })
	if a, b := slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(edge)); !slices.Equal(a, b) {
		t.Errorf("00-mqtt.conf writes\n%q\nand deploy/edge/filebeat.yml\n%q", a, b)
	}
}

// own are expressions that only this way has: Logstash has no test for a type.
func own(expression string) bool {
	return expression == `\A` || strings.HasPrefix(expression, `"`) || strings.HasPrefix(expression, `\A\$sluice`)
}

func TestExpressionsAreThoseOfTheEdge(t *testing.T) {
	file := readPipeline(t, newest)
	edge := readFile(t, "../deploy/edge/filebeat.yml")
	if len(file.expressions) < 20 {
		t.Errorf("only %d expressions found", len(file.expressions))
	}
	for _, e := range file.expressions {
		e = strings.ReplaceAll(e, `\/`, `/`)
		if _, err := regexp.Compile(e); err != nil {
			t.Error(err)
		}
		if !own(e) && !strings.Contains(edge, "'"+e+"'") {
			t.Errorf("deploy/edge/filebeat.yml lacks the expression %s", e)
		}
	}
}

// The patterns of text lines are those of the ingest pipeline.
func TestPatternsAreThoseOfTheIngestPipeline(t *testing.T) {
	var ingest struct {
		Processors []struct {
			Grok struct {
				Definitions map[string]string `json:"pattern_definitions"`
			}
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "../elasticsearch/ingest-mqtt.json")), &ingest); err != nil {
		t.Fatal(err)
	}
	there := map[string]string{}
	for _, p := range ingest.Processors {
		maps.Copy(there, p.Grok.Definitions)
	}
	found := 0
	for _, p := range readPipeline(t, newest).plugins {
		for _, o := range p.options {
			if o.name != "pattern_definitions" {
				continue
			}
			for _, d := range o.value.pairs {
				found++
				if there[d.name] != d.value.text {
					t.Errorf("%s is %s, and in ingest-mqtt.json %s", d.name, d.value.text, there[d.name])
				}
			}
		}
	}
	if found != 4 {
		t.Errorf("%d patterns, want 4", found)
	}
}

func TestAFieldThatIsAskedForIsMade(t *testing.T) {
	file := readPipeline(t, newest)
	made := written(file)
	for _, name := range []string{"message", "tags", "mqtt.topic", "fields.site", "fields.gateway", "agent.name", "values.t", "clock.shift"} {
		made[name] = true
	}
	for _, field := range file.asked {
		if name := dotted(field); !made[name] && !strings.HasPrefix(name, "@metadata.") {
			t.Errorf("a condition asks for %s, which nothing makes", field)
		}
	}
}

func TestDocumentsHaveAnIDOnlyIfTheShipperGaveOne(t *testing.T) {
	for _, name := range []string{newest, older} {
		outputs := 0
		for _, p := range readPipeline(t, name).plugins {
			if p.section != "output" {
				continue
			}
			outputs++
			options := map[string]string{}
			for _, o := range p.options {
				options[o.name] = o.value.text
			}
			if options["action"] != "create" || options["index"] != "mqtt-%{+YYYY.MM.dd}" {
				t.Errorf("%s:%d: action %q, index %q", name, p.line, options["action"], options["index"])
			}
			if id := options["document_id"]; outputs == 1 && id != "%{[@metadata][_id]}" || outputs == 2 && id != "" {
				t.Errorf("%s:%d: document_id %q", name, p.line, id)
			}
		}
		if outputs != 2 || !strings.Contains(readFile(t, name), "if [@metadata][_id] {\n    elasticsearch {") {
			t.Errorf("%s has %d outputs, or the first is not for events with an id", name, outputs)
		}
	}
}

func TestAPipelineWithAFaultIsNoFile(t *testing.T) {
	for _, text := range []string{
		"filters { }", "filter {", "filter { mutate { copy => } }", `filter { mutate { copy => { "a => "b" } } }`,
		"filter { if [a { mutate { } } }", "filter { if [a] is 5 { } }", `filter { json { source => "a }`,
	} {
		if _, err := parsePipeline(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
