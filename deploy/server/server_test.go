package server_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v4"

	"sluice/deploy/server"
	"sluice/internal/setup"
)

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

type compose struct {
	Services map[string]struct {
		Image       string                       `yaml:"image"`
		Restart     string                       `yaml:"restart"`
		MemLimit    string                       `yaml:"mem_limit"`
		Environment map[string]string            `yaml:"environment"`
		Secrets     []string                     `yaml:"secrets"`
		Ports       []string                     `yaml:"ports"`
		Volumes     []string                     `yaml:"volumes"`
		DependsOn   map[string]map[string]string `yaml:"depends_on"`
		Healthcheck *struct {
			Test    []string `yaml:"test"`
			Retries int      `yaml:"retries"`
		} `yaml:"healthcheck"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
	Secrets map[string]struct {
		File string `yaml:"file"`
	} `yaml:"secrets"`
}

func parseCompose(t *testing.T) (c compose, text string) {
	t.Helper()
	text = read(t, "compose.yaml")
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c, text
}

func TestComposeServices(t *testing.T) {
	c, _ := parseCompose(t)
	ports := map[string]string{"elasticsearch": "9200:9200", "kibana": "5601:5601", "logstash": "5044:5044"}
	if len(c.Services) != len(ports)+1 {
		t.Errorf("%d services", len(c.Services))
	}
	for name, s := range c.Services {
		if !strings.HasPrefix(s.Image, "docker.elastic.co/") || !strings.Contains(s.Image, ":${STACK_VERSION") {
			t.Errorf("%s: image %s has not the version of .env", name, s.Image)
		}
		if s.MemLimit == "" {
			t.Errorf("%s: no limit of memory", name)
		}
		if name == "passwords" {
			if s.Restart != "no" || len(s.Ports) > 0 {
				t.Errorf("passwords: restart %q, ports %v", s.Restart, s.Ports)
			}
			continue
		}
		if s.Restart != "unless-stopped" || s.Healthcheck == nil || len(s.Healthcheck.Test) < 2 || s.Healthcheck.Retries == 0 {
			t.Errorf("%s: restart %q, health check %v", name, s.Restart, s.Healthcheck)
		}
		if len(s.Ports) != 1 || !regexp.MustCompile(`^\$\{VPN_ADDRESS(:\?[^}]*)?\}:`+ports[name]+`$`).MatchString(s.Ports[0]) {
			t.Errorf("%s: ports %v are not on the VPN address only", name, s.Ports)
		}
		for other, how := range s.DependsOn {
			if _, ok := c.Services[other]; !ok || how["condition"] == "" {
				t.Errorf("%s depends on %s, %v", name, other, how)
			}
		}
	}
}

// TestComposeFiles: what is mounted exists, or is made by setup server.
func TestComposeFiles(t *testing.T) {
	c, _ := parseCompose(t)
	made := []string{"./certs", "./snapshots", "./pipeline", "./secrets/kibana.yml", "./secrets/elastic.password", "./secrets/kibana_system.password", "./secrets/mqtt-logstash.password"}
	exists := func(path string) {
		if !strings.HasPrefix(path, "./") {
			t.Errorf("%s is not below the folder", path)
		}
		if _, err := fs.Stat(server.Files, strings.TrimPrefix(path, "./")); err != nil && !slices.Contains(made, path) {
			t.Errorf("%s is nowhere: %v", path, err)
		}
	}
	for name, s := range c.Services {
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(source, ".") {
				exists(source)
				if source != "./snapshots" && !strings.HasSuffix(volume, ":ro") {
					t.Errorf("%s may write to %s", name, source)
				}
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s: volume %s is not declared", name, source)
			}
		}
		for _, secret := range s.Secrets {
			if _, ok := c.Secrets[secret]; !ok {
				t.Errorf("%s: secret %s is not declared", name, secret)
			}
		}
	}
	for _, secret := range c.Secrets {
		exists(secret.File)
	}
}

var variable = regexp.MustCompile(`\$?\$\{([A-Z_]+)`)

// TestComposeVariables: each is in .env.example, each of those is used, and neither
// file holds a password.
func TestComposeVariables(t *testing.T) {
	_, text := parseCompose(t)
	example := read(t, ".env.example")
	defined := make(map[string]bool)
	for line := range strings.Lines(example) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			if defined[name] = false; value == "" {
				t.Errorf(".env.example: %s is empty", name)
			}
		}
	}
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[0], "$$") {
			continue
		}
		if _, ok := defined[m[1]]; !ok {
			t.Errorf("%s is not in .env.example", m[1])
		}
		defined[m[1]] = true
	}
	for name, used := range defined {
		if !used {
			t.Errorf("%s is not used", name)
		}
	}
	secret := regexp.MustCompile(`PASSWORD|SECRET|TOKEN|KEY`)
	for name := range defined {
		if secret.MatchString(name) {
			t.Errorf("%s is a secret, and .env is none", name)
		}
	}
	c, _ := parseCompose(t)
	for service, s := range c.Services {
		for name, value := range s.Environment {
			if secret.MatchString(name) && (!strings.HasSuffix(name, "_FILE") || !strings.HasPrefix(value, "/run/secrets/")) {
				t.Errorf("%s: %s is a secret, and no file", service, name)
			}
		}
	}
	for _, m := range regexp.MustCompile(`PASSWORD=(.*)`).FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], `"$$(cat /run/secrets/`) {
			t.Errorf("a password in the file: %s", m[0])
		}
	}
}

// TestMemory: together at most 3.7 GB, and each heap is below its container's limit.
func TestMemory(t *testing.T) {
	sum := 0
	values := make(map[string]int)
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=([0-9]+)m?$`).FindAllStringSubmatch(read(t, ".env.example"), -1) {
		for _, digit := range m[2] {
			values[m[1]] = values[m[1]]*10 + int(digit-'0')
		}
		if strings.HasSuffix(m[1], "_MEMORY") {
			sum += values[m[1]]
		}
	}
	if sum < 3000 || sum > 3700 {
		t.Errorf("the containers may take %d MB", sum)
	}
	for limit, heap := range map[string]string{"ELASTICSEARCH_MEMORY": "ELASTICSEARCH_HEAP", "KIBANA_MEMORY": "KIBANA_HEAP_MB", "LOGSTASH_MEMORY": "LOGSTASH_HEAP"} {
		if values[heap] == 0 || values[heap] > values[limit]*3/4 {
			t.Errorf("%s=%d, %s=%d", limit, values[limit], heap, values[heap])
		}
	}
}

// TestSettings: they are YAML, TLS and security are on, and certificates are where
// they are mounted or installed.
func TestSettings(t *testing.T) {
	want := map[string]map[string]any{
		"elasticsearch.yml": {"xpack.security.enabled": true, "xpack.security.http.ssl.enabled": true, "discovery.type": "single-node", "transport.host": "127.0.0.1", "network.host": nil},
		"kibana.yml":        {"server.ssl.enabled": true, "elasticsearch.username": "kibana_system"},
		"logstash.yml":      {"queue.type": "persisted", "dead_letter_queue.enable": true, "api.http.host": "127.0.0.1"},
		"pipelines.yml":     nil,
	}
	for _, dir := range []string{"compose", "debian"} {
		for name, settings := range want {
			text := read(t, filepath.Join(dir, name))
			var got any
			if err := yaml.Unmarshal([]byte(text), &got); err != nil {
				t.Errorf("%s/%s: %v", dir, name, err)
				continue
			}
			for key, value := range settings {
				if m, _ := got.(map[string]any); m[key] != value {
					t.Errorf("%s/%s: %s is %v", dir, name, key, m[key])
				}
			}
			if strings.Contains(text, "password:") {
				t.Errorf("%s/%s holds a password", dir, name)
			}
		}
	}
	for _, name := range []string{"elasticsearch.yml", "kibana.yml", "logstash-environment.conf"} {
		if text := read(t, filepath.Join("debian", name)); !strings.Contains(text, "@ADDRESS@") || strings.Contains(text, "0.0.0.0") {
			t.Errorf("debian/%s does not listen on the VPN address only", name)
		}
	}
}

func TestShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("shellcheck is missing: apt-get install shellcheck")
		}
		t.Skip("shellcheck is missing")
	}
	if out, err := exec.Command("shellcheck", "install-debian", "set-passwords").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSetPasswords runs the script with curl against a server that looks at the
// request.
func TestSetPasswords(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is missing")
	}
	var got struct {
		method, path, user, password, kind, body string
	}
	var mu sync.Mutex // the server is another goroutine, though the script has ended
	status := http.StatusOK
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got.method, got.path, got.kind = r.Method, r.URL.Path, r.Header.Get("Content-Type")
		got.user, got.password, _ = r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		got.body = string(body)
		w.WriteHeader(status)
	}))
	defer web.Close()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := file("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})))
	args := []string{"set-passwords", web.URL, ca, file("elastic", "Abc123\n"), file("kibana", "Def456\n")}
	out, err := exec.Command("bash", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mu.Lock()
	seen := got
	status = http.StatusUnauthorized
	mu.Unlock()
	var body map[string]string
	if json.Unmarshal([]byte(seen.body), &body) != nil || body["password"] != "Def456" || seen.user != "elastic" || seen.password != "Abc123" ||
		seen.method != "POST" || seen.path != "/_security/user/kibana_system/_password" || seen.kind != "application/json" {
		t.Errorf("the request: %+v", seen)
	}
	if bytes.Contains(out, []byte("Abc123")) || bytes.Contains(out, []byte("Def456")) {
		t.Errorf("it prints a password: %s", out)
	}
	if out, err := exec.Command("bash", args...).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("401")) {
		t.Errorf("refused: %v\n%s", err, out)
	}
	args[4] = file("bad", "a\"b\n")
	if out, err := exec.Command("bash", args...).CombinedOutput(); err == nil {
		t.Errorf("a password with a quote was taken: %s", out)
	}
}

// TestInstallDebianDryRun: on the folder that setup server writes, it says each
// file and command, changes nothing, and prints no secret.
func TestInstallDebianDryRun(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("apt-get is missing")
	}
	dir := t.TempDir()
	writeFolder(t, dir)
	script := filepath.Join(dir, "install-debian")
	before := tree(t, dir)
	out, err := exec.Command(script, "--dry-run", "--version", "9.5.2", "--heap", "2g").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"elasticsearch=9.5.2", "logstash=1:9.5.2-1", "apt-mark hold", "/etc/elasticsearch/elasticsearch.yml", "/etc/kibana/kibana.yml",
		"/etc/logstash/conf.d/00-mqtt.conf", "/etc/logstash/sluice.env  (600 root:root)", "systemctl enable logstash", "sluice setup server --apply",
	} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	for name := range before {
		if strings.HasSuffix(name, ".password") && bytes.Contains(out, []byte(strings.TrimSpace(before[name]))) {
			t.Errorf("it prints %s", name)
		}
	}
	if after := tree(t, dir); len(after) != len(before) {
		t.Errorf("the folder has changed: %d files, %d before", len(after), len(before))
	}
	for _, args := range [][]string{{"--version", "7"}, {"--version"}, {"--heap", "x"}, {"--wrong"}} {
		if out, err := exec.Command(script, append(args, "--dry-run")...).CombinedOutput(); err == nil {
			t.Errorf("%v was taken:\n%s", args, out)
		}
	}
	if err := os.Remove(filepath.Join(dir, "secrets", "elastic.password")); err != nil {
		t.Fatal(err)
	}
	out, err = exec.Command(script, "--dry-run").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !bytes.Contains(out, []byte("secrets/elastic.password is missing")) {
		t.Errorf("a missing file: %v\n%s", err, out)
	}
}

func writeFolder(t *testing.T, dir string) {
	t.Helper()
	p := setup.PKI{Dir: filepath.Join(t.TempDir(), "pki")}
	bundle := filepath.Join(t.TempDir(), "logstash.bundle.pem")
	s := &setup.Session{Out: io.Discard}
	err := p.Issue(t.Context(), s, setup.Issue{Name: "logstash", Hosts: []string{"10.8.0.1", "localhost", "elasticsearch", "kibana", "logstash"}})
	if err == nil {
		err = p.Bundle(t.Context(), s, "logstash", bundle)
	}
	if err == nil {
		err = (&setup.ServerFiles{Dir: dir, Bundle: bundle}).Write(t.Context(), s)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[path] = read(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestReadmeNamesTheFiles: each file for Elasticsearch is explained, and exists.
func TestReadmeNamesTheFiles(t *testing.T) {
	readme := read(t, "README.md")
	files, err := filepath.Glob("../../elasticsearch/*json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		if name := strings.TrimPrefix(filepath.Base(file), "opensearch-"); !strings.Contains(readme, "`"+name+"`") && name != "audit.json" {
			t.Errorf("README.md does not name %s", name)
		}
		if text := read(t, file); strings.HasSuffix(file, ".json") && !json.Valid([]byte(text)) {
			t.Errorf("%s is no JSON", file)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z-]+\\.(?:json|ndjson))`").FindAllStringSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join("../../elasticsearch", m[1])); err != nil {
			t.Errorf("README.md names %s: %v", m[1], err)
		}
	}
}
