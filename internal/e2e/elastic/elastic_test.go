package elastic

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/internal/esnode"
)

// binary is the program that the tests run.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("ELASTIC") == "" {
		fmt.Println("skipped: real nodes are for make test-elasticsearch (ELASTIC=1)")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "elastic")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "sluice")
	build := exec.Command("go", "build", "-o", binary, "sluice/cmd/sluice")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		return 1
	}
	return m.Run()
}

// gateway is a machine with log files and a tailer.
type gateway struct {
	t    *testing.T
	dir  string
	conf string
	log  output
	cmd  *exec.Cmd
}

type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// newGateway writes a configuration; $DIR in it is the gateway's folder.
func newGateway(t *testing.T, conf string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir()}
	g.conf = filepath.Join(g.dir, "sluice.yml")
	text := "path.data: $DIR/data\nfilebeat.inputs: [{type: filestream, id: lines, paths: [$DIR/*.log], prospector.scanner.check_interval: 200ms}]\n" + conf
	if err := os.WriteFile(g.conf, []byte(strings.ReplaceAll(text, "$DIR", g.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.kill(syscall.SIGKILL)
		if t.Failed() {
			said := g.log.String()
			t.Logf("the tailer said:\n%s", said[max(0, len(said)-10000):])
		}
	})
	return g
}

func (g *gateway) start() {
	g.t.Helper()
	g.cmd = exec.Command(binary, "tailer", "-c", g.conf)
	g.cmd.Stdout, g.cmd.Stderr = &g.log, &g.log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) kill(s syscall.Signal) {
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Signal(s)
	_ = g.cmd.Wait()
	g.cmd = nil
}

// command runs another command of the program with the same configuration.
func (g *gateway) command(args ...string) (string, error) {
	out, err := exec.Command(binary, append(args, "-c", g.conf)...).CombinedOutput()
	return string(out), err
}

// write appends lines to a file.
func (g *gateway) write(name string, lines ...string) {
	g.t.Helper()
	f, err := os.OpenFile(filepath.Join(g.dir, name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) says(text string) {
	g.t.Helper()
	wait(g.t, time.Minute, "the words "+text, func() bool { return strings.Contains(g.log.String(), text) })
}

func wait(t *testing.T, most time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(most); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", most, what)
		}
	}
}

// count returns how many documents an index has, 0 if there is none.
func count(n *esnode.Node, index string) int {
	if status, _, err := n.Request("POST", "/"+index+"/_refresh", ""); err != nil || status != 200 {
		return 0
	}
	status, answer, err := n.Request("GET", "/"+index+"/_count", "")
	var r struct{ Count int }
	if err != nil || status != 200 || json.Unmarshal(answer, &r) != nil {
		return 0
	}
	return r.Count
}

const numbered = `
processors:
  - decode_json_fields: {fields: [message], target: ""}
`

// kinds are the servers that the output is for.
var kinds = map[string]esnode.Kind{"OpenSearch": esnode.OpenSearch, "Elasticsearch 7": esnode.Elasticsearch7, "Elasticsearch 8": esnode.Elasticsearch8}

func TestEveryKindStoresOnce(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			n := esnode.Start(t, esnode.Options{Kind: kind})
			g := newGateway(t, fmt.Sprintf("output.elasticsearch: {hosts: [%q], index: 'lines-%%{+yyyy.MM.dd}'}\n", n.URL))
			if out, err := g.command("test", "output"); err != nil || !strings.Contains(out, "talk to server... OK") || !strings.Contains(out, "version: ") {
				t.Errorf("test output: %v\n%s", err, out)
			}
			for i := range 1000 {
				g.write("a.log", fmt.Sprint("line ", i))
			}
			g.start()
			wait(t, time.Minute, "1000 documents", func() bool { return count(n, "lines-*") == 1000 })
			g.kill(syscall.SIGKILL)
			if err := os.RemoveAll(filepath.Join(g.dir, "data", "registry")); err != nil {
				t.Fatal(err)
			}
			g.write("a.log", "the last")
			g.start() // all over again, under the same ids
			wait(t, time.Minute, "the last line", func() bool { return count(n, "lines-*") >= 1001 })
			g.kill(syscall.SIGTERM)
			if c := count(n, "lines-*"); c != 1001 {
				t.Errorf("%d documents", c)
			}
		})
	}
}
