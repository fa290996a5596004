package esnode

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

const template = `{"index_patterns":["mqtt-*"],"template":{
	"settings":{"number_of_shards":1,"number_of_replicas":0},
	"mappings":{"properties":{
		"@timestamp":{"type":"date"},"topic":{"type":"keyword"},"value":{"type":"float"},
		"Value":{"type":"alias","path":"value"}}}}}`

// bulk sends lines to _bulk and returns each item's status.
func bulk(t *testing.T, n *Node, path string, lines ...string) (statuses []int, answer string) {
	t.Helper()
	data := n.OK("POST", path, strings.Join(lines, "\n")+"\n")
	var result struct {
		Items []map[string]struct{ Status int }
	}
	if err := json.Unmarshal(data, &result); err != nil {
		t.Fatal(err)
	}
	for _, item := range result.Items {
		for _, one := range item {
			statuses = append(statuses, one.Status)
		}
	}
	return statuses, string(data)
}

func wantStatuses(t *testing.T, got []int, answer string, want ...int) {
	t.Helper()
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("statuses %v, want %v: %s", got, want, answer)
		}
	}
}

// What output.elasticsearch relies on, of each kind of node.
func TestBulk(t *testing.T) {
	for _, kind := range Kinds {
		t.Run(kind.String(), func(t *testing.T) {
			n := Start(t, Options{Kind: kind})
			t.Logf("%s %s: up after %v", kind, kind.Version(), n.Took)
			if root := string(n.OK("GET", "/", "")); !strings.Contains(root, `"number" : "`+kind.Version()+`"`) {
				t.Errorf("GET /: %s", root)
			}
			n.OK("PUT", "/_index_template/mqtt", template)
			create := []string{`{"create":{"_id":"1"}}`, `{"@timestamp":"2026-01-02T03:04:05Z","topic":"a/b","value":21.5}`}
			statuses, answer := bulk(t, n, "/mqtt-a/_bulk", create...)
			wantStatuses(t, statuses, answer, http.StatusCreated)
			conflict := append(create, `{"create":{"_id":"2"}}`, `{"value":"warm"}`, `{"create":{"_id":"3"}}`, `{"value":3}`)
			statuses, answer = bulk(t, n, "/mqtt-a/_bulk", conflict...)
			wantStatuses(t, statuses, answer, http.StatusConflict, http.StatusBadRequest, http.StatusCreated)
			if !strings.Contains(answer, "version_conflict_engine_exception") || !strings.Contains(answer, "pars") {
				t.Errorf("the reasons are missing: %s", answer)
			}

			n.Kill()
			if _, _, err := n.Request("GET", "/", ""); err == nil {
				t.Error("a killed node answers")
			}
			n.Restart()
			t.Logf("%s: up again after kill -9 in %v", kind, n.Took)
			if got := n.Count("mqtt-*"); got != 2 {
				t.Errorf("%d documents after kill -9, want 2", got)
			}
			statuses, answer = bulk(t, n, "/mqtt-a/_bulk", create...)
			wantStatuses(t, statuses, answer, http.StatusConflict)

			n.OK("PUT", "/mqtt-a/_settings", `{"index.blocks.write":true}`)
			statuses, answer = bulk(t, n, "/mqtt-a/_bulk", `{"create":{"_id":"4"}}`, `{"value":4}`)
			wantStatuses(t, statuses, answer, http.StatusForbidden)
			n.OK("PUT", "/mqtt-a/_settings", `{"index.blocks.write":null}`)
			statuses, answer = bulk(t, n, "/mqtt-a/_bulk", `{"create":{"_id":"4"}}`, `{"value":4}`)
			wantStatuses(t, statuses, answer, http.StatusCreated)
			if kind != Elasticsearch8 {
				checkPipeline(t, n)
			}
			if kind != Elasticsearch7 {
				checkDataStream(t, n)
			}
			checkSnapshot(t, n)
		})
	}
}

// checkPipeline runs the processors that a pipeline for recorded lines needs.
func checkPipeline(t *testing.T, n *Node) {
	t.Helper()
	n.OK("PUT", "/_ingest/pipeline/lines", `{"processors":[
		{"json":{"field":"message","target_field":"line"}},
		{"csv":{"field":"row","target_fields":["time","topic","value"]}},
		{"dissect":{"field":"access","pattern":"%{ip} %{topic2} %{payload}"}},
		{"grok":{"field":"access","patterns":["%{IP:address} %{NOTSPACE} %{NUMBER:number}"]}},
		{"date":{"field":"time","formats":["ISO8601"]}},
		{"convert":{"field":"value","type":"float"}},
		{"rename":{"field":"topic","target_field":"renamed"}},
		{"set":{"field":"both","value":"{{ip}} {{renamed}}"}},
		{"remove":{"field":"message"}},
		{"script":{"source":"ctx.twice = ctx.value * 2"}}]}`)
	answer := n.OK("POST", "/_ingest/pipeline/lines/_simulate", `{"docs":[{"_source":{
		"message":"{\"a\":1}","row":"2026-01-02T03:04:05Z,a/b,21.5","access":"10.0.0.1 a/b 3"}}]}`)
	var result struct {
		Docs []struct {
			Doc struct {
				Source map[string]any `json:"_source"`
			}
		}
	}
	if err := json.Unmarshal(answer, &result); err != nil || len(result.Docs) != 1 {
		t.Fatalf("%v: %s", err, answer)
	}
	source := result.Docs[0].Doc.Source
	for field, want := range map[string]any{
		"ip": "10.0.0.1", "address": "10.0.0.1", "number": "3", "value": 21.5, "twice": 43.0, "message": nil,
		"renamed": "a/b", "both": "10.0.0.1 a/b", "@timestamp": "2026-01-02T03:04:05.000Z",
	} {
		if source[field] != want {
			t.Errorf("pipeline: %s is %v, want %v: %s", field, source[field], want, answer)
		}
	}
}

func checkDataStream(t *testing.T, n *Node) {
	t.Helper()
	n.OK("PUT", "/_index_template/stream", `{"index_patterns":["stream-*"],"data_stream":{},
		"template":{"settings":{"number_of_replicas":0}}}`)
	lines := []string{`{"create":{"_id":"1"}}`, `{"@timestamp":"2026-01-02T03:04:05Z","value":1}`}
	statuses, answer := bulk(t, n, "/stream-a/_bulk", lines...)
	wantStatuses(t, statuses, answer, http.StatusCreated)
	statuses, answer = bulk(t, n, "/stream-a/_bulk", lines...)
	wantStatuses(t, statuses, answer, http.StatusConflict)
	if got := n.Count("stream-a"); got != 1 {
		t.Errorf("%d documents in the data stream, want 1: %s", got, answer)
	}
	if n.o.Kind == OpenSearch {
		n.OK("GET", "/_data_stream/stream-a", "")
	}
}

func checkSnapshot(t *testing.T, n *Node) {
	t.Helper()
	n.OK("PUT", "/_snapshot/backup", `{"type":"fs","settings":{"location":"backup"}}`)
	if answer := string(n.OK("PUT", "/_snapshot/backup/one?wait_for_completion=true", "")); !strings.Contains(answer, `"state":"SUCCESS"`) {
		t.Errorf("snapshot: %s", answer)
	}
}

// A node that notices that its disk is full refuses each document, and takes
// them again by itself once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	n := Start(t, Options{})
	n.OK("PUT", "/_index_template/mqtt", template)
	bulk(t, n, "/mqtt-a/_bulk", `{"create":{"_id":"1"}}`, `{"value":1}`)
	begin := time.Now()
	n.FillDisk("mqtt-a")
	t.Logf("blocked after %v", time.Since(begin).Round(time.Millisecond))
	statuses, answer := bulk(t, n, "/mqtt-a/_bulk", `{"create":{"_id":"2"}}`, `{"value":2}`)
	wantStatuses(t, statuses, answer, http.StatusTooManyRequests)
	begin = time.Now()
	n.FreeDisk("mqtt-a")
	t.Logf("free after %v", time.Since(begin).Round(time.Millisecond))
	statuses, answer = bulk(t, n, "/mqtt-a/_bulk", `{"create":{"_id":"2"}}`, `{"value":2}`)
	wantStatuses(t, statuses, answer, http.StatusCreated)
}

// A user of least privilege can write to its indices, and to no others.
func TestSecure(t *testing.T) {
	t.Parallel()
	n := Start(t, Options{Secure: true})
	t.Logf("with security: up after %v", n.Took)
	n.OK("PUT", "/_plugins/_security/api/roles/writer", `{"cluster_permissions":["cluster_composite_ops"],
		"index_permissions":[{"index_patterns":["mqtt-*"],"allowed_actions":["create_index","write"]}]}`)
	n.OK("PUT", "/_plugins/_security/api/internalusers/gateway", `{"password":"k7-Vq2-zL9-tree-lamp","opendistro_security_roles":["writer"]}`)
	user, password := n.User, n.Password
	n.User, n.Password = "gateway", "k7-Vq2-zL9-tree-lamp"
	statuses, answer := bulk(t, n, "/_bulk", `{"create":{"_index":"mqtt-a","_id":"1"}}`, `{"value":1}`, `{"create":{"_index":"other","_id":"1"}}`, `{"value":1}`)
	wantStatuses(t, statuses, answer, http.StatusCreated, http.StatusForbidden)
	if status, answer := n.Do("DELETE", "/mqtt-a", ""); status != http.StatusForbidden {
		t.Errorf("the writer may delete an index: %d: %s", status, answer)
	}
	n.Password = "wrong"
	if status, answer := n.Do("GET", "/", ""); status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d: %s", status, answer)
	}
	n.User, n.Password = user, password
	for deadline := time.Now().Add(20 * time.Second); n.Count("security-auditlog-*") == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the wrong password is not in the audit log")
		}
	}
	n.Kill()
	n.Restart()
	if got := n.Count("mqtt-a"); got != 1 {
		t.Errorf("%d documents after kill -9, want 1", got)
	}
}
