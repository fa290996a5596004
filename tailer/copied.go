package tailer

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/registry"
)

// What copies a file and then truncates it (copytruncate), or compresses it
// and then removes it, leaves its lines in a file with another inode. If that
// file is followed too, it must not be sent again, but what was not sent of
// the original must be. Such a copy is told by its name, which is the
// original's with something behind it, and by its first bytes.

// copyPatience is how long a file that looks like a copy waits for its
// original to be truncated, in scans, before it is read as a file of its own.
const copyPatience = 2

// copied finds the State with which a new file goes on if it is the copy of a
// followed one; wait says that it may be about to become that.
func (t *Tailer) copied(f *file, now time.Time) (s registry.State, known, wait bool) {
	g := f.original(now)
	if g == nil && len(t.orphans.at) == 0 {
		return s, false, false
	}
	c, err := f.in.openContent(f.path)
	if err != nil {
		return s, false, false
	}
	defer c.close()
	if g == nil {
		if s, known = t.archived(f, c.data); !known {
			s, known = t.emptied(f, c.data)
		}
		return s, known, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := len(g.formers) - 1; i >= 0; i-- {
		l := g.formers[i]
		if !f.gz && f.size < l.acked {
			continue
		}
		if same, err := l.prefix.holds(c.data, make([]byte, prefixLimit)); err == nil && same {
			g.formers = slices.Delete(g.formers, i, i+1)
			f.in.log.Info().Str("path", f.path).Str("of", g.path).Int64("offset", l.acked).Msg("the file is a copy of one that was truncated: reading on where that was left")
			return t.inherit(f, l.prefix, l.acked, l.generation), true, false
		}
	}
	here := sameInode(g.path, g.inode)
	if here && !alike(c.data, g) {
		// Else it was truncated just now, which the next look at it sees.
		if same, err := g.prefix.holds(c.data, make([]byte, prefixLimit)); err != nil || !same || g.prefix.length == 0 {
			return s, false, false
		}
		return s, false, g.replaced() || f.in.mayBecomeCopy(f, now)
	}
	if !here {
		if g.pending() {
			return s, false, true // it may even have been truncated before
		}
		if same, err := g.prefix.holds(c.data, make([]byte, prefixLimit)); err != nil || !same || g.prefix.length == 0 {
			return s, false, false
		}
		if g.queued || g.outstanding() {
			return s, false, true
		}
		f.in.log.Info().Str("path", f.path).Str("of", g.path).Int64("offset", g.acked).Msg("the file is a copy of one that was removed: reading on where that was left")
		return t.inherit(f, g.prefix, g.acked, g.generation), true, false
	}
	return s, false, f.in.mayBecomeCopy(f, now)
}

// replaced says whether the file at the path begins otherwise than the content
// that was read: its reader is about to see that. mu is held.
func (f *file) replaced() bool {
	c, err := f.in.openContent(f.path)
	if err != nil {
		return false
	}
	defer c.close()
	same, err := f.prefix.holds(c.data, make([]byte, prefixLimit))
	return err == nil && !same
}

// archived finds the State of a file that was compressed and removed while
// nobody looked.
func (t *Tailer) archived(f *file, content io.ReaderAt) (registry.State, bool) {
	source, named := strings.CutSuffix(f.path, ".gz")
	if !named || !f.gz {
		return registry.State{}, false
	}
	if _, err := statFile(source, true); err == nil {
		return registry.State{}, false
	}
	for _, s := range t.orphans.all() {
		if s.Source != source || !f.in.set.owns(&s) || s.PrefixLen == 0 {
			continue
		}
		p := prefix{s.PrefixHash, s.PrefixLen}
		if same, err := p.holds(content, make([]byte, prefixLimit)); err != nil || !same {
			continue
		}
		f.in.log.Info().Str("path", f.path).Str("of", source).Int64("offset", s.Offset).Msg("the file holds one that was compressed: reading on where that was left")
		t.removeOrphan(s)
		if f.in.set.keys[s.Key] == nil {
			t.reg.Forget(s.Key)
		}
		return t.inherit(f, p, s.Offset, s.Generation), true
	}
	return registry.State{}, false
}

// possibleCopy is a file that looks like a copy whose original is about to be
// truncated or removed: of which size, since when.
type possibleCopy struct {
	since time.Time
	size  int64
}

// mayBecomeCopy says whether to wait on.
func (in *input) mayBecomeCopy(f *file, now time.Time) bool {
	patience := copyPatience * in.scanFrequency
	if in.suffix != nil || in.compression != "" {
		patience = max(patience, time.Minute)
	}
	c, ok := in.copies[f.inode]
	if !ok || c.size != f.size { // it is still being written
		in.copies[f.inode] = possibleCopy{now, f.size}
		return true
	}
	if now.Sub(c.since) < patience {
		return true
	}
	delete(in.copies, f.inode)
	return false
}

// inherit makes the State with which a copy goes on.
func (t *Tailer) inherit(f *file, p prefix, offset int64, generation string) registry.State {
	delete(f.in.copies, f.inode)
	f.read, f.acked, f.generation, f.prefix = offset, offset, generation, p
	f.save()
	s, _ := t.reg.Get(f.key)
	return s
}

// emptied finds the State of a file that was copied and truncated and is not
// followed yet: it is empty, so that what it will hold can't be told.
func (t *Tailer) emptied(f *file, content io.ReaderAt) (registry.State, bool) {
	for path := range f.bases() {
		info, err := statFile(path, f.in.symlinks)
		if err != nil || info.size > 0 || info.inode == f.inode {
			continue
		}
		for _, ino := range []uint64{info.ino, 0} {
			s, ok := t.orphans.find(ino, path, func(s *registry.State) bool {
				same, err := prefix{s.PrefixHash, s.PrefixLen}.holds(content, make([]byte, prefixLimit))
				return f.in.set.owns(s) && sameFile(s, info) && s.PrefixLen > 0 && err == nil && same
			})
			if ok {
				f.in.log.Info().Str("path", f.path).Str("of", path).Int64("offset", s.Offset).Msg("the file is a copy of one that was truncated: reading on where that was left")
				return t.inherit(f, prefix{s.PrefixHash, s.PrefixLen}, s.Offset, s.Generation), true
			}
		}
	}
	return registry.State{}, false
}

// bases yields the paths that a copy's original may have: the new file's own,
// cut before a dot, dash or underscore, and as suffix_regex admits.
func (f *file) bases() iter.Seq[string] {
	return func(yield func(string) bool) {
		dir, name := filepath.Split(f.path)
		for i := strings.LastIndexAny(name, ".-_"); i > 0; i = strings.LastIndexAny(name[:i], ".-_") {
			rest := strings.TrimSuffix(name[i:], ".gz")
			if f.in.suffix != nil && rest != "" && !f.in.suffix.MatchString(rest) {
				continue
			}
			if !yield(dir + name[:i]) {
				return
			}
		}
	}
}

// original returns the followed file whose name the new file's begins with;
// nil if there is none.
func (f *file) original(now time.Time) *file {
	for path := range f.bases() {
		g := f.in.set.paths[path]
		if g == nil && f.in.matches(path) {
			f.in.t.observe(f.in, path, now) // else it is found after its copy
			g = f.in.set.paths[path]
		}
		if g != nil && g.inode != f.inode {
			return g
		}
	}
	return nil
}

// alike says whether content begins with the first bytes of the file g, or,
// while it is shorter, is their beginning.
func alike(content io.ReaderAt, g *file) bool {
	var a, b [prefixLimit]byte
	n, err := content.ReadAt(a[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return true // a compressed file that is not complete yet
	}
	c, err := g.in.openContent(g.path)
	if err != nil {
		return false
	}
	defer c.close()
	m, err := c.data.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return n <= m && bytes.Equal(a[:n], b[:n])
}
