package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// keptBuffer is how much memory a File keeps for the next group, in bytes.
const keptBuffer = 256 << 10

// File is an append-only file with group commit. It is not safe for
// concurrent use. The zero File is not usable; see OpenFile.
type File struct {
	f     *os.File
	buf   []byte
	size  int64 // durable size
	dirty bool  // bytes beyond size may be in the file: cut back first

	// fault is called before each step ("write" with the bytes, "fsync",
	// "truncate" without) and may fail it; for "write" it also says how many
	// bytes still reach the file. Tests only.
	fault func(step string, p []byte) (n int, err error)
}

// OpenFile opens path for appending, and creates it with perm when it is
// missing (then its folder is fsynced too). What the file already holds counts
// as durable: it is fsynced once before OpenFile returns.
func OpenFile(path string, perm fs.FileMode) (*File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	created := errors.Is(err, fs.ErrNotExist)
	if created {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, perm)
	}
	if err != nil {
		return nil, err
	}
	size, err := prepare(f, created, perm)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &File{f: f, size: size}, nil
}

func prepare(f *os.File, created bool, perm fs.FileMode) (int64, error) {
	if created {
		if err := f.Chmod(perm); err != nil {
			return 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	if created {
		if err := SyncDir(filepath.Dir(f.Name())); err != nil {
			return 0, err
		}
	}
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// Append adds p to the group in memory. Nothing reaches the disk before
// Commit.
func (f *File) Append(p []byte) { f.buf = append(f.buf, p...) }

// Grow adds to the group what fill appends to the slice it is given: Append
// without a copy. fill must not keep the slice.
func (f *File) Grow(fill func(b []byte) []byte) { f.buf = fill(f.buf) }

// Buffered is the length of the group in memory, in bytes.
func (f *File) Buffered() int { return len(f.buf) }

// Size is the durable size in bytes: everything before it is on disk.
func (f *File) Size() int64 { return f.size }

// Commit makes the group durable: one write, one fsync. After an error the
// group is kept, the file is cut back to its durable size (at once, or by the
// next Commit when that fails too), and the next Commit is the retry.
func (f *File) Commit() error {
	if err := f.cutBack(); err != nil {
		return err
	}
	if len(f.buf) == 0 {
		return nil
	}
	f.dirty = true
	if err := f.write(); err != nil {
		return errors.Join(fmt.Errorf("append to %s: %w", f.f.Name(), err), f.cutBack())
	}
	if err := f.sync(); err != nil {
		return errors.Join(fmt.Errorf("append to %s: %w", f.f.Name(), err), f.cutBack())
	}
	f.dirty = false
	f.size += int64(len(f.buf))
	f.Discard()
	return nil
}

// Discard drops the group in memory.
func (f *File) Discard() {
	if cap(f.buf) > keptBuffer {
		f.buf = nil
	}
	f.buf = f.buf[:0]
}

// Truncate cuts the file to size (at most Size) and makes that durable. The
// group in memory is kept.
func (f *File) Truncate(size int64) error {
	if size > f.size {
		return fmt.Errorf("truncate %s to %d: the file has only %d bytes", f.f.Name(), size, f.size)
	}
	if err := f.cutBack(); err != nil {
		return err
	}
	if err := f.truncate(size); err != nil {
		return err
	}
	f.size, f.dirty = size, true
	if err := f.sync(); err != nil {
		return fmt.Errorf("truncate %s: %w", f.f.Name(), err)
	}
	f.dirty = false
	return nil
}

// File is the open file, for flock, fstat and the like; do not write to it.
func (f *File) File() *os.File { return f.f }

// Close closes the file. The group in memory is not committed.
func (f *File) Close() error {
	f.buf = nil
	return f.f.Close()
}

// cutBack shortens the file to its durable size after a failed Commit.
func (f *File) cutBack() error {
	if !f.dirty {
		return nil
	}
	if err := f.truncate(f.size); err != nil {
		return err
	}
	if err := f.sync(); err != nil {
		return fmt.Errorf("truncate %s: %w", f.f.Name(), err)
	}
	f.dirty = false
	return nil
}

func (f *File) truncate(size int64) error {
	if f.fault != nil {
		if _, err := f.fault("truncate", nil); err != nil {
			return fmt.Errorf("truncate %s: %w", f.f.Name(), err)
		}
	}
	return f.f.Truncate(size)
}

func (f *File) write() error {
	p, fail := f.buf, error(nil)
	if f.fault != nil {
		if n, err := f.fault("write", p); err != nil {
			p, fail = p[:n], err
		}
	}
	n, err := f.f.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = fail
	}
	return err
}

func (f *File) sync() error {
	if f.fault != nil {
		if _, err := f.fault("fsync", nil); err != nil {
			return err
		}
	}
	return f.f.Sync()
}
