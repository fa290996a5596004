package elastic

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/internal/esnode"
)

func template(n *esnode.Node, name, mapping string) {
	n.OK("PUT", "/_index_template/"+name, fmt.Sprintf(`{"index_patterns":["%s*"],"template":{"settings":{"number_of_replicas":0},"mappings":{"properties":{%s}}}}`, name, mapping))
}

// A document that does not fit goes aside, the others are stored; once the mapping
// is mended, reship brings it.
func TestMappingConflict(t *testing.T) {
	n := esnode.Start(t, esnode.Options{})
	template(n, "conflict", `"value":{"type":"float"}`)
	g := newGateway(t, fmt.Sprintf("output.elasticsearch: {hosts: [%q], index: conflict}\n", n.URL)+numbered)
	for i := range 100 {
		g.write("a.log", fmt.Sprintf(`{"value":%d}`, i))
	}
	g.write("a.log", `{"value":"warm"}`, `{"value":100}`)
	g.start()
	g.says("set aside in the dead-letter file")
	wait(t, time.Minute, "the others", func() bool { return count(n, "conflict") == 101 })
	g.kill(syscall.SIGTERM)

	if out, err := g.command("reship", "--list"); err != nil || !strings.Contains(out, `"warm`) && !strings.Contains(out, "warm") || !strings.Contains(out, "failed to parse") {
		t.Errorf("reship --list: %v\n%s", err, out)
	}
	if out, err := g.command("reship"); err == nil || !strings.Contains(out, "0 sent, 1 refused again") {
		t.Errorf("without a mend: %v\n%s", err, out)
	}
	n.OK("DELETE", "/conflict", "")
	template(n, "conflict", `"value":{"type":"keyword"}`)
	if out, err := g.command("reship"); err != nil || !strings.Contains(out, "1 sent, 0 refused again") {
		t.Errorf("after the mend: %v\n%s", err, out)
	}
	if out, err := g.command("reship"); err != nil || !strings.Contains(out, "0 sent, 0 refused again") {
		t.Errorf("once more: %v\n%s", err, out)
	}
	if c := count(n, "conflict"); c != 1 {
		t.Errorf("%d documents after the reship", c)
	}
}

// An index that is read-only, by hand or since the node's disk is full, holds up
// the documents; none is lost.
func TestReadOnlyIndexAndFullDisk(t *testing.T) {
	n := esnode.Start(t, esnode.Options{Kind: esnode.Elasticsearch7})
	template(n, "ro", `"value":{"type":"float"}`)
	g := newGateway(t, fmt.Sprintf("output.elasticsearch: {hosts: [%q], index: ro, backoff: {init: 100ms, max: 1s}}\n", n.URL))
	g.write("a.log", "first")
	g.start()
	wait(t, time.Minute, "the first line", func() bool { return count(n, "ro") == 1 })

	n.OK("PUT", "/ro/_settings", `{"index.blocks.write":true}`)
	g.write("a.log", "second")
	g.says("documents wait: 403 cluster_block_exception")
	n.OK("PUT", "/ro/_settings", `{"index.blocks.write":null}`)
	wait(t, time.Minute, "the second line", func() bool { return count(n, "ro") == 2 })
	g.says("Documents are stored again that waited")

	n.FillDisk("ro")
	g.write("a.log", "third")
	g.says("free space there")
	n.FreeDisk("ro")
	wait(t, time.Minute, "the third line", func() bool { return count(n, "ro") == 3 })
}

// A node that has no time says 429 for items; they are stored in the end.
func TestFullQueueOfTheNode(t *testing.T) {
	n := esnode.Start(t, esnode.Options{Settings: map[string]string{"thread_pool.write.size": "1", "thread_pool.write.queue_size": "1"}})
	n.OK("PUT", "/_index_template/queue", `{"index_patterns":["queue*"],"template":{"settings":{"number_of_replicas":0,"number_of_shards":4}}}`)
	g := newGateway(t, fmt.Sprintf("output.elasticsearch: {hosts: [%q], index: queue, worker: 8, bulk_max_size: 200, backoff: {init: 50ms, max: 500ms}}\n", n.URL))
	const total = 20000
	for f := range 8 {
		lines := make([]string, 0, total/8)
		for i := range total / 8 {
			lines = append(lines, fmt.Sprintf("%d-%d %s", f, i, strings.Repeat("word ", 20)))
		}
		g.write(fmt.Sprint(f, ".log"), lines...)
	}
	g.start()
	wait(t, 2*time.Minute, "all lines", func() bool { return count(n, "queue") >= total })
	g.kill(syscall.SIGTERM)
	if c := count(n, "queue"); c != total {
		t.Errorf("%d documents of %d", c, total)
	}
	var rejected int64
	for _, pool := range strings.Split(string(n.OK("GET", "/_cat/thread_pool/write?h=rejected", "")), "\n") {
		var r int64
		_, _ = fmt.Sscan(pool, &r)
		rejected += r
	}
	t.Logf("%d requests were rejected", rejected)
	if rejected == 0 {
		t.Error("the node rejected nothing, so nothing was tested")
	}
}

// An API key that expires: one clear line, and the documents wait. The node has no
// keys, so a proxy before it asks for one.
func TestExpiredAPIKey(t *testing.T) {
	n := esnode.Start(t, esnode.Options{})
	target, err := url.Parse(n.URL)
	if err != nil {
		t.Fatal(err)
	}
	var expired atomic.Bool
	pass := httputil.NewSingleHostReverseProxy(target)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if expired.Load() || r.Header.Get("Authorization") != "ApiKey aWQ6a2V5" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"root_cause":[{"type":"security_exception","reason":"api key is expired"}],"type":"security_exception","reason":"api key is expired"},"status":401}`)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	defer door.Close()
	g := newGateway(t, fmt.Sprintf("output.elasticsearch: {hosts: [%q], index: keys, api_key: 'id:key', backoff: {init: 100ms, max: 1s}}\n", door.URL))
	g.write("a.log", "first")
	g.start()
	wait(t, time.Minute, "the first line", func() bool { return count(n, "keys") == 1 })
	expired.Store(true)
	g.write("a.log", "second")
	g.says("api key is expired; the API key, or user and password, are wrong, expired or withdrawn")
	expired.Store(false)
	wait(t, time.Minute, "the second line", func() bool { return count(n, "keys") == 2 })
	g.says("documents are acknowledged")
}

// TLS and a user that may do nothing but write.
func TestSecureNode(t *testing.T) {
	n := esnode.Start(t, esnode.Options{Secure: true})
	n.OK("PUT", "/_plugins/_security/api/roles/writer", `{"cluster_permissions":["indices:data/write/bulk"],"index_permissions":[{"index_patterns":["secure*"],"allowed_actions":["create_index","indices:data/write/bulk*","indices:data/write/index","indices:admin/mapping/put"]}]}`)
	n.OK("PUT", "/_plugins/_security/api/internalusers/gateway", `{"password":"Sluice-2026-long-enough","opendistro_security_roles":["writer"]}`)
	conf := func(password string) string {
		return fmt.Sprintf("output.elasticsearch: {hosts: [%q], index: secure, username: gateway, password: %s, ssl.certificate_authorities: [%q], backoff: {init: 100ms, max: 1s}}\n", n.URL, password, n.CA)
	}
	wrong := newGateway(t, conf("wrong"))
	wrong.write("a.log", "never")
	wrong.start()
	wrong.says("401 Unauthorized")
	wrong.kill(syscall.SIGTERM)

	g := newGateway(t, conf("Sluice-2026-long-enough"))
	if out, err := g.command("test", "output"); err != nil || !strings.Contains(out, "handshake... OK") {
		t.Errorf("test output: %v\n%s", err, out)
	}
	g.write("a.log", "one", "two")
	g.start()
	wait(t, time.Minute, "two documents", func() bool { return count(n, "secure") == 2 })
}
