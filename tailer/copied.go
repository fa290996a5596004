package tailer

import (
	"bytes"
	"errors"
	"io"
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
	g := f.original()
	if g == nil {
		return s, false, false
	}
	c, err := f.in.openContent(f.path)
	if err != nil {
		return s, false, false
	}
	defer c.close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := len(g.formers) - 1; i >= 0; i-- {
		l := g.formers[i]
		if same, err := l.prefix.holds(c.data, make([]byte, prefixLimit)); err == nil && same {
			g.formers = slices.Delete(g.formers, i, i+1)
			f.in.log.Info().Str("path", f.path).Str("of", g.path).Int64("offset", l.acked).Msg("the file is a copy of one that was truncated: reading on where that was left")
			return t.inherit(f, l.prefix, l.acked, l.generation), true, false
		}
	}
	here := sameInode(g.path, g.inode)
	if here && !alike(c.data, g) {
		// Else it was truncated just now, which the next look at it sees.
		same, err := g.prefix.holds(c.data, make([]byte, prefixLimit))
		return s, false, err == nil && same && g.prefix.length > 0 && f.in.mayBecomeCopy(f, now)
	}
	if !here {
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

// original returns the followed file whose name the new file's begins with;
// nil if there is none.
func (f *file) original() *file {
	dir, name := filepath.Split(f.path)
	for base := name; ; {
		i := strings.LastIndexAny(base, ".-_")
		if i <= 0 {
			return nil
		}
		base = base[:i]
		g := f.in.set.paths[dir+base]
		if g == nil || g.inode == f.inode || g.in.set != f.in.set {
			continue
		}
		if rest := strings.TrimSuffix(name[i:], ".gz"); f.in.suffix != nil && rest != "" && !f.in.suffix.MatchString(rest) {
			continue
		}
		return g
	}
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
