package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"sluice/internal/durable"
)

// Torn finds the end of the last whole record in the last bytes of a file:
// what is behind it was being written when the process or the machine
// stopped. first says that tail begins where the file does. ok is false if
// tail does not reach back far enough.
type Torn func(tail []byte, first bool) (keep int, ok bool)

// TornLine is the Torn of records that are one line each.
func TornLine(tail []byte, first bool) (keep int, ok bool) {
	for i := len(tail); i > 0; i-- {
		if tail[i-1] == '\n' {
			return i, true
		}
	}
	return 0, first
}

// Appender writes records that must not be lost to the newest of the rotating
// files; the package comment has the names and the rules of rotation. Unlike
// File it reports what is on disk, and drops nothing. It may be used by several
// goroutines.
type Appender struct {
	f      File
	torn   Torn
	synced int64 // of the current file: what is known to be on disk
	sync   func(*os.File) error
}

// OpenAppender opens the file that the options choose; dir is the folder when
// the option path is empty. A half record that an earlier process left in the
// newest file is cut off. A full disk is no error: Append then tries again.
// Errors name the folder or file.
func OpenAppender(cfg Config, dir string, torn Torn) (*Appender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Path != "" {
		dir = cfg.Path
	}
	now := time.Now()
	a := &Appender{torn: torn, sync: syncFile}
	a.f = File{cfg: cfg, dir: dir, mend: a.cut, noun: "output file", name: next(nil, cfg.Name, now)}
	if cfg.RotateOnStartup {
		a.mendNewest()
	}
	if err := a.open(now, cfg.RotateOnStartup); err != nil && !isFull(err) {
		return nil, err
	}
	return a, nil
}

// Name returns the path of the file that is written; of the next attempt, when
// none can be.
func (a *Appender) Name() string { return a.f.Name() }

// Append writes records, the i-th of which ends at ends[i] in text, and returns
// how many of them are on disk, fsynced. Without an error it is all; with one,
// those behind must be given again. A record is never cut at the end of a file,
// and one that was written in part is cut off.
func (a *Appender) Append(text []byte, ends []int) (safe int, err error) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if a.f.closed {
		return 0, os.ErrClosed
	}
	now, start := time.Now(), 0
	for done := 0; done < len(ends); {
		if a.full(now, int64(ends[done]-start)) {
			if err := a.flush(); err != nil {
				return safe, err
			}
			safe = done
			a.f.release()
			err = a.open(now, true)
		} else {
			err = a.ready(now)
		}
		if err != nil {
			break
		}
		n := a.fitting(ends[done:], start)
		whole, werr := a.write(text[start:ends[done+n-1]], ends[done:done+n], start)
		if done += whole; whole > 0 {
			start = ends[done-1]
		}
		if err = werr; err != nil {
			break
		}
	}
	if a.f.file == nil && err != nil {
		return safe, err
	}
	if ferr := a.flush(); ferr != nil {
		return safe, errors.Join(err, ferr)
	}
	if err != nil {
		a.f.release() // the next attempt opens it anew: it may be another one then
	}
	return count(ends, start), err
}

// count returns how many records end at or before a place.
func count(ends []int, place int) (n int) {
	for n < len(ends) && ends[n] <= place {
		n++
	}
	return n
}

// full tells whether the next record needs the next file.
func (a *Appender) full(now time.Time, size int64) bool {
	f := &a.f
	return f.file != nil && f.size > 0 && (f.size+size > f.cfg.RotateEveryBytes || period(f.cfg.Interval, now) != f.period)
}

// ready makes sure that a file is open, and still in its folder.
func (a *Appender) ready(now time.Time) error {
	f := &a.f
	if f.file != nil && (now.Sub(f.checked) >= retryAfter || now.Before(f.checked)) {
		f.checked = now
		if f.removed() {
			f.release()
		}
	}
	if f.file == nil {
		return a.open(now, false)
	}
	return nil
}

// fitting returns how many records the file has room for, at least one.
func (a *Appender) fitting(ends []int, start int) int {
	n := 1
	for n < len(ends) && a.f.size+int64(ends[n]-start) <= a.f.cfg.RotateEveryBytes {
		n++
	}
	return n
}

// write appends records and returns how many it wrote whole; the part of
// another one is cut off.
func (a *Appender) write(text []byte, ends []int, start int) (whole int, err error) {
	if len(text) == 0 {
		return len(ends), nil
	}
	f := &a.f
	n, err := f.file.Write(text)
	if err == nil {
		f.size += int64(n)
		return len(ends), nil
	}
	whole = count(ends, start+n)
	size := 0
	if whole > 0 {
		size = ends[whole-1] - start
	}
	f.size += int64(size)
	if n > size {
		if terr := f.file.Truncate(f.size); terr != nil {
			f.release() // cut is for the next attempt, which opens it anew
			return 0, errors.Join(err, terr)
		}
	}
	return whole, err
}

// flush makes what was written durable. What can't be is taken back: after a
// failed fsync nobody knows which of it is on disk, and the next one would
// not tell.
func (a *Appender) flush() error {
	f := &a.f
	if f.file == nil || f.size == a.synced {
		return nil
	}
	if err := a.sync(f.file); err != nil {
		terr := f.file.Truncate(a.synced)
		f.release()
		return errors.Join(fmt.Errorf("make %s durable: %w", filepath.Join(f.dir, f.name.String()), err), terr)
	}
	a.synced = f.size
	return nil
}

// syncFile is fsync; file systems and devices that have none are taken as synced.
func syncFile(file *os.File) error {
	err := file.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// open opens the newest file, or starts a fresh one, and makes its name
// durable. A file that another process writes is left to that one.
func (a *Appender) open(now time.Time, fresh bool) error {
	f := &a.f
	if err := durable.MkdirAll(f.dir, dirMode(f.cfg.perm())); err != nil {
		return fmt.Errorf("folder of %ss: %w", f.noun, err)
	}
	err := f.open(now, fresh)
	if errors.Is(err, errForeign) {
		err = f.open(now, true)
	}
	if err != nil {
		return err
	}
	_ = lock(f.file) // a fresh file is ours; without locks, as on some network file systems, there is none to respect
	a.synced = f.size
	if err := durable.SyncDir(f.dir); err != nil {
		f.release()
		return fmt.Errorf("folder of %ss: %w", f.noun, err)
	}
	return nil
}

var errForeign = errors.New("another process writes this file")

func lock(file *os.File) error {
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return errForeign
	}
	return nil
}

// mendNewest cuts the half record off the file that was written before this
// start. Where that can't be, as in a file of another user, nothing of ours is
// at its end.
func (a *Appender) mendNewest() {
	files, err := list(a.f.dir, a.f.cfg.Name)
	if err != nil || len(files) == 0 {
		return
	}
	file, err := os.OpenFile(filepath.Join(a.f.dir, files[len(files)-1].String()), os.O_RDWR, 0)
	if err != nil {
		return
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		_, _ = a.cut(file, info.Size())
	}
	_ = file.Close() // cut has synced it
}

// cut removes a half record from the end of a file.
func (a *Appender) cut(file *os.File, size int64) (int64, error) {
	if err := lock(file); err != nil {
		return 0, err
	}
	for length := min(size, 64<<10); ; length = min(size, 4*length) {
		tail := make([]byte, length)
		if _, err := file.ReadAt(tail, size-length); err != nil {
			return 0, err
		}
		keep, ok := a.torn(tail, length == size)
		if !ok && length < size {
			continue
		}
		if keep == len(tail) {
			return size, nil
		}
		whole := size - length + int64(keep)
		if err := file.Truncate(whole); err != nil {
			return 0, err
		}
		return whole, file.Sync()
	}
}

// Close ends writing; Append then fails.
func (a *Appender) Close() error { return a.f.Close() }
