package child

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// poll waits until ok; the deadline only ends a broken test.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func start(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start(filepath.Join(t.TempDir(), "log"), exec.Command("sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.Stop() })
	return p
}

func TestUsageIsTheChildsAlone(t *testing.T) {
	ours := make([]byte, 64<<20)
	for i := range ours {
		ours[i] = 1
	}
	p := start(t, "while :; do :; done")
	var u Usage
	poll(t, "the child uses the CPU", func() bool {
		var err error
		if u, err = p.Usage(); err != nil {
			t.Fatal(err)
		}
		return u.CPU > 30*time.Millisecond
	})
	if u.Peak <= 0 || u.Peak >= int64(len(ours)) {
		t.Errorf("the shell's peak memory is %d bytes: 0, or that of the test", u.Peak)
	}
	cpu, err := p.Stop()
	if err != nil {
		t.Error(err)
	}
	if cpu < u.CPU-10*time.Millisecond { // wait4 rounds
		t.Errorf("at its end the child had used %v, before that %v", cpu, u.CPU)
	}
}

func TestSleepsAreCountedAsWakeups(t *testing.T) {
	p := start(t, "while :; do sleep 0.001; done")
	poll(t, "the child was woken ten times", func() bool {
		u, err := p.Usage()
		if err != nil {
			t.Fatal(err)
		}
		return u.Wakeups > 10
	})
}

func TestAFailureComesWithTheLog(t *testing.T) {
	p := start(t, "echo no disk >&2; exit 3")
	<-p.Done()
	if _, err := p.Usage(); err == nil || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("usage of a failed process: %v", err)
	}
	if _, err := p.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("stop of a failed process: %v", err)
	}
}
