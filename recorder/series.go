package recorder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/durable"
)

// series is the numbered run of segments that one source writes. It is used by
// its writer only.
type series struct {
	dir  string
	name string
	cfg  SpoolConfig
	nul  bool // lines of the configured format hold NUL bytes
	log  zerolog.Logger

	lock   *os.File
	state  seriesFile
	active *segment // nil: none
	sealed int64    // sealed since the start
	owed   []loss   // dropped since the start, and not announced yet

	// fail is asked before each step ("write", "cut", "drop") and may fail it. Tests
	// only.
	fail func(step string) error
}

// segment is one file of a series that is being written.
type segment struct {
	file   *durable.File
	number int64
	period int64 // which period of rotate_every it belongs to
	bad    bool  // an fsync or write failed for other reasons than space: no more is written
	cuts   int   // how often cutting it failed since
}

// openSeries takes the series' lock; recover comes next.
func openSeries(name string, cfg SpoolConfig, nul bool, log zerolog.Logger) (*series, error) {
	s := &series{dir: cfg.Path, name: name, cfg: cfg, nul: nul, log: log}
	if err := s.lockFile(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *series) path(name string) string { return filepath.Join(s.dir, name) }

// lockFile refuses a second recorder for the same series.
func (s *series) lockFile() error {
	path := s.path(s.name + ".lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return explainFolder(s.dir, err)
	}
	if err := flockSoon(f); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 20))
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("spool.path: another recorder (process %s) writes %s in %s; stop it, or give this one another name or folder", holder, s.name, s.dir)
		}
		return fmt.Errorf("lock %s: %w", path, err)
	}
	// Who holds the lock is a comfort only: a full disk must not stop the start.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(fmt.Sprint(os.Getpid())), 0)
	}
	s.lock = f
	return nil
}

// lockPatience is how long a lock may take: the process that held it may be on
// its way out, or a child of it that has not begun its own program yet.
const lockPatience = time.Second

func flockSoon(f *os.File) (err error) {
	for begun := time.Now(); ; time.Sleep(lockPatience / 20) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Since(begun) > lockPatience {
			return err
		}
	}
}

// unlock ends the series' use.
func (s *series) unlock() {
	if s.lock != nil {
		s.lock.Close()
		s.lock = nil
	}
}

// save makes the series' state durable.
func (s *series) save(next seriesFile) error {
	next.Version, next.Series = 1, s.name
	err := durable.WriteFile(s.path(s.name+seriesSuffix), os.FileMode(s.cfg.FilePermissions), func(w io.Writer) error {
		b, err := json.Marshal(next)
		if err == nil {
			_, err = w.Write(append(b, '\n'))
		}
		return err
	})
	if err != nil {
		return err
	}
	s.state = next
	return nil
}

// period numbers the wall clock's periods of rotate_every.
func (s *series) period(now time.Time) int64 {
	if s.cfg.RotateEvery <= 0 {
		return 0
	}
	every := int64(s.cfg.RotateEvery)
	at := now.UnixNano() + s.zone(now)
	n := at / every
	if at%every < 0 {
		n--
	}
	return n
}

// zone is the offset of rotate_local in nanoseconds.
func (s *series) zone(now time.Time) int64 {
	if !s.cfg.RotateLocal {
		return 0
	}
	_, offset := now.Local().Zone()
	return int64(offset) * int64(time.Second)
}

// periodEnd is when the active segment must be sealed; zero: never.
func (s *series) periodEnd(now time.Time) time.Time {
	if s.active == nil || s.cfg.RotateEvery <= 0 {
		return time.Time{}
	}
	if s.period(now) != s.active.period {
		return now
	}
	return time.Unix(0, (s.active.period+1)*int64(s.cfg.RotateEvery)-s.zone(now))
}

// room is how many bytes the next group may have, as far as the segment's size
// is concerned.
func (s *series) room(now time.Time) int64 {
	if s.active == nil || s.active.bad || s.period(now) != s.active.period || s.active.file.Size() >= s.cfg.segmentBytes() {
		return s.cfg.segmentBytes()
	}
	return s.cfg.segmentBytes() - s.active.file.Size()
}

// due tells whether the active segment must end before n more bytes.
func (s *series) due(now time.Time, n int) bool {
	a := s.active
	size := a.file.Size()
	return a.bad || s.period(now) != a.period || size > 0 && size+int64(n) > s.cfg.segmentBytes()
}

// target says which segment, at which offset, the next n bytes will go to. A
// segment that is full, over or damaged is closed first, cut to what was
// confirmed: no state may claim bytes of the next one while unconfirmed bytes
// of this one could still survive a crash.
func (s *series) target(now time.Time, n int) (number, offset int64, err error) {
	if s.active != nil && s.due(now, n) {
		if err := s.closeActive(); err != nil {
			return 0, 0, err
		}
	}
	if s.active == nil {
		return s.state.Next, 0, nil
	}
	return s.active.number, s.active.file.Size(), nil
}

// begin opens the segment that target named.
func (s *series) begin(now time.Time) error {
	if s.active != nil {
		return nil
	}
	number := s.state.Next
	name := segmentName(s.name, number)
	// The number is used up before the file exists, so that it can never be
	// given twice; the same write seals the segment before.
	next := s.state
	next.Next, next.Active, next.NUL = number+1, name, s.nul
	if err := s.save(next); err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	file, err := durable.OpenFile(s.path(name), os.FileMode(s.cfg.FilePermissions))
	if err != nil {
		_ = os.Remove(s.path(name))
		return fmt.Errorf("begin segment: %w", err)
	}
	if err := syscall.Flock(int(file.File().Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		_ = os.Remove(s.path(name))
		return fmt.Errorf("lock segment %s: %w", s.path(name), err)
	}
	s.active = &segment{file: file, number: number, period: s.period(now)}
	return nil
}

// append makes lines durable at the end of the active segment. After an error
// the segment is as long as before.
func (s *series) append(lines []byte) error {
	a := s.active
	err := s.commit(lines)
	if err == nil {
		return nil
	}
	a.file.Discard()
	// Space comes back: the segment goes on. Anything else may have cost pages
	// that the kernel took for written: what was not confirmed is written anew,
	// into a new segment.
	a.bad = !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT)
	return err
}

func (s *series) commit(lines []byte) error {
	if s.fail != nil {
		if err := s.fail("write"); err != nil {
			return err
		}
	}
	s.active.file.Append(lines)
	if err := s.active.file.Commit(); err != nil {
		return err
	}
	return s.named()
}

// errDeleted tells that the active segment was removed by somebody else: what
// is in it can never be shipped.
var errDeleted = errors.New("was deleted while it was being written; leave the newest segment to the recorder, and remove files with \"sluice cleaner\"")

// named makes sure that what was committed is in a file that has a name.
func (s *series) named() error {
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(s.active.file.File().Fd()), &stat); err != nil {
		return err
	}
	if stat.Nlink == 0 {
		return fmt.Errorf("%s %w", s.path(segmentName(s.name, s.active.number)), errDeleted)
	}
	return nil
}

// maxCuts is how often a damaged segment's unconfirmed end is tried to be cut
// off before the segment is left as it is.
const maxCuts = 3

// closeActive cuts what was not confirmed and closes the active segment. Its
// seal is durable once the state says so.
func (s *series) closeActive() error {
	a := s.active
	if err := s.cut(a); err != nil {
		if a.cuts++; a.cuts < maxCuts {
			return fmt.Errorf("seal %s: %w", segmentName(s.name, a.number), err)
		}
		s.log.Error().Err(err).Str("segment", segmentName(s.name, a.number)).
			Int64("confirmed_bytes", a.file.Size()).
			Msg("the unconfirmed end of a segment can't be cut off; its records are written again, and may so appear twice")
	}
	s.active = nil
	s.sealed++
	if a.file.Size() == 0 {
		s.sealed--
		if err := durable.Remove(a.file.File().Name()); err != nil {
			s.log.Warn().Err(err).Msg("an empty segment stays behind")
		}
	}
	_ = a.file.Close()
	return nil
}

func (s *series) cut(a *segment) error {
	if s.fail != nil {
		if err := s.fail("cut"); err != nil {
			return err
		}
	}
	return a.file.Truncate(a.file.Size())
}

// seal ends the active segment, if there is one, without beginning another.
func (s *series) seal() error {
	if s.active != nil {
		if err := s.closeActive(); err != nil {
			return err
		}
	}
	if s.state.Active == "" {
		return nil
	}
	next := s.state
	next.Active, next.NUL = "", false
	if err := s.save(next); err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	return nil
}
