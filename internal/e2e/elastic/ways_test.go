package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/internal/esnode"
)

// A data stream takes the same documents, once each while it has one index.
func TestADataStreamTakesTheDocuments(t *testing.T) {
	n := esnode.Start(t, esnode.Options{})
	prepare(t, n)
	n.OK("PUT", "/_index_template/mqtt-stream", fileText(t, "elasticsearch/index-template-datastream.json"))
	for range 2 {
		if answer := n.OK("POST", "/_bulk", bulkOf(t, "mqtt-stream")); bytes.Contains(answer, []byte(`"status":400`)) {
			t.Fatalf("rejected: %.2000s", answer)
		}
	}
	if c := n.Count("mqtt-stream"); c != len(lineCases) {
		t.Errorf("%d documents of %d lines", c, len(lineCases))
	}
	if !bytes.Contains(n.OK("GET", "/_data_stream/mqtt-stream", ""), []byte(".ds-mqtt-stream-")) {
		t.Error("mqtt-stream is no data stream")
	}
}

func bulkOf(t *testing.T, index string) string {
	t.Helper()
	var bulk strings.Builder
	for i := range lineCases {
		line, err := json.Marshal(lineCases[i].raw(t, readAt))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&bulk, "{\"create\":{\"_index\":%q,\"_id\":\"%d\",\"pipeline\":\"mqtt\"}}\n%s\n", index, i, line)
	}
	return bulk.String()
}

// Elasticsearch 7.6 and 7.7 have the older form of templates only; later ones have
// both.
func TestTheOldTemplateMapsAsTheNewOneDoes(t *testing.T) {
	n := esnode.Start(t, esnode.Options{Kind: esnode.Elasticsearch7})
	mapping := func() string {
		n.OK("PUT", "/mqtt-2026.01.01", "")
		defer n.OK("DELETE", "/mqtt-2026.01.01", "")
		return string(n.OK("GET", "/mqtt-2026.01.01/_mapping", ""))
	}
	n.OK("PUT", "/_template/mqtt", fileText(t, "elasticsearch/index-template-7.6.json"))
	old := mapping()
	n.OK("DELETE", "/_template/mqtt", "")
	templates(t, n)
	if now := mapping(); now != old || !strings.Contains(now, "temperature") {
		t.Errorf("the old template maps\n%s\nthe new one\n%s", old, now)
	}
}

// Payloads that are long, or long to look through, cost the node no time.
func TestAHostilePayloadIsIndexedSoon(t *testing.T) {
	n := esnode.Start(t, esnode.Options{})
	prepare(t, n)
	const size = 300_000
	payloads := []string{
		"x" + strings.Repeat(" ", size) + "x", strings.Repeat(" ", size), strings.Repeat("1", size), "{" + strings.Repeat(`"a":1,`, size/6),
		`{"a":"` + strings.Repeat("x", size) + `"}`, strings.Repeat("a=1 ", size/4), strings.Repeat("{", size), strings.Repeat(`{"a":`, size/5), strings.Repeat("\x00", size),
		`{"a":1` + strings.Repeat(`,"a":1`, size/6) + "}",
	}
	var bulk bytes.Buffer
	for _, p := range payloads {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{mqtt + string(text) + mqttEnd, "2026-11-21T19:43:39+0000,a/b," + strings.ToValidUTF8(p, "")} {
			doc, err := json.Marshal(map[string]any{"@timestamp": readAt, "message": line})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&bulk, "{\"create\":{\"_index\":\"mqtt\",\"pipeline\":\"mqtt\"}}\n%s\n", doc)
		}
	}
	start := time.Now()
	if answer := n.OK("POST", "/_bulk", bulk.String()); bytes.Contains(answer, []byte(`"error"`)) {
		t.Errorf("rejected: %.2000s", answer)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("%d payloads of %d bytes took %v", 2*len(payloads), size, took)
	}
	failed := n.OK("GET", "/mqtt-*/_search?q=tags:_ingestfailure&_source=error,tags", "")
	if !bytes.Contains(failed, []byte(`"hits":[]`)) {
		t.Errorf("failures of the pipeline: %.2000s", failed)
	}
}

// jruby is the interpreter that Logstash 8 has.
const jruby = "org.jruby:jruby-complete:9.4.9.0"

// Expressions of the Logstash pipeline mean in Ruby what they mean here: each is
// held against each line and payload. This is no test of Logstash, which is not to
// be had from the registries that this project's machines reach.
func TestExpressionsMeanTheSameInRuby(t *testing.T) {
	dir := rubyFolder(t)
	var expressions []string
	for _, m := range regexp.MustCompile(`[=!]~ /((?:[^/\\\n]|\\.)*)/`).FindAllStringSubmatch(fileText(t, "logstash/00-mqtt.conf"), -1) {
		expressions = append(expressions, m[1])
	}
	if len(expressions) < 20 {
		t.Fatalf("only %d expressions found", len(expressions))
	}
	var texts []string
	for i := range lineCases {
		c := &lineCases[i]
		texts = append(texts, strings.ToValidUTF8(c.line, "\ufffd"))
		want := c.wanted(t, readAt, "", 0)
		for _, name := range []string{"value_text", "topic"} {
			if text, ok := want[name].(string); ok {
				texts = append(texts, text, strings.TrimSpace(text))
			}
		}
	}
	texts = append(texts, "21.4", "-3.4", "+5", ".5", "5.", ".", "", "1e5", "1e555", "21.4\n", "\n21.4", "٣")
	input, err := json.Marshal(map[string]any{"expressions": expressions, "texts": texts})
	if err != nil {
		t.Fatal(err)
	}
	const script = `require "json"
input = JSON.parse(STDIN.read)
puts JSON.generate(input["expressions"].map { |e| r = Regexp.new(e); input["texts"].map { |t| r.match?(t) } })`
	run := exec.Command("java", "-jar", filepath.Join(dir, "jruby-complete-9.4.9.0.jar"), "-e", script)
	run.Stdin = bytes.NewReader(input)
	run.Stderr = os.Stderr
	out, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	var verdicts [][]bool
	decode(t, string(out), &verdicts)
	for i, e := range expressions {
		here := regexp.MustCompile(strings.ReplaceAll(e, `\/`, `/`))
		for j, text := range texts {
			if here.MatchString(text) != verdicts[i][j] {
				t.Errorf("%s: in Ruby %v for %q", e, verdicts[i][j], text)
			}
		}
	}
}

// rubyFolder is where the interpreter is, from Maven Central.
func rubyFolder(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "sluice-esnode", "jruby")
	if _, err := os.Stat(filepath.Join(dir, "jruby-complete-9.4.9.0.jar")); err == nil {
		return dir
	}
	out, err := exec.Command("mvn", "-q", "-B", "dependency:copy", "-Dartifact="+jruby, "-DoutputDirectory="+dir).CombinedOutput()
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("SKIPPED: no JRuby from Maven: %v\n%s", err, out)
	}
	if err != nil {
		t.Fatalf("JRuby from Maven: %v\n%s", err, out)
	}
	return dir
}
