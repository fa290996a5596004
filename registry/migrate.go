package registry

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sluice/internal/durable"
)

var errNotFolder = errors.New("is not a folder")

// loadVersion0 reads data.json as the store. Its states become a checkpoint,
// whose id is one more than their number, as after Filebeat's migration; then
// meta.json says version 1. data.json stays, as the snapshot.
func loadVersion0(dir string) (*loaded, error) {
	ids, err := listCheckpoints(dir)
	if err != nil {
		return nil, err
	}
	l := &loader{dir: dir, out: &loaded{foreign: make(map[string][]byte), checkpoints: ids, rebased: true, version: migratedVersion}}
	l.out.states, _, err = l.snapshot()
	if err != nil {
		return nil, err
	}
	if l.out.states == nil {
		l.out.states = make(map[string]loadedState)
	}
	l.out.lastID = uint64(len(l.out.states))
	if n := len(ids); n > 0 {
		l.out.lastID = max(l.out.lastID, ids[n-1])
	}
	// An interrupted migration may have left operations: they must be older
	// than the checkpoint.
	f, err := os.Open(filepath.Join(dir, journalName))
	if err != nil {
		return l.out, nil
	}
	defer f.Close()
	_, _ = readJournal(f, func(o op) error {
		l.out.lastID = max(l.out.lastID, o.id)
		return nil
	})
	return l.out, nil
}

// writeVersion writes meta.json. After version 0 the checkpoint counts from
// then on, not data.json any more.
func (r *Registry) writeVersion(b *loaded) error {
	if err := writeText(filepath.Join(r.dir, metaName), b.version, r.perm); err != nil {
		return err
	}
	if b.version == migratedVersion {
		r.log.Info().Int("states", len(r.entries)).Str("checkpoint", checkpointPath(r.dir, r.lastID)).Msg("registry of version 0 taken over to version 1")
	}
	b.version = ""
	return nil
}

// takeOverFile takes over the registry of Filebeat 6, where root itself is the
// array's file: a new root is built beside it as <root>.new in version 0, the
// file becomes <root>.bak, and the new root gets its name. A crash at any point
// is continued by the next Open.
func (r *Registry) takeOverFile(root string) error {
	fresh := root + ".new"
	fi, err := os.Stat(root)
	if errors.Is(err, fs.ErrNotExist) {
		if fi, err := os.Stat(fresh); err == nil && fi.IsDir() {
			return durable.Rename(fresh, root)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if fi.IsDir() {
		return nil
	}
	if !fi.Mode().IsRegular() {
		return &fs.PathError{Op: "open", Path: root, Err: errNotFolder}
	}
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := r.buildVersion0(filepath.Join(fresh, storeName), root); err != nil {
		return err
	}
	backup, err := backupName(root)
	if err != nil {
		return err
	}
	if err := durable.Rename(root, backup); err != nil {
		return err
	}
	r.log.Info().Str("file", backup).Msg("registry file of Filebeat 6 kept under this name and taken over")
	return durable.Rename(fresh, root)
}

// buildVersion0 makes dir a store of version 0 with the array of file.
func (r *Registry) buildVersion0(dir, file string) error {
	if err := durable.MkdirAll(dir, dirPerm); err != nil {
		return err
	}
	err := durable.WriteFile(filepath.Join(dir, snapshotName), r.perm, func(w io.Writer) error { return copyFrom(w, file, 0) })
	if err != nil {
		return err
	}
	return writeText(filepath.Join(dir, metaName), oldVersion, r.perm)
}

// migrateFile takes over the registry file that Config.MigrateFile names, while
// the store's folder holds no registry. The file stays as it is. After a crash
// data.json is there whole, which makes the folder a store of version 0, or not
// at all: the next Open then begins again.
func (r *Registry) migrateFile(dataDir string) error {
	file := r.cfg.MigrateFile
	if file == "" || isStore(r.dir) {
		return nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dataDir, file)
	}
	fi, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		r.log.Warn().Str("file", file).Msg("registry.migrate_file is not there: the registry starts empty")
		return nil
	}
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("registry.migrate_file: %s is not a file: name the registry file of Filebeat 6; to use a registry's folder set registry.path to it", file)
	}
	if err := r.buildVersion0(r.dir, file); err != nil {
		return err
	}
	r.log.Info().Str("file", file).Msg("registry file of Filebeat 6 taken over; it is not needed any more")
	return nil
}

func backupName(root string) (string, error) {
	name := root + ".bak"
	if !exists(name) {
		return name, nil
	}
	name += "-" + time.Now().UTC().Format("20060102T150405Z")
	if exists(name) {
		return "", fmt.Errorf("take over %s: %s exists already: move it away", root, name)
	}
	return name, nil
}
