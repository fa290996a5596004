package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/registry"
)

// store says where a registry is.
type store struct {
	path  string // what Read takes: the root folder, its folder "filebeat", or a data.json
	named bool   // path is from the command line, not from the configuration
	// To open it read-write; dataDir is empty when it is not known, which
	// leaves reading.
	dataDir string
	cfg     registry.Config
}

// locate finds the registry: the one that is named, else that of the
// configuration.
func (a *app) locate(named string) (store, *config.Config, error) {
	if named != "" {
		s, err := namedStore(named)
		return s, nil, err
	}
	cfg, err := a.load("filebeat.registry", "cleaner")
	if err != nil {
		return store{}, nil, err
	}
	return store{path: cfg.RegistryPath(), dataDir: cfg.Path.Data, cfg: cfg.Filebeat.Registry}, cfg, nil
}

// namedStore takes a registry folder or data.json from the command line. Its
// data folder, which holds the lock, is the one above the registry's root if
// an agent's identity or lock is there.
func namedStore(path string) (store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return store{}, fmt.Errorf("find the registry: %w", err)
	}
	s := store{path: path, named: true, cfg: registry.DefaultConfig()}
	root := path
	if info, err := os.Stat(root); err == nil && !info.IsDir() {
		root = filepath.Dir(root)
	}
	if filepath.Base(root) == "filebeat" {
		root = filepath.Dir(root)
	}
	for _, name := range []string{"meta.json", "filebeat.lock"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(root), name)); err == nil {
			s.dataDir, s.cfg.Path = filepath.Dir(root), root
		}
	}
	return s, nil
}

// errNoRegistry says that the configuration's registry is not there (yet).
var errNoRegistry = errors.New("no registry")

// read returns the durable states, and says on stderr what was damaged.
func (s store) read(stderr io.Writer) (*registry.View, error) {
	view, err := registry.Read(s.path)
	if err != nil {
		if !s.named && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w at %s: the tailer makes it at its first start; otherwise correct path.data", errNoRegistry, s.path)
		}
		return nil, err
	}
	for _, d := range view.Damages {
		fmt.Fprintf(stderr, "warning: %s\n", d)
	}
	return view, nil
}

// folder of the store's files.
func folderOf(view *registry.View) string {
	if info, err := os.Stat(view.Path); err == nil && !info.IsDir() {
		return filepath.Dir(view.Path)
	}
	return view.Path
}

// errForeign says why a store is only read.
var errForeign = errors.New("is only read")

// open opens the store read-write. It never does so with a registry of
// Filebeat 7.8 and earlier, which would be converted, nor, as root, with one of
// another user, whose tailer could not read our files.
func (s store) open(view *registry.View, log zerolog.Logger) (*registry.Registry, error) {
	switch {
	case view.Format != registry.FormatVersion1:
		return nil, fmt.Errorf("%s %w: it has the form of Filebeat 7.8 and earlier", view.Path, errForeign)
	case s.dataDir == "":
		return nil, fmt.Errorf("%s %w: its path.data is not known; use -c instead", view.Path, errForeign)
	}
	if owner, err := ownerOf(folderOf(view)); err == nil && os.Geteuid() == 0 && owner.uid != 0 {
		return nil, fmt.Errorf("%s %w: it belongs to user %d, whose sluice could not read what root writes", view.Path, errForeign, owner.uid)
	}
	return registry.Open(s.dataDir, s.cfg, log)
}

type owner struct{ uid, gid int }

func ownerOf(path string) (owner, error) {
	info, err := os.Stat(path)
	if err != nil {
		return owner{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return owner{}, fs.ErrInvalid
	}
	return owner{int(stat.Uid), int(stat.Gid)}, nil
}

// becomeOwner makes root the user that a registry belongs to, for good, so
// that its sluice can read what is written.
func becomeOwner(view *registry.View) error {
	o, err := ownerOf(folderOf(view))
	if err != nil {
		return fmt.Errorf("find the registry's owner: %w", err)
	}
	if os.Geteuid() != 0 || o.uid == 0 {
		return nil
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setregid(o.gid, o.gid), syscall.Setreuid(o.uid, o.uid)); err != nil {
		return fmt.Errorf("become user %d, to whom the registry belongs: %w", o.uid, err)
	}
	return nil
}
