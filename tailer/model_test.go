package tailer

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	modelTime = flag.Duration("model.time", 8*time.Second, "how long the model test runs")
	modelSeed = flag.Uint64("model.seed", 0, "replay the round of the model test with this seed")
)

// TestModel lets random writers, servers, restarts and crashes loose on a
// tailer and compares what arrives with a plain model in memory. It runs in
// rounds, each with a seed of its own.
func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		modelRound(t, *modelSeed)
		return
	}
	for end := time.Now().Add(*modelTime); time.Now().Before(end) && !t.Failed(); {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { modelRound(t, seed) })
	}
}

const modelMaxBytes = 1000

// model is what the files hold and what the server took.
type model struct {
	*gateway
	rand  *rand.Rand
	files []*modelFile // that exist

	mu     sync.Mutex // the server's goroutines look at what follows
	answer *rand.Rand
	lives  []*modelLife
	ids    map[string]string     // id → line
	owner  map[string]*modelLife // by generation id
	frozen bool                  // the machine is about to crash: nothing leaves it
	faults []string
}

type modelFile struct {
	path    string
	info    fileInfo
	life    *modelLife
	size    int64
	partial string // what the last line lacks
}

// modelLife is one file's content from its creation or truncation on.
type modelLife struct {
	number int
	lines  []modelLine
	next   int // the line whose first delivery comes next
}

type modelLine struct {
	text  string // "" is never sent
	end   int64
	id    string
	acked bool
}

func modelRound(t *testing.T, seed uint64) {
	m := &model{
		gateway: newGateway(t), ids: map[string]string{}, owner: map[string]*modelLife{},
		rand: rand.New(rand.NewPCG(seed, 1)), answer: rand.New(rand.NewPCG(seed, 2)),
	}
	m.server.answer, m.server.refuse = m.window, m.refuse
	m.server.pieces = func(n int) int { return 1 + m.answer.IntN(n) }
	m.begin()
	steps := []struct {
		weight int
		step   func()
	}{
		{40, m.append}, {12, m.appendHalf}, {6, m.rename}, {4, m.remove}, {4, m.truncate},
		{3, m.restart}, {3, m.crash}, {20, m.pause},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	for range 120 {
		n := m.rand.IntN(total)
		for _, s := range steps {
			if n -= s.weight; n < 0 {
				s.step()
				break
			}
		}
		m.check()
	}
	for _, f := range m.files {
		m.complete(f)
		m.settle(f)
	}
	m.halt()
	m.prove()
}

// begin starts the tailer with options drawn anew.
func (m *model) begin() {
	in := &m.cfg.Inputs[0]
	in.Paths = []string{m.path("**/*.log*")}
	in.ScanFrequency = time.Duration(5+m.rand.IntN(40)) * time.Millisecond
	in.MaxBytes = modelMaxBytes
	in.CloseEOF = m.rand.IntN(3) == 0
	in.HarvesterLimit = 0
	if in.CloseEOF {
		in.HarvesterLimit = m.rand.IntN(3)
	}
	in.CloseInactive = time.Duration(1+m.rand.IntN(100)) * time.Millisecond
	in.CloseTimeout = time.Duration(m.rand.IntN(2)*m.rand.IntN(100)) * time.Millisecond
	in.CloseRenamed = m.rand.IntN(2) == 0
	m.cfg.BatchEvents = 1 + m.rand.IntN(60)
	m.cfg.BatchBytes = 500 + m.rand.IntN(20_000)
	m.cfg.BatchesInFlight = 1 + m.rand.IntN(3)
	m.cfg.FlushTimeout = time.Duration(m.rand.IntN(20)) * time.Millisecond
	m.server.mu.Lock()
	m.server.lanes, m.server.room = 1+m.rand.IntN(3), 1+m.rand.IntN(80)
	m.server.mu.Unlock()
	m.start()
}

// window is the server: it takes a window whole, in part, or not at all, and
// may take more than it acknowledges.
func (m *model) window(docs []string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.server.docs = nil // the model keeps what matters
	if m.frozen {
		return -1
	}
	acked, taken := len(docs), len(docs)
	switch n := m.answer.IntN(100); {
	case n < 6:
		acked, taken = -1, m.answer.IntN(len(docs)+1)
	case n < 20:
		acked = m.answer.IntN(len(docs) + 1)
		taken = acked + m.answer.IntN(len(docs)-acked+1)
	}
	for i, d := range docs[:max(acked, taken)] {
		m.deliver(d, i < acked)
	}
	return acked
}

func (m *model) refuse() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.frozen || m.answer.IntN(5) == 0 {
		time.Sleep(time.Millisecond) // the server's own time
		return errors.New("connection refused")
	}
	return nil
}

// deliver notes one document and compares it with the line that it claims to be.
func (m *model) deliver(doc string, acked bool) {
	var e sentEvent
	if err := json.Unmarshal([]byte(doc), &e); err != nil {
		m.fault("no JSON: %s", doc)
		return
	}
	var number, n int
	if _, err := fmt.Sscanf(e.Message, "%d.%d.", &number, &n); err != nil || number >= len(m.lives) || n >= len(m.lives[number].lines) {
		m.fault("invented: %.100q at %d of %s", e.Message, e.Log.Offset, e.Log.File.Path)
		return
	}
	life := m.lives[number]
	l := &life.lines[n]
	if want := l.text[:min(len(l.text), modelMaxBytes)]; e.Message != want {
		m.fault("got %.100q for %.100q", e.Message, want)
	}
	if start := l.end - int64(len(l.text)) - 1; e.Log.Offset != start {
		m.fault("%.20q is said to be at %d, is at %d", e.Message, e.Log.Offset, start)
	}
	key := fmt.Sprintf("%d.%d", number, n)
	if other, ok := m.ids[e.Metadata.ID]; ok && other != key {
		m.fault("lines %s and %s have the same id", other, key)
	}
	if l.id != "" && l.id != e.Metadata.ID {
		m.fault("line %s has ids %s and %s", key, l.id, e.Metadata.ID)
	}
	if l.id == "" {
		for life.next < n && life.lines[life.next].text == "" {
			life.next++
		}
		if n != life.next {
			m.fault("line %s came before %d.%d", key, number, life.next)
		}
		life.next = n + 1
	}
	m.ids[e.Metadata.ID], l.id = key, e.Metadata.ID
	generation, _, _ := strings.Cut(e.Metadata.ID, "-")
	m.owner[generation] = life
	l.acked = l.acked || acked
}

func (m *model) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

func (m *model) newLife() *modelLife {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &modelLife{number: len(m.lives)}
	m.lives = append(m.lives, l)
	return l
}

// pick returns a file, most often one that exists.
func (m *model) pick() *modelFile {
	if len(m.files) > 0 && (len(m.files) > 12 || m.rand.IntN(6) > 0) {
		return m.files[m.rand.IntN(len(m.files))]
	}
	f := &modelFile{life: m.newLife()}
	dir := m.dir
	for range m.rand.IntN(3) {
		dir = filepath.Join(dir, fmt.Sprintf("d%d", m.rand.IntN(3)))
	}
	f.path = filepath.Join(dir, fmt.Sprintf("f%d.log", f.life.number))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		m.t.Fatal(err)
	}
	m.raw(f, "")
	var err error
	if f.info, err = statFile(f.path, false); err != nil {
		m.t.Fatal(err)
	}
	m.files = append(m.files, f)
	return f
}

func (m *model) raw(f *modelFile, text string) {
	h, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := h.WriteString(text); err != nil {
		m.t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		m.t.Fatal(err)
	}
	f.size += int64(len(text))
}

// line makes the next line of a file.
func (m *model) line(f *modelFile) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := fmt.Sprintf("%d.%d.", f.life.number, len(f.life.lines))
	switch n := m.rand.IntN(100); {
	case n < 8 && len(f.life.lines) > 0: // an equal first line is doc.go's known loss
		text = ""
	case n < 10:
		text += strings.Repeat("long ", 150+m.rand.IntN(30_000))
	case n < 40:
		text += strings.Repeat("x", m.rand.IntN(200))
	}
	start := int64(0)
	if n := len(f.life.lines); n > 0 {
		start = f.life.lines[n-1].end
	}
	f.life.lines = append(f.life.lines, modelLine{text: text, end: start + int64(len(text)) + 1})
	return text + "\n"
}

func (m *model) complete(f *modelFile) {
	m.raw(f, f.partial)
	f.partial = ""
}

func (m *model) append() {
	f := m.pick()
	text := f.partial
	f.partial = ""
	for range 1 + m.rand.IntN(30) {
		text += m.line(f)
	}
	m.raw(f, text)
}

func (m *model) appendHalf() {
	f := m.pick()
	text := f.partial + m.line(f)
	cut := m.rand.IntN(len(text))
	f.partial = text[cut:]
	m.raw(f, text[:cut])
}

func (m *model) rename() {
	f := m.pick()
	to := fmt.Sprintf("%s.%d", strings.SplitAfter(f.path, ".log")[0], m.rand.IntN(1<<30))
	if err := os.Rename(f.path, to); err != nil {
		m.t.Fatal(err)
	}
	old := f.path
	f.path = to
	if m.rand.IntN(2) == 0 { // the writer begins a new one at once
		n := &modelFile{life: m.newLife(), path: old}
		m.raw(n, m.line(n))
		var err error
		if n.info, err = statFile(old, false); err != nil {
			m.t.Fatal(err)
		}
		m.files = append(m.files, n)
	}
}

// settle waits until a file is acknowledged to its end.
func (m *model) settle(f *modelFile) {
	m.t.Helper()
	m.eventually(fmt.Sprintf("%s (%d bytes) is acknowledged, but to %d", f.path, f.size, m.state(f)), func() bool {
		return m.state(f) == f.size || f.size == 0
	})
}

// state returns a file's offset in the registry; -1: none.
func (m *model) state(f *modelFile) int64 {
	for _, s := range m.reg.States() {
		if s.Inode == f.info.ino && s.Device == f.info.dev && s.Birth == f.info.birth {
			return s.Offset
		}
	}
	return -1
}

func (m *model) remove() {
	if len(m.files) == 0 {
		return
	}
	i := m.rand.IntN(len(m.files))
	f := m.files[i]
	m.complete(f)
	m.settle(f)
	if err := os.Remove(f.path); err != nil {
		m.t.Fatal(err)
	}
	m.files[i] = m.files[len(m.files)-1]
	m.files = m.files[:len(m.files)-1]
}

func (m *model) truncate() {
	f := m.pick()
	m.complete(f)
	m.settle(f)
	if f.size == 0 {
		return
	}
	if err := os.Truncate(f.path, 0); err != nil {
		m.t.Fatal(err)
	}
	m.eventually("the truncation of "+f.path+" is seen", func() bool { return m.state(f) == 0 })
	f.size, f.life = 0, m.newLife()
}

func (m *model) restart() {
	m.halt()
	m.begin()
}

// crash goes on with the registry as it was on disk while nothing left the
// machine any more.
func (m *model) crash() {
	m.freeze(true)
	copied := m.path("data.copy")
	m.copyRegistry(copied)
	m.halt()
	if err := os.RemoveAll(m.path("data/registry")); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(copied, m.path("data/registry")); err != nil {
		m.t.Fatal(err)
	}
	m.freeze(false)
	m.begin()
}

func (m *model) freeze(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frozen = on
}

// copyRegistry copies until no file changed meanwhile.
func (m *model) copyRegistry(to string) {
	for {
		before := m.listing()
		if err := os.RemoveAll(to); err != nil {
			m.t.Fatal(err)
		}
		err := os.CopyFS(to, os.DirFS(m.path("data/registry")))
		if err == nil && before == m.listing() {
			return
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.t.Fatal(err)
		}
	}
}

func (m *model) listing() (text string) {
	_ = filepath.WalkDir(m.path("data/registry"), func(path string, _ fs.DirEntry, _ error) error {
		if info, err := os.Stat(path); err == nil {
			text += fmt.Sprintln(path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return text
}

func (m *model) pause() { time.Sleep(time.Duration(m.rand.IntN(10)) * time.Millisecond) }

// check compares the registry with what the server has acknowledged.
func (m *model) check() {
	m.t.Helper()
	states := m.reg.States()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range states {
		for _, f := range m.files {
			if s.Inode != f.info.ino || s.Device != f.info.dev || s.Birth != f.info.birth {
				continue
			}
			if life := m.owner[s.Generation]; life != nil && life != f.life {
				continue // a crash brought back what is known of the content before a truncation
			}
			if covered := f.life.covered(); s.Offset > covered {
				m.fault("%s: offset %d, but acknowledged is only %d", f.path, s.Offset, covered)
			}
		}
	}
	for _, f := range m.faults {
		m.t.Error(f)
	}
	if m.faults != nil {
		m.t.FailNow()
	}
}

// covered is how far all lines are acknowledged.
func (l *modelLife) covered() (end int64) {
	for i := range l.lines {
		if line := &l.lines[i]; line.text != "" && !line.acked {
			break
		}
		end = l.lines[i].end
	}
	return end
}

// prove checks that every line came.
func (m *model) prove() {
	m.mu.Lock()
	defer m.mu.Unlock()
	total := 0
	for _, life := range m.lives {
		for i, l := range life.lines {
			if l.text == "" {
				continue
			}
			if total++; l.id == "" || !l.acked {
				m.fault("line %d.%d is lost", life.number, i)
			}
		}
	}
	for _, f := range m.faults {
		m.t.Error(f)
	}
	m.t.Logf("%d lines in %d lives, %d ids", total, len(m.lives), len(m.ids))
}
