package cleaner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// folder is an open folder; names are looked up relative to it.
type folder struct {
	path string
	f    *os.File
}

func openFolder(path string) (*folder, error) {
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		if gone(err) {
			return nil, keep("gone")
		}
		return nil, fmt.Errorf("open its folder: %w", plain(err))
	}
	return &folder{path, f}, nil
}

// sync makes removals durable. A file system that can't fsync folders counts
// as synced.
func (d *folder) sync() error {
	err := d.f.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}

func (d *folder) close() { d.f.Close() }

// file is an open file of a folder.
type file struct {
	folder  *folder
	name    string
	f       *os.File
	id      identity
	size    int64
	changed time.Time // the later of mtime and ctime
	links   uint64
}

// open opens a regular file for reading. Links are not followed.
func (d *folder) open(name string) (*file, error) {
	var entry unix.Stat_t
	if err := unix.Fstatat(int(d.f.Fd()), name, &entry, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if gone(err) {
			return nil, keep("gone")
		}
		return nil, fmt.Errorf("look at it: %w", err)
	}
	switch entry.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFLNK:
		return nil, keep("is a symbolic link; neither it nor its target is deleted")
	default:
		return nil, keep("is not a regular file")
	}
	fd, err := unix.Openat(int(d.f.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		if gone(err) {
			return nil, keep("gone")
		}
		return nil, fmt.Errorf("open it: %w", err)
	}
	f := &file{folder: d, name: name, f: os.NewFile(uintptr(fd), name)}
	stat, err := f.stat()
	if err != nil {
		f.close()
		return nil, err
	}
	f.id = identityOf(stat)
	f.size = stat.Size
	f.changed = time.Unix(stat.Mtim.Unix())
	if changed := time.Unix(stat.Ctim.Unix()); changed.After(f.changed) {
		f.changed = changed
	}
	f.links = uint64(stat.Nlink)
	return f, nil
}

func identityOf(stat *unix.Stat_t) identity { return identity{uint64(stat.Dev), stat.Ino} }

func (f *file) stat() (*unix.Stat_t, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.f.Fd()), &stat); err != nil {
		return nil, fmt.Errorf("look at it: %w", err)
	}
	return &stat, nil
}

func (f *file) close() { f.f.Close() }

// birth returns when the file was made, in Unix nanoseconds; 0 where the file
// system does not know.
func (f *file) birth() int64 {
	var stat unix.Statx_t
	err := unix.Statx(int(f.f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &stat)
	if err != nil || stat.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return stat.Btime.Sec*1e9 + int64(stat.Btime.Nsec)
}

// heldByWriter asks the kernel for a read lease, which it refuses while any
// process has the file open for writing. The lease is kept until close.
func (f *file) heldByWriter() bool {
	_, err := unix.FcntlInt(f.f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	return errors.Is(err, unix.EAGAIN)
}

// recheck tells whether the open file is unchanged and the name still leads
// to it.
func (f *file) recheck() error {
	stat, err := f.stat()
	if err != nil {
		return err
	}
	if stat.Size != f.size {
		return keep(fmt.Sprintf("has changed: %d bytes, %d a moment ago", stat.Size, f.size))
	}
	if stat.Nlink > 1 {
		return keep(fmt.Sprintf("has %d names (hard links)", stat.Nlink))
	}
	var entry unix.Stat_t
	if err := unix.Fstatat(int(f.folder.f.Fd()), f.name, &entry, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if gone(err) {
			return keep("gone")
		}
		return fmt.Errorf("look at it again: %w", err)
	}
	if identityOf(&entry) != f.id {
		return keep("was replaced by another file a moment ago")
	}
	return nil
}

func (f *file) unlink() error {
	if err := unix.Unlinkat(int(f.folder.f.Fd()), f.name, 0); err != nil {
		if gone(err) {
			return keep("gone")
		}
		return fmt.Errorf("remove it: %w", err)
	}
	return nil
}

// grownBy returns how much the removed file grew since it was looked at.
func (f *file) grownBy() int64 {
	stat, err := f.stat()
	if err != nil {
		return 0
	}
	return stat.Size - f.size
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// plain takes the path off an error that is shown beside it.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
