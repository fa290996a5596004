package tailer

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	modelTime = flag.Duration("model.time", 8*time.Second, "how long the model test runs")
	modelAll  = flag.Bool("model.all", false, "also several inputs over one file and files with equal first lines")
	modelSeed = flag.Uint64("model.seed", 0, "replay the round of the model test with this seed")
	modelFrom = flag.Uint64("model.from", 22, "which row of rounds; 0: another one each time")
)

// TestModel lets random writers, rotations, servers, restarts and crashes
// loose on a tailer and compares what arrives with a plain model in memory. It
// runs in rounds, each with a seed and inputs of its own (model_options_test). The
// rounds are the same each time, but for what the scheduler does; -model.from
// gives others.
func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		modelRound(t, *modelSeed)
		return
	}
	from := *modelFrom
	if from == 0 {
		from = rand.Uint64()
	}
	seeds := rand.New(rand.NewPCG(from, 0))
	for end := time.Now().Add(*modelTime); time.Now().Before(end) && !t.Failed(); {
		seed := seeds.Uint64()
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { modelRound(t, seed) })
	}
}

const modelMaxBytes = 1000

// model is what the files hold and what the server took.
type model struct {
	*gateway
	rand  *rand.Rand
	shape modelShape
	modelInputs
	files []*modelFile // that exist
	// fragile are files whose copy, or equal first bytes, must be known to the
	// registry before a stop: doc.go names what is repeated or lost otherwise.
	fragile map[*modelFile]bool
	targets int
	crashed bool // the inputs' ids must not change now
	renamed bool // they have, and the machine must not crash now

	mu      sync.Mutex // the server's goroutines look at what follows
	answer  *rand.Rand
	lives   []*modelLife
	owner   map[string]*modelLife // by generation id
	pending map[string][]modelDocument
	frozen  bool // the machine is about to crash: nothing leaves it
	away    bool // the server can't be reached
	faults  []string
}

type modelStep struct {
	name   string
	weight int
	step   func()
	allow  bool
}

func modelRound(t *testing.T, seed uint64) {
	m := &model{
		gateway: newGateway(t), owner: map[string]*modelLife{}, pending: map[string][]modelDocument{},
		fragile: map[*modelFile]bool{},
		rand:    rand.New(rand.NewPCG(seed, 1)), answer: rand.New(rand.NewPCG(seed, 2)),
	}
	m.server.answer, m.server.refuse = m.window, m.refuse
	m.server.pieces = func(n int) int { return 1 + m.answer.IntN(n) }
	m.shape = m.drawShape()
	t.Logf("%+v", m.shape)
	m.drawInputs()
	m.begin()
	steps := m.steps()
	total := 0
	for _, s := range steps {
		if s.allow {
			total += s.weight
		}
	}
	for range 120 {
		n := m.rand.IntN(total)
		for _, s := range steps {
			if !s.allow {
				continue
			}
			if n -= s.weight; n < 0 {
				m.t.Log(s.name)
				s.step()
				break
			}
		}
		m.check()
	}
	m.settleAll()
	m.check()
	m.halt()
	m.prove()
}

// steps are what may happen, each with how often.
func (m *model) steps() []modelStep {
	s := &m.shape
	stays := !s.deletes && !s.longHeader() // else a new file can't be told from another one
	copies := stays && !s.forgets          // a file that is sent anew needs its own ids
	return []modelStep{
		{"append", 40, m.append, true}, {"appendHalf", 12, m.appendHalf, true}, {"pause", 20, m.pause, true}, {"restart", 3, m.restart, true}, {"crash", 3, m.crash, true},
		{"reload", 2, m.reload, true}, {"goAway", 3, m.goAway, true},
		{"rename", 6, m.rename, stays && !s.paths}, {"remove", 4, m.remove, stays}, {"recreate", 2, m.recreate, stays}, {"lastWords", 3, m.lastWords, stays},
		{"truncate", 4, m.truncate, copies}, {"refill", 3, m.refill, copies}, {"copyTruncate", 4, m.copyTruncate, copies}, {"compress", 4, m.compress, m.compresses()},
		{"link", 3, m.link, stays && s.links}, {"swap", 4, m.swap, stays && s.symlinks}, {"grow", 3, m.grow, stays && s.ages}, {"old", 3, m.old, stays && s.ages && !s.joins()},
	}
}

// compresses says whether files are compressed as they are rotated.
func (m *model) compresses() bool {
	s := &m.shape
	return s.gz && !s.deletes && !s.longHeader() && !s.forgets
}

func (m *model) pause() { time.Sleep(time.Duration(m.rand.IntN(10)) * time.Millisecond) }

// window is the server: it takes a window whole, in part, or not at all, and
// may take more than it acknowledges.
func (m *model) window(docs []string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.server.docs = nil // the model keeps what matters
	if m.frozen || m.away {
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
	if m.frozen || m.away || m.answer.IntN(5) == 0 {
		time.Sleep(time.Millisecond) // the server's own time
		return errors.New("connection refused")
	}
	return nil
}

func (m *model) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

// begin starts the tailer with options drawn anew.
func (m *model) begin() {
	m.configure()
	m.cfg.BatchEvents = 1 + m.rand.IntN(60)
	m.cfg.BatchBytes = 500 + m.rand.IntN(20_000)
	m.cfg.BatchesInFlight = 1 + m.rand.IntN(3)
	m.cfg.FlushTimeout = time.Duration(m.rand.IntN(20)) * time.Millisecond
	m.cfg.ShutdownTimeout = time.Duration(m.rand.IntN(2)) * time.Second
	m.server.mu.Lock()
	m.server.lanes, m.server.room = 1+m.rand.IntN(3), 1+m.rand.IntN(80)
	m.server.mu.Unlock()
	m.start()
}

// looked waits until every input has looked at its files: ids that change
// before the States have moved can't be told apart.
func (m *model) looked() {
	m.eventually("all inputs have looked", func() bool {
		m.tailer.mu.Lock()
		defer m.tailer.mu.Unlock()
		return !slices.ContainsFunc(m.tailer.inputs, func(in *input) bool { return !in.scanned })
	})
}

// reload replaces the inputs while the tailer runs.
func (m *model) reload() {
	m.looked()
	m.firm()
	m.recover()
	if m.rand.IntN(2) == 0 {
		m.renameInputs()
	}
	m.configure()
	m.setInputs(m.cfg.Inputs...)
	// A crash now would bring back neither the old ids nor what they stood for.
	m.eventually("the inputs are replaced", func() bool {
		m.tailer.mu.Lock()
		defer m.tailer.mu.Unlock()
		return !slices.ContainsFunc(m.tailer.inputs, func(in *input) bool { return !slices.Contains(m.ids, in.cfg.ID) })
	})
}

func (m *model) goAway() { m.reach(false) }

// reach makes the server come or go.
func (m *model) reach(there bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = !there
}

// restart stops the tailer. Before it starts again, files change, or the
// inputs' ids, types and identities do.
func (m *model) restart() {
	m.looked()
	m.firm()
	still := m.rand.IntN(2) == 0
	if still {
		m.settleAll()
	}
	m.recover()
	m.halt()
	if m.rand.IntN(2) == 0 {
		m.renameInputs()
		m.retype()
		if still && m.compresses() && m.odds(2) {
			m.compress()
		}
	} else if !m.shape.deletes {
		for range m.rand.IntN(6) {
			m.stopped(still)
		}
	}
	m.begin()
}

// recover waits, after a crash, until all files were read again: what is sent
// again gets its ids from the input's id, which must not change before.
func (m *model) recover() {
	if m.crashed {
		m.settleAll()
	}
	m.crashed = false
}

// stopped is what happens to files while no tailer runs; with still all their
// lines have been acknowledged.
func (m *model) stopped(still bool) {
	steps := []func(){m.append, m.appendHalf}
	if !m.shape.longHeader() && !m.shape.paths {
		steps = append(steps, m.rename)
	}
	if still && !m.shape.longHeader() {
		steps = append(steps, m.removeNow)
	}
	if still && !m.shape.longHeader() && !m.shape.forgets {
		steps = append(steps, m.truncateNow, m.refill, m.copyTruncate)
	}
	if still && m.compresses() {
		steps = append(steps, m.compress)
	}
	steps[m.rand.IntN(len(steps))]()
}

// crash goes on with the registry as it was on disk while nothing left the
// machine any more; a line that was being written to it may be torn.
func (m *model) crash() {
	m.firm()
	if m.renamed { // the State of one input would be taken for that of two
		m.settleAll()
		m.must(m.reg.Sync())
		m.renamed = false
	}
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
	if m.rand.IntN(2) == 0 {
		m.tear()
	}
	m.freeze(false)
	m.crashed = true
	m.identify()
	m.begin()
}

// tear adds the beginning of an operation to the registry's log.
func (m *model) tear() {
	const next = `{"op":"set","id":99999}` + "\n" + `{"k":"filebeat::logs::native::1-2","v":{"source":"/x","offset":7`
	h, err := os.OpenFile(m.path("data/registry/filebeat/log.json"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = h.WriteString(next[:m.rand.IntN(len(next))])
	if err = errors.Join(err, h.Close()); err != nil {
		m.t.Fatal(err)
	}
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
