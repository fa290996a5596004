package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestFileIsGenerated(t *testing.T) {
	got, err := os.ReadFile("../dashboard.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, file()) {
		t.Error("dashboard.ndjson is not what panels.go makes: run go generate ./elasticsearch/dashboard")
	}
}

// objects reads the file as Kibana does.
func objects(t *testing.T) map[string]savedObject {
	t.Helper()
	all := map[string]savedObject{}
	for line := range bytes.Lines(file()) {
		var o savedObject
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		key := o.Type + "/" + o.ID
		if _, twice := all[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		all[key] = o
	}
	return all
}

// inner reads JSON in a string of an object.
func inner(t *testing.T, o savedObject, attribute string, v any) {
	t.Helper()
	s, ok := o.Attributes[attribute].(string)
	if !ok {
		t.Fatalf("%s %s has no text %s", o.Type, o.ID, attribute)
	}
	if err := json.Unmarshal([]byte(s), v); err != nil {
		t.Fatalf("%s of %s: %v", attribute, o.ID, err)
	}
}

func TestReferencesLeadSomewhere(t *testing.T) {
	all := objects(t)
	for key, o := range all {
		for _, r := range o.References {
			if _, ok := all[r.Type+"/"+r.ID]; !ok {
				t.Errorf("%s refers to %s %s, which is not there", key, r.Type, r.ID)
			}
		}
		if o.MigrationVersion[o.Type] > version || o.CoreMigrationVersion != version {
			t.Errorf("%s is of a version that %s can't import", key, version)
		}
	}
	d := all["dashboard/sluice-readings"]
	var placed []struct {
		PanelIndex, PanelRefName string
		GridData                 struct{ X, Y, W, H int }
	}
	inner(t, d, "panelsJSON", &placed)
	if len(placed) != len(panels()) || len(placed) != len(d.References) {
		t.Errorf("%d panels are placed, %d referred to, of %d", len(placed), len(d.References), len(panels()))
	}
	taken := map[[2]int]string{}
	for i, p := range placed {
		if d.References[i].Name != p.PanelIndex+":"+p.PanelRefName {
			t.Errorf("panel %s is named %s in the references", p.PanelRefName, d.References[i].Name)
		}
		g := p.GridData
		if g.X < 0 || g.W < 1 || g.X+g.W > 48 {
			t.Errorf("panel %s leaves the grid: %+v", p.PanelIndex, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("panels %s and %s lie on each other", other, p.PanelIndex)
				}
				taken[[2]int{x, y}] = p.PanelIndex
			}
		}
	}
}

// Every field that a panel names is in the index template or the data view, with a
// type that its aggregation takes.
func TestPanelsNameFieldsOfTheTemplate(t *testing.T) {
	types := mapping(t)
	types[lagField] = "double"
	numeric := []string{"double", "float", "long", "integer", "byte", "date"}
	for _, p := range panels() {
		if p.id == "" || p.title == "" || len(p.aggs) == 0 || p.aggs[0].schema != "metric" {
			t.Errorf("panel %q is not whole", p.title)
		}
		for _, a := range p.aggs {
			field, _ := a.params["field"].(string)
			if field == "" {
				if a.kind != "count" {
					t.Errorf("%s: %s has no field", p.title, a.kind)
				}
				continue
			}
			kind := types[field]
			switch {
			case kind == "":
				t.Errorf("%s: the template has no field %s", p.title, field)
			case a.kind == "terms" && kind != "keyword":
				t.Errorf("%s: terms of %s, which is a %s", p.title, field, kind)
			case a.kind != "terms" && !slices.Contains(numeric, kind):
				t.Errorf("%s: %s of %s, which is a %s", p.title, a.kind, field, kind)
			}
		}
		for _, m := range regexp.MustCompile(`([a-z_.@]+):`).FindAllStringSubmatch(p.query, -1) {
			if types[m[1]] == "" {
				t.Errorf("%s: the query names %s, which the template lacks", p.title, m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`doc\['([^']+)'\]`).FindAllStringSubmatch(lagScript, -1) {
		if types[m[1]] != "date" {
			t.Errorf("the lag is of %s, which is no date", m[1])
		}
	}
}

// mapping reads the types of the template's fields.
func mapping(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../component-mqtt-mappings.json")
	if err != nil {
		t.Fatal(err)
	}
	type properties map[string]struct {
		Type       string          `json:"type"`
		Properties json.RawMessage `json:"properties"`
	}
	var c struct {
		Template struct {
			Mappings struct{ Properties json.RawMessage } `json:"mappings"`
		} `json:"template"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	var walk func(prefix string, raw json.RawMessage)
	walk = func(prefix string, raw json.RawMessage) {
		var p properties
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		for name, f := range p {
			if f.Type != "" {
				types[prefix+name] = f.Type
			}
			if len(f.Properties) > 0 {
				walk(prefix+name+".", f.Properties)
			}
		}
	}
	walk("", c.Template.Mappings.Properties)
	return types
}

// What the issue asks for is there.
func TestWhatTheDashboardShows(t *testing.T) {
	for _, want := range []struct{ kind, field string }{
		{"gauge", "humidity"}, {"gauge", "temperature"}, {"line", "humidity"}, {"line", "temperature"},
		{"table", "topic"}, {"table", "gateway"}, {"table", "site"}, {"histogram", "gateway"}, {"line", lagField},
	} {
		found := slices.ContainsFunc(panels(), func(p panel) bool {
			return p.kind == want.kind && slices.ContainsFunc(p.aggs, func(a agg) bool { return a.params["field"] == want.field })
		})
		if !found {
			t.Errorf("no %s shows %s", want.kind, want.field)
		}
	}
	if strings.Contains(string(file()), "input_control_vis") || strings.Contains(string(file()), `"lens"`) {
		t.Error("a kind of panel that one of the versions lacks")
	}
}
