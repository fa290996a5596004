package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Monitor answers questions and logs metrics while something runs.
type Monitor struct {
	cfg    Config
	period time.Duration
	names  []string
	info   Info
	src    Source
	log    zerolog.Logger

	listener net.Listener

	mu   sync.Mutex
	busy *inquiry // under way
}

// New makes a Monitor of src. cfg must be valid.
func New(cfg Config, log Log, info Info, src Source, logger zerolog.Logger) *Monitor {
	if info.Started.IsZero() {
		info.Started = time.Now()
	}
	return &Monitor{cfg: cfg, period: log.Period, names: log.Namespaces, info: info, src: src, log: logger}
}

// uptime is measured by the monotonic clock: boards without a battery set
// theirs right long after the start.
func (m *Monitor) uptime() time.Duration { return time.Since(m.info.Started) }

// shutdownPatience bounds what a stop waits for requests under way.
const shutdownPatience = time.Second

// Run answers and logs until ctx ends; then it closes the endpoint and logs
// the totals. Listen comes first, if http.enabled. End ctx when what is watched
// has ended, so that the totals are complete.
func (m *Monitor) Run(ctx context.Context) {
	serving, end := context.WithCancel(ctx)
	defer end()
	var group sync.WaitGroup
	if m.listener != nil {
		group.Go(func() {
			if err := m.serve(serving); err != nil {
				m.log.Error().Err(err).Msg("the HTTP endpoint has ended; everything else goes on")
			}
		})
	}
	m.report(ctx)
	end()
	group.Wait()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer done()
	m.logTotals(last)
}

// patience is how long an answer may take to gather.
const patience = 5 * time.Second

// errSlow means that the Source did not answer within patience.
var errSlow = errors.New("the numbers could not be gathered in time: a disk or a network file system may hang")

// inquiry is one gathering of numbers, which several may wait for.
type inquiry struct {
	done    chan struct{}
	numbers Numbers
	files   []File
}

// ask gathers numbers and files, or waits for the one who is at it.
func (m *Monitor) ask(ctx context.Context) (*inquiry, error) {
	m.mu.Lock()
	q := m.busy
	if q == nil {
		q = &inquiry{done: make(chan struct{})}
		m.busy = q
		go m.gather(q) // ends with the Source's answer
	}
	m.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.done:
		return q, nil
	case <-timer.C:
		return nil, errSlow
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *Monitor) gather(q *inquiry) {
	q.numbers, q.files = m.src.Numbers(), m.src.Files()
	m.mu.Lock()
	m.busy = nil
	m.mu.Unlock()
	close(q.done)
}

func (m *Monitor) numbers(ctx context.Context) (*Numbers, error) {
	q, err := m.ask(ctx)
	if err != nil {
		return nil, err
	}
	return &q.numbers, nil
}

// leaves returns the tree's leaves now.
func (m *Monitor) leaves(n *Numbers) leaves {
	p := readProcess()
	return m.stats(n, &p)
}

// logTree logs leaves as the field monitoring.metrics, and what other
// namespaces hold beside it.
func (m *Monitor) logTree(e *zerolog.Event, n *Numbers, tree leaves, text string) {
	monitoring := make(map[string]any)
	for _, name := range []string{"dataset", "inputs"} {
		if slices.Contains(m.names, name) {
			monitoring[name] = n.dataset()
		}
	}
	if slices.Contains(m.names, "stats") {
		monitoring["metrics"] = tree
	}
	b, err := json.Marshal(monitoring)
	if err != nil {
		e.Err(fmt.Errorf("encode the metrics: %w", err)).Msg(text)
		return
	}
	e.RawJSON("monitoring", b).Msg(text)
}
