package tailer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
			m.t.Logf("%s, inode %d, life %d", f.path, f.info.ino, f.life.number)
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
	m.t.Logf("%s, inode %d, life %d", f.path, f.info.ino, f.life.number)
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
	if m.shape.deletes && text != "" && m.overtaken(f) {
		m.excuse(f.life, f.size)
		f.partial = ""
		return
	}
	f.size += int64(len(text))
}

// overtaken says whether a file that was just written has been deleted. A look
// that is under way may have seen it as it was before: what was written is there
// only as long as the tailer runs and has it open, and no program can lock a
// writer out for so long.
func (m *model) overtaken(f *modelFile) bool {
	m.tailer.mu.Lock()
	defer m.tailer.mu.Unlock()
	return !f.there()
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
	if f.size > 0 && m.aim(f.life) == 0 {
		return // nothing shows that it was read: else it is read on within a group
	}
	m.excuse(f.life, m.aim(f.life)) // what parsers hold
	f.aged = true
	m.mu.Lock()
	f.life.aged = true
	m.mu.Unlock()
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
