package registry

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestHolderOfTheLockIsNamed: another process has it, as a Filebeat would.
func TestHolderOfTheLockIsNamed(t *testing.T) {
	tool, err := exec.LookPath("flock")
	if err != nil {
		t.Skip("there is no flock")
	}
	dataDir := t.TempDir()
	lock := filepath.Join(dataDir, lockName)
	cmd := exec.Command(tool, "--no-fork", lock, "cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = cmd.Wait() })
	want := fmt.Sprintf("(filebeat.lock is locked by cat, process %d): stop that one", cmd.Process.Pid)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		r, err := Open(dataDir, DefaultConfig(), zerolog.Nop())
		if err == nil {
			closeAll(t, r) // it has not locked it yet
			continue
		}
		if errors.Is(err, ErrLocked) && errors.Is(err, ErrLockedForLong) && strings.Contains(err.Error(), want) {
			return
		}
		if !errors.Is(err, ErrLocked) || time.Now().After(end) {
			t.Fatalf("%v, want %s", err, want)
		}
	}
}

// TestLockOfAProcessIsRefused: a process that poses as Filebeat stands in the
// lock file, without holding the lock.
func TestLockOfAProcessIsRefused(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("there is no sleep")
	}
	theirs := filepath.Join(t.TempDir(), "filebeat")
	if err := os.Symlink(sleep, theirs); err != nil {
		t.Fatal(err)
	}
	pids := make(map[string]int)
	for name, path := range map[string]string{"filebeat": theirs, "sleep": sleep} {
		cmd := exec.Command(path, "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		comm := fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid)
		for end := time.Now().Add(10 * time.Second); read(t, comm) != name+"\n"; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Skipf("%s calls itself %q", path, read(t, comm))
			}
		}
		pids[name] = cmd.Process.Pid
	}
	for name, c := range map[string]struct {
		text    string
		refused bool
	}{
		"a running Filebeat":    {fmt.Sprintf(`{"pid":%d,"write_time":"2026-11-21T19:42:02Z"}`, pids["filebeat"]), true},
		"its number used anew":  {fmt.Sprintf(`{"pid":%d,"write_time":"2026-11-21T19:42:02Z"}`, pids["sleep"]), false},
		"one that is gone":      {`{"pid":4194305}`, false},
		"this process":          {fmt.Sprintf(`{"pid":%d}`, os.Getpid()), false},
		"empty, as 9 leaves it": {"", false},
		"garbage":               {"\x00\x00pid", false},
	} {
		t.Run(name, func(t *testing.T) {
			dataDir := t.TempDir()
			lock := filepath.Join(dataDir, lockName)
			write(t, lock, c.text)
			r, err := Open(dataDir, DefaultConfig(), zerolog.Nop())
			if c.refused {
				if !errors.Is(err, ErrLocked) || !errors.Is(err, ErrLockedForLong) || !strings.Contains(err.Error(), fmt.Sprintf("(filebeat.lock is signed by filebeat, process %d): stop", pids["filebeat"])) {
					t.Errorf("%v", err)
				}
				if got := read(t, lock); got != c.text {
					t.Errorf("the lock is now %q", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := read(t, lock); !strings.HasPrefix(got, fmt.Sprintf(`{"pid":%d,"write_time":"`, os.Getpid())) {
				t.Errorf("while it is held the lock says %q", got)
			}
			closeAll(t, r)
			if got := read(t, lock); got != "" {
				t.Errorf("released, the lock says %q", got)
			}
		})
	}
}
