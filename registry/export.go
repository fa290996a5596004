package registry

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sluice/internal/durable"
)

// LeftOut is a state that a registry of version 0 has no place for.
type LeftOut struct {
	Key    string
	Source string
	Reason string
}

// String is one line for the user, with the file's name.
func (l LeftOut) String() string { return fmt.Sprintf("%s (%s): %s", l.Source, l.Key, l.Reason) }

// ExportV0 writes states as the registry of Filebeat 7.0 to 7.8:
// <root>/filebeat/meta.json, which says version 0, and data.json. root is what
// filebeat.registry.path names there; it is made when it is missing, and
// refused when a registry is in it (fs.ErrExist). The folder "filebeat" appears
// complete and durable, or not at all. perm is the files' (0 = 0600).
//
// Those Filebeats know a file by inode, device and meta only, and have no
// filestream input: other states come back in left, in the order of states.
func ExportV0(root string, states []State, perm fs.FileMode) (left []LeftOut, err error) {
	if perm == 0 {
		perm = 0o600
	}
	if err := exportable(root); err != nil {
		return nil, fmt.Errorf("export registry: %w", err)
	}
	keep := make([]*State, 0, len(states))
	for i := range states {
		if reason := notInVersion0(&states[i]); reason != "" {
			left = append(left, LeftOut{Key: states[i].Key, Source: states[i].Source, Reason: reason})
			continue
		}
		s := states[i]
		s.Key, s.ID = LogKey(nativeID(s.Inode, s.Device), s.Meta)
		keep = append(keep, &s)
	}
	if err := exportTo(root, keep, perm); err != nil {
		return nil, fmt.Errorf("export registry: %w", err)
	}
	return left, nil
}

// notInVersion0 says why Filebeat 7.0 to 7.8 could not find s again; empty = it
// can.
func notInVersion0(s *State) string {
	switch {
	case kindOf(s.Key) == kindFilestream:
		return "it is a filestream input's, which Filebeat 7.0 to 7.8 does not have"
	case !derivable(s) && s.Key != newerNative(s):
		return fmt.Sprintf("its file_identity is %s; Filebeat 7.0 to 7.8 has native only", identifierOf(s.ID))
	case s.Source == "" || s.Offset < 0:
		return "it names no file"
	}
	return ""
}

// newerNative is the NewerLogKey that follows from inode, device and meta.
func newerNative(s *State) string {
	key, _ := NewerLogKey(nativeID(s.Inode, s.Device), s.Meta)
	return key
}

// exportable refuses a root that holds something which could be a registry.
func exportable(root string) error {
	const mend = "give a new or empty folder"
	fi, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !fi.IsDir():
		return fmt.Errorf("%s %w: %s", root, errNotFolder, mend)
	case isStore(root):
		return fmt.Errorf("%s: holds a registry: %w: %s", root, fs.ErrExist, mend)
	}
	dir := filepath.Join(root, storeName)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", dir, fs.ErrExist, mend)
}

// exportTo fills a folder beside <root>/filebeat, then gives it that name.
func exportTo(root string, states []*State, perm fs.FileMode) (err error) {
	if err := durable.MkdirAll(root, dirPerm); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(root, storeName+".new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(fresh))
		}
	}()
	if err := os.Chmod(fresh, dirPerm); err != nil {
		return err
	}
	err = durable.WriteFile(filepath.Join(fresh, snapshotName), perm, func(w io.Writer) error { return writeSnapshot(w, states) })
	if err != nil {
		return err
	}
	if err := writeText(filepath.Join(fresh, metaName), oldVersion, perm); err != nil {
		return err
	}
	return durable.Rename(fresh, filepath.Join(root, storeName))
}
