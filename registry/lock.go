package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

const lockName = "filebeat.lock"

// ErrLocked is returned by Open while another process has the registry open.
// ErrLockedForLong is wrapped beside it when that is no sluice, whose commands
// hold it for moments: there is no use in waiting.
var (
	ErrLocked        = errors.New("is in use by another sluice or Filebeat")
	ErrLockedForLong = errors.New("by a program that keeps it")
)

// lockedError says who holds the lock: how, and which process, 0 if unknown.
type lockedError struct {
	dataDir, how string
	pid          int
	name         string // of the process
}

func (e *lockedError) Error() string {
	how := lockName + " " + e.how
	if e.pid != 0 {
		how += fmt.Sprintf(" by %s, process %d", e.name, e.pid)
	}
	return fmt.Sprintf("%s %v (%s): stop that one, or give this one a path.data of its own", e.dataDir, ErrLocked, how)
}

// Is makes it both errors.
func (e *lockedError) Is(target error) bool {
	return target == ErrLocked || target == ErrLockedForLong && e.pid != 0 && !strings.HasPrefix(e.name, "sluice")
}

// takeLock takes Filebeat's lock of the data folder. The file stays when it is
// released: removing it would let two processes lock two files of one name.
// While it is held it says by whom, which some Filebeats of version 8 go by.
func takeLock(dataDir string) (*flock.Flock, error) {
	path := filepath.Join(dataDir, lockName)
	for {
		lock := flock.New(path)
		ok, err := lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !ok {
			pid, name := lockOwner(path)
			return nil, &lockedError{dataDir, "is locked", pid, name}
		}
		if !isNamed(lock) {
			// Filebeat removes the file at its end: it is another one by now.
			if err := lock.Unlock(); err != nil {
				return nil, fmt.Errorf("lock %s: %w", path, err)
			}
			continue
		}
		if pid, name := signedBy(path); pid != 0 {
			return nil, errors.Join(&lockedError{dataDir, "is signed", pid, name}, lock.Unlock())
		}
		signLock(lock, path)
		return lock, nil
	}
}

// releaseLock ends takeLock.
func releaseLock(lock *flock.Flock) error {
	if isNamed(lock) {
		_ = os.Truncate(lock.Path(), 0) // what it says is a service only
	}
	return lock.Unlock()
}

// isNamed says whether the lock's file is still the one of that name.
func isNamed(lock *flock.Flock) bool {
	held, err1 := lock.Stat()
	named, err2 := os.Stat(lock.Path())
	return err1 == nil && err2 == nil && os.SameFile(held, named)
}

// lockText is what Filebeats of version 8 that go by process ids write into
// the lock.
type lockText struct {
	PID       int       `json:"pid"`
	WriteTime time.Time `json:"write_time"`
}

// signLock writes this process into the lock: without it such a Filebeat takes
// the file for one that was left behind. A full disk is no reason not to start.
func signLock(lock *flock.Flock, path string) {
	text, err := json.Marshal(lockText{PID: os.Getpid(), WriteTime: time.Now()})
	if err == nil && isNamed(lock) {
		_ = os.WriteFile(path, text, 0o600)
	}
}

// signedBy returns the process that a lock's text names, if that is a shipper
// which runs, and not this one; else 0. After a power cut the number may be
// anybody's.
func signedBy(path string) (pid int, name string) {
	b, err := os.ReadFile(path)
	if err != nil || len(b) > 4096 {
		return 0, ""
	}
	var text struct{ PID int }
	if json.Unmarshal(b, &text) != nil || text.PID <= 0 || text.PID == os.Getpid() {
		return 0, ""
	}
	name = processName(text.PID)
	if strings.HasPrefix(name, "filebeat") || strings.HasPrefix(name, "sluice") {
		return text.PID, name
	}
	return 0, ""
}

// lockOwner returns the other process that holds the lock, where the kernel
// tells (not of another container's); else 0.
func lockOwner(path string) (pid int, name string) {
	var st unix.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Stat(path, &st) != nil {
		return 0, ""
	}
	place := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino)
	for line := range strings.Lines(string(locks)) {
		// "1: FLOCK ADVISORY WRITE <process> <device>:<inode> 0 EOF"
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != place {
			continue
		}
		pid, err := strconv.Atoi(f[4])
		if err != nil || pid <= 0 || pid == os.Getpid() {
			return 0, ""
		}
		if name := processName(pid); name != "" {
			return pid, name
		}
	}
	return 0, ""
}

// HeldBy returns the process that holds the registry of a data folder now, and
// its name; 0 if there is none, or the kernel does not tell.
func HeldBy(dataDir string) (pid int, name string) {
	return lockOwner(filepath.Join(dataDir, lockName))
}

// processName returns what a running process calls itself; else nothing.
func processName(pid int) string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
