package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"sluice/internal/durable"
)

// backupTime is the form of the time in a backup's name, in UTC.
const backupTime = "20060102T150405Z"

// parentMode is that of missing parents.
const parentMode = 0o755

func (d Dir) do(_ context.Context, s *Session) (report, error) {
	path := s.Path(d.Path)
	r := report{verb: "make", line: fmt.Sprintf("%s/  (%03o %s)", d.Path, d.Mode, d.Owner)}
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return report{}, fmt.Errorf("%s must be a folder, and is a file: move it away", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return report{}, err
	case err == nil && d.Mode == info.Mode().Perm() && s.owned(info, d.Owner):
		r.verb = "same"
		return r, nil
	}
	r.changed = true
	if s.DryRun {
		return r, nil
	}
	if err := durable.MkdirAll(filepath.Dir(path), parentMode); err != nil {
		return report{}, err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return report{}, err
	}
	if err := s.own(path, d.Owner, d.Mode); err != nil {
		return report{}, err
	}
	return r, durable.SyncDir(filepath.Dir(path))
}

func (f File) do(_ context.Context, s *Session) (report, error) {
	path := s.Path(f.Path)
	r := report{verb: "write", line: fmt.Sprintf("%s  (%03o %s)", f.Path, f.Mode, f.Owner), detail: f.shown()}
	old, info, err := f.existing(path)
	if err != nil {
		return report{}, err
	}
	equal := info != nil && (f.Keep || bytes.Equal(old, f.Content))
	if equal {
		r.detail = ""
		if f.Mode == info.Mode().Perm() && s.owned(info, f.Owner) {
			r.verb = "same"
			return r, nil
		}
		r.verb = "own"
	}
	r.changed = true
	var backup string
	if info != nil && !equal && !f.NoBackup {
		backup = s.backupName(f.Path)
		r.line += "  old: " + backup
	}
	if s.DryRun {
		return r, nil
	}
	if backup != "" {
		if err := copyFile(s.Path(backup), old, info); err != nil {
			return report{}, err
		}
	}
	if !equal {
		return r, f.write(s, path)
	}
	return r, s.own(path, f.Owner, f.Mode)
}

// backupName is a name that no backup has yet.
func (s *Session) backupName(path string) string {
	name := path + ".bak-" + s.now().UTC().Format(backupTime)
	for i := 2; ; i++ {
		if _, err := os.Lstat(s.Path(name)); err != nil {
			return name
		}
		name = fmt.Sprintf("%s.bak-%s-%d", path, s.now().UTC().Format(backupTime), i)
	}
}

// existing returns the content of the file that is there; a nil FileInfo: none.
func (f File) existing(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%s must be a file, and is none: move it away", path)
	}
	old, err := os.ReadFile(path)
	return old, info, err
}

// write replaces the content; the new one has its owner and mode from the first
// moment on. A link is followed, so that its target is replaced and not the link.
func (f File) write(s *Session, path string) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := durable.MkdirAll(filepath.Dir(path), parentMode); err != nil {
		return err
	}
	content := func(w io.Writer) error {
		_, err := w.Write(f.Content)
		return err
	}
	if os.Geteuid() != 0 {
		return durable.WriteFile(path, f.Mode, content)
	}
	uid, gid, err := s.ids(f.Owner)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return durable.WriteFileAs(path, f.Mode, uid, gid, content)
}

// shown is the content for a dry run.
func (f File) shown() string {
	switch {
	case f.Secret:
		return fmt.Sprintf("    | (secret: %d bytes)\n", len(f.Content))
	case !utf8.Valid(f.Content):
		return fmt.Sprintf("    | (%d bytes)\n", len(f.Content))
	}
	var b strings.Builder
	for line := range strings.Lines(string(f.Content)) {
		b.WriteString("    | " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

// copyFile writes a backup with the mode and owner of the old file.
func copyFile(path string, content []byte, old fs.FileInfo) error {
	err := durable.WriteFile(path, 0o600, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	if stat, ok := old.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := os.Chown(path, int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(path, old.Mode().Perm())
}
