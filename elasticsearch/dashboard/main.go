package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

//go:generate go run . ../dashboard.ndjson

// version is that of the objects' form.
const version = "7.17.0"

// savedObject is a line of the file.
type savedObject struct {
	ID                   string            `json:"id"`
	Type                 string            `json:"type"`
	Attributes           object            `json:"attributes"`
	References           []reference       `json:"references"`
	MigrationVersion     map[string]string `json:"migrationVersion"`
	CoreMigrationVersion string            `json:"coreMigrationVersion"`
}

type reference struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dashboard FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], file(), 0o644); err != nil { //nolint:gosec // it holds no secret
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// file returns the whole file, one object a line.
func file() []byte {
	list := []savedObject{dataView()}
	for _, p := range panels() {
		list = append(list, p.visualization())
	}
	list = append(list, dashboard())
	var b bytes.Buffer
	for _, o := range list {
		b.WriteString(text(o))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// text is JSON without escapes that only HTML needs.
func text(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // the values are our own
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

func dataView() savedObject {
	return newObject("index-pattern", view, object{
		"title": indices, "timeFieldName": "@timestamp", "fields": "[]", "fieldAttrs": "{}", "typeMeta": "{}", "fieldFormatMap": "{}",
		"runtimeFieldMap": text(object{lagField: object{"type": "double", "script": object{"source": lagScript}}}),
	}, formVersions["index-pattern"])
}

// formVersions are when the form of each type last changed, up to 7.17.
var formVersions = map[string]string{"dashboard": "7.17.0", "visualization": "7.17.0", "index-pattern": "7.11.0"}

func newObject(kind, id string, attributes object, form string, refs ...reference) savedObject {
	if refs == nil {
		refs = []reference{}
	}
	return savedObject{ID: id, Type: kind, Attributes: attributes, References: refs, MigrationVersion: map[string]string{kind: form}, CoreMigrationVersion: version}
}

// objectID is the id of a panel's visualization.
func (p panel) objectID() string { return "sluice-" + p.id }

// sourceIndex is the name of the reference to the data view.
const sourceIndex = "kibanaSavedObjectMeta.searchSourceJSON.index"

func (p panel) visualization() savedObject {
	aggs := make([]object, len(p.aggs))
	for i, a := range p.aggs {
		aggs[i] = object{"id": strconv.Itoa(i + 1), "enabled": true, "type": a.kind, "schema": a.schema, "params": a.params}
	}
	source := object{"query": object{"query": p.query, "language": "kuery"}, "filter": []any{}, "indexRefName": sourceIndex}
	return newObject("visualization", p.objectID(), object{
		"title": p.title, "description": "", "version": 1, "uiStateJSON": "{}",
		"visState":              text(object{"title": p.title, "type": p.kind, "params": p.params, "aggs": aggs}),
		"kibanaSavedObjectMeta": object{"searchSourceJSON": text(source)},
	}, formVersions["visualization"], reference{view, sourceIndex, "index-pattern"})
}

func dashboard() savedObject {
	var placed []object
	var refs []reference
	for i, p := range panels() {
		index := strconv.Itoa(i + 1)
		placed = append(placed, object{
			"version": version, "type": "visualization", "panelIndex": index, "embeddableConfig": object{"enhancements": object{}}, "panelRefName": "panel_" + index,
			"gridData": object{"x": p.x, "y": p.y, "w": p.w, "h": p.h, "i": index},
		})
		refs = append(refs, reference{p.objectID(), index + ":panel_" + index, "visualization"})
	}
	return newObject("dashboard", "sluice-readings", object{
		"title": "sluice: readings", "description": "The newest values, their history, and how the gateways are.", "version": 1, "hits": 0,
		"timeRestore": true, "timeFrom": "now-24h", "timeTo": "now", "refreshInterval": object{"pause": false, "value": 30000},
		"optionsJSON":           text(object{"useMargins": true, "syncColors": false, "hidePanelTitles": false}),
		"panelsJSON":            text(placed),
		"kibanaSavedObjectMeta": object{"searchSourceJSON": text(object{"query": object{"query": "", "language": "kuery"}, "filter": []any{}})},
	}, formVersions["dashboard"], refs...)
}
