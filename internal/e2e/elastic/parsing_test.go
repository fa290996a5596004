package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/esnode"
)

// parsing are the kinds of node that have ingest processors.
var parsing = map[string]esnode.Kind{"OpenSearch": esnode.OpenSearch, "Elasticsearch 7": esnode.Elasticsearch7}

// top is the folder of the module.
const top = "../../.."

func fileText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// prepare puts templates and pipeline into a node that has ingest processors.
func prepare(t *testing.T, n *esnode.Node) {
	t.Helper()
	templates(t, n)
	n.OK("PUT", "/_ingest/pipeline/mqtt", fileText(t, "elasticsearch/ingest-mqtt.json"))
}

func templates(t *testing.T, n *esnode.Node) {
	t.Helper()
	for _, part := range []string{"mappings", "settings"} {
		n.OK("PUT", "/_component_template/mqtt-"+part, fileText(t, "elasticsearch/component-mqtt-"+part+".json"))
	}
	n.OK("PUT", "/_index_template/mqtt", fileText(t, "elasticsearch/index-template.json"))
}

// raw is the event of a line as the tailer sends it without processors.
func (c *lineCase) raw(t *testing.T, read string) map[string]any {
	t.Helper()
	e := map[string]any{}
	decode(t, `{"site":"my-site","agent":{"name":"pi-1","id":"x","type":"filebeat"},"host":{"name":"pi-1"},"ecs":{"version":"8.0.0"},"input":{"type":"filestream"},
		"log":{"offset":0,"file":{"path":"/spool/a.log","inode":"5","device_id":"1"}}}`, &e)
	e["@timestamp"] = read
	if c.with != "" {
		decode(t, c.with, &e)
		if _, ok := e["fields"]; ok {
			delete(e, "site")
		}
	}
	e["message"] = strings.ToValidUTF8(c.line, "\ufffd")
	return e
}

// wanted is the document of a case that was read at some time from a place.
func (c *lineCase) wanted(t *testing.T, read, path string, offset int) map[string]any {
	t.Helper()
	d := map[string]any{"site": "my-site", "gateway": "pi-1"}
	decode(t, strings.Replace(c.want, "LOG", fmt.Sprintf(`"log":{"file":{"path":%q},"offset":%d}`, path, offset), 1), &d)
	if _, ok := d["@timestamp"]; !ok {
		d["@timestamp"] = read
	} else if !strings.Contains(c.with, "@timestamp") {
		section, ok := d["event"].(map[string]any)
		if !ok {
			section = map[string]any{}
			d["event"] = section
		}
		section["created"] = read
	}
	return canonical(d).(map[string]any)
}

func decode(t *testing.T, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// canonical writes times in one form and leaves out what Elasticsearch does not
// tell apart: null and empty sections.
func canonical(v any) any {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, inner any) bool { return inner == nil })
		for key, inner := range v {
			v[key] = canonical(inner)
		}
		maps.DeleteFunc(v, func(_ string, inner any) bool { m, ok := inner.(map[string]any); return ok && len(m) == 0 })
	case []any:
		for i := range v {
			v[i] = canonical(v[i])
		}
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return at.UTC().Format(time.RFC3339Nano)
		}
	case float64:
		if math.IsInf(v, 0) {
			return "infinite"
		}
	}
	return v
}

func same(t *testing.T, way string, c *lineCase, got, want map[string]any) {
	t.Helper()
	got = canonical(got).(map[string]any)
	if reflect.DeepEqual(got, want) {
		return
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	t.Errorf("%s: %s: %q\n got %s\nwant %s", way, c.name, c.line, a, b)
}

func TestIngestMakesTheDocumentOfEachLine(t *testing.T) {
	for name, kind := range parsing {
		t.Run(name, func(t *testing.T) {
			n := esnode.Start(t, esnode.Options{Kind: kind})
			prepare(t, n)
			simulated(t, n)
			mapped(t, n)
		})
	}
}

const readAt = "2026-11-25T10:00:00.000Z"

// simulated runs the pipeline without an index.
func simulated(t *testing.T, n *esnode.Node) {
	t.Helper()
	var request struct {
		Docs []map[string]any `json:"docs"`
	}
	for i := range lineCases {
		request.Docs = append(request.Docs, map[string]any{"_index": "mqtt", "_source": lineCases[i].raw(t, readAt)})
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Docs []struct {
			Doc struct {
				Index  string         `json:"_index"`
				Source map[string]any `json:"_source"`
			}
			Error any
		}
	}
	decode(t, string(n.OK("POST", "/_ingest/pipeline/mqtt/_simulate", string(body))), &answer)
	if len(answer.Docs) != len(lineCases) {
		t.Fatalf("%d documents of %d lines", len(answer.Docs), len(lineCases))
	}
	for i, d := range answer.Docs {
		c := &lineCases[i]
		if d.Error != nil {
			t.Errorf("%s: %v", c.name, d.Error)
			continue
		}
		want := c.wanted(t, readAt, "/spool/a.log", 0)
		same(t, "simulated", c, d.Doc.Source, want)
		if day := "mqtt-" + strings.ReplaceAll(want["@timestamp"].(string)[:10], "-", "."); d.Doc.Index != day {
			t.Errorf("%s: index %s, want %s", c.name, d.Doc.Index, day)
		}
	}
}

// mapped looks at what the index knows of the fields.
func mapped(t *testing.T, n *esnode.Node) {
	t.Helper()
	var bulk bytes.Buffer
	for i := range lineCases {
		line, err := json.Marshal(lineCases[i].raw(t, readAt))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&bulk, "{\"create\":{\"_index\":\"mqtt\",\"_id\":\"%d\",\"pipeline\":\"mqtt\"}}\n%s\n", i, line)
	}
	if answer := n.OK("POST", "/_bulk", bulk.String()); bytes.Contains(answer, []byte(`"error"`)) {
		t.Errorf("rejected: %s", answer)
	}
	if c := n.Count("mqtt-*"); c != len(lineCases) {
		t.Errorf("%d documents of %d lines", c, len(lineCases))
	}
	for query, least := range map[string]int{
		`Topic.keyword:"/feeds/0/humid"`: 1, `Topic:"/feeds/0/temp"`: 3, `Value:21.5`: 5, `humidity:[55 TO 56]`: 5,
		`kind:event`: 5, `tags:_lineparsefailure`: 5, `site:hall-2`: 1, `values.co2:412`: 1, `message:garbage`: 1, `clock.corrected:true`: 1,
	} {
		path := "/mqtt-*/_count?q=" + strings.NewReplacer(" ", "%20", `"`, "%22", "[", "%5B", "]", "%5D", "/", `%5C/`).Replace(query)
		var found struct{ Count int }
		decode(t, string(n.OK("GET", path, "")), &found)
		if found.Count < least {
			t.Errorf("%s finds %d documents, want %d", query, found.Count, least)
		}
	}
	unmappable(t, n)
}

// unmappable indexes values that change their types.
func unmappable(t *testing.T, n *esnode.Node) {
	t.Helper()
	values := []string{`5`, `"five"`, `true`, `null`, `5.5`, `-9e99`, `"2026-11-21"`}
	var bulk bytes.Buffer
	count := 0
	for _, first := range values {
		for _, second := range values {
			count++
			for _, v := range []string{first, second} {
				line := fmt.Sprintf(`%s"topic":"a/b","payload":"{\"k%d\":%s,\"hum\":%[3]s,\"value\":%[3]s,\"unit\":%[3]s,\"t\":%[3]s}"}`, at, count, strings.ReplaceAll(v, `"`, `\"`))
				doc, err := json.Marshal(map[string]any{"@timestamp": readAt, "message": line})
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&bulk, "{\"create\":{\"_index\":\"mqtt\",\"pipeline\":\"mqtt\"}}\n%s\n", doc)
			}
		}
	}
	if answer := n.OK("POST", "/_bulk", bulk.String()); bytes.Contains(answer, []byte(`"error"`)) {
		t.Errorf("values of changing types are rejected: %.2000s", answer)
	}
}

// replaced puts a text in the place of another that must be there.
func replaced(t *testing.T, text, old, by string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q stands %d times in the file", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, by, 1)
}

// edgeConfig is deploy/edge/filebeat.yml, with the test's folder and node, and a
// second input for events with more than a line.
func edgeConfig(t *testing.T, node, index string, processors bool) string {
	t.Helper()
	text := fileText(t, "deploy/edge/filebeat.yml")
	text = replaced(t, text, `[/var/lib/sluice/spool/*.log]`, `[$DIR/*.log]
    prospector.scanner.check_interval: 200ms
  - type: filestream
    id: events
    paths: [$DIR/*.events]
    prospector.scanner.check_interval: 200ms
    parsers: [{ndjson: {target: "", overwrite_keys: true}}]`)
	text = replaced(t, text, `"https://localhost:9200"`, strconv.Quote(node))
	text = replaced(t, text, "  api_key: \"${ELASTIC_API_KEY}\"\n  ssl.certificate_authorities: [/etc/sluice/ca.crt]\n", "dead_letter.path: $DIR/dead\n")
	text += "\npath.data: $DIR/data\nname: pi-1\n"
	if processors {
		return text
	}
	text = replaced(t, text, `index: "mqtt-%{+yyyy.MM.dd}"`, "index: "+index+"\n  pipeline: mqtt")
	head, _, _ := strings.Cut(text, "\nprocessors:")
	return head + "\npath.data: $DIR/data\nname: pi-1\n"
}

func TestTheBinaryMakesTheSameDocumentOnBothWays(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			n := esnode.Start(t, esnode.Options{Kind: kind})
			if _, ok := parsing[name]; !ok {
				templates(t, n)
				shipped(t, n, "parsed at the edge", edgeConfig(t, n.URL, "mqtt", true))
				return
			}
			prepare(t, n)
			for way, atEdge := range map[string]bool{"parsed at the edge": true, "parsed by the node": false} {
				shipped(t, n, way, edgeConfig(t, n.URL, "mqtt", atEdge))
				n.OK("DELETE", "/mqtt-*", "")
			}
		})
	}
}

// shipped sends the lines by a tailer, twice, and looks at the documents.
func shipped(t *testing.T, n *esnode.Node, way, conf string) {
	g := newGateway(t, "")
	if err := os.WriteFile(g.conf, []byte(strings.ReplaceAll(conf, "$DIR", g.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	places := map[string]*lineCase{} // by file and offset
	offsets := map[string]int{}
	for i := range lineCases {
		c := &lineCases[i]
		file, line := "a.log", c.line
		if c.with != "" {
			event := map[string]any{}
			decode(t, c.with, &event)
			event["message"] = c.line
			text, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}
			file, line = "b.events", string(text)
		}
		places[file+" "+strconv.Itoa(offsets[file])] = c
		offsets[file] += len(line) + 1
		g.write(file, line)
	}
	g.start()
	wait(t, time.Minute, "all lines", func() bool { return count(n, "mqtt-*") >= len(lineCases) })
	g.kill(syscall.SIGKILL)
	if err := os.RemoveAll(filepath.Join(g.dir, "data", "registry")); err != nil {
		t.Fatal(err)
	}
	g.write("a.log", mqtt+`"the last"`+mqttEnd)
	g.start()
	wait(t, time.Minute, "the last line", func() bool { return count(n, "mqtt-*") >= len(lineCases)+1 })
	g.kill(syscall.SIGTERM)
	if dead, err := os.ReadFile(filepath.Join(g.dir, "dead")); err == nil && len(dead) > 0 {
		t.Errorf("%s: dead letters: %s", way, dead)
	}
	examine(t, n, way, g.dir, places)
}

// examine compares the documents of the index with those that are wanted.
func examine(t *testing.T, n *esnode.Node, way, dir string, places map[string]*lineCase) {
	t.Helper()
	var found struct {
		Hits struct {
			Hits []struct {
				ID     string         `json:"_id"`
				Index  string         `json:"_index"`
				Source map[string]any `json:"_source"`
			}
		}
	}
	decode(t, string(n.OK("GET", "/mqtt-*/_search?size=1000", "")), &found)
	second := "" // what the ids of the second file begin with
	for _, h := range found.Hits.Hits {
		if section, ok := h.Source["clock"].(map[string]any); ok && section["corrected"] == true {
			second, _, _ = strings.Cut(h.ID, "-")
		}
	}
	seen, last := map[*lineCase]int{}, 0
	for _, h := range found.Hits.Hits {
		if h.Source["value_text"] == "the last" {
			last++
			continue
		}
		generation, offset, _ := strings.Cut(h.ID, "-")
		file := "a.log"
		if generation == second {
			file = "b.events"
		}
		c := places[file+" "+offset]
		if c == nil {
			t.Errorf("%s: a document of no line: %v", way, h)
			continue
		}
		seen[c]++
		at, _ := strconv.Atoi(offset)
		want := c.wanted(t, readTime(h.Source), filepath.Join(dir, file), at)
		same(t, way, c, h.Source, want)
		if day := "mqtt-" + strings.ReplaceAll(want["@timestamp"].(string)[:10], "-", "."); h.Index != day {
			t.Errorf("%s: %s: index %s, want %s", way, c.name, h.Index, day)
		}
	}
	for _, c := range places {
		if seen[c] != 1 {
			t.Errorf("%s: %s: %d documents", way, c.name, seen[c])
		}
	}
	if last != 1 {
		t.Errorf("%s: %d documents of the last line", way, last)
	}
}

// readTime is the time of reading that a document has, which no table can know.
func readTime(d map[string]any) string {
	if section, ok := d["event"].(map[string]any); ok {
		if at, ok := section["created"].(string); ok {
			return at
		}
	}
	at, _ := d["@timestamp"].(string)
	return at
}

func TestTheTwoEdgeFilesParseAlike(t *testing.T) {
	steps := func(name string) string {
		_, text, ok := strings.Cut(fileText(t, name), "\nprocessors:\n")
		if !ok {
			t.Fatalf("%s has no processors", name)
		}
		return text
	}
	if steps("deploy/edge/filebeat.yml") != steps("deploy/edge/sluice.yml") {
		t.Error("deploy/edge/sluice.yml has other processors than filebeat.yml: copy them")
	}
}
