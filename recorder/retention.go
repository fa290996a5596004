package recorder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/rs/zerolog"

	"sluice/internal/durable"
)

// The values of when_full.
const (
	whenFullBlock     = "block"
	whenFullDropAcked = "drop_oldest_acked"
	whenFullDrop      = "drop_oldest"
)

// Free deletes sealed segments of a spool that are acknowledged to their last
// byte, the oldest first, until at least need bytes are free. It returns how
// many bytes it has freed.
type Free func(ctx context.Context, need int64) (freed int64, err error)

// retention keeps the spool within its bounds (max_bytes, min_free) by the
// operator's choice (when_full). The series of a recorder share one.
type retention struct {
	cfg  SpoolConfig
	log  zerolog.Logger
	free Free // nil: nobody knows what is acknowledged

	mu   sync.Mutex
	used int64 // bytes in segments, as known; at least what there is
	seen bool  // used was counted

	statfs func(path string, st *syscall.Statfs_t) error
}

func newRetention(cfg SpoolConfig, log zerolog.Logger) *retention {
	return &retention{cfg: cfg, log: log, statfs: syscall.Statfs}
}

// segmentFile is a segment in the spool.
type segmentFile struct {
	series string
	number int64
	size   int64
}

// errBound says that a bound of the spool is reached.
var errBound = errors.New("the spool has reached its bound")

// admit says whether n more bytes may be written. If they may not, it frees as
// much as the operator has chosen; victims are segments of the series that are
// to be removed once what is written now is safe. pressed says that the disk has
// refused a write for want of space.
func (r *retention) admit(ctx context.Context, s *series, n int64, pressed bool) (victims []segmentFile, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	need, err := r.need(n)
	if pressed && need <= 0 {
		need = max(n, r.cfg.segmentBytes())
	}
	if need <= 0 {
		return nil, nil
	}
	if r.cfg.WhenFull == whenFullBlock {
		return nil, err
	}
	freed, faultErr := r.drain(ctx, need)
	if need -= freed; need <= 0 {
		return nil, nil
	}
	if r.cfg.WhenFull == whenFullDrop {
		if victims, faultErr = r.oldest(s, need); len(victims) > 0 {
			return victims, nil
		}
	}
	return nil, errors.Join(err, faultErr)
}

// need returns by how many bytes n more would exceed a bound, and says which.
func (r *retention) need(n int64) (need int64, err error) {
	if bound := r.cfg.MaxBytes; bound > 0 {
		if !r.seen || r.used+n > bound {
			if err := r.count(); err != nil {
				return 0, err
			}
		}
		if over := r.used + n - bound; over > 0 {
			need = over
			err = fmt.Errorf("%w: %d bytes are in segments in %s, spool.max_bytes is %d; what is shipped must be cleaned, or more be allowed (spool.max_bytes, spool.when_full)", errBound, r.used, r.cfg.Path, bound)
		}
	}
	if r.cfg.MinFree <= 0 {
		return need, err
	}
	var st syscall.Statfs_t
	if e := r.statfs(r.cfg.Path, &st); e != nil {
		return need, err // the write will tell
	}
	size := int64(st.Bsize)
	bound := min(r.cfg.MinFree, int64(st.Blocks)*size/freeShare)
	if free := int64(st.Bavail) * size; free-n < bound {
		need = max(need, bound-(free-n))
		err = errors.Join(err, fmt.Errorf("%w: %d bytes are free in %s, %d must stay so (spool.min_free); free space there", errBound, free, r.cfg.Path, bound))
	}
	return need, err
}

// freeShare bounds min_free on small file systems: a twentieth of them.
const freeShare = 20

// count looks at what is in the spool.
func (r *retention) count() error {
	list, err := r.segments()
	if err != nil {
		return err
	}
	r.used, r.seen = 0, true
	for _, s := range list {
		r.used += s.size
	}
	return nil
}

// segments lists the segments of all series.
func (r *retention) segments() (list []segmentFile, err error) {
	entries, err := os.ReadDir(r.cfg.Path)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		series, number, ok := parseSegmentName(e.Name())
		if !ok {
			continue
		}
		if info, err := e.Info(); err == nil {
			list = append(list, segmentFile{series, number, info.Size()})
		}
	}
	return list, nil
}

// wrote takes n written bytes into account.
func (r *retention) wrote(n int64) {
	r.mu.Lock()
	r.used += n
	r.mu.Unlock()
}

// drain deletes what is acknowledged.
func (r *retention) drain(ctx context.Context, need int64) (int64, error) {
	if r.free == nil {
		return 0, nil
	}
	freed, err := r.free(ctx, need)
	r.used -= freed
	if freed > 0 {
		r.log.Info().Int64("bytes", freed).Msg("the spool is full: acknowledged segments were deleted before their time")
	}
	if err != nil {
		err = fmt.Errorf("delete acknowledged segments: %w", err)
	}
	return freed, err
}

// oldest picks sealed segments of a series, the oldest first. The active one,
// and the newest, stay.
func (r *retention) oldest(s *series, need int64) (victims []segmentFile, err error) {
	list, err := r.segments()
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(f segmentFile) bool {
		return f.series != s.name || s.active != nil && f.number >= s.active.number
	})
	slices.SortFunc(list, func(a, b segmentFile) int { return int(a.number - b.number) })
	for _, f := range list {
		if need <= 0 {
			break
		}
		need -= f.size
		victims = append(victims, f)
	}
	return victims, nil
}

// loss is what an event of dropped segments says.
type loss struct {
	Segment string `json:"segment"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
	Reason  string `json:"reason"`
}

const eventDropped = "dropped"

// drop makes the event of a segment that will be deleted although it was not
// acknowledged.
func (s *series) drop(f segmentFile) (Record, loss, error) {
	path := s.path(segmentName(f.series, f.number))
	lines, err := countLines(path)
	if err != nil {
		return Record{}, loss{}, err
	}
	l := loss{Segment: filepath.Base(path), Records: lines, Bytes: f.size, Reason: "the spool is full"}
	b, err := json.Marshal(l)
	if err != nil {
		return Record{}, loss{}, err
	}
	return newEvent(s.name, eventDropped, b), l, nil
}

func countLines(path string) (n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for buf := make([]byte, 64<<10); ; {
		k, err := f.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// dropping is what a group does about a full spool.
type dropping struct {
	losses []loss
	paths  []string
}

// makeRoom applies the operator's choice before a group is written. Events of
// what will be dropped become lines of the group.
func (w *writer) makeRoom(ctx context.Context) error {
	g := &w.group
	if w.retention == nil || len(g.dropping.paths) > 0 {
		return nil
	}
	victims, err := w.retention.admit(ctx, w.series, int64(len(g.lines)), w.pressed)
	if err != nil {
		return err
	}
	for _, f := range victims {
		r, l, err := w.series.drop(f)
		if err != nil {
			return fmt.Errorf("drop the oldest segment: %w", err)
		}
		w.queue.clock.stamp(&r)
		g.lines = append(w.format.appendLine(g.lines, &r), '\n')
		g.dropping.losses = append(g.dropping.losses, l)
		g.dropping.paths = append(g.dropping.paths, w.series.path(l.Segment))
	}
	return nil
}

// settleRoom deletes what a group has announced: after it was written, or
// before, if there is no room even for that.
func (w *writer) settleRoom(err error) {
	d := &w.group.dropping
	noSpace := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	w.pressed = noSpace && w.retention != nil && w.retention.cfg.WhenFull != whenFullBlock
	if err == nil && w.retention != nil {
		w.retention.wrote(int64(len(w.group.lines)))
	}
	if len(d.losses) == 0 || err != nil && !noSpace {
		return
	}
	for i, l := range d.losses {
		if err := durable.Remove(d.paths[i]); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.log.Error().Err(err).Str("segment", l.Segment).Msg("a segment that was to be dropped stays behind")
			continue
		}
		if w.retention != nil {
			w.retention.wrote(-l.Bytes)
		}
		w.stats.update(func(s *SeriesStatus) {
			s.DroppedSegments++
			s.DroppedRecords += l.Records
			s.DroppedBytes += l.Bytes
		})
		w.log.Warn().Str("segment", l.Segment).Int64("records", l.Records).Int64("bytes", l.Bytes).
			Msg("the spool is full: the oldest segment was deleted although not all of it was acknowledged (spool.when_full: drop_oldest)")
	}
	*d = dropping{} // the lines about them stay in the group
}
