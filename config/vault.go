package config

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"

	"sluice/internal/keystore"
)

// vault is the keystore as references see it: opened when the first name is
// neither a setting nor a folder, since most configurations have none.
type vault struct {
	store  *keystore.Store
	err    error
	opened bool
	shut   bool     // the options that say where it is are being resolved
	given  []string // secrets that a reference got: no message may show them
}

// get returns a key's secret; false if there is no keystore or no such key.
func (v *vault) get(name string, path func() (string, error)) (string, bool, error) {
	if v.shut {
		return "", false, nil
	}
	if !v.opened {
		v.opened = true
		v.open(path)
	}
	if v.store == nil {
		return "", false, v.err
	}
	s, ok := v.store.Get(name)
	if ok && len(s) >= shortest {
		v.given = append(v.given, s)
	}
	return s, ok, nil
}

func (v *vault) open(path func() (string, error)) {
	file, err := path()
	if err != nil {
		v.err = err
		return
	}
	v.store, v.err = keystore.Open(file)
	if errors.Is(v.err, fs.ErrNotExist) {
		v.err = nil
	}
}

// places resolves the options that say where the keystore is, which can't
// come from it.
func (x *expander) places() {
	if x.vault == nil {
		return
	}
	x.vault.shut = true
	for _, name := range []string{"path", "keystore.path"} {
		x.expand(x.root.find(name), name)
	}
	x.vault.shut = false
}

// KeystoreFile returns where the keystore of a configuration is. Nothing else of
// the configuration is looked at: other references may lead to keys that are
// still to be added. An error is of type Errors.
func (o LoadOptions) KeystoreFile(paths, overrides []string) (string, error) {
	var f faults
	s := source{paths: paths, overrides: overrides, env: hostEnvironment, read: readFile, vault: &vault{}}
	root := s.merge(&f)
	if root == nil {
		root = newMap(position{})
	}
	if err := f.err(); err != nil {
		return "", err
	}
	x := s.expander(root, o.pathFallback, &f)
	x.places()
	path, err := x.keystorePath()
	if err != nil {
		f.add(root.locate("keystore.path"), "keystore.path", "%s", err)
	}
	return path, f.err()
}

// keystoreFile is keystore.path made absolute, or its default.
func keystoreFile(path, data string) string {
	path = cmp.Or(path, "filebeat.keystore")
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(data, path)
}
