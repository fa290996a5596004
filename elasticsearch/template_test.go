package elasticsearch_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write index-template-7.6.json anew")

// object reads a file of this folder.
func object(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return o
}

func template(t *testing.T, component string) map[string]any {
	t.Helper()
	return object(t, "component-mqtt-"+component+".json")["template"].(map[string]any)
}

// Elasticsearch 7.6 and 7.7 have no component templates: their file is made of the
// others.
func TestTheOldTemplateIsTheComponentsInOne(t *testing.T) {
	const name = "index-template-7.6.json"
	text, err := json.MarshalIndent(map[string]any{
		"index_patterns": object(t, "index-template.json")["index_patterns"], "order": 200, "version": 1,
		"settings": template(t, "settings")["settings"], "mappings": template(t, "mappings")["mappings"],
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(name); err != nil || !bytes.Equal(old, text) {
		t.Errorf("%s is not what the components make of it; go test ./elasticsearch -run OldTemplate -update", name)
	}
}

// leaves calls f for each field of a mapping.
func leaves(prefix string, properties map[string]any, f func(name string, field map[string]any)) {
	for name, v := range properties {
		field := v.(map[string]any)
		if inner, ok := field["properties"].(map[string]any); ok {
			leaves(prefix+name+".", inner, f)
			continue
		}
		f(prefix+name, field)
	}
}

func TestNoValueIsRefusedForItsFormOrLength(t *testing.T) {
	mappings := template(t, "mappings")["mappings"].(map[string]any)
	check := func(name string, field map[string]any) {
		switch typ := field["type"]; typ {
		case "keyword":
			if field["ignore_above"] == nil {
				t.Errorf("%s: a text longer than 32766 bytes would be refused; add ignore_above", name)
			}
		case "date", "double", "long", "integer", "byte", "ip":
			if field["ignore_malformed"] != true && name != "@timestamp" {
				t.Errorf("%s: a malformed value would be refused; add ignore_malformed", name)
			}
		case "boolean", "text", "alias":
		default:
			t.Errorf("%s: unknown type %v", name, typ)
		}
	}
	leaves("", mappings["properties"].(map[string]any), check)
	covered := map[string]bool{}
	for _, d := range mappings["dynamic_templates"].([]any) {
		for name, v := range d.(map[string]any) {
			covered[v.(map[string]any)["match_mapping_type"].(string)] = true
			check("dynamic template "+name, v.(map[string]any)["mapping"].(map[string]any))
		}
	}
	for _, typ := range []string{"string", "boolean", "long", "double"} {
		if !covered[typ] {
			t.Errorf("no dynamic template for %s: the first value would decide", typ)
		}
	}
	if mappings["date_detection"] != false || mappings["numeric_detection"] != false {
		t.Error("a text that looks like a date or a number would decide its field's type")
	}
}

// The report's dashboard asks for Topic.keyword, Value and IP.
func TestTheReportsNamesLeadToOurFields(t *testing.T) {
	properties := template(t, "mappings")["mappings"].(map[string]any)["properties"].(map[string]any)
	for name, path := range map[string]string{"Value": "value", "IP": "ip"} {
		if f, _ := properties[name].(map[string]any); f["type"] != "alias" || f["path"] != path || properties[path] == nil {
			t.Errorf("%s is no alias of %s", name, path)
		}
	}
	topic := properties["topic"].(map[string]any)
	fields, _ := properties["Topic"].(map[string]any)["fields"].(map[string]any)
	if topic["copy_to"] != "Topic" || fields["keyword"] == nil {
		t.Error("Topic.keyword has not what topic has")
	}
}

func TestTemplatesAreMadeOfTheComponents(t *testing.T) {
	for _, name := range []string{"index-template.json", "index-template-datastream.json"} {
		for _, c := range object(t, name)["composed_of"].([]any) {
			part, ok := strings.CutPrefix(c.(string), "mqtt-")
			if !ok {
				t.Errorf("%s: %v", name, c)
			}
			template(t, part)
		}
	}
}
