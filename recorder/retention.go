package recorder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
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
// operator's choice (when_full). The series of a recorder share one. A nil one
// knows no bounds.
type retention struct {
	cfg  SpoolConfig
	log  zerolog.Logger
	free Free // nil: nobody knows what is acknowledged

	series []string // of this recorder

	mu     sync.Mutex
	used   int64           // bytes in segments, as known
	seen   time.Time       // when used was counted
	picked map[string]bool // names of segments that somebody is about to drop

	statfs func(path string, st *syscall.Statfs_t) error
}

func newRetention(cfg SpoolConfig, log zerolog.Logger) *retention {
	return &retention{cfg: cfg, log: log, picked: map[string]bool{}, statfs: syscall.Statfs}
}

// segmentFile is a segment in the spool.
type segmentFile struct {
	series string
	number int64
	size   int64
}

// errBound says that a bound of the spool is reached.
var errBound = errors.New("the spool has reached its bound")

// drops says whether anything may be deleted to make room.
func (r *retention) drops() bool { return r != nil && r.cfg.WhenFull != whenFullBlock }

// admit says whether n more bytes may be written. If they may not, it frees as
// much as the operator has chosen; victims are segments of the series that are
// to be removed once what is written now is safe. pressed says that the disk has
// refused a write for want of space.
func (r *retention) admit(ctx context.Context, s *series, n int64, pressed bool) (victims []segmentFile, err error) {
	if r == nil {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	need, err := r.need(n)
	if pressed && need <= 0 {
		need = max(n, r.cfg.segmentBytes())
	}
	if need <= 0 {
		return nil, nil
	}
	if !r.drops() {
		return nil, err
	}
	freed, drainErr := r.drain(ctx, need)
	if need -= freed; need <= 0 {
		return nil, nil
	}
	var pickErr error
	if r.cfg.WhenFull == whenFullDrop {
		if victims, pickErr = r.oldest(s.name, need); len(victims) > 0 {
			return victims, nil
		}
	}
	return nil, errors.Join(err, drainErr, pickErr)
}

// need returns by how many bytes n more would exceed a bound, and says which.
func (r *retention) need(n int64) (need int64, err error) {
	if bound := r.cfg.MaxBytes; bound > 0 {
		// A single record may be longer than all of the bound.
		part := min(n, bound/activeShare)
		if r.used+part > bound || time.Since(r.seen) > recount {
			if err := r.count(); err != nil {
				return 0, err
			}
		}
		if over := r.used + part - bound; over > 0 {
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

// recount is how often the spool is looked at: others may write there, too.
const recount = 5 * time.Second

// count looks at what is in the spool.
func (r *retention) count() error {
	list, err := r.segments()
	if err != nil {
		return err
	}
	r.used, r.seen = 0, time.Now()
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
	if r == nil {
		return
	}
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

// oldest picks sealed segments: again and again the first one of the series that
// takes most of the room, so that a busy series costs a quiet one nothing.
func (r *retention) oldest(own string, need int64) (victims []segmentFile, err error) {
	all, err := r.segments() // by name, and so by number
	if err != nil {
		return nil, err
	}
	var list []segmentFile
	sizes := map[string]int64{}
	states := map[string]seriesFile{} // one that can't be read has nothing sealed
	for _, f := range all {
		name := segmentName(f.series, f.number)
		if f.series != own && !slices.Contains(r.series, f.series) || r.picked[name] {
			continue
		}
		state, known := states[f.series]
		if !known {
			state, _ = readSeriesFile(filepath.Join(r.cfg.Path, f.series+seriesSuffix))
			states[f.series] = state
		}
		if state.sealed(name, f.number) {
			list = append(list, f)
			sizes[f.series] += f.size
		}
	}
	for need > 0 && len(list) > 0 {
		first := -1
		for i := range list {
			if first < 0 || sizes[list[i].series] > sizes[list[first].series] {
				first = i
			}
		}
		f := list[first]
		list = append(list[:first], list[first+1:]...)
		sizes[f.series] -= f.size
		need -= f.size
		r.picked[segmentName(f.series, f.number)] = true
		victims = append(victims, f)
	}
	return victims, nil
}

// unpick leaves segments to whoever must make room next.
func (r *retention) unpick(losses []loss) {
	if len(losses) == 0 {
		return // each group asks
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range losses {
		delete(r.picked, l.Segment)
	}
}
