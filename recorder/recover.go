package recorder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sluice/internal/durable"
)

// recover brings the series into the state after a clean end: the segments that
// were open are cut at their last whole line, fsynced and sealed. settle is
// called before they count as sealed, with the first number that was open and
// the sizes of the segments from there on.
func (s *series) recover(settle func(open int64, sizes map[int64]int64) error) error {
	state, err := s.load()
	if err != nil {
		return err
	}
	s.finishDrops(&state)
	s.owe(&state)
	numbers, err := s.numbers()
	if err != nil {
		return err
	}
	open := state.Next // the first number that may have been open
	if _, number, ok := parseSegmentName(state.Active); ok {
		open = min(open, number)
	}
	sizes := map[int64]int64{}
	for _, n := range numbers {
		state.Next = max(state.Next, n+1)
		if n < open {
			continue
		}
		if sizes[n], err = s.mend(n, state.NUL); err != nil {
			return err
		}
	}
	if err := settle(open, sizes); err != nil {
		return err
	}
	for n, size := range sizes {
		if size == 0 {
			if err := durable.Remove(s.path(segmentName(s.name, n))); err != nil {
				return fmt.Errorf("remove empty segment: %w", err)
			}
		}
	}
	state.Active, state.NUL = "", false
	return s.save(state)
}

// load reads the series' state. One that can't be read is set aside, and the
// highest segment counts as open.
func (s *series) load() (seriesFile, error) {
	path := s.path(s.name + seriesSuffix)
	state, err := readSeriesFile(path)
	switch {
	case err == nil:
		return state, nil
	case errors.Is(err, errSeriesFile):
		aside := fmt.Sprintf("%s.bad-%d", path, time.Now().Unix())
		if err := durable.Rename(path, aside); err != nil {
			return state, fmt.Errorf("set aside unreadable state: %w", err)
		}
		s.log.Error().Err(err).Str("kept_as", aside).Msg("the series' state is unreadable; it is made anew from the segments")
	case !errors.Is(err, fs.ErrNotExist):
		return state, err
	}
	numbers, err := s.numbers()
	if err != nil {
		return state, err
	}
	state = seriesFile{Next: 1, NUL: s.nul}
	for _, n := range numbers {
		state.Next = max(state.Next, n+1)
		state.Active = segmentName(s.name, state.Next-1)
	}
	return state, nil
}

// numbers lists the segments in the folder.
func (s *series) numbers() ([]int64, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var numbers []int64
	for _, e := range entries {
		if name, n, ok := parseSegmentName(e.Name()); ok && name == s.name {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// mend cuts a segment's torn end and returns its size.
func (s *series) mend(number int64, nul bool) (int64, error) {
	name := segmentName(s.name, number)
	f, err := os.OpenFile(s.path(name), os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("mend segment: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return 0, fmt.Errorf("mend segment %s: it is in use: %w", s.path(name), err)
	}
	whole, size, err := wholeLines(f, nul)
	if err != nil {
		return 0, fmt.Errorf("mend segment %s: %w", s.path(name), err)
	}
	if whole < size {
		if err := f.Truncate(whole); err != nil {
			return 0, fmt.Errorf("mend segment: %w", err)
		}
		s.log.Warn().Str("segment", name).Int64("cut_bytes", size-whole).Int64("size", whole).
			Msg("cut the torn end of the last segment; it was never acknowledged")
	}
	// What a killed recorder wrote may still be in memory only: it counts from
	// here on.
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("mend segment: %w", err)
	}
	return whole, nil
}

// wholeLines returns the length of the file's whole lines. Pages that a power
// cut left unwritten read as NUL bytes: unless NUL is meant, the first one ends
// what counts.
func wholeLines(f *os.File, nul bool) (whole, size int64, err error) {
	buf := make([]byte, 256<<10)
	for {
		n, err := f.Read(buf)
		chunk := buf[:n]
		torn := -1
		if !nul {
			torn = bytes.IndexByte(chunk, 0)
		}
		if torn >= 0 {
			chunk = chunk[:torn]
		}
		if i := bytes.LastIndexByte(chunk, '\n'); i >= 0 {
			whole = size + int64(i) + 1
		}
		size += int64(n)
		if torn >= 0 {
			fi, err := f.Stat()
			if err != nil {
				return 0, 0, err
			}
			return whole, fi.Size(), nil
		}
		if n == 0 {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return whole, size, err
		}
	}
}

// explainFolder says who can't write where.
func explainFolder(dir string, err error) error {
	switch uid := os.Geteuid(); {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("spool.path: user %d can't write in %s: %w; run \"chown -R %d %s\", or choose another folder", uid, dir, cause(err), uid, filepath.Clean(dir))
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("spool.path: can't write in %s: %w; mount it writable, or choose another folder", dir, cause(err))
	}
	return fmt.Errorf("spool.path: %w", err)
}

// cause is the system's error below a path error.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// makeSpool creates the spool's folder.
func makeSpool(dir string) error {
	if err := durable.MkdirAll(strings.TrimRight(dir, "/"), 0o750); err != nil {
		if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("spool.path: %s is not a folder; choose another path", dir)
		}
		if uid := os.Geteuid(); errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("spool.path: user %d can't create %s: %w; run \"install -d -o %d %s\" as root, or choose another folder", uid, dir, cause(err), uid, filepath.Clean(dir))
		}
		return explainFolder(dir, err)
	}
	return nil
}
