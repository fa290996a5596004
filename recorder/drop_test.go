package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

// balance wants the records in the spool, and the sum in the newest event, to
// make up everything that was written. An event is a line, too, and goes with
// its segment.
func (f *fullSpool) balance(written int) {
	f.t.Helper()
	records, _, list := f.kept()
	if len(list) == 0 {
		f.t.Fatal("nothing was dropped")
	}
	var total losses
	for _, l := range list {
		if l.Total.Segments > total.Segments {
			total = l.Total
		}
	}
	events := int(total.Segments)
	if got := records + len(list) + int(total.Records); got != written+events {
		f.t.Errorf("%d records and %d events are there, %+v were dropped: %d lines of %d", records, len(list), total, got, written+events)
	}
	if f.w.series.state.Dropped != total {
		f.t.Errorf("the series knows of %+v, the newest event of %+v", f.w.series.state.Dropped, total)
	}
}

// The events of earlier losses are lost with their segment: the newest has the
// sum, also after starts of the recorder.
func TestNothingIsDroppedUnaccounted(t *testing.T) {
	dir, written := t.TempDir(), 0
	for start := range 4 {
		t.Run(fmt.Sprint("start ", start), func(t *testing.T) {
			f := newFullSpool(t, dir, func(c *SpoolConfig) { c.MaxBytes, c.WhenFull = 64<<10, whenFullDrop })
			must(t, f.record(1000))
			written += f.n
			f.balance(written)
		})
	}
}

// A crash after a loss was noted, and before the segment was deleted.
func TestAnnouncedLossIsFinishedByTheNextStart(t *testing.T) {
	dir := t.TempDir()
	dropping := func(c *SpoolConfig) { c.MaxBytes, c.WhenFull = 64<<10, whenFullDrop }
	written := 0
	t.Run("before", func(t *testing.T) {
		f := newFullSpool(t, dir, dropping)
		crashed := false
		f.w.series.fail = func(step string) error {
			if step == "drop" {
				crashed = true
				return syscall.EPERM
			}
			return nil
		}
		for !crashed {
			must(t, f.record(1))
		}
		written = f.n
	})
	first := filepath.Join(dir, "mqtt-0000000001.log")
	if _, err := os.Stat(first); err != nil {
		t.Fatalf("nothing is left to do: %v", err)
	}
	f := newFullSpool(t, dir, dropping)
	if _, err := os.Stat(first); err == nil || len(f.w.series.state.Dropping) > 0 {
		t.Errorf("the segment is still there: %v, %+v", err, f.w.series.state)
	}
	f.balance(written)
}

// A segment that can't be deleted (chattr +i) is announced once, and the next
// ones go in its place.
func TestSegmentThatCanNotBeDropped(t *testing.T) {
	f := newFullSpool(t, t.TempDir(), func(c *SpoolConfig) { c.MaxBytes, c.WhenFull = 64<<10, whenFullDrop })
	refused := 0
	f.w.series.fail = func(step string) error {
		if step == "drop" && refused == 0 {
			refused++
			return syscall.EPERM
		}
		return nil
	}
	must(t, f.record(3000))
	_, size, _ := f.kept()
	st := f.w.stats.get()
	if size > 64<<10+1000 || st.DroppedSegments < 10 || len(f.w.series.state.Dropping) != 1 {
		t.Errorf("%d bytes, %+v, %+v", size, st, f.w.series.state)
	}
}

// A busy series makes room for itself and for a quiet one, which loses nothing
// and never waits.
func TestBusySeriesMakesRoomForAQuietOne(t *testing.T) {
	dir := t.TempDir()
	dropping := func(c *SpoolConfig) { c.MaxBytes, c.WhenFull = 128<<10, whenFullDrop; c.Share(2) }
	busy := newFullSpool(t, dir, dropping)
	quiet := newFullSpool(t, dir, dropping, "calm")
	quiet.w.retention = busy.w.retention
	busy.w.retention.series = []string{"mqtt", "calm"}
	for range 20 {
		must(t, busy.record(200))
		must(t, quiet.record(10))
	}
	lines := 0
	paths, err := filepath.Glob(filepath.Join(dir, "calm-*.log"))
	must(t, err)
	for _, p := range paths {
		b, err := os.ReadFile(p)
		must(t, err)
		lines += strings.Count(string(b), `"topic":"t"`)
	}
	if lines != quiet.n {
		t.Errorf("%d of %d records of the quiet series are there", lines, quiet.n)
	}
}

// The segments that are being written can't be deleted by anybody: they must
// leave room for others.
func TestManySeriesShareTheSpool(t *testing.T) {
	c := DefaultConfig()
	c.Spool.Path, c.Spool.MaxBytes = t.TempDir(), 1<<20
	for i := range 16 {
		s := DefaultSerialConfig()
		s.Name, s.Port = fmt.Sprint("s", i), fmt.Sprint("/dev/tty", i)
		c.Serial = append(c.Serial, s)
	}
	r, err := New(c, zerolog.Nop())
	must(t, err)
	for _, l := range r.lines {
		if l.writer.cfg.segmentBytes()*16 > 1<<18 {
			t.Fatalf("segments of %d bytes", l.writer.cfg.segmentBytes())
		}
	}
	c.Spool.MaxBytes = 100 << 10
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "spool.max_bytes: 102400 bytes are too few for 16 series; 262144 at least") {
		t.Errorf("error %v", err)
	}
}

// A record that is longer than max_bytes is written, and its segment sealed at
// once: else nothing could ever be cleaned. So is one whose period has ended.
func TestRecordAboveTheBound(t *testing.T) {
	f := newFullSpool(t, t.TempDir(), func(c *SpoolConfig) { c.MaxBytes = 64 << 10 })
	f.w.queue.put(Record{Topic: "t", Payload: make([]byte, 100<<10), Size: 100 << 10, slot: -1})
	must(t, f.w.record(t.Context(), f.w.queue.take()))
	if err := f.record(1); !errors.Is(err, errBound) {
		t.Fatalf("error %v", err)
	}
	long := filepath.Join(f.cfg.Path, "mqtt-0000000001.log")
	if sealed, _, err := Sealed(long); !sealed || err != nil {
		t.Fatalf("the long segment is not sealed: %v", err)
	}
	must(t, os.Remove(long))
	for f.record(1) == nil {
	}
	active := f.w.series.active
	if active == nil {
		t.Fatal("no segment is being written")
	}
	active.period--
	_ = f.record(1)
	if sealed, _, err := Sealed(filepath.Join(f.cfg.Path, segmentName("mqtt", active.number))); !sealed || err != nil {
		t.Errorf("a segment whose period has ended is not sealed: %v", err)
	}
}

// A disk that others have filled while no recorder ran: there is not even room for
// the start.
func TestStartOnAFullDiskWithDropOldest(t *testing.T) {
	dir := tempDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("NOT TESTED: a full file system needs root to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
	dropping := func(c *SpoolConfig) { c.SegmentBytes, c.WhenFull = 32<<10, whenFullDrop }
	written := 0
	t.Run("before", func(t *testing.T) {
		f := newFullSpool(t, dir, dropping)
		must(t, f.record(800))
		written = f.n
		filler, err := os.Create(filepath.Join(dir, "filler"))
		must(t, err)
		for err == nil {
			_, err = filler.Write(make([]byte, 4096))
		}
		must(t, filler.Close())
	})
	f := newFullSpool(t, t.TempDir(), dropping)
	f.cfg.Path, f.w.retention.cfg.Path = dir, dir
	s, err := openSeries("mqtt", f.cfg, false, zerolog.Nop())
	must(t, err)
	t.Cleanup(func() { _ = s.active.file.Close(); s.unlock() })
	f.w.series = s
	l := &line{name: "mqtt", writer: f.w, source: &serialSource{}}
	must(t, l.open(t.Context()))
	must(t, f.record(1))
	f.balance(written + 1)
}
