package tailer

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// modelLife is one file's content from its creation or truncation on, and
// what its copies hold.
type modelLife struct {
	number  int
	lines   []modelLine
	derived bool // its generation id is the same whenever it is made
	loose   bool // its last group of lines may be sent early
	// aged says that a crash may have forgotten what was sent, which is too old
	// to be read again: what comes then may have another generation id, unless
	// that is derived.
	aged bool
	by   []modelReading
}

type modelLine struct {
	text     string // the message
	end      int64
	none     bool // is never sent
	optional bool // need not be sent
}

// modelReading is what one reader has sent of a life.
type modelReading struct {
	generation  string
	next, acked int64 // up to where all was delivered, acknowledged
}

// modelDocument is what the model looks at of an event.
type modelDocument struct {
	Message  string
	Tags     []string
	Metadata struct {
		ID string `json:"_id"`
	} `json:"@metadata"`
	Log struct {
		Offset int64
		File   struct{ Path string }
	}
	reader int
	start  int64 // of its first line
	acked  bool
}

func (l *modelLife) end() int64 { return l.start(len(l.lines)) }

func (l *modelLife) start(i int) int64 {
	if i == 0 {
		return 0
	}
	return l.lines[i-1].end
}

// at is the number of the line that holds an offset.
func (l *modelLife) at(offset int64) int {
	return sort.Search(len(l.lines), func(i int) bool { return l.lines[i].end > offset })
}

// past moves an offset over lines that need not come.
func (l *modelLife) past(offset int64) int64 {
	for i := l.at(offset); i < len(l.lines) && l.start(i) == offset && (l.lines[i].none || l.lines[i].optional); i++ {
		offset = l.lines[i].end
	}
	return offset
}

// covered is how far all of a life is acknowledged.
func (m *model) covered(l *modelLife, reader int) int64 { return l.past(l.by[reader].acked) }

// deliver notes one document.
func (m *model) deliver(doc string, acked bool) {
	e := modelDocument{acked: acked}
	if err := json.Unmarshal([]byte(doc), &e); err != nil || len(e.Tags) != 1 {
		m.fault("no event: %s", doc)
		return
	}
	generation, start, ok := strings.Cut(e.Metadata.ID, "-")
	var err error
	if e.start, err = strconv.ParseInt(start, 10, 64); err != nil || !ok {
		m.fault("the id %q is none", e.Metadata.ID)
		return
	}
	e.reader, _ = strconv.Atoi(e.Tags[0][1:])
	life := m.owner[generation]
	if life == nil {
		life = m.named(e.Message)
	}
	if life == nil { // its first lines are those of any other
		m.pending[generation] = append(m.pending[generation], e)
		return
	}
	if m.owner[generation] == nil {
		m.owner[generation] = life
		for _, first := range m.pending[generation] {
			m.take(life, generation, first)
		}
		delete(m.pending, generation)
	}
	m.take(life, generation, e)
}

// named finds the life that a message is of by the numbers in it.
func (m *model) named(message string) *modelLife {
	for line := range strings.Lines(message) {
		var number, n int
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "%d.%d.", &number, &n); err == nil && number < len(m.lives) {
			return m.lives[number]
		}
	}
	return nil
}

// take compares a document with the lines that it claims to be.
func (m *model) take(l *modelLife, generation string, e modelDocument) {
	by := &l.by[e.reader]
	where := fmt.Sprintf("%d.%d for reader %d from %s at %d", l.number, l.at(e.start), e.reader, e.Log.File.Path, e.start)
	if by.generation == "" || l.aged && !l.derived && e.start >= by.next {
		by.generation = generation
	}
	if by.generation != generation {
		m.fault("%s: the generations %s and %s", where, by.generation, generation)
	}
	if len(l.by) > 1 && l.by[1-e.reader].generation == generation {
		m.fault("%s: both readers have generation %s", where, generation)
	}
	end, why := m.match(l, e)
	if why != "" {
		m.fault("%s: %s: %.60q", where, why, e.Message)
		return
	}
	if !m.shape.joins() && e.Log.Offset != e.start {
		m.fault("%s: log.offset is %d", where, e.Log.Offset)
	}
	if next := l.past(by.next); e.start > next {
		m.fault("%s came before %d.%d at %d", where, l.number, l.at(next), next)
	}
	by.next = max(by.next, end)
	if e.acked && e.start <= l.past(by.acked) {
		by.acked = max(by.acked, end)
	}
}

// match returns where the lines of a document end, or what is wrong with it.
func (m *model) match(l *modelLife, e modelDocument) (end int64, why string) {
	i := l.at(e.start)
	if i == len(l.lines) {
		return 0, "invented"
	}
	from := (e.start - l.start(i)) / m.unit()
	if from > int64(len(l.lines[i].text)) || from > 0 && !m.shape.partial {
		return 0, "begins within a line"
	}
	if l.lines[i].none {
		return 0, "should not be sent"
	}
	if m.shape.joins() {
		return m.matchGroup(l, i, e.Message)
	}
	whole := l.lines[i].text[from:]
	switch {
	case e.Message == whole[:min(len(whole), modelMaxBytes)]:
		return l.lines[i].end, ""
	case m.shape.partial && e.Message != "" && strings.HasPrefix(whole, e.Message):
		return e.start + int64(len(e.Message))*m.unit(), ""
	}
	return 0, fmt.Sprintf("is not %.60q", whole)
}

// matchGroup finds the lines, from i on, that a message joins.
func (m *model) matchGroup(l *modelLife, i int, message string) (end int64, why string) {
	strict := m.shape.strict && !l.loose
	text, last := "", -1
	for j := i; j < len(l.lines) && m.goesOn(l, i, j); j++ {
		if j > i {
			text += "\n"
		}
		text += l.lines[j].text
		// What is cut may end in a line feed: filestream joins first, and the log
		// input adds none for a line that there is no room for.
		cut := text[:min(len(text), modelMaxBytes)]
		if cut == message || len(text) > modelMaxBytes && strings.TrimSuffix(cut, "\n") == message {
			last = j
		}
	}
	switch {
	case last < 0:
		return 0, fmt.Sprintf("is no group of lines that begins %.60q", l.lines[i].text)
	case strict && m.shape.lines == "count" && (i%modelGroup != 0 || last != i+modelGroup-1),
		strict && m.shape.lines == "pattern" && (i > 0 && l.lines[i].text[0] == ' ' || last+1 >= len(l.lines) || l.lines[last+1].text[0] == ' '):
		return 0, "is no whole group"
	}
	return l.lines[last].end, ""
}

// goesOn says whether line j can stand in a group that begins with line i.
func (m *model) goesOn(l *modelLife, i, j int) bool {
	if m.shape.lines == "count" {
		return j < i+modelGroup
	}
	return j == i || l.lines[j].text[0] == ' '
}

// aim is how far a life is sent while it is there: what its parsers hold waits.
func (m *model) aim(l *modelLife) int64 {
	if !m.shape.strict || l.loose {
		return l.end()
	}
	if m.shape.lines == "count" {
		return l.start(len(l.lines) / modelGroup * modelGroup)
	}
	for i := len(l.lines) - 1; i >= 0; i-- {
		if l.lines[i].text[0] != ' ' {
			return l.start(i)
		}
	}
	return 0
}

// nameless says whether a life has nothing yet that tells it from others.
func (m *model) nameless(l *modelLife) bool {
	if m.shape.header == 0 {
		return false
	}
	aim := m.aim(l)
	for _, line := range l.lines {
		if line.end <= aim && !line.none && !line.optional && !strings.HasPrefix(line.text, "time;value") {
			return false
		}
	}
	return true
}

// states returns a file's offset in the registry for each reader; -1: none.
func (m *model) states(f *modelFile) []int64 {
	found, rank := make([]int64, m.readers()), make([]int, m.readers())
	for r := range found {
		found[r] = -1
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.reg.States() {
		if s.Inode != f.info.ino || s.Device != f.info.dev || s.Birth != f.info.birth {
			continue
		}
		for i := range m.cfg.Inputs {
			// One by fingerprint may be of what the file held before, and a crash
			// may have brought back the one that another has taken the place of.
			sure := map[*modelLife]int{f.life: 3, nil: 2}[m.owner[s.Generation]] + 1
			if r := m.reader(i); strings.HasPrefix(s.Key, keySpace(&m.cfg.Inputs[i])) && (sure > rank[r] || sure == rank[r] && s.Offset > found[r]) {
				found[r], rank[r] = s.Offset, sure
			}
		}
	}
	return found
}

// at says whether the registry has a file at an offset.
func (m *model) at(f *modelFile, offset int64) bool {
	return !slices.ContainsFunc(m.states(f), func(have int64) bool {
		return have != offset && (have >= 0 || offset > 0 && !m.shape.forgets)
	})
}

// settle waits until a file is acknowledged as far as it will be.
func (m *model) settle(f *modelFile) {
	m.t.Helper()
	m.complete(f)
	m.reach(true)
	aim := m.aim(f.life)
	m.wait(func() string {
		return fmt.Sprintf("%s (inode %d, life %d: %+v; registry %d) is acknowledged to %d", f.path, f.info.ino, f.life.number, f.life.by, m.states(f), aim)
	}, func() bool {
		m.mu.Lock()
		for r := range f.life.by {
			if m.covered(f.life, r) < aim && !m.nameless(f.life) {
				m.mu.Unlock()
				return false
			}
		}
		m.mu.Unlock()
		return aim == 0 || m.at(f, aim) || m.shape.deletes && !f.there() || f.aged // what a crash forgot of an old file is not sent again
	})
}

func (m *model) settleAll() {
	m.t.Helper()
	m.existing()
	for _, f := range m.files {
		m.settle(f)
	}
}

// confirm makes what is known of a file durable before it changes again.
func (m *model) confirm(f *modelFile) {
	if m.fragile[f] && m.stop != nil {
		m.firm()
	}
}

// firm does so for all fragile files.
func (m *model) firm() {
	m.t.Helper()
	if len(m.fragile) == 0 {
		return
	}
	for f := range m.fragile {
		m.settle(f)
	}
	m.must(m.reg.Sync())
	clear(m.fragile)
}

// check compares the registry with what the server has acknowledged.
func (m *model) check() {
	m.t.Helper()
	states := m.reg.States()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range states {
		for _, f := range m.files {
			if s.Inode != f.info.ino || s.Device != f.info.dev || s.Birth != f.info.birth || m.pending[s.Generation] != nil {
				continue
			}
			if life := m.owner[s.Generation]; life != f.life && (life != nil || f.begun) {
				continue // a crash brought back what is known of the content before a truncation
			}
			covered := int64(0)
			for r := range f.life.by {
				covered = max(covered, m.covered(f.life, r))
			}
			if s.Offset > covered {
				m.fault("%s: offset %d, but acknowledged is only %d", f.path, s.Offset, covered)
			}
		}
	}
	m.report()
}

func (m *model) report() {
	m.t.Helper()
	for _, f := range m.faults[:min(len(m.faults), 10)] {
		m.t.Error(f)
	}
	if m.faults != nil {
		m.t.FailNow()
	}
}

// prove checks that every line came.
func (m *model) prove() {
	m.mu.Lock()
	defer m.mu.Unlock()
	lines := 0
	for _, life := range m.lives {
		for r := range life.by {
			if covered := m.covered(life, r); covered < m.aim(life) && !m.nameless(life) {
				m.fault("line %d.%d is lost for reader %d", life.number, life.at(covered), r)
			}
		}
		lines += len(life.lines)
	}
	for generation, es := range m.pending {
		if !strings.Contains(es[0].Message, "time;value") {
			m.fault("%d events of generation %s are of no file: %.60q", len(es), generation, es[0].Message)
		}
	}
	m.report()
	m.t.Logf("%d lines in %d lives, %d generations", lines, len(m.lives), len(m.owner))
}

// wait waits for what must follow.
func (m *model) wait(what func() string, ok func() bool) {
	m.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			text := what()
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, f := range m.faults {
				m.t.Error(f)
			}
			for _, s := range m.reg.States() {
				m.t.Logf("DUMP %s %s at %d inode %d ttl %d", s.Key, s.Source, s.Offset, s.Inode, s.TTL)
			}
			m.t.Fatalf("never: %s", text)
		}
	}
}

func (m *model) eventually(what string, ok func() bool) {
	m.t.Helper()
	m.wait(func() string { return what }, ok)
}
