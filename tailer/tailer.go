package tailer

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"sluice/registry"
)

// Tailer follows the files of its inputs and ships their lines.
type Tailer struct {
	cfg   Config
	reg   *registry.Registry
	out   Output
	log   zerolog.Logger
	stats stats

	inputs []*input
	lanes  []*lane
	idle   *idleFiles

	// The scan's own.
	watch   *watch
	sets    []*fileSet
	orphans orphans
	mu      sync.Mutex // guards the scan's own for Status

	runCtx   context.Context
	shipCtx  context.Context
	stopping <-chan struct{}
}

// New makes a Tailer; the inputs' faults are reported together.
func New(cfg Config, reg *registry.Registry, out Output, log zerolog.Logger) (*Tailer, error) {
	t := &Tailer{
		cfg: cfg, reg: reg, out: out, log: log, idle: newIdleFiles(), orphans: make(orphans),
	}
	if err := validateFields("fields", cfg.Fields, cfg.FieldsUnderRoot); err != nil {
		return nil, err
	}
	for i := range cfg.Inputs {
		if !cfg.Inputs[i].Enabled {
			continue
		}
		in, err := t.newInput(&cfg.Inputs[i])
		if err != nil {
			return nil, fmt.Errorf("filebeat.inputs.%d: %w", i, err)
		}
		in.set = t.setOf(in.cfg)
		t.inputs = append(t.inputs, in)
	}
	if len(t.inputs) == 0 {
		return nil, fmt.Errorf("no modules or inputs enabled: give filebeat.inputs at least one entry with paths")
	}
	for i := range max(1, out.Lanes()) {
		t.lanes = append(t.lanes, newLane(t, i))
	}
	for _, s := range reg.States() {
		if slices.ContainsFunc(t.inputs, func(in *input) bool { return in.matches(s.Source) }) {
			t.orphans.add(s, s.Source)
		}
	}
	return t, nil
}

// Run follows and ships until ctx ends, then waits up to ShutdownTimeout for
// outstanding acknowledgements and makes the registry durable.
func (t *Tailer) Run(ctx context.Context) error {
	shipCtx, endShip := context.WithCancel(context.WithoutCancel(ctx))
	defer endShip()
	t.runCtx, t.shipCtx, t.stopping = ctx, shipCtx, ctx.Done()
	t.mu.Lock()
	t.watch = newWatch(t.log)
	t.mu.Unlock()
	defer t.watch.close()

	var readers, shippers sync.WaitGroup
	for _, l := range t.lanes {
		readers.Go(func() { l.read(ctx) })
		shippers.Go(func() { l.ship(shipCtx) })
	}
	for _, in := range t.inputs {
		in.log.Info().Strs("paths", in.cfg.Paths).Msg("Starting input")
	}
	t.log.Info().Int("inputs", len(t.inputs)).Msg("Loading and starting Inputs completed.")
	t.loop(ctx)

	readers.Wait()
	timeout := time.AfterFunc(t.cfg.ShutdownTimeout, endShip)
	shippers.Wait()
	timeout.Stop()
	for f := range t.followed() {
		f.io.Lock()
		f.close("Stopping harvester.")
		f.io.Unlock()
	}
	if err := t.reg.Sync(); err != nil {
		return fmt.Errorf("make the registry durable at the end: %w", err)
	}
	return nil
}

// settle is how long notifications are gathered before they are looked at:
// a busy writer makes thousands a second, and the system merges those that
// nobody has fetched yet.
const settle = 5 * time.Millisecond

// loop scans, follows notifications and keeps the registry.
func (t *Tailer) loop(ctx context.Context) {
	scan := time.NewTimer(0)
	defer scan.Stop()
	keep := time.NewTimer(time.Hour)
	defer keep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-scan.C:
			scan.Reset(t.scanDue(time.Now()))
		case e, ok := <-t.watch.events():
			if ok && t.gather(ctx, e) {
				scan.Reset(0)
			}
		case err, ok := <-t.watch.errors():
			if ok {
				t.log.Debug().Err(err).Msg("notifications were lost: looking at everything")
				t.scanNow()
				scan.Reset(0)
			}
		case <-t.reg.Dirty():
			t.keepRegistry(keep)
		case <-keep.C:
			t.keepRegistry(keep)
		}
	}
}

// scanDue scans the inputs whose time has come and returns the time to the next.
func (t *Tailer) scanDue(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	for _, in := range t.inputs {
		if !in.next.After(now) {
			t.mu.Lock()
			t.scan(in, now)
			t.mu.Unlock()
		}
		if in.next.Before(next) {
			next = in.next
		}
	}
	return time.Until(next)
}

func (t *Tailer) scanNow() {
	for _, in := range t.inputs {
		in.next = time.Time{}
	}
}

// gather takes the notifications of a short while and looks at each path once.
// It returns true if everything is to be looked at.
func (t *Tailer) gather(ctx context.Context, first fsnotify.Event) (all bool) {
	paths := map[string]fsnotify.Op{first.Name: first.Op}
	if first.Op == fsnotify.Write { // what comes and goes can't wait
		wait := time.NewTimer(settle)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return false
		}
	}
	for more := true; more; {
		select {
		case e, ok := <-t.watch.events():
			paths[e.Name] |= e.Op
			more = ok && len(paths) < 1000
		default:
			more = false
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for p, op := range paths {
		t.watch.gone(p, op)
		all = t.notice(p, now) || all
	}
	return all
}

// notice looks at a path that a notification named. It returns true if it is
// a folder, which a glob may reach into: then everything is to be looked at.
func (t *Tailer) notice(path string, now time.Time) (folder bool) {
	ours := false
	for _, in := range t.inputs {
		ours = t.noticeFile(in, path, now) || ours
	}
	if ours {
		return false
	}
	info, err := statFile(path, true)
	switch {
	case err != nil:
	case info.dir && !t.watch.folders[path]:
		t.scanNow()
		return true
	case info.regular:
		t.follow(path, info, now)
	}
	return false
}

// noticeFile looks at a path for one input and says whether it is one of its
// paths.
func (t *Tailer) noticeFile(in *input, path string, now time.Time) (ours bool) {
	if f := in.set.paths[path]; f != nil && f.in == in {
		if info, err := statFile(path, in.symlinks); err == nil && f.is(info) {
			t.update(f, path, info, now, false)
			return true
		}
		f.lane.ready(f) // it is gone from here: what was appended last is read through its handle
	}
	if ours = in.matches(path); ours {
		t.observe(in, path, now)
	}
	return ours
}

// follow looks at files that were renamed out of their inputs' paths: they
// are read to their end, unless close_renamed is set.
func (t *Tailer) follow(path string, info fileInfo, now time.Time) {
	for _, set := range t.sets {
		if f := set.files[info.inode]; f != nil && f.is(info) && !f.in.closeRenamed && (f.path == path || !sameInode(f.path, f.inode)) {
			t.update(f, path, info, now, false)
		}
	}
}

// keepRegistry makes commits durable when it is time, and sets the timer for
// what comes next.
func (t *Tailer) keepRegistry(keep *time.Timer) {
	next, err := t.reg.Maintain(time.Now())
	if err != nil {
		if !t.stats.registryFailed.Swap(true) {
			t.log.Error().Err(err).Msg("can't write the registry; events go on, and after a power cut the last ones are sent again. Free or mend the disk")
		}
	} else if t.stats.registryFailed.Swap(false) {
		t.log.Info().Msg("the registry is written again")
	}
	if !next.IsZero() {
		keep.Reset(max(0, time.Until(next)))
	}
}

// laneFor chooses the lane of a new file: the one with the fewest.
func (t *Tailer) laneFor() *lane {
	return slices.MinFunc(t.lanes, func(a, b *lane) int { return cmp.Compare(a.files, b.files) })
}

// maxIdleOpen bounds the files that are kept open though they are read to
// their end, so that lines written just before a removal are not lost.
const maxIdleOpen = 128

// idleFiles is the cache of open files that have nothing to read, the longest
// idle first.
type idleFiles struct {
	mu    sync.Mutex
	order *list.List
	at    map[*file]*list.Element
}

func newIdleFiles() *idleFiles {
	return &idleFiles{order: list.New(), at: make(map[*file]*list.Element)}
}

// add takes an open file in; its io is held.
func (c *idleFiles) add(f *file) {
	c.mu.Lock()
	if c.at[f] == nil {
		c.at[f] = c.order.PushBack(f)
	}
	var oldest *file
	if first := c.order.Front().Value.(*file); first != f && c.order.Len() > maxIdleOpen {
		oldest = first
	}
	c.mu.Unlock()
	if oldest != nil && oldest.io.TryLock() {
		oldest.close("Closing file: many others are open")
		c.remove(oldest)
		oldest.io.Unlock()
	}
}

func (c *idleFiles) remove(f *file) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.at[f]; e != nil {
		c.order.Remove(e)
		delete(c.at, f)
	}
}
