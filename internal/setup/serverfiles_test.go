package setup

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var serverHosts = []string{"10.8.0.1", "localhost", "elasticsearch", "kibana", "logstash"}

// serverBundle makes a bundle of a certificate for hosts.
func serverBundle(t *testing.T, name string, hosts ...string) string {
	t.Helper()
	p, s := PKI{Dir: filepath.Join(t.TempDir(), "pki")}, &Session{Out: t.Output()}
	file := filepath.Join(t.TempDir(), name+".bundle.pem")
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: name, Hosts: hosts}))
	pkiMust(t, p.Bundle(t.Context(), s, name, file))
	return file
}

func TestServerFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "server")
	bundle := serverBundle(t, "logstash", serverHosts...)
	var out strings.Builder
	o := ServerFiles{Dir: dir, Bundle: bundle}
	pkiMust(t, o.Write(t.Context(), &Session{Out: &out, DryRun: true}))
	if _, err := os.Stat(dir); err == nil {
		t.Error("a dry run has made the folder")
	}
	o = ServerFiles{Dir: dir, Bundle: bundle}
	pkiMust(t, o.Write(t.Context(), &Session{Out: &out}))
	modes := map[string]fs.FileMode{
		"compose.yaml": 0o644, ".env": 0o644, "install-debian": 0o755, "set-passwords": 0o755, "pipeline/00-mqtt.conf": 0o644,
		"compose/elasticsearch.yml": 0o644, "debian/kibana.yml": 0o644, "certs/ca.crt": 0o644, "certs/logstash.key": 0o400,
		"secrets": 0o700, "secrets/elastic.password": 0o400, "secrets/kibana.yml": 0o400, "secrets/mqtt-logstash.password": 0o400, "snapshots": 0o750,
	}
	for name, mode := range modes {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	passwords := make(map[string]string)
	for _, name := range []string{"elastic.password", "kibana_system.password", "kibana.key"} {
		password, err := readPasswordFile(filepath.Join(dir, "secrets", name))
		if err != nil || len(password) < 24 {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.Contains(out.String(), password) {
			t.Errorf("%s is printed", name)
		}
		passwords[name] = password
	}
	kibana := readString(t, filepath.Join(dir, "secrets", "kibana.yml"))
	if !strings.Contains(kibana, `elasticsearch.password: "`+passwords["kibana_system.password"]+`"`) || !strings.Contains(kibana, `encryptionKey: "`+passwords["kibana.key"]+`"`) || strings.Contains(kibana, "@") {
		t.Errorf("kibana.yml:\n%s", kibana)
	}

	out.Reset()
	again := &Session{Out: &out}
	pkiMust(t, (&ServerFiles{Dir: dir}).Write(t.Context(), again))
	if again.Changed() {
		t.Errorf("a second run:\n%s", out.String())
	}
	env := filepath.Join(dir, ".env")
	pkiMust(t, os.WriteFile(env, []byte(strings.Replace(readString(t, env), "9.5.2", "8.19.20", 1)), 0o644))
	other := serverBundle(t, "logstash", append([]string{"10.9.0.1"}, serverHosts...)...)
	pkiMust(t, (&ServerFiles{Dir: dir, Address: "10.9.0.1", Bundle: other}).Write(t.Context(), &Session{Out: &out}))
	if text := readString(t, env); !strings.Contains(text, "VPN_ADDRESS=10.9.0.1\n") || !strings.Contains(text, "STACK_VERSION=8.19.20\n") {
		t.Errorf(".env:\n%s", text)
	}
	if text := readString(t, filepath.Join(dir, "debian", "elasticsearch.yml")); !strings.Contains(text, `"10.9.0.1"`) {
		t.Errorf("elasticsearch.yml:\n%s", text)
	}
}

func readString(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	pkiMust(t, err)
	return string(content)
}

func TestServerFolderPipelines(t *testing.T) {
	for version, want := range map[int]string{7: "ssl_verify_mode", 8: "ssl_client_authentication", 9: "ssl_client_authentication", 0: "ssl_client_authentication"} {
		dir := t.TempDir()
		o := ServerFiles{Dir: dir, Logstash: version, Bundle: serverBundle(t, "logstash", serverHosts...)}
		pkiMust(t, o.Write(t.Context(), &Session{Out: t.Output()}))
		if text := readString(t, filepath.Join(dir, "pipeline", "00-mqtt.conf")); !strings.Contains(text, want) {
			t.Errorf("--logstash %d: the pipeline has no %s", version, want)
		}
	}
}

func TestServerFolderRefuses(t *testing.T) {
	good := serverBundle(t, "logstash", serverHosts...)
	env := func(text string) string {
		dir := t.TempDir()
		pkiMust(t, os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600))
		return dir
	}
	for name, test := range map[string]struct {
		o    ServerFiles
		want string
	}{
		"no certificate":   {ServerFiles{}, "--bundle FILE"},
		"another name":     {ServerFiles{Bundle: serverBundle(t, "broker", serverHosts...)}, `of "broker"`},
		"a host lacks":     {ServerFiles{Bundle: serverBundle(t, "logstash", "10.8.0.1", "localhost", "logstash", "kibana")}, "not for elasticsearch"},
		"the address":      {ServerFiles{Bundle: good, Address: "10.8.0.9"}, "not for 10.8.0.9"},
		"no address":       {ServerFiles{Bundle: good, Address: "server"}, "--address"},
		"everywhere":       {ServerFiles{Bundle: good, Address: "0.0.0.0"}, "--address"},
		"version":          {ServerFiles{Bundle: good, Logstash: 6}, "--logstash"},
		"version of .env":  {ServerFiles{Bundle: good, Dir: env("STACK_VERSION=8.7.1\n")}, "STACK_VERSION=8.7.1"},
		"no version":       {ServerFiles{Bundle: good, Dir: env("X=1\n")}, "STACK_VERSION="},
		"no such a bundle": {ServerFiles{Bundle: "/nowhere.pem"}, "--bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.o.Dir == "" {
				test.o.Dir = filepath.Join(t.TempDir(), "server")
			}
			s := &Session{Out: t.Output()}
			err := test.o.Write(t.Context(), s)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, not %q", err, test.want)
			}
			if s.Changed() {
				t.Error("something was written before")
			}
		})
	}
}
