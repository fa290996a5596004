package elastic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/esnode"
)

// setupServer runs "setup server" for a node.
func setupServer(t *testing.T, n *esnode.Node, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"setup", "server", "--apply", n.URL}, args...)
	if n.User != "" {
		file := filepath.Join(n.Dir, "admin.password")
		if err := os.WriteFile(file, []byte(n.Password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--ca", n.CA, "--user", n.User, "--password-file", file)
	}
	out, err := exec.Command(binary, args...).CombinedOutput()
	if strings.Contains(string(out), esnodePassword(n)) {
		t.Errorf("the password was printed:\n%s", out)
	}
	return string(out), err
}

func esnodePassword(n *esnode.Node) string {
	if n.Password == "" {
		return "\x00"
	}
	return n.Password
}

func mustSetupServer(t *testing.T, n *esnode.Node, args ...string) string {
	t.Helper()
	out, err := setupServer(t, n, args...)
	if err != nil {
		t.Fatalf("setup server: %v\n%s", err, out)
	}
	return out
}

// verbs counts the lines by their first word.
func verbs(out string) map[string]int {
	count := make(map[string]int)
	for line := range strings.Lines(out) {
		verb, _, _ := strings.Cut(line, " ")
		count[verb]++
	}
	return count
}

// TestSetupServerLoads: what each kind of node knows is put there, the rest is told
// with its reason, and a second run changes nothing.
func TestSetupServerLoads(t *testing.T) {
	tests := map[string]struct {
		options esnode.Options
		skips   []string
	}{
		"OpenSearch with security": {esnode.Options{Secure: true}, []string{"lifecycle mqtt:", "snapshot policy mqtt-daily:"}},
		"OpenSearch":               {esnode.Options{}, []string{"lifecycle mqtt:", "role mqtt-writer:", "user mqtt-reader:", "snapshot policy mqtt-daily:", "audit log:"}},
		"Elasticsearch 7":          {esnode.Options{Kind: esnode.Elasticsearch7}, []string{"lifecycle mqtt:", "index template mqtt-stream:", "role mqtt-writer:", "snapshot policy mqtt-daily:", "monitoring of itself:"}},
		"Elasticsearch 8":          {esnode.Options{Kind: esnode.Elasticsearch8}, []string{"lifecycle mqtt:", "ingest pipeline mqtt:", "role mqtt-writer:", "snapshot policy mqtt-daily:"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n := esnode.Start(t, test.options)
			args := []string{"--data-stream", "--audit", "--monitoring", "--secrets", filepath.Join(n.Dir, "secrets"), "--site", "north",
				"--snapshots", filepath.Join(n.Dir, "repo"), "--keep", "30d", "--replicas", "1"}
			dry := mustSetupServer(t, n, append(args, "--dry-run")...)
			if status, _ := n.Do("GET", "/_component_template/mqtt-settings", ""); status != http.StatusNotFound {
				t.Errorf("a dry run has put something there")
			}
			first := mustSetupServer(t, n, args...)
			t.Logf("\n%s", first)
			for _, skip := range test.skips {
				if !strings.Contains(first, "skip   "+skip) {
					t.Errorf("%s is not told as passed over", skip)
				}
			}
			if verbs(dry)["would"] < verbs(first)["put"] {
				t.Errorf("a dry run told of less:\n%s", dry)
			}
			second := mustSetupServer(t, n, args...)
			if v := verbs(second); v["put"]+v["write"]+v["make"] != 0 || v["same"] < verbs(first)["put"] {
				t.Errorf("the second run:\n%s", second)
			}
			loaded(t, n)
			changed := mustSetupServer(t, n, append(args, "--replicas", "0")...)
			if verbs(changed)["put"] != 1 || !strings.Contains(changed, "put    component template mqtt-settings") {
				t.Errorf("another number of replicas:\n%s", changed)
			}
		})
	}
}

// loaded looks at an index that the template made.
func loaded(t *testing.T, n *esnode.Node) {
	t.Helper()
	n.OK("PUT", "/mqtt-2026.11.25/_create/1?refresh=true", `{"@timestamp":"2026-11-25T10:00:00Z","topic":"a/b","value":"12.5"}`)
	var settings map[string]struct {
		Settings map[string]string `json:"settings"`
	}
	if err := json.Unmarshal(n.OK("GET", "/mqtt-2026.11.25/_settings?flat_settings=true", ""), &settings); err != nil {
		t.Fatal(err)
	}
	if s := settings["mqtt-2026.11.25"].Settings; s["index.number_of_replicas"] != "1" || s["index.codec"] != "best_compression" {
		t.Errorf("settings of a new index: %v", s)
	}
	var found struct {
		Hits struct{ Total struct{ Value int } }
	}
	query := `{"query":{"bool":{"filter":[{"range":{"Value":{"gt":12}}},{"term":{"Topic.keyword":"a/b"}}]}}}`
	if err := json.Unmarshal(n.OK("POST", "/mqtt-*/_search", query), &found); err != nil || found.Hits.Total.Value != 1 {
		t.Errorf("the original's names find %d documents: %v", found.Hits.Total.Value, err)
	}
}

// as sends a request as another user.
func as(n *esnode.Node, user, password, method, path, body string) (int, string) {
	other := *n
	other.User, other.Password = user, password
	status, answer, err := other.Request(method, path, body)
	if err != nil {
		return 0, err.Error()
	}
	return status, string(answer)
}

func password(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: mode %v, %v", file, info.Mode(), err)
	}
	return strings.TrimSpace(string(content))
}

// TestSetupServerRights: a gateway can create documents, by the tailer, and nothing
// else; readers read, a site's reader that site only; the administrator of readings
// has no right over users.
func TestSetupServerRights(t *testing.T) {
	n := esnode.Start(t, esnode.Options{Secure: true})
	secrets := filepath.Join(n.Dir, "secrets")
	mustSetupServer(t, n, "--secrets", secrets, "--site", "north", "--audit")
	keys := t.TempDir()
	key := filepath.Join(keys, "gateway1.api_key")
	out := mustSetupServer(t, n, "--gateway", "gateway1", "--key-file", key)
	gatewayPassword := password(t, key)
	if strings.Contains(out, gatewayPassword) {
		t.Errorf("the password was printed:\n%s", out)
	}
	if again := mustSetupServer(t, n, "--gateway", "gateway1", "--key-file", key); verbs(again)["put"] != 0 {
		t.Errorf("a second run:\n%s", again)
	}

	g := newGateway(t, fmt.Sprintf(`
processors:
  - add_fields: {target: "", fields: {site: north, new_field: text}}
output.elasticsearch:
  hosts: [%q]
  username: gateway1
  password: %s
  index: mqtt
  pipeline: mqtt
  ssl.certificate_authorities: [%q]
`, n.URL, gatewayPassword, n.CA))
	if out, err := g.command("test", "output"); err != nil {
		t.Errorf("test output: %v\n%s", err, out)
	}
	for i := range 100 {
		g.write("a.log", fmt.Sprintf(`{"time":"2026-11-25T10:00:%02dZ","topic":"a/b%d","payload":"%d"}`, i%60, i%3, i))
	}
	g.start()
	wait(t, time.Minute, "100 documents", func() bool { return count(n, "mqtt-2026.11.25") == 100 })
	g.kill(syscall.SIGTERM)
	n.OK("PUT", "/mqtt-2026.11.25/_create/south?refresh=true", `{"@timestamp":"2026-11-25T10:00:00Z","site":"south"}`)
	n.OK("PUT", "/other/_create/1?refresh=true", `{"x":1}`)

	forbidden := []struct{ method, path, body string }{
		{"GET", "/mqtt-2026.11.25/_search", ""},
		{"GET", "/mqtt-2026.11.25/_doc/south", ""},
		{"POST", "/mqtt-*/_delete_by_query", `{"query":{"match_all":{}}}`},
		{"DELETE", "/mqtt-2026.11.25/_doc/south", ""},
		{"POST", "/mqtt-2026.11.25/_update/south", `{"doc":{"x":1}}`},
		{"DELETE", "/mqtt-2026.11.25", ""},
		{"PUT", "/mqtt-2026.11.25/_settings", `{"index.number_of_replicas":0}`},
		{"PUT", "/other/_create/2", `{"x":1}`},
		{"PUT", "/another/_create/2", `{"x":1}`},
		{"GET", "/_cat/indices", ""},
		{"GET", "/_cluster/settings", ""},
		{"PUT", "/_ingest/pipeline/mqtt", `{"processors":[]}`},
		{"PUT", "/_index_template/mqtt", `{"index_patterns":["mqtt-*"]}`},
		{"GET", "/_snapshot/_all", ""},
		{"GET", "/_plugins/_security/api/internalusers", ""},
	}
	for _, f := range forbidden {
		if status, answer := as(n, "gateway1", gatewayPassword, f.method, f.path, f.body); status != http.StatusForbidden {
			t.Errorf("the gateway: %s %s: %d %s", f.method, f.path, status, answer)
		}
	}
	reader := password(t, filepath.Join(secrets, "mqtt-reader.password"))
	for _, f := range forbidden[2:] {
		if status, answer := as(n, "mqtt-reader", reader, f.method, f.path, f.body); status != http.StatusForbidden {
			t.Errorf("the reader: %s %s: %d %s", f.method, f.path, status, answer)
		}
	}
	north := password(t, filepath.Join(secrets, "mqtt-reader-north.password"))
	for user, want := range map[string]string{"mqtt-reader": `"count":101`, "mqtt-reader-north": `"count":100`} {
		pass := reader
		if user != "mqtt-reader" {
			pass = north
		}
		if status, answer := as(n, user, pass, "GET", "/mqtt-*/_count", ""); status != http.StatusOK || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", user, status, answer)
		}
		if status, answer := as(n, user, pass, "GET", "/other/_search", ""); status != http.StatusForbidden {
			t.Errorf("%s may read another index: %d %s", user, status, answer)
		}
	}
	admin := password(t, filepath.Join(secrets, "mqtt-admin.password"))
	if status, answer := as(n, "mqtt-admin", admin, "GET", "/_plugins/_security/api/internalusers", ""); status != http.StatusForbidden {
		t.Errorf("the administrator of readings may look at users: %d %s", status, answer)
	}
	if status, answer := as(n, "mqtt-admin", admin, "GET", "/_cat/indices/mqtt-*", ""); status != http.StatusOK {
		t.Errorf("the administrator of readings: %d %s", status, answer)
	}
	logstash := password(t, filepath.Join(secrets, "mqtt-logstash.password"))
	if status, answer := as(n, "mqtt-logstash", logstash, "GET", "/", ""); status != http.StatusOK {
		t.Errorf("Logstash asks for the version: %d %s", status, answer)
	}
	if status, answer := as(n, "mqtt-logstash", logstash, "GET", "/mqtt-*/_search", ""); status != http.StatusForbidden {
		t.Errorf("Logstash may read: %d %s", status, answer)
	}
	// What the README says of OpenSearch: an id that is known can be written again.
	if status, answer := as(n, "gateway1", gatewayPassword, "PUT", "/mqtt-2026.11.25/_doc/south", `{"@timestamp":"2026-11-25T10:00:00Z"}`); status != http.StatusOK {
		t.Errorf("OpenSearch has a right to create only now: change the role and README.md: %d %s", status, answer)
	}
	t.Run("passwords", func(t *testing.T) { passwords(t, n, secrets, key, gatewayPassword) })
	t.Run("audit", func(t *testing.T) { audited(t, n) })
}

// passwords: another password in the file becomes the user's; --new-key withdraws
// the old one.
func passwords(t *testing.T, n *esnode.Node, secrets, key, old string) {
	file := filepath.Join(secrets, "mqtt-reader.password")
	const other = "Another-passw0rd-for-test"
	if err := os.WriteFile(file, []byte(other+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := mustSetupServer(t, n, "--secrets", secrets); !strings.Contains(out, "put    user mqtt-reader") || strings.Contains(out, other) {
		t.Errorf("another password:\n%s", out)
	}
	if status, _ := as(n, "mqtt-reader", other, "GET", "/mqtt-*/_count", ""); status != http.StatusOK {
		t.Errorf("the new password: %d", status)
	}
	mustSetupServer(t, n, "--gateway", "gateway1", "--key-file", key, "--new-key")
	if status, _ := as(n, "gateway1", old, "GET", "/", ""); status != http.StatusUnauthorized {
		t.Errorf("the gateway's old password: %d", status)
	}
	if status, _ := as(n, "gateway1", password(t, key), "GET", "/", ""); status != http.StatusForbidden {
		t.Errorf("the gateway's new password: %d", status)
	}
	if err := os.WriteFile(key, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := setupServer(t, n, "--gateway", "gateway1", "--key-file", key); err == nil || !strings.Contains(out, "--new-key") {
		t.Errorf("a wrong password in the file: %v\n%s", err, out)
	}
	store := filepath.Join(t.TempDir(), "keystore")
	mustSetupServer(t, n, "--gateway", "gateway2", "--keystore", store)
	if info, err := os.Stat(store); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("keystore: %v", err)
	}
	if out := mustSetupServer(t, n, "--gateway", "gateway2", "--keystore", store); verbs(out)["same"] < 2 {
		t.Errorf("a second run with the keystore:\n%s", out)
	}
}

// audited: what was refused is in the audit log.
func audited(t *testing.T, n *esnode.Node) {
	wait(t, time.Minute, "an entry about the gateway's attempt", func() bool {
		_, answer, err := n.Request("POST", "/security-auditlog-*/_search?ignore_unavailable=true", `{"query":{"bool":{"filter":[
			{"match_phrase":{"audit_category":"MISSING_PRIVILEGES"}},{"match_phrase":{"audit_request_effective_user":"gateway1"}}]}}}`)
		return err == nil && strings.Contains(string(answer), `"audit_request_effective_user":"gateway1"`)
	})
	_, answer, err := n.Request("POST", "/security-auditlog-*/_search?size=1000", `{"query":{"exists":{"field":"audit_request_body"}}}`)
	if err != nil || regexp.MustCompile(`"password" ?:`).Match(answer) {
		t.Errorf("a password is in the audit log: %v", err)
	}
}
