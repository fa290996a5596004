package gateway

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"sluice/config"
)

// The test binary is also the process that the tests kill.
const (
	childConfig = "GATEWAY_TEST_CONFIG"
	childOnce   = "GATEWAY_TEST_ONCE"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childConfig); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, "Exiting:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child ships as a configuration says.
func child(path string) error {
	cfg, err := config.Load([]string{path}, nil)
	if err != nil {
		return err
	}
	t, err := OpenTailer(cfg, zerolog.New(os.Stderr), TailerOptions{Once: os.Getenv(childOnce) != ""})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return t.Run(ctx)
}

// process is a child.
type process struct {
	*exec.Cmd
	stderr logText
}

// place is a folder with a configuration; $DIR in it stands for the folder.
func place(t *testing.T, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	configure(t, dir, text)
	return dir
}

func configure(t *testing.T, dir, text string) {
	t.Helper()
	text = "path.data: " + dir + "/data\nqueue.mem.flush.timeout: 20ms\n" + string(bytes.ReplaceAll([]byte(text), []byte("$DIR"), []byte(dir)))
	if err := os.WriteFile(filepath.Join(dir, "c.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command makes a child for a place.
func command(t *testing.T, dir string, once bool) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), childConfig+"="+filepath.Join(dir, "c.yml"))
	if once {
		p.Env = append(p.Env, childOnce+"=1")
	}
	p.Stderr = &p.stderr
	return p
}

func (p *process) start(t *testing.T) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // it may have ended
}

// end waits for the end, at most a minute.
func (p *process) end(t *testing.T) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		_ = p.Process.Kill()
		<-done
		t.Fatalf("the process does not end\n%s", p.stderr.String())
		return nil
	}
}

// until polls for at most half a minute.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
