package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// own sets owner and mode. Without root's rights, which only a Root allows, the
// owner stays as it is.
func (s *Session) own(path string, o Owner, mode fs.FileMode) error {
	if os.Geteuid() == 0 {
		uid, gid, err := s.ids(o)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	return os.Chmod(path, mode)
}

// owned tells whether a file belongs to o.
func (s *Session) owned(info fs.FileInfo, o Owner) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return true
	}
	uid, gid, err := s.ids(o)
	return err == nil && int(stat.Uid) == uid && int(stat.Gid) == gid
}

// ids looks up the numbers of an owner in the machine's own files, which may be
// those below Root.
func (s *Session) ids(o Owner) (uid, gid int, err error) {
	user, group := o.names()
	if uid, err = s.id("/etc/passwd", user, "user"); err != nil {
		return 0, 0, err
	}
	gid, err = s.id("/etc/group", group, "group")
	return uid, gid, err
}

// id finds the third field of the line that begins with name. A number stands for
// itself.
func (s *Session) id(file, name, kind string) (int, error) {
	if name == "root" {
		return 0, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 {
		return n, nil // of a container, for example: nobody here has to know it
	}
	content, err := s.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(line, ":")
		if fields[0] != name || len(fields) < 3 {
			continue
		}
		return strconv.Atoi(strings.TrimSpace(fields[2]))
	}
	return 0, fmt.Errorf("there is no %s %q on this machine: install the package that makes it first", kind, name)
}
