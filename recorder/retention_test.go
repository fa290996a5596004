package recorder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// fullSpool is a series whose spool has bounds, written by hand.
type fullSpool struct {
	t   *testing.T
	cfg SpoolConfig
	w   *writer
	n   int // records written
}

func newFullSpool(t *testing.T, dir string, change func(*SpoolConfig), name ...string) *fullSpool {
	t.Helper()
	cfg := DefaultConfig().Spool
	cfg.Path, cfg.MinFree = dir, 0
	change(&cfg)
	must(t, cfg.Validate())
	f, err := compileFormat("json")
	must(t, err)
	s, err := openSeries(append(name, "mqtt")[0], cfg, false, zerolog.Nop())
	must(t, err)
	t.Cleanup(func() {
		if s.active != nil {
			_ = s.active.file.Close()
		}
		s.unlock()
	})
	must(t, s.recover(func(int64, map[int64]int64) error { return nil }))
	w := &writer{cfg: cfg, queue: newQueue(1<<20, 10000, 1<<20), series: s, format: f, stats: &stats{}, log: zerolog.Nop()}
	w.retention = newRetention(cfg, zerolog.Nop())
	return &fullSpool{t: t, cfg: cfg, w: w}
}

// record writes n records of some 200 bytes, one group each, and gives a write
// that is refused 50 ms.
func (f *fullSpool) record(n int) error {
	for range n {
		f.w.queue.put(Record{Time: time.Unix(0, 0), Topic: "t", Payload: fmt.Appendf(nil, "%0100d", f.n), Size: 100, slot: -1})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		records := f.w.queue.take()
		err := f.w.record(ctx, records)
		cancel()
		if err != nil {
			f.w.queue.release(records)
			return err
		}
		f.n++
	}
	return nil
}

// kept reads the spool: how many records are there, in how many bytes, and what
// events say of others.
func (f *fullSpool) kept() (records int, size int64, losses []loss) {
	f.t.Helper()
	paths, err := filepath.Glob(filepath.Join(f.cfg.Path, "*.log"))
	must(f.t, err)
	for _, p := range paths {
		b, err := os.ReadFile(p)
		must(f.t, err)
		size += int64(len(b))
		for line := range bytes.Lines(b) {
			var l struct {
				Event, Series string
				loss
			}
			must(f.t, json.Unmarshal(line, &l))
			switch l.Event {
			case "":
				records++
			case eventDropped:
				if l.Series != "mqtt" {
					f.t.Errorf("%s", line)
				}
				losses = append(losses, l.loss)
			default:
				f.t.Errorf("unknown event %s", line)
			}
		}
	}
	return records, size, losses
}

func TestSpoolAtItsBoundBlocks(t *testing.T) {
	f := newFullSpool(t, t.TempDir(), func(c *SpoolConfig) { c.MaxBytes = 64 << 10 })
	err := f.record(1000)
	if !errors.Is(err, errBound) || !strings.Contains(err.Error(), "spool.max_bytes is 65536") {
		t.Fatalf("error %v", err)
	}
	if records, size, losses := f.kept(); records != f.n || size > 64<<10 || size < 60<<10 || losses != nil {
		t.Errorf("%d records of %d, %d bytes, losses %v", records, f.n, size, losses)
	}
	must(t, os.Remove(filepath.Join(f.cfg.Path, "mqtt-0000000001.log"))) // as the cleaner does
	must(t, f.record(50))
}

func TestSpoolAtItsBoundDropsTheOldest(t *testing.T) {
	f := newFullSpool(t, t.TempDir(), func(c *SpoolConfig) { c.MaxBytes, c.WhenFull = 64<<10, whenFullDrop })
	must(t, f.record(3000))
	records, size, losses := f.kept()
	lost := f.w.stats.get()
	if len(losses) == 0 || size > 64<<10+300 || int64(records)+lost.DroppedRecords < int64(f.n) || lost.DroppedSegments < 5 {
		t.Errorf("%d of %d records are there, %d bytes; %+v", records, f.n, size, lost)
	}
	for _, l := range losses {
		if _, err := os.Stat(filepath.Join(f.cfg.Path, l.Segment)); err == nil || l.Records == 0 || l.Bytes == 0 || l.Reason == "" {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// What is dropped is named durably before it is gone.
func TestLossIsRecordedBeforeTheSegmentIsDeleted(t *testing.T) {
	f := newFullSpool(t, t.TempDir(), func(c *SpoolConfig) { c.MaxBytes, c.WhenFull = 64<<10, whenFullDrop })
	first := filepath.Join(f.cfg.Path, "mqtt-0000000001.log")
	broken := false
	f.w.series.fail = func(step string) error {
		if step == "write" && len(f.w.group.dropping) > 0 {
			broken = true
			return syscall.EIO
		}
		return nil
	}
	for !broken {
		_ = f.record(1)
	}
	if _, err := os.Stat(first); err != nil {
		t.Errorf("deleted although the group was not written: %v", err)
	}
	f.w.series.fail = nil
	must(t, f.record(1))
	if _, err := os.Stat(first); err == nil {
		t.Error("not deleted after the group was written")
	}
}

func TestAcknowledgedSegmentsGoFirst(t *testing.T) {
	for _, when := range []string{whenFullDropAcked, whenFullDrop} {
		t.Run(when, func(t *testing.T) {
			f := newFullSpool(t, t.TempDir(), func(c *SpoolConfig) { c.MaxBytes, c.WhenFull = 64<<10, when })
			acked := 4 // so many segments are shipped
			f.w.retention.free = func(_ context.Context, need int64) (freed int64, err error) {
				for i := 1; i <= acked && freed < need; i++ {
					path := filepath.Join(f.cfg.Path, segmentName("mqtt", int64(i)))
					if info, err := os.Stat(path); err == nil {
						freed += info.Size()
						must(t, os.Remove(path))
					}
				}
				return freed, nil
			}
			err := f.record(800)
			_, _, losses := f.kept()
			st := f.w.stats.get()
			switch {
			case when == whenFullDropAcked && (!errors.Is(err, errBound) || len(losses) > 0 || f.n < 400 || st.DroppedSegments > 0):
				t.Errorf("%d records, losses %v, %v", f.n, losses, err)
			case when == whenFullDrop && (err != nil || st.DroppedSegments == 0):
				t.Errorf("%v, %+v", err, st)
			}
			for _, l := range losses {
				if l.Segment <= segmentName("mqtt", int64(acked)) {
					t.Errorf("an acknowledged segment counts as lost: %+v", l)
				}
			}
		})
	}
}

func TestMinFree(t *testing.T) {
	f := newFullSpool(t, t.TempDir(), func(c *SpoolConfig) { c.MinFree = 1 << 20 })
	avail := uint64(4096)
	f.w.retention.statfs = func(_ string, st *syscall.Statfs_t) error {
		st.Bsize, st.Blocks, st.Bavail = 1024, 1<<20, avail
		return nil
	}
	must(t, f.record(10))
	avail = 1024
	if err := f.record(1); !errors.Is(err, errBound) || !strings.Contains(err.Error(), "spool.min_free") {
		t.Errorf("error %v", err)
	}
	// On a small file system a twentieth of it counts.
	f.w.retention.statfs = func(_ string, st *syscall.Statfs_t) error {
		st.Bsize, st.Blocks, st.Bavail = 1024, 10<<10, 600
		return nil
	}
	must(t, f.record(1))
}

// All may be shipped, and in the segment that is being written.
func TestSegmentInWritingMakesRoomOnceItIsShipped(t *testing.T) {
	for when, want := range map[string]bool{whenFullDropAcked: true, whenFullBlock: false} {
		f := newFullSpool(t, t.TempDir(), func(c *SpoolConfig) { c.MinFree, c.WhenFull = 1<<20, when })
		avail, shipped := uint64(4096), false
		f.w.retention.statfs = func(_ string, st *syscall.Statfs_t) error {
			st.Bsize, st.Blocks, st.Bavail = 1024, 1<<20, avail
			return nil
		}
		first := filepath.Join(f.cfg.Path, segmentName("mqtt", 1))
		f.w.retention.free = func(context.Context, int64) (int64, error) {
			if sealed, _, err := Sealed(first); err != nil || !sealed || !shipped {
				return 0, err
			}
			avail = 4096
			return 4096 << 10, os.Remove(first)
		}
		must(t, f.record(10))
		avail = 1024
		if err := f.record(1); !errors.Is(err, errBound) {
			t.Errorf("%s: error %v", when, err)
		}
		if records, _, _ := f.kept(); records != f.n {
			t.Errorf("%s: %d of %d records are left", when, records, f.n)
		}
		shipped = true
		if err := f.record(1); (err == nil) != want {
			t.Errorf("%s, when it is shipped: %v", when, err)
		}
	}
}

// TestFullDiskWithDropOldest fills a real file system.
func TestFullDiskWithDropOldest(t *testing.T) {
	dir := tempDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("NOT TESTED: a full file system needs root to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
	f := newFullSpool(t, dir, func(c *SpoolConfig) { c.SegmentBytes, c.WhenFull = 32<<10, whenFullDrop })
	refused := 0
	for f.n < 6000 {
		if f.record(1) != nil {
			refused++ // 50 ms were not enough to try again
		}
	}
	st := f.w.stats.get()
	if st.DroppedSegments < 10 || refused > 200 {
		t.Errorf("refused %d times, %+v", refused, st)
	}
	if _, _, losses := f.kept(); len(losses) == 0 {
		t.Error("no event tells of the loss")
	}
}
