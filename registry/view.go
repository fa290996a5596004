package registry

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"sluice/internal/order"
)

// Formats of a View.
const (
	FormatVersion1 = "version 1"
	FormatArray    = "filebeat-7.6 data.json"
)

// View is a registry as it was on disk at one moment.
type View struct {
	// Format is FormatVersion1 or FormatArray.
	Format string

	// Path is the folder of the store, or the array's file.
	Path string

	// Damages tell, one line each, what could not be read. A log.json that
	// ends inside an operation, as during a write, is none.
	Damages []string

	states []State
}

// States returns the durable states, sorted by key.
func (v *View) States() []State { return slices.Clone(v.states) }

// Read reads a registry without a lock and without changing it, also while
// another process writes to it. path is the registry's root, its folder
// "filebeat", or a data.json (or another file with such an array): where
// log.json or a checkpoint of version 1 stands beside a data.json, those are
// read, since data.json is only their snapshot.
func Read(path string) (*View, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read registry: %w", err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("read registry: %w: run as the user who owns it", err)
		}
		return nil, fmt.Errorf("read registry: %w: give the registry's folder or its data.json", err)
	}
	var v *View
	if fi.IsDir() {
		v, err = readFolder(path)
	} else {
		v, err = readFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read registry: %w", err)
	}
	order.By(v.states, func(a, b State) int { return cmp.Compare(a.Key, b.Key) })
	return v, nil
}

func readFile(path string) (*View, error) {
	dir := filepath.Dir(path)
	if filepath.Base(path) == snapshotName {
		version, bad, err := readVersion(dir)
		if err == nil && version == version1 && (bad == nil || hasStore(dir)) {
			return readVersion1(dir)
		}
	}
	return readArrayFile(path)
}

// hasStore says whether files of version 1 are in the folder.
func hasStore(dir string) bool {
	ids, err := listCheckpoints(dir)
	return err == nil && (len(ids) > 0 || exists(filepath.Join(dir, journalName)))
}

// isStore says whether the folder is a registry of either version.
func isStore(dir string) bool {
	if hasStore(dir) || exists(filepath.Join(dir, snapshotName)) {
		return true
	}
	b, err := os.ReadFile(filepath.Join(dir, metaName))
	if err != nil {
		return false
	}
	_, ok := parseVersion(b)
	return ok
}

func readFolder(path string) (*View, error) {
	dir := path
	if !isStore(dir) {
		dir = filepath.Join(path, storeName)
		if !isStore(dir) {
			return nil, fmt.Errorf("%s: no registry there (no %s/%s and no %s): give the registry's folder or its data.json", path, storeName, journalName, snapshotName)
		}
	}
	version, _, err := readVersion(dir)
	if err != nil {
		return nil, err
	}
	if version == version0 {
		return readArrayFile(filepath.Join(dir, snapshotName))
	}
	return readVersion1(dir)
}

// readVersion1 reads again when a checkpoint was made meanwhile.
func readVersion1(dir string) (*View, error) {
	const attempts = 50
	for i := 1; ; i++ {
		found, err := load(dir)
		if err != nil && (i == attempts || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
		if err != nil {
			continue
		}
		after, err := listCheckpoints(dir)
		if err != nil {
			return nil, err
		}
		moved := !slices.Equal(found.checkpoints, after)
		if i < attempts && (moved || (i < 3 && len(found.damages) > 0 && !found.journalTorn)) {
			continue
		}
		v := &View{Format: FormatVersion1, Path: dir}
		for _, d := range found.damages {
			if !found.journalTorn || filepath.Base(d.path) != journalName {
				v.Damages = append(v.Damages, d.String())
			}
		}
		for _, s := range found.states {
			v.states = append(v.states, s.state)
		}
		return v, nil
	}
}

func readArrayFile(path string) (*View, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	states, err := readSnapshot(f)
	v := &View{Format: FormatArray, Path: path}
	if err != nil {
		if len(states) == 0 {
			return nil, fmt.Errorf("%s: %w: it holds no registry of Filebeat or sluice", path, err)
		}
		v.Damages = append(v.Damages, damage{path: path, reason: err}.String())
	}
	for _, s := range states {
		v.states = append(v.states, s.state)
	}
	return v, nil
}
