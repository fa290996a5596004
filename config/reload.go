package config

import (
	"io/fs"
	"os"
	"reflect"
	"slices"
	"syscall"
	"time"

	"sluice/tailer"
)

// InputFiles are the files of filebeat.config.inputs, read again when they
// change. It is for one goroutine.
type InputFiles struct {
	cfg   *Config
	files []*watched
	first bool // nothing was scanned yet
}

// watched is a file as it was when it was last read.
type watched struct {
	path  string
	stamp stamp
	stale bool      // must be read
	bad   bool      // the last version has a fault
	file  InputFile // what holds: the last version without one
}

// stamp tells versions of a file apart.
type stamp struct {
	size    int64
	changed time.Time
	mode    fs.FileMode
	inode   uint64
}

// InputFiles returns the included files; nil if there are none to read.
func (c *Config) InputFiles() *InputFiles {
	inc := c.Filebeat.Config.Inputs
	if inc == nil || !inc.Enabled {
		return nil
	}
	return &InputFiles{cfg: c, first: true}
}

// Period is the time between two scans; 0 if one scan, at the start, is all.
func (s *InputFiles) Period() time.Duration {
	if r := s.cfg.Filebeat.Config.Inputs.Reload; r.Enabled {
		return r.Period
	}
	return 0
}

// Scan reads the files that are new or have changed. It returns the inputs of
// all files that are there, and whether they are others than those of the scan
// before; the first scan counts as a change. A file with a fault keeps the
// inputs that it had. Faults, of type Errors, are told when the file changes,
// and again when another one does, since that may have mended it.
func (s *InputFiles) Scan() (changed bool, inputs []tailer.InputConfig, err error) {
	var f faults
	paths := s.cfg.includedPaths()
	files := make([]*watched, len(paths))
	moved := len(paths) != len(s.files)
	for i, path := range paths {
		w := s.find(path)
		if w == nil {
			w = &watched{path: path, file: InputFile{Path: path}, stale: true}
		}
		if now := stampOf(path); now != w.stamp {
			w.stamp, w.stale = now, true
		}
		files[i] = w
		moved = moved || w.stale
	}
	changed = s.first || slices.ContainsFunc(s.files, func(old *watched) bool {
		return len(old.file.Inputs) > 0 && !slices.Contains(files, old)
	})
	for i, w := range files {
		if (w.stale || w.bad && moved) && s.read(w, i, files[:i], &f) {
			changed = true
		}
	}
	s.files, s.first = files, false
	for _, w := range files {
		inputs = append(inputs, w.file.Inputs...)
	}
	return changed, inputs, s.cfg.hidden(&f)
}

// Warnings are those of the files as they are read now, one line each.
func (s *InputFiles) Warnings() []string {
	var list []string
	for _, w := range s.files {
		list = append(list, w.file.Warnings...)
	}
	return list
}

func (s *InputFiles) find(path string) *watched {
	i := slices.IndexFunc(s.files, func(w *watched) bool { return w.path == path })
	if i < 0 {
		return nil
	}
	return s.files[i]
}

// read reads a file and tells whether its inputs are others now; before are
// the files ahead of it.
func (s *InputFiles) read(w *watched, order int, before []*watched, f *faults) bool {
	had := len(f.list)
	file := s.cfg.readInputs(w.path, order, f)
	others := s.cfg.inputsBeside()
	for _, other := range before {
		others = append(others, other.file.Inputs...)
	}
	checkIDs(file.Inputs, others, w.path, f)
	w.stale, w.bad = false, len(f.list) > had
	if w.bad {
		return false
	}
	same := reflect.DeepEqual(file.Inputs, w.file.Inputs)
	w.file = file
	return !same
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	s := stamp{size: info.Size(), changed: info.ModTime(), mode: info.Mode()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = stat.Ino
	}
	return s
}
