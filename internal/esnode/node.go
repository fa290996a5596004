package esnode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// upTime is how long a node may take to come up on a busy machine.
const upTime = 3 * time.Minute

// Options are those of a node. The zero value is good.
type Options struct {
	// Kind of node; the zero Kind is OpenSearch.
	Kind Kind
	// Dir is the node's folder; empty: a new one, removed after the test.
	Dir string
	// Port of HTTP on 127.0.0.1; 0: a free one, which a restart keeps.
	Port int
	// Heap of the JVM in MB, 1024 at most; 0: 512. The process takes about 300
	// MB more.
	Heap int
	// Secure turns on TLS and basic auth; OpenSearch only.
	Secure bool
	// Settings are put into the node's settings file, as YAML values: for example
	// "path.repo" or "http.max_content_length".
	Settings map[string]string
}

// Node is a running server, or one that was killed.
type Node struct {
	// URL is http://127.0.0.1:PORT, or https with Options.Secure.
	URL string
	// Dir has the node's config, data, logs and repo.
	Dir string
	// CA is the file of the authority that the node's certificate is from; empty
	// without Options.Secure.
	CA string
	// User and Password are an administrator's; empty without Options.Secure.
	User, Password string
	// Took is how long the last start took, from the process to the first answer
	// that the cluster is up.
	Took time.Duration

	t       testing.TB
	o       Options
	d       distribution
	client  *http.Client
	process *exec.Cmd
	ended   chan struct{} // closed when the process is gone
	stdin   io.Closer     // its end ends the node
}

// Start starts a node and waits until it answers with the cluster's health yellow
// or green. It ends with the test, whose failure shows the end of its log. Where
// it can't be had, the test is skipped, or fails if CI=true is set.
func Start(t testing.TB, o Options) *Node {
	t.Helper()
	if o.Secure && o.Kind != OpenSearch {
		t.Fatalf("esnode: %s has no security plugin", o.Kind)
	}
	if o.Heap > 1024 {
		t.Fatalf("esnode: heap of %d MB: 1024 at most", o.Heap)
	}
	d, err := prepare(o.Kind)
	if err == nil {
		_, err = tool("java")
	}
	if errors.Is(err, errMissing) {
		skip(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{t: t, o: o, d: d, Dir: o.Dir}
	if n.Dir == "" {
		n.Dir = t.TempDir()
	}
	if n.o.Heap == 0 {
		n.o.Heap = 512
	}
	if n.o.Port == 0 {
		n.o.Port = freePort(t)
	}
	if err := n.configure(); err != nil {
		t.Fatalf("esnode: %v", err)
	}
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			t.Logf("the end of the %s node's log:\n%s", o.Kind, n.logEnd())
		}
	})
	n.Restart()
	return n
}

func skip(t testing.TB, why error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("NOT TESTED against a real node: %v", why)
	}
	t.Skipf("NOT TESTED against a real node: %v", why)
}

// freePort finds a port below those that the kernel gives to outgoing
// connections, so that it is still free when a killed node comes back.
func freePort(t testing.TB) int {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("esnode: no free port")
	return 0
}

// Restart starts the node again on the same port with the same data, and waits
// until it is up; if it runs, it is stopped first.
func (n *Node) Restart() {
	n.t.Helper()
	n.Stop()
	begin := time.Now()
	if err := n.run(); err != nil {
		n.t.Fatalf("esnode: start: %v", err)
	}
	if err := n.waitUp(begin.Add(upTime)); err != nil {
		n.t.Fatalf("esnode: %v", err)
	}
	n.Took = time.Since(begin).Round(time.Millisecond)
}

// run starts the process.
func (n *Node) run() error {
	java, err := tool("java")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	heap := strconv.Itoa(n.o.Heap)
	cmd := exec.Command(java, "-Xms"+heap+"m", "-Xmx"+heap+"m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-Djava.io.tmpdir="+filepath.Join(n.Dir, "tmp"),
		"-D"+n.d.kind.property()+".path.home="+n.d.home(n.o.Secure),
		"-cp", n.d.classPath(), "NodeMain", n.d.home(n.o.Secure), filepath.Join(n.Dir, "config"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = n.Dir, log, log
	if n.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	n.process, n.ended = cmd, ended
	go func() {
		// A node that ends on its own is noticed by waitUp and by requests.
		_ = cmd.Wait()
		close(ended)
	}()
	return nil
}

// waitUp polls until the cluster is yellow or green.
func (n *Node) waitUp(deadline time.Time) error {
	last := errors.New("no answer")
	for time.Now().Before(deadline) {
		select {
		case <-n.ended:
			return fmt.Errorf("the node ended: %v", n.process.ProcessState)
		case <-time.After(100 * time.Millisecond):
		}
		status, answer, err := n.Request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s", "")
		if err == nil && status == http.StatusOK && !bytes.Contains(answer, []byte(`"timed_out":true`)) {
			return nil
		}
		if last = err; err == nil {
			last = fmt.Errorf("status %d: %s", status, answer)
		}
	}
	return fmt.Errorf("the node is not up after %v: %w", upTime, last)
}

// Kill ends the node at once (SIGKILL) and waits until it is gone. It does
// nothing if the node doesn't run.
func (n *Node) Kill() { n.end(syscall.SIGKILL) }

// Stop asks the node to end (SIGTERM) and waits until it is gone.
func (n *Node) Stop() { n.end(syscall.SIGTERM) }

func (n *Node) end(s syscall.Signal) {
	if n.process == nil {
		return
	}
	if err := n.process.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		n.t.Errorf("esnode: %v: %v", s, err)
	}
	select {
	case <-n.ended:
	case <-time.After(time.Minute):
		n.t.Errorf("esnode: the node did not end within a minute of %v", s)
		_ = n.process.Process.Kill()
		<-n.ended
	}
	// The process is gone: nothing is lost by an error of its pipe.
	_ = n.stdin.Close()
	n.process = nil
	n.client.CloseIdleConnections()
}

// Port is that of HTTP.
func (n *Node) Port() int { return n.o.Port }

// Log returns what the node has printed since its first start.
func (n *Node) Log() string {
	data, err := os.ReadFile(n.logFile())
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func (n *Node) logFile() string { return filepath.Join(n.Dir, "logs", "console.log") }

func (n *Node) logEnd() string {
	lines := strings.SplitAfter(n.Log(), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "")
}
