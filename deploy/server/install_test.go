package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/nspawn"
)

// TestInstallDebian runs the script in a view of this machine, with stubs for
// packages, services and the network (testdata/stubs.sh): each file is where it
// should be with its owner and mode, no password is on a command line, and a second
// run changes nothing. Elastic's packages themselves are not there.
func TestInstallDebian(t *testing.T) {
	nspawn.Needs(t, "chroot:coreutils", "apt-get:apt")
	root := nspawn.Overlay(t, "/")
	folder := filepath.Join(root, "srv", "sluice")
	writeFolder(t, folder)
	stub := read(t, "testdata/stubs.sh")
	for _, name := range []string{"apt-get", "apt-mark", "dpkg-query", "systemctl", "curl", "gpg", "elasticsearch-keystore", "kibana-keystore"} {
		nspawn.Write(t, filepath.Join(root, "stubs", name), stub, 0o755)
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("chroot", append([]string{root, "/srv/sluice/install-debian"}, args...)...)
		cmd.Env = []string{"PATH=/stubs:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	first := run("--version", "9.5.2")
	calls := read(t, filepath.Join(root, "calls"))
	for _, want := range []string{"apt-get install -y elasticsearch=9.5.2 kibana=9.5.2 logstash=1:9.5.2-1", "apt-mark hold", "systemctl restart elasticsearch", "systemctl restart kibana", "systemctl restart logstash"} {
		if !strings.Contains(calls, want) {
			t.Errorf("%s was not called:\n%s", want, calls)
		}
	}
	secrets := make(map[string]string)
	for _, name := range []string{"elastic.password", "kibana_system.password", "mqtt-logstash.password", "kibana.key"} {
		secrets[name] = strings.TrimSpace(read(t, filepath.Join(folder, "secrets", name)))
		if strings.Contains(calls+first, secrets[name]) {
			t.Errorf("%s is on a command line, or printed", name)
		}
	}
	added := read(t, filepath.Join(root, "secrets-added"))
	for name, key := range map[string]string{"elastic.password": "bootstrap.password", "kibana_system.password": "elasticsearch.password", "kibana.key": "xpack.encryptedSavedObjects.encryptionKey"} {
		if !strings.Contains(added, key+"="+secrets[name]+"\n") {
			t.Errorf("the keystore did not get %s", key)
		}
	}
	if kept := read(t, filepath.Join(root, "etc/elasticsearch/keystore")); strings.Contains(kept, "secure_password") || strings.Contains(kept, "password_hash") {
		t.Errorf("the package's own set-up is still there:\n%s", kept)
	}
	modes := map[string]string{
		"/etc/elasticsearch/elasticsearch.yml": "660 root:elasticsearch", "/etc/elasticsearch/certs": "755 root:root",
		"/etc/elasticsearch/certs/logstash.key": "640 root:elasticsearch", "/etc/kibana/certs/logstash.key": "640 root:kibana",
		"/etc/logstash/sluice/logstash.key": "640 root:logstash", "/etc/logstash/sluice.env": "600 root:root",
		"/etc/logstash/conf.d/00-mqtt.conf": "644 root:root", "/etc/systemd/system/kibana.service.d/sluice.conf": "644 root:root",
		"/usr/share/keyrings/elasticsearch.gpg": "644 root:root", "/var/backups/elasticsearch": "750 elasticsearch:elasticsearch",
	}
	for file, want := range modes {
		out, err := exec.Command("chroot", root, "stat", "-c", "%a %U:%G", file).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s: %s, not %s", file, got, want)
		}
	}
	if text := read(t, filepath.Join(root, "etc/logstash/jvm.options")); text != "-Xms400m\n-Xmx400m\n-XX:+UseG1GC\n" {
		t.Errorf("jvm.options of Logstash:\n%s", text)
	}
	if text := read(t, filepath.Join(root, "etc/logstash/sluice.env")); text != "ELASTIC_PASSWORD="+secrets["mqtt-logstash.password"]+"\n" {
		t.Errorf("the pipeline's password is not in sluice.env")
	}
	backups, err := filepath.Glob(filepath.Join(root, "etc/elasticsearch/elasticsearch.yml.bak-*"))
	if err != nil || len(backups) != 1 {
		t.Errorf("backups of elasticsearch.yml: %v, %v", backups, err)
	}

	if err := os.Truncate(filepath.Join(root, "calls"), 0); err != nil {
		t.Fatal(err)
	}
	second := run("--version", "9.5.2")
	calls = read(t, filepath.Join(root, "calls"))
	if strings.Contains(second, "\nwrite ") || strings.Contains(calls, "restart") || strings.Contains(calls, "keystore add") || strings.Contains(calls, "apt-get install") {
		t.Errorf("a second run:\n%s\n%s", second, calls)
	}
}
