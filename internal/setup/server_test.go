package setup

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/internal/keystore"
)

// xpack is no Elasticsearch: it answers, in the documented form, the requests that
// real nodes of the free parts can't (package esnode), keeps what was put, and fails
// the test at any other.
type xpack struct {
	t        *testing.T
	version  string
	license  string
	features map[string]bool
	kept     map[string]map[string]any
	keys     []map[string]any
	imported string
	refuse   string // the import's error
}

func newXpack(t *testing.T, version, license string) (*xpack, string) {
	x := &xpack{t: t, version: version, license: license, kept: make(map[string]map[string]any),
		features: map[string]bool{"ilm": true, "slm": true, "security": true, "monitoring": true}}
	web := httptest.NewServer(x)
	t.Cleanup(web.Close)
	return x, web.URL
}

func (x *xpack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		x.t.Error(err)
	}
	if r.URL.Path == "/api/saved_objects/_import" {
		x.kibana(w, r, string(content))
		return
	}
	if user != "elastic" {
		x.login(w, user, password)
		return
	}
	var body map[string]any
	if len(content) > 0 {
		if err := json.Unmarshal(content, &body); err != nil || r.Header.Get("Content-Type") != "application/json" {
			x.t.Errorf("%s %s: %v, %v", r.Method, r.URL, r.Header, err)
		}
	}
	switch path := r.URL.Path; {
	case path == "/":
		fmt.Fprintf(w, `{"version":{"number":%q},"tagline":"You Know, for Search"}`, x.version)
	case path == "/_xpack":
		x.write(w, x.about())
	case path == "/_security/api_key":
		x.apiKey(w, r, body)
	case path == "/_cluster/settings":
		x.settings(w, r, body)
	default:
		x.object(w, r, body)
	}
}

func (x *xpack) write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		x.t.Error(err)
	}
}

// login knows users with the passwords that were put.
func (x *xpack) login(w http.ResponseWriter, user, password string) {
	if known := x.kept["/_security/user/"+user]; known == nil || known["password"] != password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusForbidden)
}

func (x *xpack) about() any {
	features := make(map[string]any)
	for name, on := range x.features {
		features[name] = map[string]any{"available": true, "enabled": on}
	}
	return map[string]any{"license": map[string]any{"type": x.license, "status": "active"}, "features": features}
}

func (x *xpack) settings(w http.ResponseWriter, r *http.Request, body map[string]any) {
	if r.Method == http.MethodPut {
		persistent, _ := x.kept["/_cluster/settings"]["persistent"].(map[string]any)
		all := cloned(persistent)
		for name, value := range body["persistent"].(map[string]any) {
			if _, isBool := value.(bool); isBool {
				value = fmt.Sprint(value)
			}
			all[name] = value
		}
		x.kept["/_cluster/settings"] = map[string]any{"persistent": all}
	}
	x.write(w, x.kept["/_cluster/settings"])
}

// wrapped is where an answer has an object.
var wrapped = map[string]func(name string, body map[string]any) any{
	"/_component_template/": func(name string, body map[string]any) any {
		return map[string]any{"component_templates": []any{map[string]any{"name": name, "component_template": body}}}
	},
	"/_index_template/": func(name string, body map[string]any) any {
		return map[string]any{"index_templates": []any{map[string]any{"name": name, "index_template": body}}}
	},
	"/_slm/policy/": func(name string, body map[string]any) any {
		return map[string]any{name: map[string]any{"version": 1, "policy": body, "stats": map[string]any{}}}
	},
	"/_ilm/policy/": func(name string, body map[string]any) any {
		policy := normal(body).(map[string]any)
		put(policy, true, "policy", "phases", "delete", "actions", "delete", "delete_searchable_snapshot")
		policy["version"], policy["in_use_by"] = 1, map[string]any{}
		return map[string]any{name: policy}
	},
	"/_security/user/": func(name string, body map[string]any) any {
		user := cloned(body)
		delete(user, "password")
		user["enabled"] = true
		return map[string]any{name: user}
	},
	"/_security/role/":   named,
	"/_ingest/pipeline/": named,
	"/_snapshot/":        named,
	"/_template/":        named,
}

func named(name string, body map[string]any) any { return map[string]any{name: body} }

func (x *xpack) object(w http.ResponseWriter, r *http.Request, body map[string]any) {
	cut := strings.LastIndex(r.URL.Path, "/") + 1
	wrap, ok := wrapped[r.URL.Path[:cut]]
	if !ok || r.URL.RawQuery != "" {
		x.t.Errorf("%s %s is unknown", r.Method, r.URL)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch r.Method {
	case http.MethodGet:
		have, ok := x.kept[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "{}")
			return
		}
		x.write(w, wrap(r.URL.Path[cut:], have))
	case http.MethodPut:
		if old := x.kept[r.URL.Path]; old["password"] != nil && body["password"] == nil {
			body["password"] = old["password"]
		}
		x.kept[r.URL.Path] = body
		_, _ = io.WriteString(w, `{"acknowledged":true}`)
	default:
		x.t.Errorf("%s %s", r.Method, r.URL)
	}
}

func (x *xpack) apiKey(w http.ResponseWriter, r *http.Request, body map[string]any) {
	switch r.Method {
	case http.MethodGet:
		found := []any{}
		for _, key := range x.keys {
			if key["name"] == r.URL.Query().Get("name") {
				found = append(found, key)
			}
		}
		x.write(w, map[string]any{"api_keys": found})
	case http.MethodPost:
		id := fmt.Sprint("id", len(x.keys))
		x.keys = append(x.keys, map[string]any{"id": id, "name": body["name"], "invalidated": false, "body": body})
		x.write(w, map[string]any{"id": id, "name": body["name"], "api_key": "value-of-" + id, "encoded": "x"})
	case http.MethodDelete:
		ids, _ := body["ids"].([]any)
		if id, old := body["id"]; old {
			ids = []any{id}
		}
		for _, key := range x.keys {
			if slices.Contains(ids, key["id"]) {
				key["invalidated"] = true
			}
		}
		x.write(w, map[string]any{"invalidated_api_keys": ids, "error_count": 0})
	}
}

func (x *xpack) kibana(w http.ResponseWriter, r *http.Request, form string) {
	if r.Method != http.MethodPost || r.Header.Get("kbn-xsrf") == "" || r.URL.RawQuery != "overwrite=true" || !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data; boundary=") {
		x.t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	x.imported = form
	if x.refuse != "" {
		fmt.Fprintf(w, `{"success":false,"successCount":0,"errors":[{"id":"a","type":"dashboard","error":{"type":%q}}]}`, x.refuse)
		return
	}
	_, _ = io.WriteString(w, `{"success":true,"successCount":12}`)
}

func testServer(t *testing.T, url string) *Server {
	return &Server{URL: url, Auth: BasicAuth("elastic", "secret"), KeepDays: 20, Secrets: filepath.Join(t.TempDir(), "secrets"), Snapshots: "/backup"}
}

func applyServer(t *testing.T, o *Server) (string, error) {
	t.Helper()
	var out strings.Builder
	err := o.Apply(t.Context(), &Session{Out: &out})
	return out.String(), err
}

func mustApply(t *testing.T, o *Server) string {
	t.Helper()
	out, err := applyServer(t, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// TestServerWithXpack: what goes to ILM, SLM, users and monitoring, by versions.
func TestServerWithXpack(t *testing.T) {
	for _, version := range []string{"7.6.1", "7.17.29", "8.19.20", "9.5.2"} {
		t.Run(version, func(t *testing.T) {
			x, url := newXpack(t, version, "basic")
			o := testServer(t, url)
			o.DataStream, o.Monitoring, o.Audit, o.Sites, o.Kibana = true, true, true, []string{"north"}, url
			first := mustApply(t, o)
			x.want("/_ilm/policy/mqtt", "20d", "policy", "phases", "delete", "min_age")
			template := "/_index_template/mqtt"
			lifecycle := []string{"template", "settings", "index.lifecycle.name"}
			auto := "auto_configure"
			if version == "7.6.1" {
				template, lifecycle, auto = "/_template/mqtt", lifecycle[1:], "create_index"
			} else {
				x.want("/_ilm/policy/mqtt-stream", "20d", "policy", "phases", "hot", "actions", "rollover", "max_age")
				x.want("/_index_template/mqtt-stream", "mqtt-stream", lifecycle...)
			}
			x.want(template, "mqtt", lifecycle...)
			x.want("/_security/role/mqtt-writer", auto, "indices", "0", "privileges", "1")
			x.want("/_slm/policy/mqtt-daily", "mqtt-backup", "repository")
			x.want("/_snapshot/mqtt-backup", "/backup", "settings", "location")
			x.want("/_security/user/mqtt-reader", "mqtt-reader", "roles", "0")
			x.want("/_cluster/settings", "true", "persistent", "xpack.monitoring.collection.enabled")
			if !strings.Contains(first, "skip   role mqtt-reader-north: a filter in a role needs the licence Platinum") || !strings.Contains(x.imported, `"sluice-readings"`) {
				t.Errorf("the first run:\n%s", first)
			}
			second := mustApply(t, o)
			if strings.Count(second, "\nput ") != 1 || !strings.Contains(second, "put    dashboard") {
				t.Errorf("the second run:\n%s", second)
			}
			for _, user := range []string{"mqtt-reader", "mqtt-admin", "mqtt-logstash"} {
				if password, _ := x.kept["/_security/user/"+user]["password"].(string); password == "" || strings.Contains(first+second, password) {
					t.Errorf("the password of %s is missing or printed", user)
				}
			}
		})
	}
}

func (x *xpack) want(path, want string, in ...string) {
	x.t.Helper()
	if got, _ := at(any(x.kept[path]), in); got != want {
		x.t.Errorf("%s: %v is %v, not %s", path, in, got, want)
	}
}

// TestServerComparesObjects: what somebody has changed is put again, whatever it is.
func TestServerComparesObjects(t *testing.T) {
	x, url := newXpack(t, "8.19.20", "platinum")
	o := testServer(t, url)
	o.Sites = []string{"north"}
	mustApply(t, o)
	x.want("/_security/role/mqtt-reader-north", `{"term":{"site":"north"}}`, "indices", "0", "query")
	for path, change := range map[string]func(body map[string]any){
		"/_ilm/policy/mqtt":                  func(b map[string]any) { put(b, "5d", "policy", "phases", "delete", "min_age") },
		"/_component_template/mqtt-settings": func(b map[string]any) { put(b, 3, "template", "settings", "index.number_of_shards") },
		"/_component_template/mqtt-mappings": func(b map[string]any) {
			put(b, map[string]any{"type": "text"}, "template", "mappings", "properties", "more")
		},
		"/_index_template/mqtt":             func(b map[string]any) { b["priority"] = 1 },
		"/_ingest/pipeline/mqtt":            func(b map[string]any) { b["processors"] = b["processors"].([]any)[1:] },
		"/_security/role/mqtt-writer":       func(b map[string]any) { b["cluster"] = []any{"all"} },
		"/_security/role/mqtt-reader":       func(b map[string]any) { put(inside(b, "indices", "0"), []any{"all"}, "privileges") },
		"/_security/role/mqtt-reader-north": func(b map[string]any) { delete(inside(b, "indices", "0"), "query") },
		"/_security/user/mqtt-admin":        func(b map[string]any) { b["roles"] = []any{"superuser"} },
		"/_snapshot/mqtt-backup":            func(b map[string]any) { put(b, "/elsewhere", "settings", "location") },
		"/_slm/policy/mqtt-daily":           func(b map[string]any) { b["schedule"] = "0 0 0 * * ?" },
	} {
		change(x.kept[path])
		out := mustApply(t, o)
		if strings.Count(out, "\nput ") != 1 {
			t.Errorf("%s:\n%s", path, out)
		}
	}
}

func TestServerWithoutParts(t *testing.T) {
	x, url := newXpack(t, "8.19.20", "basic")
	x.features["security"] = false
	delete(x.features, "slm")
	out := mustApply(t, testServer(t, url))
	for _, want := range []string{"skip   role mqtt-writer: security is switched off", "skip   user mqtt-reader:", "skip   snapshot policy mqtt-daily: this server has no slm", "put    lifecycle mqtt"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	o := testServer(t, url)
	o.Gateway = GatewayAccess{Name: "g1", File: filepath.Join(t.TempDir(), "key")}
	if _, err := applyServer(t, o); err == nil || !strings.Contains(err.Error(), "no rights to give") {
		t.Errorf("a gateway without security: %v", err)
	}
}

func TestServerGatewayKey(t *testing.T) {
	for _, version := range []string{"7.9.0", "8.19.20"} {
		x, url := newXpack(t, version, "basic")
		dir := t.TempDir()
		o := testServer(t, url)
		o.Gateway = GatewayAccess{Name: "gateway1", File: filepath.Join(dir, "gateway1.api_key")}
		out := mustApply(t, o)
		if info, err := os.Stat(o.Gateway.File); err != nil || info.Mode().Perm() != 0o600 || readString(t, o.Gateway.File) != "id0:value-of-id0\n" || strings.Contains(out, "value-of") {
			t.Errorf("the file: %v, %v\n%s", info, err, out)
		}
		if got, _ := at(x.keys[0], []string{"body", "role_descriptors", "mqtt-writer", "indices", "0", "privileges", "0"}); got != "create_doc" || len(x.kept) != 0 {
			t.Errorf("the key's right: %v; other objects: %v", got, x.kept)
		}
		if out := mustApply(t, o); len(x.keys) != 1 || !strings.Contains(out, "same   API key sluice-gateway1") {
			t.Errorf("a second run:\n%s", out)
		}
		o.Gateway.New = true
		mustApply(t, o)
		if len(x.keys) != 2 || x.keys[0]["invalidated"] != true || x.keys[1]["invalidated"] != false || readString(t, o.Gateway.File) != "id1:value-of-id1\n" {
			t.Errorf("--new-key: %v", x.keys)
		}
		o.Gateway = GatewayAccess{Name: "gateway1", Keystore: filepath.Join(dir, "keystore")}
		if _, err := applyServer(t, o); err == nil || !strings.Contains(err.Error(), "--new-key") {
			t.Errorf("a key that is elsewhere: %v", err)
		}
		o.Gateway.New = true
		mustApply(t, o)
		store, err := keystore.Open(o.Gateway.Keystore)
		pkiMust(t, err)
		if value, _ := store.Get(ElasticKeyName); value != "id2:value-of-id2" {
			t.Errorf("the keystore has %q", value)
		}
		o.Gateway = GatewayAccess{Name: "gateway2", File: filepath.Join(dir, "none", "key")}
		if _, err := applyServer(t, o); err == nil || len(x.keys) != 3 {
			t.Errorf("a folder that is missing: %v; keys %d", err, len(x.keys))
		}
	}
}

func TestServerDashboardRefused(t *testing.T) {
	x, url := newXpack(t, "8.19.20", "basic")
	x.refuse = "unsupported_type"
	o := testServer(t, url)
	o.Kibana = url
	if _, err := applyServer(t, o); err == nil || !strings.Contains(err.Error(), "dashboard a") || !strings.Contains(err.Error(), "unsupported_type") {
		t.Errorf("%v", err)
	}
}

func TestServerOptions(t *testing.T) {
	for want, change := range map[string]func(o *Server){
		"--keep":            func(o *Server) { o.KeepDays = 0 },
		"--replicas":        func(o *Server) { o.Replicas = -1 },
		"--snapshots":       func(o *Server) { o.Snapshots = "backup" },
		"--secrets":         func(o *Server) { o.Sites, o.Secrets = []string{"a"}, "" },
		"--site":            func(o *Server) { o.Sites = []string{`a"}`} },
		"--gateway NAME":    func(o *Server) { o.Gateway.New = true },
		"not both":          func(o *Server) { o.Gateway = GatewayAccess{Name: "a", File: "x", Keystore: "y"} },
		"--gateway":         func(o *Server) { o.Gateway = GatewayAccess{Name: "../a", File: "x"} },
		"--apply":           func(o *Server) { o.URL = "server:9200" },
		"must not hold":     func(o *Server) { o.URL = "https://elastic:secret@server" },
		"end after the pat": func(o *Server) { o.URL = "https://server?x=1" },
		"--ca":              func(o *Server) { o.URL, o.CA = "https://server", "/nowhere" },
	} {
		o := testServer(t, "http://127.0.0.1:1")
		change(o)
		if out, err := applyServer(t, o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret@") {
			t.Errorf("no %q: %v\n%s", want, err, out)
		}
	}
}

func TestServerAnswers(t *testing.T) {
	for _, text := range []string{"", "<html>", "{}", `{"version":{"number":"6.8.23"}}`, `{"version":{"number":"7.5.0"}}`, `{"version":{"number":"x"}}`, `{"version":{"number":"0.9.1","distribution":"opensearch"}}`} {
		if k, err := parseServer([]byte(text)); err == nil {
			t.Errorf("%s: %v", text, k)
		}
	}
	for text, want := range map[string]string{
		`{"error":{"reason":"a","caused_by":{"reason":"b","caused_by":{"reason":"c"}}}}`: "a: b: c",
		`{"error":"no handler"}`:             "no handler",
		`{"status":"x","message":"told"}`:    "told",
		`{"status":"error","reason":"weak"}`: "weak",
		"plain\ntext":                        "plain text",
		`{"error":{"reason":{"odd":1}}}`:     `{"error":{"reason":{"odd":1}}}`,
	} {
		r := reply{text: []byte(text)}
		_ = json.Unmarshal(r.text, &r.body)
		if got := r.reason(); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func FuzzServerAnswer(f *testing.F) {
	f.Add(`{"version":{"number":"8.1.2"},"error":{"reason":"x","caused_by":{}},"template":{"settings":{"index":{"a":1}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = parseServer([]byte(text))
		_ = importFaults([]byte(text))
		r := reply{text: []byte(text)}
		_ = json.Unmarshal(r.text, &r.body)
		_ = r.reason()
		o := serverComponent(nil, "mqtt-settings")
		if o.holds(any(r.body)) && !strings.Contains(text, "template") {
			t.Errorf("%s holds it", text)
		}
		_, _ = at(any(r.body), o.in)
	})
}
