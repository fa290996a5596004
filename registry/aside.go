package registry

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"sluice/internal/durable"
)

// setAside keeps what could not be read under the name <file>.bad-<time>: the
// whole file by renaming it, or the end of a file as a copy (the caller then
// cuts the file). It returns the new name.
func setAside(d damage, perm fs.FileMode) (string, error) {
	name, err := asideName(d.path, time.Now())
	if err != nil {
		return "", err
	}
	if d.from == 0 {
		err = durable.Rename(d.path, name)
	} else {
		err = durable.WriteFile(name, perm, func(w io.Writer) error { return copyFrom(w, d.path, d.from) })
	}
	if err != nil {
		return "", fmt.Errorf("set aside %s: %w", d.path, err)
	}
	return name, nil
}

func copyFrom(w io.Writer, path string, from int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// asideName returns the first free name of path at that time.
func asideName(path string, now time.Time) (string, error) {
	base := path + ".bad-" + now.UTC().Format("20060102T150405Z")
	for i := 1; i < 1000; i++ {
		name := base
		if i > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		if _, err := os.Lstat(name); os.IsNotExist(err) {
			return name, nil
		}
	}
	return "", fmt.Errorf("set aside %s: a thousand files of this second exist already: remove some %s*", path, base)
}
