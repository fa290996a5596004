package registry

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// drive calls Maintain as the tailer does: when Dirty receives and when it asked
// to be called, in virtual time.
type drive struct {
	t    *testing.T
	r    *Registry
	now  time.Time
	next time.Time
}

func newDrive(t *testing.T, r *Registry) *drive {
	d := &drive{t: t, r: r, now: time.Now()}
	d.maintain()
	return d
}

func (d *drive) maintain() {
	d.t.Helper()
	next, err := d.r.Maintain(d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	if !next.IsZero() && !next.After(d.now) {
		d.t.Fatalf("Maintain at %v asks for %v: a busy loop", d.now, next)
	}
	d.next = next
}

// until lets the time pass.
func (d *drive) until(end time.Time) {
	d.t.Helper()
	select {
	case <-d.r.Dirty():
		d.maintain()
	default:
	}
	for !d.next.IsZero() && !d.next.After(end) {
		d.now = d.next
		d.maintain()
	}
	d.now = end
}

// written is how many bytes this process handed to write(2).
func written(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skipf("no /proc/self/io: %v", err)
	}
	_, rest, _ := strings.Cut(string(b), "wchar: ")
	number, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOneLineASecondIntoOneOfAThousandFiles writes under 1 kB/s over 20
// minutes, data.json and checkpoints included (Filebeat: 21.7 to 192 kB/s).
func TestOneLineASecondIntoOneOfAThousandFiles(t *testing.T) {
	r := open(t, t.TempDir())
	defer closeAll(t, r)
	for i := range uint64(1000) {
		r.Commit(logState(i+1, 100))
	}
	if err := r.Snapshot(); err != nil {
		t.Fatal(err)
	}
	const span = 20 * time.Minute
	d := newDrive(t, r)
	start, before := d.now, written(t)
	for n := range int64(span / time.Second) {
		r.Commit(logState(7, 100+48*(n+1)))
		d.until(start.Add(time.Duration(n+1) * time.Second))
	}
	rate := float64(written(t)-before) / span.Seconds()
	t.Logf("%.0f bytes a second", rate)
	if rate >= 1000 {
		t.Errorf("%.0f bytes a second", rate)
	}
	if rate < 50 {
		t.Errorf("%.0f bytes a second: the measurement is wrong", rate)
	}
}

// TestSmallSnapshotIsAtMostTenSecondsOld commits at awkward moments and looks
// at data.json all the time.
func TestSmallSnapshotIsAtMostTenSecondsOld(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	defer closeAll(t, r)
	for i := range uint64(100) {
		r.Commit(logState(i+1, 0))
	}
	d := newDrive(t, r)
	start := d.now
	const step = 700 * time.Millisecond
	for n := range int64(200) {
		r.Commit(logState(1, n+1))
		d.until(start.Add(time.Duration(n+1) * step))
		old := n + 1 - int64(10*time.Second/step)
		if old < 1 {
			continue
		}
		v, err := Read(copyOf(t, filepath.Join(store(dataDir), snapshotName)))
		if err != nil {
			t.Fatal(err)
		}
		if got := offsets(v.States())[logState(1, 0).Key]; got < old {
			t.Fatalf("after %v data.json has offset %d, 10 s ago it was %d", d.now.Sub(start), got, old)
		}
	}
}

// copyOf puts a data.json where no store is beside it.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "array.json")
	write(t, to, read(t, path))
	return to
}

// TestLargeSnapshotKeepsItsBudget: all of 1,000 files change all the time.
func TestLargeSnapshotKeepsItsBudget(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	defer closeAll(t, r)
	path := filepath.Join(store(dataDir), snapshotName)
	d := newDrive(t, r)
	start := d.now
	var last os.FileInfo
	rewrites, size := 0, int64(0)
	const span = 10 * time.Minute
	for at := time.Duration(0); at < span; at += 5 * time.Second {
		for i := range uint64(1000) {
			r.Commit(logState(i+1, int64(at/time.Second)+1))
		}
		d.until(start.Add(at + 5*time.Second))
		fi, err := os.Stat(path)
		if err != nil {
			continue
		}
		if last == nil || !os.SameFile(fi, last) {
			rewrites++
			size += fi.Size()
		}
		last = fi
	}
	if rate := float64(size) / span.Seconds(); rate > 4096*1.1 || rate < 4096*0.5 {
		t.Errorf("%d rewrites, %.0f bytes a second", rewrites, rate)
	}
}

func TestMaintainFlushesAfterFlush(t *testing.T) {
	r := open(t, t.TempDir())
	defer closeAll(t, r)
	if err := r.Snapshot(); err != nil {
		t.Fatal(err)
	}
	d := newDrive(t, r)
	if !d.next.IsZero() {
		t.Errorf("nothing is pending, yet it asks for %v", d.next)
	}
	start := d.now
	s := logState(1, 1)
	r.Commit(s)
	select {
	case <-r.Dirty():
	default:
		t.Fatal("Dirty does not tell")
	}
	d.maintain()
	if want := start.Add(5 * time.Second); !d.next.Equal(want) {
		t.Errorf("next %v, want %v", d.next, want)
	}
	r.Commit(logState(1, 2)) // does not put it off
	d.until(start.Add(5*time.Second - 1))
	if _, ok := r.Durable(s.Key); ok {
		t.Error("durable before Flush was over")
	}
	d.until(start.Add(5 * time.Second))
	if got, _ := r.Durable(s.Key); got.Offset != 2 {
		t.Errorf("durable %d after Flush", got.Offset)
	}
}

func TestMaintainTriesAgainAfterAFailure(t *testing.T) {
	if inChild(t) {
		return
	}
	r := open(t, t.TempDir())
	defer closeAll(t, r)
	if err := r.Snapshot(); err != nil {
		t.Fatal(err)
	}
	lift := limitFileSize(t, 10)
	now := time.Now()
	r.Commit(logState(1, 1))
	next, err := r.Maintain(now)
	for range 3 {
		if err != nil || !next.After(now) {
			t.Fatalf("%v %v", next, err)
		}
		now = next
		if next, err = r.Maintain(now); err == nil {
			t.Fatal("no error on a full disk")
		}
		err = nil
	}
	lift()
	if _, err = r.Maintain(next); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Durable(logState(1, 0).Key); !ok {
		t.Error("not durable after the disk was freed")
	}
}

func TestUnchangedStateWritesNothing(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	r.Commit(logState(1, 1))
	closeAll(t, r)
	r = open(t, dataDir)
	defer closeAll(t, r)
	before := contents(t, store(dataDir))
	r.Commit(logState(1, 1))
	select {
	case <-r.Dirty():
		t.Error("an unchanged state is dirty")
	default:
	}
	r.Commit(logState(1, 2))
	r.Commit(logState(1, 1)) // and back
	r.Commit(logState(2, 1))
	r.Forget(logState(2, 1).Key)
	mustSync(t, r)
	if err := r.Snapshot(); err != nil {
		t.Fatal(err)
	}
	for name, text := range contents(t, store(dataDir)) {
		if text != before[name] {
			t.Errorf("%s was written", name)
		}
	}
	for n := range int64(1000) {
		r.Commit(logState(1, n+2))
	}
	mustSync(t, r)
	path := filepath.Join(store(dataDir), journalName)
	if n := strings.Count(read(t, path), `"op"`); n != 2 {
		t.Errorf("%d operations for two syncs", n)
	}
}

func TestLogOfATinyRegistryStaysSmall(t *testing.T) {
	dataDir := t.TempDir()
	r := open(t, dataDir)
	path := filepath.Join(store(dataDir), journalName)
	for n := range int64(250) {
		r.Commit(logState(1, n+1))
		mustSync(t, r)
		if size := len(read(t, path)); size > smallestCheckpoint+1000 {
			t.Fatalf("log.json has %d bytes", size)
		}
	}
	closeAll(t, r)
	mustBeFilebeats(t, store(dataDir), r.States())
	ids := must(listCheckpoints(store(dataDir)))
	if len(ids) != 1 {
		t.Errorf("checkpoints %v", ids)
	}
	if got := read(t, filepath.Join(store(dataDir), activeName)); got != checkpointPath(store(dataDir), ids[0]) {
		t.Errorf("active.dat %q", got)
	}
}

func TestCommitOfAKnownFileDoesNotAllocate(t *testing.T) {
	r := open(t, t.TempDir())
	defer closeAll(t, r)
	s := logState(1, 1)
	r.Commit(s)
	mustSync(t, r)
	if n := testing.AllocsPerRun(100, func() {
		s.Offset++
		r.Commit(s)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
