package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// retryAfter is the least time between two attempts to open or write a file
// after a failure, and between two looks whether it is still there.
const retryAfter = time.Second

// Notify tells what can't be told in the file.
type Notify struct {
	// Failed is called with the first error of a series: lines are lost until
	// writing works again. May be nil.
	Failed func(err error)
	// Lost returns the line, line end included, that is written when it works
	// again: how many lines are missing, and why. May be nil.
	Lost func(lines int, cause error) []byte
}

// File writes lines to the newest of the rotating files. It may be used by
// several goroutines.
type File struct {
	cfg    Config
	dir    string
	notify Notify
	// mend puts the end of a file right that is gone on with, and returns the
	// file's size then. nil: endLine.
	mend func(file *os.File, size int64) (int64, error)
	noun string // what the files are, for errors

	mu      sync.Mutex
	file    *os.File // nil: not open
	name    fileName
	size    int64
	period  string    // of the last line
	checked time.Time // the last look, or the last failure
	lost    int
	cause   error
	closed  bool
}

// Open makes the folder, when it is missing, and opens the file that the
// options choose; dir is the folder when the option path is empty. A full disk
// is no error: lines are then dropped until there is room. Errors name the
// folder or file.
func Open(cfg Config, dir string, notify Notify) (*File, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Path != "" {
		dir = cfg.Path
	}
	now := time.Now()
	f := &File{cfg: cfg, dir: dir, notify: notify, noun: "log file", name: next(nil, cfg.Name, now)}
	if err := f.open(now, cfg.RotateOnStartup); err != nil {
		if !isFull(err) {
			return nil, err
		}
		_ = f.fail(now, err) // told, and tried again
	}
	return f, nil
}

// isFull tells whether an error goes away by itself when there is room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Name returns the path of the file that is written; of the next attempt, when
// none can be.
func (f *File) Name() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return filepath.Join(f.dir, f.name.String())
}

// Write appends one whole line. It always reports success: a line that can't
// be written is dropped, as the package comment says.
func (f *File) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.write(time.Now(), line); err != nil {
		f.lost++
	}
	return len(line), nil
}

var errWaiting = errors.New("waiting for the next attempt")

// write makes sure that the right file is open and appends the line to it.
func (f *File) write(now time.Time, line []byte) error {
	if f.closed {
		return fs.ErrClosed
	}
	if err := f.ready(now, int64(len(line))); err != nil {
		return err
	}
	if f.lost > 0 {
		if f.notify.Lost != nil {
			if err := f.append(now, f.notify.Lost(f.lost, f.cause)); err != nil {
				return err
			}
		}
		f.lost, f.cause = 0, nil
	}
	return f.append(now, line)
}

// ready opens, or rotates to, the file for a line of that size.
func (f *File) ready(now time.Time, size int64) error {
	due := now.Sub(f.checked) >= retryAfter || now.Before(f.checked)
	switch {
	case f.file == nil && !due:
		return errWaiting
	case f.file == nil:
		if err := f.open(now, false); err != nil {
			return f.fail(now, err)
		}
	case due:
		f.checked = now
		if f.removed() {
			f.release()
			if err := f.open(now, false); err != nil {
				return f.fail(now, err)
			}
		}
	}
	p := period(f.cfg.Interval, now)
	if f.size > 0 && (f.size+size > f.cfg.RotateEveryBytes || p != f.period) {
		f.release()
		if err := f.open(now, true); err != nil {
			return f.fail(now, err)
		}
	}
	f.period = p
	return nil
}

// removed tells whether somebody has deleted the open file.
func (f *File) removed() bool {
	info, err := f.file.Stat()
	if err != nil {
		return true
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}

func (f *File) append(now time.Time, line []byte) error {
	n, err := f.file.Write(line)
	f.size += int64(n)
	if err != nil {
		f.release() // another attempt opens it anew and ends the half line
		return f.fail(now, err)
	}
	return nil
}

// fail notes a failure, and reports the first of a series.
func (f *File) fail(now time.Time, err error) error {
	f.checked = now
	if f.cause == nil && f.notify.Failed != nil {
		f.notify.Failed(err)
	}
	f.cause = err
	return err
}

// open opens the newest file for appending, or starts a fresh one.
func (f *File) open(now time.Time, fresh bool) error {
	f.checked = now
	if err := os.MkdirAll(f.dir, dirMode(f.cfg.perm())); err != nil {
		return fmt.Errorf("folder of %ss: %w", f.noun, err)
	}
	files, err := list(f.dir, f.cfg.Name)
	if err != nil {
		return fmt.Errorf("folder of %ss: %w", f.noun, err)
	}
	if !fresh && len(files) > 0 {
		return f.reopen(files[len(files)-1])
	}
	if err := f.create(next(files, f.cfg.Name, now)); err != nil {
		return err
	}
	f.period = period(f.cfg.Interval, now)
	f.purge(files)
	return nil
}

// reopen goes on with a file that is there.
func (f *File) reopen(name fileName) error {
	f.name = name
	file, err := os.OpenFile(filepath.Join(f.dir, name.String()), os.O_RDWR|os.O_APPEND|os.O_CREATE, f.cfg.perm())
	if err != nil {
		return fmt.Errorf("%s: %w", f.noun, err)
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm() != f.cfg.perm() {
		err = file.Chmod(f.cfg.perm())
	}
	var size int64
	if err == nil && info.Mode().IsRegular() {
		mend := f.mend
		if mend == nil {
			mend = endLine
		}
		size, err = mend(file, info.Size())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", f.noun, err), file.Close())
	}
	f.period = period(f.cfg.Interval, info.ModTime())
	f.use(file, size)
	return nil
}

// endLine ends the half line that a full disk or a power cut left.
func endLine(file *os.File, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], size-1); err != nil || last[0] == '\n' {
		return size, err
	}
	n, err := file.WriteString("\n")
	return size + int64(n), err
}

// create makes a new file; the number grows while a name is taken.
func (f *File) create(name fileName) error {
	for {
		f.name = name
		path := filepath.Join(f.dir, name.String())
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, f.cfg.perm())
		if errors.Is(err, fs.ErrExist) {
			name.number++
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.noun, err)
		}
		if err := file.Chmod(f.cfg.perm()); err != nil { // whatever the umask
			return errors.Join(fmt.Errorf("%s: %w", f.noun, err), file.Close())
		}
		f.use(file, 0)
		return nil
	}
}

// use makes a file the one that is written.
func (f *File) use(file *os.File, size int64) {
	f.file, f.size = file, size
	if f.cfg.RedirectStderr {
		_ = debug.SetCrashOutput(file, debug.CrashOptions{}) // without it, a crash is on standard error alone
	}
}

// purge deletes all but the newest files that were there before the current
// one. What can't be deleted now is tried again at the next rotation.
func (f *File) purge(before []fileName) {
	if len(before) > f.cfg.KeepFiles {
		for _, old := range before[:len(before)-f.cfg.KeepFiles] {
			_ = os.Remove(filepath.Join(f.dir, old.String()))
		}
	}
}

// release closes the current file.
func (f *File) release() {
	if f.file != nil {
		_ = f.file.Close() // every write was reported already
		f.file = nil
	}
}

// Close ends writing; later lines are dropped.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	if f.cfg.RedirectStderr {
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{}) // a crash from now on goes to standard error alone
	}
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// dirMode is the mode of a new folder: the owner may do all, and who may read
// the files may enter it.
func dirMode(perm fs.FileMode) fs.FileMode {
	mode := fs.FileMode(0o700)
	for _, read := range []fs.FileMode{0o040, 0o004} {
		if perm&read != 0 {
			mode |= read | read>>2
		}
	}
	return mode
}
