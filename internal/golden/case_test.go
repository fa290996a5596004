package golden

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// testCase is one folder below testdata.
type testCase struct {
	name    string // group/case
	dir     string
	expect  expectation
	wanted  []event
	outside bool // not of testdata: steps.py is what counts
}

// expectation is expect.json.
type expectation struct {
	Exit   int
	Stderr []string // regular expressions that stderr must match
	Args   []string
	Env    map[string]string
	Keep   []string // volatile fields that are compared nevertheless
	Wait   float64  // seconds to wait for events that should not be
	Why    string
}

// links are the files of a case's input that stand for a symbolic link, and
// what it points to.
var links = map[string]map[string]string{
	"inputs/container-input": {
		"input-variants/input-symlink/pods/p.log": "../data/x.txt",
	},
	"inputs/files-same-file-twice": {
		"symlink-and-target/z-link.log": "a-real.log",
	},
	"inputs/files-symlink-on": {
		"link.log":     "elsewhere/t.txt",
		"dangling.log": "nowhere",
	},
	"inputs/files-symlinks-not-followed": {
		"symlink-off/link.log":     "elsewhere/t.txt",
		"symlink-off/dangling.log": "nowhere",
		"symlinked-folder/cur":     "data",
	},
}

// readCases returns the cases below root, in the order of their names.
func readCases(t *testing.T, root string) (cases []testCase) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "filebeat.yml" {
			return err
		}
		c, err := readCase(filepath.Dir(path))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		cases = append(cases, c)
		return fs.SkipDir
	})
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func readCase(dir string) (testCase, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return testCase{}, err
	}
	c := testCase{dir: dir, name: filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir)}
	text, err := os.ReadFile(filepath.Join(dir, "expect.json"))
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(&c.expect)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	text, err = os.ReadFile(filepath.Join(dir, "expected.ndjson"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	var bad int
	c.wanted, bad = parseEvents(text)
	if bad > 0 {
		return c, fmt.Errorf("expected.ndjson: %d lines are no JSON object", bad)
	}
	for _, phrase := range c.expect.Stderr {
		if _, err := regexp.Compile(phrase); err != nil {
			return c, err
		}
	}
	sortEvents(c.wanted)
	return c, nil
}

// copyInput makes target the case's input folder, with fixed permissions and
// with links where links says so.
func (c testCase) copyInput(target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	source := filepath.Join(c.dir, "input")
	return filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if path == source && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, name)
		if link := links[c.name][name]; link != "" {
			return os.Symlink(link, to)
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case d.Type() == fs.ModeSymlink:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, to)
		}
		return copyFile(path, to)
	})
}

// copyFile keeps the permissions for the owner only as far as git does.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	fi, err := os.Stat(from)
	if err != nil {
		return err
	}
	perm := 0o644 | fi.Mode()&0o111
	if err := os.WriteFile(to, text, perm); err != nil {
		return err
	}
	return os.Chmod(to, perm) // whatever the umask is
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
