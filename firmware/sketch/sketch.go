// Package sketch builds the sketches of the packages beside it: what avr and
// esp8266 have in common, and no more.
//
// A sketch lies embedded in its Go package, with the Makefile that a person uses
// too. Unpack writes it below a folder of the caller's, WriteChanged adds a header
// with settings (Defines, under a name by Name), and Tools.Make runs make there:
//
//	if err := sketch.Unpack(sources, dir); err != nil { … }
//	err := sketch.WriteChanged(filepath.Join(dir, name+".h"), []byte(sketch.Defines(settings)))
//	out, err := tools.Make(dir, "all", "NAME="+name)
//
// Files that are as they should be keep their times, so a second build in the same
// folder compiles only what has changed. Two builds must not run in one folder at
// the same time.
package sketch

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Tools are what building a sketch takes.
type Tools struct {
	// Programs by name, for PATH or /usr/sbin; Files by path.
	Programs, Files []string
	// Packages are the Debian packages that have them.
	Packages string
}

// Missing names the programs and files that this machine lacks, or is nil.
func (t Tools) Missing() []string {
	var missing []string
	for _, name := range t.Programs {
		if _, err := Find(name); err != nil {
			missing = append(missing, name)
		}
	}
	for _, file := range t.Files {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, file)
		}
	}
	return missing
}

// Find is the path of a program. Not every user has /usr/sbin, where servers are,
// in PATH.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if path, sbin := exec.LookPath(filepath.Join("/usr/sbin", name)); sbin == nil {
		return path, nil
	}
	return "", err
}

// Make runs make in a folder and returns what it printed. The error has that too,
// and what to install if something is missing.
func (t Tools) Make(dir string, args ...string) (string, error) {
	cmd := exec.Command("make", append([]string{"-j2", "-C", dir}, args...)...)
	// Settings of a make that runs the tests are not for this one.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	out, err := cmd.CombinedOutput()
	if err == nil {
		return string(out), nil
	}
	if missing := t.Missing(); missing != nil {
		err = fmt.Errorf("%w; %s missing: apt-get install %s", err, strings.Join(missing, ", "), t.Packages)
	}
	return "", fmt.Errorf("make %s: %w\n%s", strings.Join(args, " "), err, out)
}

// Unpack writes sources below dir, but for the paths that are excepted.
func Unpack(sources fs.FS, dir string, except ...string) error {
	return fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains(except, path) {
			return err
		}
		text, err := fs.ReadFile(sources, path)
		if err != nil {
			return err
		}
		return WriteChanged(filepath.Join(dir, filepath.FromSlash(path)), text)
	})
}

// WriteChanged writes a file, and its folders, unless it has that text already.
func WriteChanged(path string, text []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// Defines are the lines of a header that sets settings of a sketch, given by name
// as C++ source.
func Defines(settings map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "#define %s %s\n", name, settings[name])
	}
	return b.String()
}

// Name is a name for what is built of these, the same for the same.
func Name(parts ...any) string {
	sum := fnv.New64a()
	for _, part := range parts {
		fmt.Fprintf(sum, "%v\x00", part)
	}
	return "sketch-" + strconv.FormatUint(sum.Sum64(), 36)
}
