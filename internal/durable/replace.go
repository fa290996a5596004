package durable

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// WriteFile replaces path atomically by what write writes, with permissions
// perm (the umask does not apply). The temporary file is path + ".new". The
// writer handed to write is buffered (64 KiB).
func WriteFile(path string, perm fs.FileMode, write func(w io.Writer) error) error {
	return Replace(path+".new", path, perm, write)
}

// WriteFileAs is WriteFile for a file that belongs to uid and gid from the moment
// on at which it has its name. Only root may give files away.
func WriteFileAs(path string, perm fs.FileMode, uid, gid int, write func(w io.Writer) error) error {
	return replacer{owner: &[2]int{uid, gid}}.replace(path+".new", path, perm, write)
}

// Replace is WriteFile with a temporary file of the caller's name, which must
// be in the same folder as path: formats of others prescribe such names.
func Replace(temp, path string, perm fs.FileMode, write func(w io.Writer) error) error {
	return replacer{}.replace(temp, path, perm, write)
}

// replacer does one replace; step is called before each step and fails it by
// returning an error (tests only).
type replacer struct {
	step  func(name string) error
	owner *[2]int // uid and gid; nil: the process's own
}

func (r replacer) replace(temp, path string, perm fs.FileMode, write func(w io.Writer) error) error {
	if err := r.create(temp, perm, write); err != nil {
		_ = os.Remove(temp) // err says what went wrong
		return fmt.Errorf("write %s: %w", path, err)
	}
	err := r.fault("rename")
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // err says what went wrong
		return fmt.Errorf("replace %s: %w", path, err)
	}
	if err := r.fault("folder"); err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// create writes and fsyncs the temporary file.
func (r replacer) create(temp string, perm fs.FileMode, write func(w io.Writer) error) (err error) {
	if err := r.fault("create"); err != nil {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if r.owner != nil {
		if err := f.Chown(r.owner[0], r.owner[1]); err != nil {
			return err
		}
	}
	if err := f.Chmod(perm); err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	if err := r.fault("write"); err != nil {
		return err
	}
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := r.fault("fsync"); err != nil {
		return err
	}
	return f.Sync()
}

func (r replacer) fault(name string) error {
	if r.step == nil {
		return nil
	}
	return r.step(name)
}

// SyncDir makes the names in dir durable. File systems that cannot fsync a
// folder (EINVAL, ENOTSUP) are taken as synced.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// Remove unlinks path and makes that durable. The error of a missing file is
// fs.ErrNotExist.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Rename gives from the name to (in the same folder) and makes that durable.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// MkdirAll creates dir and its missing parents with perm, each durable: the
// folder above every new one is fsynced.
func MkdirAll(dir string, perm fs.FileMode) error {
	if fi, err := os.Stat(dir); err == nil {
		if !fi.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, perm); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return SyncDir(parent)
}
