package tailer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// rename moves a file within the inputs' paths.
func (m *model) rename() {
	f := m.pick()
	m.confirm(f)
	if m.fragile[f] {
		return // its copy is known by its name
	}
	dir := filepath.Dir(f.path)
	if m.odds(4) {
		dir = m.path(m.one("d0", "d1", "d2"))
		m.must(os.MkdirAll(dir, 0o700))
	}
	if !m.traced(f, dir) {
		return
	}
	to := filepath.Join(dir, fmt.Sprintf("%s.%d", strings.SplitAfter(filepath.Base(f.path), ".log")[0], m.rand.IntN(1<<30)))
	m.must(os.Rename(f.path, to))
	old := f.path
	f.path = to
	if m.odds(2) { // the writer begins a new one at once
		m.again(old)
	}
}

// traced makes sure that a file is known when it is renamed to a folder of
// another input, whose ids are others.
func (m *model) traced(f *modelFile, dir string) bool {
	if m.shape.layout != "split" || dir == filepath.Dir(f.path) {
		return true
	}
	switch {
	case m.shape.strict:
		return false // its input keeps it while parsers hold lines
	case len(f.names) > 0:
		return false // both inputs would follow it
	case m.shape.forgets && f.aged:
		return false // its new input knows nothing of it, and sends it under its own ids
	case m.stop == nil && !m.whole(f):
		return false
	case m.stop != nil:
		m.settle(f)
		m.must(m.reg.Sync())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f.life.derived = false // from what it was, not from what it is now
	return true
}

// again begins a new file at a path.
func (m *model) again(path string) {
	f := &modelFile{life: m.newLife(true), path: path}
	m.must(writeFile(path, ""))
	m.stat(f)
	m.lines(f, 1+m.rand.IntN(5))
	m.files = append(m.files, f)
	m.replaced(f)
}

// alike says whether another file at the path of f would be taken for it: it
// begins as f does, and path is the identity.
func (m *model) alike(f *modelFile) bool { return m.shape.paths && m.nameless(f.life) }

// replaced notes that f is another file at a path: a crash must not bring back
// a State of the former from when that had no more than the equal lines.
func (m *model) replaced(f *modelFile) {
	if m.shape.paths && m.shape.header > 0 {
		m.fragile[f] = true
	}
}

func (m *model) remove() {
	f := m.pick()
	m.confirm(f)
	m.complete(f)
	m.settle(f)
	m.unlink(f)
}

func (m *model) removeNow() {
	f := m.pick()
	if !m.fragile[f] && f.size > 0 && m.whole(f) {
		m.unlink(f)
	}
}

// whole says whether all of a file's lines were acknowledged.
func (m *model) whole(f *modelFile) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range f.life.by {
		if m.covered(f.life, r) < f.size {
			return false
		}
	}
	return f.partial == ""
}

// unlink takes a file away; lines that its parsers hold are lost or sent.
func (m *model) unlink(f *modelFile) {
	m.leave(f)
	for _, path := range append(f.names, f.path) {
		m.must(os.Remove(path))
	}
	m.forgo(f)
}

// leave notes that nobody can wait for a file's last group of lines.
func (m *model) leave(f *modelFile) {
	m.excuse(f.life, m.aim(f.life))
	m.mu.Lock()
	f.life.loose = true
	m.mu.Unlock()
}

func (m *model) forgo(f *modelFile) {
	m.files = slices.DeleteFunc(m.files, func(g *modelFile) bool { return g == f })
	delete(m.fragile, f)
}

// recreate replaces a file by a new one of the same name.
func (m *model) recreate() {
	f := m.pick()
	m.confirm(f)
	m.complete(f)
	m.settle(f)
	if m.alike(f) {
		return
	}
	m.unlink(f)
	m.again(f.path)
}

// lastWords removes a file right after it was written, while its reader has
// it open.
func (m *model) lastWords() {
	if !m.calm {
		return
	}
	f := m.pick()
	m.confirm(f)
	if f.closed {
		return
	}
	m.lines(f, 5)
	m.settle(f)
	m.eventually(f.path+" is open", func() bool { return m.opened(f) == m.readers() })
	m.lines(f, 1+m.rand.IntN(5))
	m.unlink(f)
	if m.nameless(f.life) {
		return
	}
	m.eventually("the last lines of "+f.path+" come", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for r := range f.life.by {
			if m.covered(f.life, r) < f.size {
				return false
			}
		}
		return true
	})
}

// opened counts the readers that have a file open.
func (m *model) opened(f *modelFile) (n int) {
	m.tailer.mu.Lock()
	defer m.tailer.mu.Unlock()
	for g := range m.tailer.followed() {
		if g.inode == f.info.inode && g.io.TryLock() {
			if g.harvester != nil && !g.dropped() {
				n++
			}
			g.io.Unlock()
		}
	}
	return n
}

// truncate empties a file and waits until that was seen.
func (m *model) truncate() {
	f := m.pick()
	m.confirm(f)
	m.complete(f)
	m.settle(f)
	if f.size == 0 {
		return
	}
	m.empty(f)
	m.eventually("the truncation of "+f.path+" is seen", func() bool { return m.at(f, 0) })
}

// truncateNow does not wait.
func (m *model) truncateNow() {
	if f := m.pick(); !m.fragile[f] && f.size > 0 && m.whole(f) && !m.nameless(f.life) {
		m.empty(f)
	}
}

// empty begins a new life of a file.
func (m *model) empty(f *modelFile) {
	m.leave(f)
	m.must(os.Truncate(f.path, 0))
	f.size, f.partial, f.life, f.begun = 0, "", m.newLife(false), true
	if m.shape.header > 0 {
		m.fragile[f] = true
	}
}

// tick lets the kernel's clock go on, by which it stamps files: within one of
// its ticks a file can be filled anew to the same size unseen.
func (m *model) tick() { time.Sleep(12 * time.Millisecond) }

// refill empties a file and fills it again at once, at times to its old size.
func (m *model) refill() {
	m.tick()
	f := m.pick()
	m.confirm(f)
	if m.stop != nil {
		m.complete(f)
		m.settle(f)
	}
	if f.size == 0 || !m.whole(f) || m.nameless(f.life) {
		return
	}
	size := f.size
	m.empty(f)
	m.fill(f, size)
}

// fill writes lines, at times just as many bytes as asked for.
func (m *model) fill(f *modelFile, size int64) {
	if m.odds(2) {
		m.lines(f, 1+m.rand.IntN(20))
		return
	}
	text := ""
	for f.life.end() < size {
		line := m.line(f)
		last := &f.life.lines[len(f.life.lines)-1]
		if over := last.end - size; over > 0 { // this one would be too long
			m.mu.Lock()
			f.life.lines = f.life.lines[:len(f.life.lines)-1]
			m.mu.Unlock()
			break
		}
		text += line
	}
	if last := len(f.life.lines) - 1; last >= 0 && !f.life.lines[last].none && m.shape.lines == "plain" {
		m.mu.Lock()
		pad := strings.Repeat("p", int((size-f.life.end())/m.unit()))
		f.life.lines[last].text += pad
		f.life.lines[last].end = size
		m.mu.Unlock()
		text = text[:len(text)-int(m.unit())] + m.encode(pad+"\n")
	}
	m.raw(f, text)
}

// know makes sure that a crash has left, or a reader has made, a State of a
// file: a copy of one that nobody knows is a file of its own.
func (m *model) know(f *modelFile) (known bool) {
	if m.stop != nil && slices.ContainsFunc(m.states(f), func(offset int64) bool { return offset <= 0 }) {
		m.settle(f)
	}
	return f.size > 0 && (!m.shape.forgets || m.stop == nil || !slices.Contains(m.states(f), -1))
}

// copyTruncate copies a file, empties it, and goes on.
func (m *model) copyTruncate() {
	m.tick()
	f := m.pick()
	if m.shape.header > 0 || m.fragile[f] && m.stop == nil {
		m.confirm(f)
	}
	m.complete(f)
	if !m.know(f) || m.nameless(f.life) || m.stop == nil && (!m.whole(f) || m.fragile[f]) {
		return
	}
	c := &modelFile{path: fmt.Sprintf("%s.%d", f.path, m.rand.IntN(1<<30)), life: f.life, size: f.size, closed: true}
	text, err := os.ReadFile(f.path)
	m.must(err)
	m.must(writeFile(c.path, string(text)))
	m.stat(c)
	m.must(os.Truncate(f.path, 0))
	c.life.derived = false
	m.files = append(m.files, c)
	size := f.size
	f.size, f.life, f.begun = 0, m.newLife(false), true
	m.fragile[f], m.fragile[c] = true, true
	if m.odds(2) && !m.shape.longHeader() {
		m.fill(f, size)
	}
}

// compress does what gzip does with a rotated file.
func (m *model) compress() {
	f := m.pick()
	if len(f.names) > 0 || f.linked || m.shape.strict {
		return // the last group waits for an hour
	}
	m.confirm(f)
	m.complete(f)
	if !m.know(f) || m.stop == nil && (!m.whole(f) || m.fragile[f]) {
		return
	}
	text, err := os.ReadFile(f.path)
	m.must(err)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err = w.Write(text)
	m.must(errors.Join(err, w.Close()))
	c := &modelFile{path: f.path + ".gz", life: f.life, size: f.size, closed: true}
	cut := m.rand.IntN(b.Len() + 1)
	m.must(writeFile(c.path, string(b.Bytes()[:cut])))
	if m.odds(2) {
		m.pause()
	}
	h, err := os.OpenFile(c.path, os.O_WRONLY|os.O_APPEND, 0)
	m.must(err)
	_, err = h.Write(b.Bytes()[cut:])
	m.must(errors.Join(err, h.Close()))
	m.stat(c)
	m.must(os.Remove(f.path))
	m.forgo(f)
	m.mu.Lock()
	c.life.derived, c.life.loose = false, true // a removed file gives out what its parsers hold
	m.mu.Unlock()
	m.files = append(m.files, c)
	m.fragile[c] = true
}

// link gives a file one more name.
func (m *model) link() {
	f := m.pick()
	if f.linked {
		return
	}
	name := fmt.Sprintf("%s.h%d", f.path, len(f.names))
	if err := os.Link(f.path, name); err == nil {
		f.names = append(f.names, name)
	}
}

// swap makes a symbolic link lead to another file.
func (m *model) swap() {
	m.existing()
	i := slices.IndexFunc(m.files, func(f *modelFile) bool { return f.linked && !f.closed })
	if i < 0 {
		return
	}
	f := m.files[i]
	m.confirm(f)
	m.complete(f)
	m.settle(f)
	if m.alike(f) {
		return
	}
	m.leave(f)
	other := m.path("swap")
	m.must(os.Symlink(m.target(), other))
	m.must(os.Rename(other, f.path))
	f.size, f.life, f.begun = 0, m.newLife(true), true
	m.stat(f)
	m.lines(f, 1+m.rand.IntN(5))
	m.replaced(f)
}
