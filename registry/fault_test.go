package registry

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"sluice/internal/durable"
)

// inChild runs the test again in a process of its own and tells the first one
// to leave it at that: a limit on file sizes also hits what go test writes.
func inChild(t *testing.T) (parent bool) {
	t.Helper()
	const env = "REGISTRY_TEST_CHILD"
	if os.Getenv(env) == t.Name() {
		return false
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), env+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v\n%s", err, out)
	}
	return true
}

// limitFileSize makes writes beyond size fail with EFBIG after a part of them
// was written: a real full disk's behaviour, without one. See inChild.
func limitFileSize(t *testing.T, size int64) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := old
	limit.Cur = uint64(size)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	lifted := false
	lift = func() {
		if !lifted {
			lifted = true
			if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
				t.Fatal(err)
			}
			signal.Reset(syscall.SIGXFSZ)
		}
	}
	t.Cleanup(lift)
	return lift
}

func TestFullDiskKeepsEverythingPendingAndTheLogParseable(t *testing.T) {
	if inChild(t) {
		return
	}
	dataDir := t.TempDir()
	r := open(t, dataDir)
	r.Commit(logState(1, 10))
	mustSync(t, r)
	path := filepath.Join(store(dataDir), journalName)
	before := read(t, path)

	lift := limitFileSize(t, int64(len(before)+100))
	r.Commit(logState(1, 20))
	r.Commit(logState(2, 5))
	for range 3 {
		if err := r.Sync(); !errors.Is(err, syscall.EFBIG) {
			t.Fatalf("error %v", err)
		}
		if got := read(t, path); got != before {
			t.Fatalf("log.json was not cut back: %q", got[len(before):])
		}
	}
	if s, ok := r.Durable(logState(1, 0).Key); !ok || s.Offset != 10 {
		t.Errorf("durable ran ahead: %v %d", ok, s.Offset)
	}
	if _, ok := r.Durable(logState(2, 0).Key); ok {
		t.Error("durable ran ahead: file 2")
	}
	if s, _ := r.Get(logState(1, 0).Key); s.Offset != 20 {
		t.Errorf("offset in memory %d", s.Offset)
	}
	lift()

	r.Commit(logState(1, 30)) // what was committed last is written
	mustSync(t, r)
	if s, _ := r.Durable(logState(1, 0).Key); s.Offset != 30 {
		t.Errorf("durable %d", s.Offset)
	}
	if n := strings.Count(read(t, path), `"op":"set"`); n != 3 {
		t.Errorf("%d operations in log.json", n)
	}
	states := r.States()
	closeAll(t, r)
	mustBeFilebeats(t, store(dataDir), states)
}

func TestFailingDiskIsLeftForANewFile(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	r.Commit(logState(1, 10))
	mustSync(t, r)
	r.commitJournal = func(*durable.File) error { return syscall.EIO }
	r.Commit(logState(1, 20))
	r.Commit(logState(2, 5))
	r.Forget(logState(2, 5).Key)
	if err := r.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("error %v", err)
	}
	mustSync(t, r) // into a checkpoint: log.json would fail again
	if s, _ := r.Durable(logState(1, 0).Key); s.Offset != 20 {
		t.Errorf("durable %d", s.Offset)
	}
	if got := must(listCheckpoints(store(dataDir))); len(got) != 1 {
		t.Errorf("checkpoints %v", got)
	}
	mustBeFilebeats(t, store(dataDir), r.States())
	r.commitJournal = (*durable.File).Commit
	r.Commit(logState(1, 30))
	mustSync(t, r)
	states := r.States()
	crash(r)
	mustBeFilebeats(t, store(dataDir), states)
}

// TestCheckpointThatCannotBeWrittenLosesNothing: a folder stands where the
// temporary file must be.
func TestCheckpointThatCannotBeWrittenLosesNothing(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	obstacle := filepath.Join(store(dataDir), checkpointTemp)
	write(t, filepath.Join(obstacle, "x"), "")
	key := logState(1, 0).Key
	for i := range int64(220) { // beyond 64 KiB
		r.Commit(logState(1, i+1))
		mustSync(t, r)
		if s, _ := r.Durable(key); s.Offset != i+1 {
			t.Fatalf("durable %d", s.Offset)
		}
	}
	path := filepath.Join(store(dataDir), journalName)
	if n := len(read(t, path)); n < smallestCheckpoint {
		t.Errorf("log.json has %d bytes", n)
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	for i := range int64(220) {
		r.Commit(logState(1, 1000+i))
		mustSync(t, r)
	}
	if n := len(read(t, path)); n > smallestCheckpoint {
		t.Errorf("log.json has %d bytes: no checkpoint was made", n)
	}
	closeAll(t, r)
	mustBeFilebeats(t, store(dataDir), r.States())
}

func TestSecondWriterIsRefused(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	_, err := Open(dataDir, DefaultConfig(), zerolog.Nop())
	want := "open registry: " + dataDir + " is in use by another sluice or Filebeat (filebeat.lock is locked): stop that one, or give this one a path.data of its own"
	if !errors.Is(err, ErrLocked) || err.Error() != want {
		t.Errorf("error %v\nwant  %v", err, want)
	}
	closeAll(t, r)
	theirs := flock.New(filepath.Join(dataDir, lockName))
	if ok, err := theirs.TryLock(); !ok || err != nil {
		t.Fatalf("lock not released: %v %v", ok, err)
	}
	if _, err := Open(dataDir, DefaultConfig(), zerolog.Nop()); !errors.Is(err, ErrLocked) {
		t.Errorf("a running Filebeat was not seen: %v", err)
	}
	if err := theirs.Unlock(); err != nil {
		t.Fatal(err)
	}
	closeAll(t, open(t, dataDir))
}

func TestFutureVersionIsRefused(t *testing.T) {
	dataDir := t.TempDir()
	meta := filepath.Join(store(dataDir), metaName)
	write(t, meta, `{"version":"2"}`)
	_, err := Open(dataDir, DefaultConfig(), zerolog.Nop())
	want := "open registry: " + meta + `: version "2" is not known here (only 0 and 1 are): use the program that wrote it, or move the folder ` + store(dataDir) + " away to start anew"
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %v", err, want)
	}
	if _, err := Read(store(dataDir)); err == nil || !strings.Contains(err.Error(), `version "2"`) {
		t.Errorf("Read: %v", err)
	}
	write(t, meta, `{"version":"1"}`) // the lock is free again
	closeAll(t, open(t, dataDir))
}

// asNobody runs fn without root's right to pass over permissions.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		fn()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		unix.RawSyscall(unix.SYS_SETFSUID, 65534, 0, 0)
		fn()
	}()
	<-done
}

func TestFolderWithoutWritePermissionIsRefused(t *testing.T) {
	dataDir := t.TempDir()
	closeAll(t, open(t, dataDir))
	if err := os.Chmod(dataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{store(dataDir), filepath.Join(dataDir, "registry")} {
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	for p := dataDir; p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{lockName, metaName} {
		if err := os.Chmod(filepath.Join(dataDir, f), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	asNobody(t, func() {
		r, err := Open(dataDir, DefaultConfig(), zerolog.Nop())
		if err == nil {
			r.Close()
			t.Error("no error")
			return
		}
		want := "open registry: open " + filepath.Join(store(dataDir), checkpointTemp) + ": permission denied: run as the user who owns " + dataDir + ", or give it to this user (chown -R)"
		if err.Error() != want {
			t.Errorf("error %v\nwant  %v", err, want)
		}
	})
}

func TestClosedRegistryRefusesToWrite(t *testing.T) {
	r := open(t, t.TempDir())
	closeAll(t, r)
	closeAll(t, r)
	r.Commit(logState(1, 1))
	_, err := r.Maintain(time.Now())
	for _, err := range []error{err, r.Sync(), r.Snapshot()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("error %v", err)
		}
	}
}

func TestFilePermissionsApplyToExistingFiles(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	r.Commit(logState(1, 1))
	closeAll(t, r)
	cfg := DefaultConfig()
	cfg.FilePermissions = 0o640
	r, err := Open(dataDir, cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	r.Commit(logState(1, 2))
	closeAll(t, r)
	for name := range contents(t, store(dataDir)) {
		fi, err := os.Stat(filepath.Join(store(dataDir), name))
		if err != nil || fi.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v %v", name, fi.Mode(), err)
		}
	}
	fi, err := os.Stat(store(dataDir))
	if err != nil || fi.Mode().Perm() != 0o750 {
		t.Errorf("folder: %v %v", fi.Mode(), err)
	}
}

func TestConfigErrorsNameTheOption(t *testing.T) {
	c := Config{FilePermissions: 0o400, Flush: -1, SnapshotBudget: -1}
	err := c.Validate()
	for _, field := range []string{"path", "file_permissions", "flush", "snapshot_budget"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
	var fe interface{ Field() string }
	if !errors.As(err, &fe) || fe.Field() != "path" {
		t.Errorf("Field of %v", err)
	}
	c = DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestAgentIDIsFilebeatsAndStays(t *testing.T) {
	dataDir := t.TempDir()
	if err := os.CopyFS(dataDir, os.DirFS("testdata/samples/v1-9.0.0-log.json")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		id, err := AgentID(dataDir)
		if err != nil || id != "9bc8a77b-1a1f-4103-9b77-bd4655533524" {
			t.Fatalf("%q %v", id, err)
		}
	}
	fresh := filepath.Join(t.TempDir(), "data")
	id, err := AgentID(fresh)
	if err != nil || len(id) != 36 {
		t.Fatalf("%q %v", id, err)
	}
	if again, err := AgentID(fresh); err != nil || again != id {
		t.Errorf("%q %v, was %q", again, err, id)
	}
	if text := read(t, filepath.Join(fresh, metaName)); !strings.HasPrefix(text, `{"uuid":"`+id+`","first_start":"2`) {
		t.Errorf("meta.json %s", text)
	}
	write(t, filepath.Join(fresh, metaName), "\x00\x00\x00")
	closeAll(t, open(t, fresh))
	if got := setAsideNames(t, fresh); len(got) != 1 || got[0] != metaName {
		t.Errorf("set aside %v", got)
	}
	if id, err := AgentID(fresh); err != nil || len(id) != 36 {
		t.Errorf("%q %v", id, err)
	}
}

// TestFirstStartOnAFullDiskGoesOnByItself: not even meta.json could be written.
func TestFirstStartOnAFullDiskGoesOnByItself(t *testing.T) {
	if inChild(t) {
		return
	}
	dataDir := t.TempDir()
	lift := limitFileSize(t, 0)
	r := open(t, dataDir)
	r.Commit(logState(1, 10))
	if err := r.Sync(); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("error %v", err)
	}
	lift()
	mustSync(t, r)
	states := r.States()
	closeAll(t, r)
	mustBeFilebeats(t, store(dataDir), states)
}

// TestTakeOverOfVersion0OnAFullDisk: the states are used, the folder is left as
// it was until there is room.
func TestTakeOverOfVersion0OnAFullDisk(t *testing.T) {
	if inChild(t) {
		return
	}
	dataDir := t.TempDir()
	if err := os.CopyFS(dataDir, os.DirFS("testdata/samples/v0-7.7.0-data.json")); err != nil {
		t.Fatal(err)
	}
	before := contents(t, store(dataDir))
	lift := limitFileSize(t, 0)
	r := open(t, dataDir)
	if n := len(r.States()); n != 4 {
		t.Errorf("%d states", n)
	}
	r.Commit(logState(1, 10))
	if err := r.Sync(); err == nil {
		t.Error("no error on a full disk")
	}
	for name, text := range contents(t, store(dataDir)) {
		if text != before[name] {
			t.Errorf("%s was written", name)
		}
	}
	lift()
	mustSync(t, r)
	states := r.States()
	crash(r)
	mustBeFilebeats(t, store(dataDir), states)
}
