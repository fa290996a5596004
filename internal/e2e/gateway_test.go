package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "e2e")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if binary = os.Getenv(insideProgram); binary != "" {
			return m.Run() // in a container, see setup_test.go
		}
		binary = filepath.Join(dir, "sluice")
		build := exec.Command("go", "build", "-o", binary, "sluice/cmd/sluice")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// gateway runs the recorder and the tailer as a user does: two processes, one
// configuration.
type gateway struct {
	t    *testing.T
	conf string
	data string

	mu    sync.Mutex
	procs map[string]*exec.Cmd
	logs  map[string]*log
}

func newGateway(t *testing.T, b *broker, r *receiver, spool string) *gateway {
	t.Helper()
	dir := t.TempDir()
	if spool == "" {
		spool = filepath.Join(dir, "spool")
	}
	return configured(t, dir, fmt.Sprintf(`
recorder:
  spool:
    path: %s
    segment_bytes: 100KiB
  mqtt:
  - name: plant
    hosts: [%q]
    client_id: e2e-recorder
    username: %s
    password: %s
    topics: ["plant/#"]
    ssl.certificate_authorities: [%s]
    backoff: {init: 100ms, max: 500ms}
output.logstash:
  hosts: [%q]
  ssl.certificate_authorities: [%s]
  backoff: {init: 100ms, max: 500ms}
  bulk_max_size: 500
filebeat.registry.flush: 1s
cleaner.older_than: 0
`, spool, b.url(), user, password, b.pki.caFile, r.addr(), b.pki.caFile))
}

// configured is a gateway with a configuration; path.data is added.
func configured(t *testing.T, dir, text string) *gateway {
	t.Helper()
	g := &gateway{t: t, conf: filepath.Join(dir, "sluice.yml"), data: filepath.Join(dir, "data"), procs: map[string]*exec.Cmd{}, logs: map[string]*log{}}
	text = "path.data: " + g.data + "\n" + text
	if err := os.WriteFile(g.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.stop("recorder")
		g.stop("tailer")
		if t.Failed() || os.Getenv("E2E_LOGS") != "" {
			for name, log := range g.logs {
				t.Logf("%s said:\n%s", name, tail(log.String(), 60000))
			}
		}
	})
	return g
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func (g *gateway) start(name string) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.logs[name] == nil {
		g.logs[name] = new(log)
	}
	cmd := exec.Command(binary, name, "-c", g.conf)
	cmd.Stderr = g.logs[name]
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.procs[name] = cmd
}

// log keeps what a process says.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// kill is the power switch of one process.
func (g *gateway) kill(name string) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	cmd := g.procs[name]
	if err := cmd.Process.Kill(); err != nil {
		g.t.Errorf("%s had ended by itself: %v", name, err)
	}
	_ = cmd.Wait()
	delete(g.procs, name)
}

// stop ends a process as systemd does, and wants it to end well.
func (g *gateway) stop(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	cmd := g.procs[name]
	if cmd == nil {
		return
	}
	delete(g.procs, name)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		g.t.Errorf("%s ended with %v", name, err)
	}
}

// clean runs the cleaner once and returns what it printed.
func (g *gateway) clean() string {
	g.t.Helper()
	out, err := exec.Command(binary, "cleaner", "-c", g.conf).CombinedOutput()
	if err != nil {
		g.t.Errorf("cleaner: %v\n%s", err, out)
	}
	return string(out)
}

func segments(t *testing.T, spool string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(spool, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// progress waits until the receiver has so many readings, or for a while.
func progress(r *receiver, n int) {
	for end := time.Now().Add(20 * time.Second); r.unique() < n && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
}

func TestKillsOfEverythingLoseAndDoubleNothing(t *testing.T) {
	const n, topics = 20000, 50
	p := newPKI(t)
	b, r := newBroker(t, p), newReceiver(t, p)
	g := newGateway(t, b, r, "")
	r.start()
	g.start("recorder")
	g.start("tailer")
	var sent atomic.Int64
	published := make(chan struct{})
	// The session must exist before the first reading: what a broker gets
	// without a subscriber is nobody's.
	eventually(t, "the recorder has subscribed", func() bool { return strings.Contains(g.said("recorder"), `"connected"`) })
	go func() { defer close(published); b.publish(0, n, topics, &sent) }()
	for i := range 5 {
		progress(r, (i+1)*n/8)
		g.kill("recorder")
		g.start("recorder")
		g.kill("tailer")
		if i == 1 || i == 3 {
			r.stop()
			r.start()
		}
		g.start("tailer")
		g.clean()
	}
	<-published
	if sent.Load() != n {
		t.Fatalf("%d of %d readings were published", sent.Load(), n)
	}
	r.await(n)
	g.stop("recorder")
	g.stop("tailer")
	r.prove(n)
	report := g.clean()
	if left := segments(t, filepath.Join(filepath.Dir(g.conf), "spool")); len(left) != 0 {
		t.Errorf("%d segments are left after the clean-up: %v\n%s", len(left), left, report)
	}
}

func (g *gateway) said(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.logs[name].String()
}

func TestBrokerAwayForTenSeconds(t *testing.T) {
	const n = 4000
	p := newPKI(t)
	b, r := newBroker(t, p), newReceiver(t, p)
	g := newGateway(t, b, r, "")
	r.start()
	g.start("recorder")
	g.start("tailer")
	eventually(t, "the recorder has subscribed", func() bool { return strings.Contains(g.said("recorder"), `"connected"`) })
	var sent atomic.Int64
	b.publish(0, n/2, 50, &sent)
	b.stop()
	time.Sleep(10 * time.Second) // the outage itself
	b.start()
	b.publish(n/2, n, 50, &sent)
	r.await(n)
	r.prove(n)
}

func TestLogstashAwayForTheWholeRecording(t *testing.T) {
	const n = 5000
	p := newPKI(t)
	b, r := newBroker(t, p), newReceiver(t, p)
	g := newGateway(t, b, r, "")
	g.start("recorder")
	g.start("tailer")
	eventually(t, "the recorder has subscribed", func() bool { return strings.Contains(g.said("recorder"), `"connected"`) })
	var sent atomic.Int64
	b.publish(0, n, 50, &sent)
	g.kill("tailer")
	g.start("tailer")
	r.start()
	r.await(n)
	r.prove(n)
	if failures := strings.Count(g.said("tailer"), "Failed to connect"); failures < 1 || failures > 4 {
		t.Errorf("the outage was reported %d times; want once for each start", failures)
	}
}

func TestSpoolOnAFullDiskThatIsFreedLater(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root to mount a tmpfs of 3 MiB")
	}
	spool := t.TempDir()
	if err := syscall.Mount("tmpfs", spool, "tmpfs", 0, "size=3m"); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(spool, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	const n = 6000
	p := newPKI(t)
	b, r := newBroker(t, p), newReceiver(t, p)
	g := newGateway(t, b, r, spool)
	ballast := filepath.Join(spool, "ballast")
	g.start("recorder")
	eventually(t, "the recorder has subscribed", func() bool { return strings.Contains(g.said("recorder"), `"connected"`) })
	fill(t, ballast)
	var sent atomic.Int64
	b.publish(0, n, 50, &sent)
	eventually(t, "the full disk is reported", func() bool { return strings.Contains(g.said("recorder"), "no space left") })
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	r.start()
	g.start("tailer")
	r.await(n)
	g.stop("recorder")
	r.prove(n)
	if c := strings.Count(g.said("recorder"), "no space left"); c > 2 {
		t.Errorf("the full disk was reported %d times", c)
	}
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
