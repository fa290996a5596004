package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	"sluice/internal/durable"
)

// maxFile bounds what is read, in bytes: a keystore holds a few passwords.
const maxFile = 1 << 20

// ErrNotFound says that a keystore holds no such name.
var ErrNotFound = errors.New("not found in the keystore")

// Store is an opened keystore: all its secrets are in memory. It is not safe
// for use by several goroutines while one changes it.
type Store struct {
	path   string
	values map[string][]byte
}

// Create makes an empty keystore, and replaces one that is there. Its folder
// must exist.
func Create(path string) (*Store, error) {
	s := &Store{path: path, values: map[string][]byte{}}
	if err := s.save(); err != nil {
		return nil, err
	}
	return s, nil
}

// Open reads a keystore. A missing one is fs.ErrNotExist, an unreadable one
// ErrDamaged; one that others than its owner may read or write is refused.
// Errors name the file.
func Open(path string) (*Store, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: is a folder; keystore.path must name a file in it", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s: the keystore can only be readable and writable by its owner, but its mode is %04o; run chmod go-rwx %s", path, mode, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: is larger than %d bytes; this is no keystore", path, maxFile)
	}
	values, err := decrypt(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Store{path: path, values: values}, nil
}

// Exists tells whether there is a file at path.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// Path returns the file's path.
func (s *Store) Path() string { return s.path }

// Get returns a secret; false if there is none of that name.
func (s *Store) Get(name string) (string, bool) {
	value, ok := s.values[name]
	return string(value), ok
}

// List returns the names in order.
func (s *Store) List() []string { return slices.Sorted(maps.Keys(s.values)) }

// Set adds or replaces a secret and writes the file; it is durable when Set
// returns. After an error nothing has changed.
func (s *Store) Set(name, value string) error {
	if err := checkName(name); err != nil {
		return err
	}
	old, had := s.values[name]
	s.values[name] = []byte(value)
	if err := s.save(); err != nil {
		delete(s.values, name)
		if had {
			s.values[name] = old
		}
		return err
	}
	return nil
}

// Remove deletes a secret and writes the file. A name that is not there is
// ErrNotFound.
func (s *Store) Remove(name string) error {
	old, had := s.values[name]
	if !had {
		return fmt.Errorf("the key %q was %w %s", name, ErrNotFound, s.path)
	}
	delete(s.values, name)
	if err := s.save(); err != nil {
		s.values[name] = old
		return err
	}
	return nil
}

// checkName refuses names that no ${…} could refer to.
func checkName(name string) error {
	odd := strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("${}:", r)
	})
	if name == "" || odd {
		return fmt.Errorf("%q can't be the name of a key: use letters, digits, _ and . so that ${NAME} can refer to it", name)
	}
	return nil
}

func (s *Store) save() error {
	data, err := encrypt(s.values)
	if err != nil {
		return fmt.Errorf("encrypt the keystore: %w", err)
	}
	if len(data) > maxFile {
		return fmt.Errorf("%s: the secrets need %d bytes, more than the %d of a keystore; keep files as files", s.path, len(data), maxFile)
	}
	return durable.WriteFile(s.path, 0o600, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
}
