package elastic

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/esnode"
)

// readmeBlock returns a block of commands of deploy/server/README.md.
func readmeBlock(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/server/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "<!-- run: "+name+" -->\n```sh\n")
	block, _, closed := strings.Cut(after, "\n```\n")
	if !found || !closed {
		t.Fatalf("deploy/server/README.md has no block %q", name)
	}
	return block + "\n"
}

// TestBackupAndRestore runs the commands of the README as they stand, but for the
// server's address.
func TestBackupAndRestore(t *testing.T) {
	for name, o := range map[string]esnode.Options{
		"OpenSearch with security": {Secure: true},
		"Elasticsearch 7":          {Kind: esnode.Elasticsearch7},
		"Elasticsearch 8":          {Kind: esnode.Elasticsearch8},
	} {
		t.Run(name, func(t *testing.T) {
			n := esnode.Start(t, o)
			dir := t.TempDir()
			for _, sub := range []string{"certs", "secrets"} {
				if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			secrets := filepath.Join(dir, "secrets")
			mustSetupServer(t, n, "--secrets", secrets, "--snapshots", filepath.Join(n.Dir, "repo"))
			admin := filepath.Join(secrets, "mqtt-admin.password")
			if o.Secure {
				ca, err := os.ReadFile(n.CA)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "certs", "ca.crt"), ca, 0o600); err != nil {
					t.Fatal(err)
				}
			} else if err := os.WriteFile(admin, []byte("none\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, doc := range []string{"a", "b", "c"} {
				n.OK("PUT", "/mqtt-2026.11.25/_create/"+doc+"?refresh=true", `{"@timestamp":"2026-11-25T10:00:00Z","gateway":"gateway1","value":1.5}`)
			}
			functions, _, _ := strings.Cut(readmeBlock(t, "monitoring"), "\n}\n")
			functions += "\n}\n"
			do := func(block string) string {
				t.Helper()
				script := "set -euo pipefail\n" + strings.ReplaceAll(block, "https://10.8.0.1:9200", n.URL)
				cmd := exec.Command("bash", "-c", script)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s\n%s", err, block, out)
				}
				return string(out)
			}
			if out := do(readmeBlock(t, "monitoring")); !strings.Contains(out, `"key":"gateway1"`) || !strings.Contains(out, "2026-11-25T10:00:00") || !strings.Contains(out, `"number_of_nodes" : 1`) {
				t.Errorf("monitoring:\n%s", out)
			}
			if out := do(functions + readmeBlock(t, "backup")); strings.Count(out, `"state":"SUCCESS"`) != 2 {
				t.Errorf("backup:\n%s", out)
			}
			if out := do(functions + readmeBlock(t, "try")); !strings.Contains(out, `"count":3`) {
				t.Errorf("try:\n%s", out)
			}
			n.OK("DELETE", "/mqtt-2026.11.25", "")
			do(functions + readmeBlock(t, "restore"))
			if c := n.Count("mqtt-2026.11.25"); c != 3 {
				t.Errorf("%d documents are back", c)
			}
			if status, _ := n.Do("HEAD", "/restored-mqtt-2026.11.25", ""); status != http.StatusNotFound {
				t.Errorf("the try is still there: %d", status)
			}
		})
	}
}

// TestSetupServerFails: what can't be done is an error with the server's reason.
func TestSetupServerFails(t *testing.T) {
	n := esnode.Start(t, esnode.Options{Secure: true})
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	right := filepath.Join(t.TempDir(), "right")
	if err := os.WriteFile(right, []byte(n.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"wrong password":    {[]string{"--ca", n.CA, "--user", "admin", "--password-file", wrong}, []string{"401", "give --user"}},
		"no user":           {[]string{"--ca", n.CA}, []string{"401"}},
		"unknown authority": {[]string{"--user", "admin", "--password-file", right}, []string{"unknown authority", "--ca"}},
		"folder of backups": {[]string{"--ca", n.CA, "--user", "admin", "--password-file", right, "--snapshots", "/nowhere"}, []string{"path.repo", "elasticsearch.yml"}},
		"no server":         {[]string{"--apply", "http://127.0.0.1:1"}, []string{"127.0.0.1:1", "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(binary, append([]string{"setup", "server", "--apply", n.URL}, test.args...)...).CombinedOutput()
			if err == nil {
				t.Fatalf("it went well:\n%s", out)
			}
			if code := err.(*exec.ExitError).ExitCode(); code != 1 { //nolint:errorlint // it is one
				t.Errorf("exit status %d", code)
			}
			for _, want := range test.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
			if strings.Contains(string(out), n.Password) {
				t.Errorf("the password was printed")
			}
			t.Logf("%s", out)
		})
	}
	reader := filepath.Join(n.Dir, "secrets", "mqtt-reader.password")
	mustSetupServer(t, n, "--secrets", filepath.Dir(reader))
	out, err := exec.Command(binary, "setup", "server", "--apply", n.URL, "--ca", n.CA, "--user", "mqtt-reader", "--password-file", reader).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "403") || !strings.Contains(string(out), "lacks the right") {
		t.Errorf("a user without rights: %v\n%s", err, out)
	}
}
