package tailer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// modelFile is a file that exists.
type modelFile struct {
	path    string
	names   []string // further hard links
	linked  bool     // path is a symbolic link
	info    fileInfo
	life    *modelLife
	size    int64  // of the content
	partial string // what the last line lacks
	closed  bool   // never written again
	begun   bool   // anew, after a truncation
	aged    bool   // it was so old once that it is not read when it is found
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

func (m *model) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) newLife(derived bool) *modelLife {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &modelLife{number: len(m.lives), derived: derived && !m.shape.partial, by: make([]modelReading, m.readers())}
	m.lives = append(m.lives, l)
	return l
}

// pick returns a file that is written, most often one that exists.
func (m *model) pick() *modelFile {
	m.existing()
	if len(m.files) > 0 && (len(m.files) > 12 || m.rand.IntN(6) > 0) {
		if f := m.files[m.rand.IntN(len(m.files))]; !f.closed {
			return f
		}
	}
	dir := m.dir
	for range m.rand.IntN(3) {
		dir = filepath.Join(dir, fmt.Sprintf("d%d", m.rand.IntN(3)))
	}
	return m.make(dir)
}

// make begins a file in a folder.
func (m *model) make(dir string) *modelFile {
	f := &modelFile{life: m.newLife(true)}
	f.path = filepath.Join(dir, fmt.Sprintf("f%d.log", f.life.number))
	m.must(os.MkdirAll(dir, 0o700))
	if f.linked = m.shape.symlinks && m.odds(3); f.linked {
		m.must(os.Symlink(m.target(), f.path))
	} else {
		m.must(writeFile(f.path, ""))
	}
	m.stat(f)
	m.files = append(m.files, f)
	return f
}

// target makes a file that only a symbolic link leads to.
func (m *model) target() string {
	m.targets++
	path := m.path(fmt.Sprintf("target%d", m.targets))
	m.must(writeFile(path, ""))
	return path
}

func (m *model) stat(f *modelFile) {
	var err error
	if f.info, err = statFile(f.path, true); err != nil {
		m.t.Fatal(err)
	}
}

// there says whether a file is still at its path.
func (f *modelFile) there() bool {
	info, err := statFile(f.path, true)
	return err == nil && info.inode == f.info.inode && info.birth == f.info.birth
}

// existing lets go of files that delete.enabled has removed.
func (m *model) existing() {
	if !m.shape.deletes {
		return
	}
	m.files = slices.DeleteFunc(m.files, func(f *modelFile) bool {
		if f.there() {
			return false
		}
		m.excuse(f.life, f.size) // a line of which nothing was written yet
		m.mu.Lock()
		defer m.mu.Unlock()
		for r := range f.life.by {
			if covered := m.covered(f.life, r); covered < f.size || f.partial != "" && f.size > f.life.start(len(f.life.lines)-1) {
				m.fault("%s was deleted at %d of %d bytes", f.path, covered, f.size)
			}
		}
		return true
	})
}

// raw appends to a file. If it is deleted meanwhile, what is written is lost.
func (m *model) raw(f *modelFile, text string) {
	h, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND, 0o600)
	if m.shape.deletes && errors.Is(err, fs.ErrNotExist) {
		m.excuse(f.life, f.size)
		f.partial = ""
		return
	}
	m.must(err)
	_, err = h.WriteString(text)
	m.must(errors.Join(err, h.Close()))
	if m.shape.deletes && text != "" && !f.there() {
		m.excuse(f.life, f.size)
		f.partial = ""
		return
	}
	f.size += int64(len(text))
}

// excuse says that a life's lines from an offset on may get lost.
func (m *model) excuse(l *modelLife, from int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range l.lines {
		if l.lines[i].end > from {
			l.lines[i].optional = true
		}
	}
}

// line makes the next line of a file.
func (m *model) line(f *modelFile) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	raw, line := m.text(f.life)
	text := m.encode(raw + "\n")
	line.end = f.life.end() + int64(len(text))
	f.life.lines = append(f.life.lines, line)
	return text
}

func (m *model) complete(f *modelFile) {
	if f.partial != "" {
		text := f.partial
		f.partial = ""
		m.raw(f, text)
	}
}

func (m *model) append() { m.lines(m.pick(), 1+m.rand.IntN(30)) }

func (m *model) lines(f *modelFile, n int) {
	text := f.partial
	f.partial = ""
	for range n {
		text += m.line(f)
	}
	m.raw(f, text)
}

func (m *model) appendHalf() {
	f := m.pick()
	whole := m.line(f)
	least := 0
	if m.shape.partial { // enough to know the line
		least = int(m.unit()) * len(fmt.Sprintf("%d.%d.", f.life.number, len(f.life.lines)-1))
	}
	if least >= len(whole)-1 {
		m.raw(f, f.partial+whole)
		f.partial = ""
		return
	}
	cut := least + m.rand.IntN(len(whole)-least)
	text := f.partial + whole[:cut]
	f.partial = whole[cut:]
	m.raw(f, text)
}

// grow makes a file old that is shipped.
func (m *model) grow() {
	f := m.pick()
	if !f.life.derived && m.shape.forgets || m.fragile[f] || m.nameless(f.life) {
		return
	}
	m.complete(f)
	m.settle(f)
	m.excuse(f.life, m.aim(f.life)) // what parsers hold
	f.aged = true
	past := time.Now().Add(-time.Hour - time.Duration(m.rand.IntN(120))*time.Minute)
	m.must(os.Chtimes(f.path, past, past))
}

// old makes a file that is too old to be read from its start.
func (m *model) old() {
	f := &modelFile{life: m.newLife(true)}
	hidden := m.path("hidden")
	f.path = hidden
	m.must(writeFile(hidden, ""))
	m.lines(f, 1+m.rand.IntN(10))
	past := time.Now().Add(-40 * time.Minute)
	m.must(os.Chtimes(hidden, past, past))
	m.excuse(f.life, 0)
	f.path = m.path(fmt.Sprintf("f%d.log", f.life.number))
	m.must(os.Rename(hidden, f.path))
	m.stat(f)
	m.files = append(m.files, f)
	m.eventually(f.path+" is known and not read", func() bool { return m.at(f, f.size) })
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, by := range f.life.by {
		if by.next > 0 {
			m.fault("%s is older than ignore_older, but was sent", f.path)
		}
	}
}

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
	case m.stop == nil:
		return m.whole(f)
	}
	m.settle(f)
	m.must(m.reg.Sync())
	return true
}

// again begins a new file at a path.
func (m *model) again(path string) {
	f := &modelFile{life: m.newLife(true), path: path}
	m.must(writeFile(path, ""))
	m.stat(f)
	m.lines(f, 1+m.rand.IntN(5))
	m.files = append(m.files, f)
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
	if m.shape.gz { // an empty file is followed when its first bytes tell what it is
		return
	}
	m.eventually("the truncation of "+f.path+" is seen", func() bool { return m.at(f, 0) })
}

// truncateNow does not wait.
func (m *model) truncateNow() {
	if f := m.pick(); !m.fragile[f] && f.size > 0 && m.whole(f) {
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
	if f.size == 0 || !m.whole(f) {
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
	if !m.know(f) || m.stop == nil && (!m.whole(f) || m.fragile[f]) {
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
	if !m.know(f) {
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
	m.leave(f)
	other := m.path("swap")
	m.must(os.Symlink(m.target(), other))
	m.must(os.Rename(other, f.path))
	f.size, f.life, f.begun = 0, m.newLife(true), true
	m.stat(f)
	m.lines(f, 1+m.rand.IntN(5))
}
