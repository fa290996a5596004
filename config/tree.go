package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxFile bounds the size of one configuration file.
const maxFile = 8 << 20

// source is where a configuration comes from.
type source struct {
	paths     []string
	overrides []string
	env       func(string) (string, bool)
	read      func(path string) ([]byte, error)
	vault     *vault
	sections  []string // LoadOptions.Sections
}

// tree reads and merges all files and overrides and resolves references.
// It returns nil when there is not a single setting. Faults of files that
// can't be read or parsed end it early, since every other fault would be
// noise.
func (s source) tree(fallback func(*expander, string) (string, bool), f *faults) *node {
	root := s.merge(f)
	if len(f.list) > 0 || root == nil {
		return root
	}
	s.resolve(root, fallback, f)
	return root
}

// merge reads all files and overrides; references are left as they are.
func (s source) merge(f *faults) *node {
	var root *node
	for i, path := range s.paths {
		data, err := s.read(path)
		if err != nil {
			f.add(position{file: path, order: i}, "", "%s", err)
			continue
		}
		if n := parse(path, i, data, f); n != nil {
			root = overlay(root, n, "", f)
		}
	}
	for i, text := range s.overrides {
		if n := parseOverride(text, len(s.paths)+i, f); n != nil {
			root = overlay(root, n, "", f)
		}
	}
	return root
}

// resolve replaces all references.
func (s source) resolve(root *node, fallback func(*expander, string) (string, bool), f *faults) {
	x := s.expander(root, fallback, f)
	x.places()
	x.used(s.sections)
	x.expand(root, "")
}

func (s source) expander(root *node, fallback func(*expander, string) (string, bool), f *faults) *expander {
	x := &expander{root: root, env: s.env, vault: s.vault, faults: f, busy: map[*node]bool{}, done: map[*node]bool{}, left: maxNodes}
	x.fallback = func(name string) (string, bool) { return fallback(x, name) }
	return x
}

// readFile reads a configuration file; errors say what is wrong with it.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fileError(err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, errors.New("is a folder; give the configuration file in it")
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fileError(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("is larger than %d MiB; this is no configuration file", maxFile>>20)
	}
	return data, nil
}

func fileError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("no such file; name the configuration with -c FILE")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("no permission to read it; run as its owner or correct its mode")
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// CheckPermissions refuses a configuration file that others than its owner
// may write (Filebeat's --strict.perms), or that belongs to another user.
func CheckPermissions(path string) error {
	if fault := unsafePermissions(path); fault != "" {
		return fmt.Errorf("%s: %s", path, fault)
	}
	return nil
}

// unsafePermissions says why a file can't be trusted; empty if it can, or
// isn't there.
func unsafePermissions(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "" // reading it tells what is wrong
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Sprintf("others than its owner may write it (mode %04o); run chmod go-w %s, or give --strict.perms=false", info.Mode().Perm(), path)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid()) {
		return fmt.Sprintf("belongs to user %d, neither to root nor to the user that runs sluice; run chown, or give --strict.perms=false", stat.Uid)
	}
	return ""
}
