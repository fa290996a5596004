package tailer

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"

	"sluice/registry"
)

// prefixLimit is how many of a file's first bytes belong to its identity.
const prefixLimit = 1024

// inode is a file's place in the file systems of this machine.
type inode struct {
	dev, ino uint64
}

// fileInfo is what one statx tells of a file.
type fileInfo struct {
	inode
	size    int64
	mtime   time.Time
	birth   int64 // Unix nanoseconds; 0 where the file system knows none
	regular bool
	symlink bool
	dir     bool
	links   uint32 // names that the file has; 0: it was removed
}

// statFile looks at path; with follow it looks through a symbolic link.
func statFile(path string, follow bool) (fileInfo, error) {
	flags := unix.AT_STATX_SYNC_AS_STAT
	if !follow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	return statx(unix.AT_FDCWD, path, flags)
}

// statOpen looks at an open file.
func statOpen(f *os.File) (fileInfo, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return fileInfo{}, err
	}
	var info fileInfo
	var inner error
	if err := raw.Control(func(fd uintptr) {
		info, inner = statx(int(fd), "", unix.AT_EMPTY_PATH)
	}); err != nil {
		return fileInfo{}, err
	}
	return info, inner
}

func statx(dirfd int, path string, flags int) (fileInfo, error) {
	var s unix.Statx_t
	mask := unix.STATX_TYPE | unix.STATX_INO | unix.STATX_SIZE | unix.STATX_MTIME | unix.STATX_BTIME | unix.STATX_NLINK
	for {
		err := unix.Statx(dirfd, path, flags, mask, &s)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fileInfo{}, &fs.PathError{Op: "statx", Path: path, Err: err}
		}
		break
	}
	info := fileInfo{
		inode:   inode{unix.Mkdev(s.Dev_major, s.Dev_minor), s.Ino},
		size:    int64(s.Size),
		mtime:   time.Unix(s.Mtime.Sec, int64(s.Mtime.Nsec)),
		regular: s.Mode&unix.S_IFMT == unix.S_IFREG,
		symlink: s.Mode&unix.S_IFMT == unix.S_IFLNK,
		dir:     s.Mode&unix.S_IFMT == unix.S_IFDIR,
		links:   s.Nlink,
	}
	if s.Mask&unix.STATX_BTIME != 0 {
		info.birth = s.Btime.Sec*1e9 + int64(s.Btime.Nsec)
	}
	return info, nil
}

// openFile opens a file for reading; a FIFO that took its name since the scan
// must not block the reader.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

func notExist(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// leads says whether a path is a symbolic link that the input follows.
func (in *input) leads(path string) bool {
	if !in.symlinks {
		return false
	}
	info, err := statFile(path, false)
	return err == nil && info.symlink
}

// vanished says whether the inode is provably no longer at path. A path that
// can't be looked at is no proof, nor is a folder on another device: the
// file's own may be not mounted now. A symbolic link's target is on any device.
func vanished(path string, id inode, symlinks bool) bool {
	info, err := statFile(path, true)
	if err == nil && info.inode == id || err != nil && !notExist(err) {
		return false
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		d, err := statFile(dir, true)
		if err == nil {
			return d.dev == id.dev || symlinks
		}
		if !notExist(err) || dir == filepath.Dir(dir) {
			return false
		}
	}
}

// prefix is the hash of a file's first bytes. It grows with the file up to
// prefixLimit, so small files are told apart at once.
type prefix struct {
	hash   string // xxhash64, 16 hex digits
	length int64
}

// PrefixHash hashes the first length bytes of r, at most 1,024, as they stand
// in registry.State.PrefixHash: xxhash64 in 16 hex digits. A file that is
// shorter is an error.
func PrefixHash(r io.ReaderAt, length int64) (string, error) {
	var buf [prefixLimit]byte
	if length < 0 || length > prefixLimit {
		return "", fmt.Errorf("a prefix of %d bytes: at most %d are hashed", length, prefixLimit)
	}
	if _, err := r.ReadAt(buf[:length], 0); err != nil {
		return "", fmt.Errorf("read the first %d bytes: %w", length, err)
	}
	return hashText(buf[:length]), nil
}

func hashText(head []byte) string { return fmt.Sprintf("%016x", xxhash.Sum64(head)) }

// grow returns the hash of as many bytes as head has room for; same is false
// if they do not begin with those that p is of, or can't be read.
func (p prefix) grow(f io.ReaderAt, head []byte) (longer prefix, same bool) {
	if n, _ := f.ReadAt(head, 0); n < len(head) || p.length > 0 && hashText(head[:p.length]) != p.hash {
		return p, false
	}
	return prefix{hashText(head), int64(len(head))}, true
}

func readPrefix(f io.ReaderAt, length int64) (prefix, error) {
	hash, err := PrefixHash(f, length)
	return prefix{hash, length}, err
}

// holds says whether a file still begins with the hashed bytes; it uses
// scratch, of prefixLimit bytes, and allocates nothing.
func (p prefix) holds(f io.ReaderAt, scratch []byte) (bool, error) {
	if p.length <= 0 || p.length > prefixLimit {
		return true, nil
	}
	n, err := f.ReadAt(scratch[:p.length], 0)
	if int64(n) < p.length {
		if err == io.EOF {
			return false, nil
		}
		return false, fmt.Errorf("read the first %d bytes: %w", p.length, err)
	}
	var sum [8]byte
	var text [16]byte
	binary.BigEndian.PutUint64(sum[:], xxhash.Sum64(scratch[:p.length]))
	hex.Encode(text[:], sum[:])
	return string(text[:]) == p.hash, nil
}

// deriveGeneration computes the generation id of a file: the same after any
// crash, yet another one when an inode is reused for a file that begins with
// an equal line. head is the file's first line, or as much as prefixLimit
// bytes of it. The file system must know birth times. space keeps the events
// of two inputs that follow one file apart.
func deriveGeneration(agentID, space string, id inode, birth int64, head []byte) string {
	h := xxhash.New()
	var n [24]byte
	binary.LittleEndian.PutUint64(n[0:], id.dev)
	binary.LittleEndian.PutUint64(n[8:], id.ino)
	binary.LittleEndian.PutUint64(n[16:], uint64(birth))
	_, _ = h.WriteString(agentID)
	_, _ = h.WriteString(space)
	_, _ = h.Write(n[:])
	_, _ = h.Write(head)
	return base62(h.Sum64())
}

// base62 writes v in 11 letters and digits.
func base62(v uint64) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var b [11]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = digits[v%62]
		v /= 62
	}
	return string(b[:])
}

// firstLine returns the file's first line without its line feed, at most
// prefixLimit bytes of it; whole says that no later byte can change it.
func firstLine(f io.ReaderAt, d *decoding) (head []byte, whole bool, err error) {
	head = make([]byte, prefixLimit)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, false, fmt.Errorf("read the first line: %w", err)
	}
	head = head[:n]
	if line, _, ok := d.cut(head); ok {
		return head[:line], true, nil
	}
	return head, n == prefixLimit, nil
}

// randomGeneration draws a generation id.
func randomGeneration() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return base62(binary.LittleEndian.Uint64(b[:]))
}

// sameFile says whether a State can be that of the file seen now, as far as
// can be told without reading it.
func sameFile(s *registry.State, info fileInfo) bool {
	return s.Birth == 0 || info.birth == 0 || s.Birth == info.birth
}

// folderThere says whether the folder of a path can be looked at: a file that
// is not in it is gone, and not merely out of reach.
func folderThere(path string) bool {
	info, err := statFile(filepath.Dir(path), true)
	return err == nil && info.dir
}
