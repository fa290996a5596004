package docs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/esnode"
)

// serverPages are run in this order against a real OpenSearch, and elasticsearch.md
// against a real Elasticsearch, by make test-elasticsearch. What needs the products
// themselves, or another machine, is marked.
var serverPages = []string{"server.md", "dashboards.md", "backup.md"}

// needsNode skips what is for make test-elasticsearch.
func needsNode(t *testing.T) {
	t.Helper()
	if os.Getenv("ELASTIC") == "" {
		t.Skip("needs a real node: make test-elasticsearch (ELASTIC=1)")
	}
	for _, tool := range []string{"curl", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip(t, tool+" is missing; on Debian: apt-get install "+tool)
		}
	}
}

// reader is who follows pages on this machine, with a folder of its own for a home.
type reader struct {
	t       *testing.T
	home    string
	env     []string
	replace *strings.Replacer
	groups  []int // of processes that blocks have left
}

// newReader makes a reader who finds the program on the path. Texts of the pages
// are replaced by pairs, as addresses and folders are others here.
func newReader(t *testing.T, pairs ...string) *reader {
	t.Helper()
	r := &reader{t: t, home: t.TempDir()}
	r.replace = strings.NewReplacer(append(pairs, "~/", r.home+"/")...)
	r.env = append(os.Environ(), "HOME="+r.home, "PATH="+filepath.Dir(program(t))+":"+os.Getenv("PATH"))
	t.Cleanup(r.end)
	return r
}

// end kills what the blocks have started and is still there.
func (r *reader) end() {
	for _, group := range r.groups {
		if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			r.t.Error(err)
		}
	}
	if r.t.Failed() {
		logs, _ := filepath.Glob(r.home + "/lab/*.txt")
		for _, name := range logs {
			text, _ := os.ReadFile(name)
			r.t.Logf("%s:\n%s", filepath.Base(name), text[max(0, len(text)-3000):])
		}
	}
}

// follow runs the blocks of a page in their order, and calls behind after each.
func (r *reader) follow(name string, behind func(b block)) {
	r.t.Helper()
	n := 0
	for _, b := range blocks(r.t, name) {
		switch {
		case b.File != "":
			must(r.t, os.WriteFile(r.replace.Replace(b.File), []byte(r.replace.Replace(b.Text)), 0o640))
			continue
		case b.Kind != "sh" || b.dry():
			continue
		}
		n++
		began := time.Now()
		said, err := r.try(b)
		r.t.Logf("%s:%d (%.1fs)\n%s", name, b.Line, time.Since(began).Seconds(), said)
		if err != nil {
			r.t.Fatalf("%s:%d: %v\n%s", name, b.Line, err, b.Text)
		}
		if behind != nil {
			behind(b)
		}
	}
	if n == 0 {
		r.t.Errorf("%s has no block that is run", name)
	}
}

// try runs a block until it prints what the page shows, or 15 s have passed.
func (r *reader) try(b block) (string, error) {
	want := r.replace.Replace(b.Want)
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		said, err := r.run(r.replace.Replace(b.Text))
		if lacks := missing(said, want); err == nil && lacks != "" {
			err = errors.New("the output lacks " + strconv.Quote(lacks))
		}
		if err == nil || want == "" || time.Now().After(deadline) {
			return said, err
		}
	}
}

// run runs a text in a shell, in a process group of its own.
func (r *reader) run(text string) (string, error) {
	cmd := exec.CommandContext(r.t.Context(), "bash", "-e", "-o", "pipefail", "-c", text)
	cmd.Dir, cmd.Env, cmd.WaitDelay = r.home, r.env, time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // what it has started holds the output
	}
	if cmd.Process != nil {
		r.groups = append(r.groups, cmd.Process.Pid)
	}
	return string(out), err
}

// The lab, on one machine: from a serial port to a query.
func TestLab(t *testing.T) {
	needsNode(t)
	n := esnode.Start(t, esnode.Options{Kind: esnode.Elasticsearch7})
	r := newReader(t, "localhost:9200", "localhost:"+strconv.Itoa(n.Port()))
	counts := 0
	r.follow("elasticsearch.md", func(b block) {
		switch {
		case strings.Contains(b.Text, "kill -9"):
			// Somebody who reads on lets it run for a while.
			before := r.lines()
			for end := time.Now().Add(20 * time.Second); r.lines() < before+4; time.Sleep(100 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d lines before the kill, %d after", before, r.lines())
				}
			}
		case strings.Contains(b.Text, "_cat/count"):
			if docs := n.Count("mqtt-*"); docs != r.lines() || docs == 0 {
				t.Errorf("%d lines were recorded, and there are %d documents", r.lines(), docs)
			}
			counts++
		case strings.Contains(b.Text, "sluice reship -c"):
			if docs := n.Count("strict"); docs != 1 {
				t.Errorf("%d documents in strict, which has only what was sent again", docs)
			}
		}
	})
	if counts != 2 {
		t.Errorf("lines and documents were counted %d times", counts)
	}
}

// lines counts what the recorder of the lab has recorded.
func (r *reader) lines() (n int) {
	files, err := filepath.Glob(r.home + "/lab/spool/*.log")
	must(r.t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		must(r.t, err)
		n += strings.Count(string(text), "\n")
	}
	return n
}

// The server, what Kibana would ask, backup and restore, on a node with security on.
func TestServer(t *testing.T) {
	needsNode(t)
	if os.Geteuid() != 0 {
		skip(t, "files of the server belong to its services: root is needed")
	}
	n := esnode.Start(t, esnode.Options{Secure: true})
	root := t.TempDir()
	r := newReader(t,
		"/srv/sluice", root+"/srv", "/root/", root+"/", "cd /root\n", "cd "+root+"\n",
		"sluice setup pki issue", "sluice setup pki issue --dir "+root+"/pki",
		"sluice setup pki bundle", "sluice setup pki bundle --dir "+root+"/pki",
		"https://10.8.0.1:9200", "https://localhost:"+strconv.Itoa(n.Port()),
		"/usr/share/elasticsearch/snapshots", n.Dir+"/repo",
		"--user elastic", "--user "+n.User)
	for _, name := range serverPages {
		r.follow(name, func(b block) {
			switch {
			case strings.Contains(b.Text, "--bundle"):
				// The node has certificate and administrator of its own.
				ca, err := os.ReadFile(n.CA)
				must(t, err)
				must(t, os.WriteFile(root+"/srv/certs/ca.crt", ca, 0o644))
				must(t, os.WriteFile(root+"/srv/secrets/elastic.password", []byte(n.Password+"\n"), 0o600))
			case strings.Contains(b.Text, "--gateway gateway1"):
				r.gateway(n, root+"/srv/gateway1.api_key")
			}
		})
	}
}

// gateway ships a line as the gateway of server.md may: without a right to read.
func (r *reader) gateway(n *esnode.Node, file string) {
	r.t.Helper()
	secret, err := os.ReadFile(file)
	must(r.t, err)
	dir := r.t.TempDir()
	must(r.t, os.WriteFile(dir+"/a.log", []byte("2026-11-24T10:00:00+0000,sensor1/feeds/0/temp,20.5\n"), 0o600))
	must(r.t, os.WriteFile(dir+"/sluice.yml", []byte(`path.data: `+dir+`/data
filebeat.inputs: [{type: filestream, id: lines, paths: [`+dir+`/*.log]}]
output.elasticsearch:
  hosts: [`+n.URL+`]
  index: mqtt
  pipeline: mqtt
  username: gateway1
  password: `+strings.TrimSpace(string(secret))+`
  ssl.certificate_authorities: [`+n.CA+`]
`), 0o600))
	if said, err := r.run("timeout 30 sluice tailer -e --once -c " + dir + "/sluice.yml"); err != nil {
		r.t.Errorf("the gateway can't write: %v\n%s", err, said)
	}
	if docs := n.Count("mqtt-2026.11.24"); docs != 1 {
		r.t.Errorf("%d documents of the gateway's line", docs)
	}
}

// skip says that something is not tested; with CI=true it fails.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("NOT TESTED: " + why)
	}
	t.Skip("NOT TESTED: " + why)
}
