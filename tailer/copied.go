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

// How long a file that looks like a copy waits for its original to be truncated
// before it is read as a file of its own: that many scans, and at least so long,
// for what is between the copy's last byte and the truncation (an fsync to a slow
// card, a busy machine) has nothing to do with how often is looked.
const (
	copyPatience  = 2
	leastPatience = 10 * time.Second
)

// copied finds the State with which a new file goes on if it is the copy of a
// followed one, or of one that was; wait says that it may be about to become
// that.
func (t *Tailer) copied(f *file, now time.Time) (s registry.State, known, wait bool) {
	g := f.original(now)
	if g == nil && !f.gz {
		return s, false, false
	}
	c, err := f.in.openContent(f.path)
	if err != nil {
		return s, false, false
	}
	defer c.close()
	if g != nil {
		if s, known, wait = t.copyOf(f, g, c.data, now); known || wait {
			return s, known, wait
		}
	}
	if !f.gz {
		return s, false, false
	}
	for _, g := range f.vanishedOriginals() {
		if s, known, wait = t.copyOf(f, g, c.data, now); known || wait {
			return s, known, wait
		}
	}
	s, known = t.archived(f, c.data)
	return s, known, false
}

// copyOf finds the State with which a new file goes on if it is a copy of g.
func (t *Tailer) copyOf(f, g *file, content io.ReaderAt, now time.Time) (s registry.State, known, wait bool) {
	here := sameInode(g.path, g.inode)
	if !here {
		g.glance()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s, known = t.ofFormer(f, g, content); known {
		return s, true, false
	}
	switch {
	case here && alike(content, g):
		return s, false, f.in.mayBecomeCopy(f, now)
	case !here && g.pending() && g.opened():
		return s, false, true // it may even have been truncated before
	}
	if same, err := g.prefix.holds(content, make([]byte, prefixLimit)); err != nil || !same || g.prefix.length == 0 {
		return s, false, false
	}
	switch {
	case here: // it was truncated just now, which the next look at it sees
		return s, false, g.replaced() || f.in.mayBecomeCopy(f, now)
	case g.queued || g.outstanding():
		return s, false, true
	case g.missing == 0: // a scan may find it under another name
		return s, false, f.in.mayBecomeCopy(f, now)
	}
	f.in.log.Info().Str("path", f.path).Str("of", g.path).Int64("offset", g.acked).Msg("the file is a copy of one that was removed: reading on where that was left")
	return t.inherit(f, formerLife{g.prefix, g.acked, g.generation}, g.origin(), content), true, false
}

// glance looks through its handle at a file that is gone from its path: it may
// have been truncated and filled again just before.
func (f *file) glance() {
	if !f.io.TryLock() {
		return // its reader is at work
	}
	defer f.io.Unlock()
	if f.harvester == nil {
		return
	}
	info, err := statOpen(f.harvester.file)
	if err != nil {
		return
	}
	f.mu.Lock()
	changed := info.size != f.size || !info.mtime.Equal(f.mtime)
	if changed && !f.gz {
		f.size, f.mtime, f.recheck = info.size, info.mtime, true
		if info.size < f.read && !f.unsure {
			f.renew(0)
		}
	}
	f.mu.Unlock()
	if changed {
		f.lane.ready(f)
	}
}

// ofFormer finds the State with which a copy of what the file g held before a
// truncation goes on. What g holds now, as far as is known, comes first where
// it has more in common with the copy. g.mu is held.
func (t *Tailer) ofFormer(f, g *file, content io.ReaderAt) (s registry.State, known bool) {
	least := int64(0)
	if same, err := g.prefix.holds(content, make([]byte, prefixLimit)); err == nil && same {
		least = g.prefix.length
	}
	for i := len(g.formers) - 1; i >= 0; i-- {
		l := g.formers[i]
		if !f.gz && f.size < l.acked || l.prefix.length < least {
			continue
		}
		if same, err := l.prefix.holds(content, make([]byte, prefixLimit)); err == nil && same {
			g.formers = slices.Delete(g.formers, i, i+1)
			f.in.log.Info().Str("path", f.path).Str("of", g.path).Int64("offset", l.acked).Msg("the file is a copy of one that was truncated: reading on where that was left")
			return t.inherit(f, l, g.origin(), content), true
		}
	}
	return s, false
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

// vanishedOriginals returns the followed files that are at their paths no more
// and that an archive may be of: one may have been renamed and compressed
// between two looks.
func (f *file) vanishedOriginals() (list []*file) {
	for g := range f.in.t.followed() {
		if f.mayStemFrom(g.in) && f.namedAfter(g.path) && g.inode != f.inode && !sameInode(g.path, g.inode) {
			list = append(list, g)
		}
	}
	return list
}

// mayStemFrom says whether an archive may be of a file that an input followed:
// another one's file may have been renamed to where it is out of reach for that.
func (f *file) mayStemFrom(in *input) bool {
	return in.set == f.in.set || (in.set.stream == "" || in.set.stream == f.in.set.stream) && !in.matches(f.path)
}

// namedAfter says whether a file's name is that of another path, in whatever
// folder, with something behind it, or both are so called after a third.
func (f *file) namedAfter(path string) bool {
	names := map[string]bool{filepath.Base(path): true}
	for base := range f.in.bases(path) {
		names[filepath.Base(base)] = true
	}
	for base := range f.in.bases(f.path) {
		if names[filepath.Base(base)] {
			return true
		}
	}
	return false
}

// archived finds the State of a file that was compressed and removed, perhaps
// after it was renamed, while nobody looked.
func (t *Tailer) archived(f *file, content io.ReaderAt) (registry.State, bool) {
	var found registry.State
	for _, s := range t.archivable(f) {
		if s.PrefixLen <= found.PrefixLen || !f.namedAfter(s.Source) || f.present(&s) {
			continue
		}
		if same, err := (prefix{s.PrefixHash, s.PrefixLen}).holds(content, make([]byte, prefixLimit)); err == nil && same {
			found = s
		}
	}
	if found.PrefixLen == 0 {
		return found, false
	}
	f.in.log.Info().Str("path", f.path).Str("of", found.Source).Int64("offset", found.Offset).Msg("the file holds one that was compressed: reading on where that was left")
	t.gone = slices.DeleteFunc(t.gone, func(g goneFile) bool { return sameLife(&g.State, &found) })
	if slices.ContainsFunc(t.orphans.all(), func(s registry.State) bool { return sameLife(&s, &found) }) {
		t.removeOrphan(found)
	}
	if s, ok := t.reg.Get(found.Key); ok && sameLife(&s, &found) {
		found = s // with its inode, whatever it is known by
		if !slices.ContainsFunc(t.sets, func(set *fileSet) bool { return set.keys[s.Key] != nil }) {
			t.reg.Forget(s.Key)
		}
	}
	life := formerLife{prefix{found.PrefixHash, found.PrefixLen}, found.Offset, found.Generation}
	return t.inherit(f, life, originOf(&found), content), true
}

// archivable lists the States that an archive may go on with: those of files
// that have just gone, the last one first, its input's that nobody has found
// again, and at the first look those of an input that is gone, or has
// another id or type now.
func (t *Tailer) archivable(f *file) (states []registry.State) {
	for _, g := range slices.Backward(t.gone) {
		if f.mayStemFrom(g.in) {
			states = append(states, g.State)
		}
	}
	var others []registry.State
	for _, s := range t.orphans.all() {
		switch stream := streamOf(&s); {
		case f.in.set.owns(&s):
			states = append(states, s)
		case !f.in.scanned && (stream == "" || stream == f.in.set.stream) && !t.claimed(&s, f):
			others = append(others, s)
		}
	}
	return append(states, others...)
}

// sameLife says whether two States are about the same content of one file:
// with its inode, another one gets its key.
func sameLife(a, b *registry.State) bool {
	return a.Key == b.Key && a.Birth == b.Birth && a.Generation == b.Generation
}

// present says whether the file that a State is about is still at its path, as
// far as can be told.
func (f *file) present(s *registry.State) bool {
	info, err := statFile(s.Source, true)
	return err == nil && sameFile(s, info) && (s.Inode == info.ino || s.Inode == 0 && f.in.beginsAs(s.Source, prefix{s.PrefixHash, s.PrefixLen}))
}

// possibleCopy is a file that looks like a copy whose original is about to be
// truncated or removed: as what it was found, since when, and looked at last.
type possibleCopy struct {
	birth, size int64
	since, seen time.Time
}

// mayBecomeCopy says whether to wait on.
func (in *input) mayBecomeCopy(f *file, now time.Time) bool {
	patience := max(copyPatience*in.scanFrequency, leastPatience)
	if in.suffix != nil || in.compression != "" {
		patience = max(patience, time.Minute)
	}
	c, ok := in.copies[f.inode]
	if !ok || c.size != f.size || c.birth != f.birth { // it is still being written, or another one
		c = possibleCopy{birth: f.birth, size: f.size, since: now}
	}
	if now.Sub(c.since) >= patience {
		delete(in.copies, f.inode)
		return false
	}
	c.seen = now
	in.copies[f.inode] = c
	return true
}

// inherit makes the State with which a copy goes on. An original without a
// generation may have had one all the same, which a crash has lost: then it was
// derived, and is derived here again.
func (t *Tailer) inherit(f *file, l formerLife, from origin, content io.ReaderAt) registry.State {
	delete(f.in.copies, f.inode)
	f.read, f.acked, f.generation, f.prefix = l.acked, l.acked, l.generation, l.prefix
	if f.generation == "" {
		f.generation = f.in.firstGeneration(from, content)
	}
	f.save()
	s, _ := t.reg.Get(f.key)
	return s
}

// bases yields the paths that the original of a copy at path may have: that
// path, cut before a dot, dash or underscore, and as suffix_regex admits.
func (in *input) bases(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		dir, name := filepath.Split(path)
		for i := strings.LastIndexAny(name, ".-_"); i > 0; i = strings.LastIndexAny(name[:i], ".-_") {
			rest := strings.TrimSuffix(name[i:], ".gz")
			if in.suffix != nil && rest != "" && !in.suffix.MatchString(rest) {
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
	for path := range f.in.bases(f.path) {
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
