package tailer

import (
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sluice/internal/parser"
	"sluice/registry"
)

// fileSet is the files of one name space of the registry's keys. An input of
// type filestream has its own by its id, so that two of them may follow the
// same file, each with its own State; all inputs of type log share one, and
// the first that matches a file follows it. Inputs that take one stream of
// containers' logs share the set of that stream.
type fileSet struct {
	space  string
	stream string // stdout or stderr; empty: all that the files hold
	files  map[inode]*file
	paths  map[string]*file
	keys   map[string]*file // by the key that a file's State has now
}

// keySpace is what the registry's keys of an input's files begin with.
func keySpace(in *InputConfig) string {
	if in.kind() != TypeFilestream {
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
	space, stream := keySpace(in), in.stream()
	for _, s := range t.sets {
		if s.space == space && s.stream == stream {
			return s
		}
	}
	s := &fileSet{space: space, stream: stream, files: make(map[inode]*file), paths: make(map[string]*file), keys: make(map[string]*file)}
	t.sets = append(t.sets, s)
	return s
}

// stream returns the one stream of containers' logs that an input takes,
// stdout or stderr; empty: it takes both, or other files.
func (c *InputConfig) stream() string {
	stream := ""
	if c.kind() == TypeContainer {
		stream = c.Stream
	}
	for i := range c.Parsers {
		if p, ok := c.Parsers[i].Options().(*parser.ContainerConfig); ok && c.kind() == TypeFilestream {
			stream = p.Stream
		}
	}
	if stream == "all" {
		return ""
	}
	return stream
}

// owns says whether a State is one of the set's inputs.
func (set *fileSet) owns(s *registry.State) bool {
	return strings.HasPrefix(s.Key, set.space) && streamOf(s) == set.stream
}

// streamOf returns the stream of a container's log that a State is about; it
// is the end of a filestream's identity.
func streamOf(s *registry.State) string {
	if s.Type != TypeFilestream {
		return s.Meta["stream"]
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if strings.HasSuffix(s.ID, "-"+stream) && s.ID != "path::"+s.Source {
			return stream
		}
	}
	return ""
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
type orphans struct {
	at     map[orphanKey][]registry.State
	places map[string][]orphanKey // where each is, by its key
}

type orphanKey struct {
	ino  uint64
	path string
}

// anyPath stands for the path where the birth time proves what a State is about.
const anyPath = ""

func newOrphans() orphans {
	return orphans{at: make(map[orphanKey][]registry.State), places: make(map[string][]orphanKey)}
}

func (o orphans) add(s registry.State, path string) {
	k := orphanKey{s.Inode, path}
	o.at[k] = append(o.at[k], s)
	o.places[s.Key] = append(o.places[s.Key], k)
}

func (o orphans) find(ino uint64, path string, ok func(*registry.State) bool) (registry.State, bool) {
	for _, s := range o.at[orphanKey{ino, path}] {
		if ok(&s) {
			return s, true
		}
	}
	return registry.State{}, false
}

func (o orphans) remove(s registry.State) {
	for _, k := range o.places[s.Key] {
		list := slices.DeleteFunc(o.at[k], func(other registry.State) bool { return other.Key == s.Key })
		if o.at[k] = list; len(list) == 0 {
			delete(o.at, k)
		}
	}
	delete(o.places, s.Key)
}

func (o orphans) all() (states []registry.State) {
	for k, list := range o.at {
		if k.path != anyPath {
			states = append(states, list...)
		}
	}
	return states
}

// claimed says whether a State is that of another input, which still follows
// the file, or is left to one. The State of an input that is gone, or has
// another id or type now, goes on with whoever follows the file; if there are
// several, with the one that has no States yet.
func (t *Tailer) claimed(s *registry.State, f *file) bool {
	return !f.in.set.owns(s) && slices.ContainsFunc(t.inputs, func(in *input) bool {
		return in.set != f.in.set && (in.set.owns(s) || in.novel && !f.in.novel) && in.matches(f.path)
	})
}

// locate looks for a file that is gone from its path, and has unread lines,
// under another name in its folder, if that name is no input's.
func (t *Tailer) locate(f *file) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.pending() || f.in.closeRenamed || f.linked {
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
