package tailer

import (
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sluice/registry"
)

// fileSet is the files of one name space of the registry's keys. An input of
// type filestream has its own by its id, so that two of them may follow the
// same file, each with its own State; all inputs of type log share one, and
// the first that matches a file follows it.
type fileSet struct {
	space string
	files map[inode]*file
	paths map[string]*file
}

// keySpace is what the registry's keys of an input's files begin with.
func keySpace(in *InputConfig) string {
	if in.Type != TypeFilestream {
		return "filebeat::logs::"
	}
	id := in.ID
	if id == "" {
		id = ".global"
	}
	return "filestream::" + id + "::"
}

// setOf returns the set of an input's files, made at the first call.
func (t *Tailer) setOf(in *InputConfig) *fileSet {
	space := keySpace(in)
	for _, s := range t.sets {
		if s.space == space {
			return s
		}
	}
	s := &fileSet{space: space, files: make(map[inode]*file), paths: make(map[string]*file)}
	t.sets = append(t.sets, s)
	return s
}

// followed yields every file of every input.
func (t *Tailer) followed() iter.Seq[*file] {
	return func(yield func(*file) bool) {
		for _, s := range t.sets {
			for _, f := range s.files {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// orphans are States that no file has claimed yet, by inode and path. There
// can be several: one for each input that has followed the file.
type orphans map[orphanKey][]registry.State

type orphanKey struct {
	ino  uint64
	path string
}

func (o orphans) add(s registry.State, path string) {
	k := orphanKey{s.Inode, path}
	o[k] = append(o[k], s)
}

func (o orphans) find(ino uint64, path string, ok func(*registry.State) bool) (registry.State, bool) {
	for _, s := range o[orphanKey{ino, path}] {
		if ok(&s) {
			return s, true
		}
	}
	return registry.State{}, false
}

func (o orphans) remove(s registry.State) {
	for k, list := range o {
		if k.ino != s.Inode {
			continue
		}
		list = slices.DeleteFunc(list, func(other registry.State) bool { return other.Key == s.Key })
		if o[k] = list; len(list) == 0 {
			delete(o, k)
		}
	}
}

func (o orphans) all() (states []registry.State) {
	for _, list := range o {
		states = append(states, list...)
	}
	return states
}

// claimed says whether a State is that of another input, which still follows
// the file. The State of an input that is gone, or has another id or type
// now, goes on with whoever follows the file.
func (t *Tailer) claimed(s *registry.State, f *file) bool {
	return slices.ContainsFunc(t.inputs, func(in *input) bool {
		return in.set != f.in.set && strings.HasPrefix(s.Key, in.set.space) && in.matches(f.path)
	})
}

// locate looks for a file that is gone from its path, and has unread lines,
// under another name in its folder, if that name is no input's.
func (t *Tailer) locate(f *file) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.pending() || f.in.closeRenamed {
		return false
	}
	dir := filepath.Dir(f.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := statFile(path, false)
		if err == nil && info.regular && f.is(info) && !slices.ContainsFunc(t.inputs, func(in *input) bool { return in.matches(path) }) {
			f.moved(path)
			return true
		}
	}
	return false
}
