package tailer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"sluice/internal/processor"
	"sluice/registry"
)

// Tailer follows the files of its inputs and ships their lines.
type Tailer struct {
	cfg   Config
	reg   *registry.Registry
	out   Output
	log   zerolog.Logger
	stats stats

	processors *processor.Chain // of all inputs
	started    time.Time
	reload     chan []InputConfig

	inputs []*input
	lanes  []*lane
	idle   *idleFiles

	// The scan's own.
	watch   *watch
	sets    []*fileSet
	orphans orphans
	// orphanPrints are those that are known by fingerprint.
	orphanPrints map[string][]registry.State
	gone         []goneFile // since the last scan
	mu           sync.Mutex // guards the scan's own for Status

	runCtx   context.Context
	shipCtx  context.Context
	stopping <-chan struct{}
}

// New makes a Tailer; the inputs' faults are reported together.
func New(cfg Config, reg *registry.Registry, out Output, log zerolog.Logger) (*Tailer, error) {
	t := &Tailer{
		cfg: cfg, reg: reg, out: out, log: log, idle: newIdleFiles(), orphans: newOrphans(),
		orphanPrints: make(map[string][]registry.State), started: time.Now(), reload: make(chan []InputConfig),
	}
	if err := validateFields("fields", cfg.Fields, cfg.FieldsUnderRoot); err != nil {
		return nil, err
	}
	var err error
	if t.processors, err = processor.Compile(cfg.Processors, t.processorEnv(log)); err != nil {
		return nil, prefixed(err, "processors")
	}
	if err := checkTogether(cfg.Inputs); err != nil {
		return nil, err
	}
	for i := range cfg.Inputs {
		if !cfg.Inputs[i].Enabled {
			continue
		}
		in, err := t.newInput(&cfg.Inputs[i])
		if err != nil {
			return nil, prefixed(err, "filebeat.inputs."+strconv.Itoa(i))
		}
		in.set = t.setOf(in.cfg)
		t.inputs = append(t.inputs, in)
	}
	if len(t.inputs) == 0 && !cfg.MayBeEmpty {
		return nil, fmt.Errorf("no modules or inputs enabled: give filebeat.inputs at least one entry with paths")
	}
	for i := range max(1, out.Lanes()) {
		t.lanes = append(t.lanes, newLane(t, i))
	}
	t.findOrphans(t.inputs)
	return t, nil
}

// findOrphans gathers the States of files that inputs may go on with.
func (t *Tailer) findOrphans(inputs []*input) {
	for _, s := range t.reg.States() {
		if slices.ContainsFunc(inputs, func(in *input) bool { return in.matches(s.Source) || strings.HasPrefix(s.Key, in.set.space) }) &&
			!slices.ContainsFunc(t.sets, func(set *fileSet) bool { return set.keys[s.Key] != nil }) {
			t.removeOrphan(s)
			t.addOrphan(s)
		}
	}
}

// processorEnv is what processors know of their surroundings.
func (t *Tailer) processorEnv(log zerolog.Logger) processor.Env {
	return processor.Env{Log: log, DataPath: t.cfg.DataPath, Name: t.cfg.Name, Version: t.cfg.Version}
}

// Run follows and ships until ctx ends, then waits up to ShutdownTimeout for
// outstanding acknowledgements and makes the registry durable.
func (t *Tailer) Run(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
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
		t.start(in)
	}
	t.log.Info().Int("inputs", len(t.inputs)).Msg("Loading and starting Inputs completed.")
	t.loop(ctx)
	t.stats.stopping.Store(true)
	t.stats.due.Store(0)
	end()

	readers.Wait()
	if t.cfg.ShutdownTimeout > 0 {
		t.log.Debug().Msg("Shutdown output timer started.")
	}
	timeout := time.AfterFunc(t.cfg.ShutdownTimeout, endShip)
	shippers.Wait()
	if t.cfg.ShutdownTimeout > 0 {
		t.log.Info().Msg(shutdownWords[timeout.Stop()])
	}
	t.stop()
	if err := t.reg.Sync(); err != nil {
		return fmt.Errorf("make the registry durable at the end: %w", err)
	}
	return nil
}

// shutdownWords say whether every event was acknowledged in time.
var shutdownWords = map[bool]string{
	true:  "Continue shutdown: All enqueued events being published.",
	false: "Continue shutdown: Time out waiting for events being published.",
}

// start begins with an input.
func (t *Tailer) start(in *input) {
	in.log.Info().Strs("paths", in.cfg.Paths).Msg("Starting input")
	if in.typ == TypeStdin {
		t.startStdin(in)
	}
}

// stop closes every file, after the lanes have ended.
func (t *Tailer) stop() {
	for f := range t.followed() {
		t.identify(f)
		f.io.Lock()
		f.close(stopping)
		f.io.Unlock()
		if f.pump != nil {
			f.pump.stop(context.Canceled)
		}
	}
	closing := []*processor.Chain{t.processors}
	for _, in := range t.inputs {
		closing = append(closing, in.processors)
	}
	for _, c := range closing {
		if err := c.Close(); err != nil {
			t.log.Warn().Err(err).Msg("a processor did not end well")
		}
	}
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
	poll := time.NewTimer(t.pollDue())
	defer poll.Stop()
	t.expect(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-scan.C:
			next := t.scanDue(time.Now())
			scan.Reset(next)
			t.expect(next)
			t.stats.looked.Store(true)
			poll.Reset(t.pollDue())
		case <-poll.C:
			if t.polled(time.Now()) {
				return
			}
			poll.Reset(t.pollDue())
		case list := <-t.reload:
			t.replaceInputs(list)
			scan.Reset(0)
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
		if in.typ == TypeStdin {
			continue
		}
		if !in.next.After(now) {
			t.mu.Lock()
			t.scan(in, now)
			t.mu.Unlock()
		}
		if in.next.Before(next) {
			next = in.next
		}
	}
	t.expire(now)
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
// are read to their end, unless close_renamed is set. What a symbolic link
// leads to was where it is all along.
func (t *Tailer) follow(path string, info fileInfo, now time.Time) {
	for _, set := range t.sets {
		if f := set.files[info.inode]; f != nil && f.is(info) && !f.in.closeRenamed && (f.path == path || !f.linked && !sameInode(f.path, f.inode)) {
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
	} else if t.stats.registryFailed.Load() && !t.reg.Stats().Failing { // nothing was due: no success
		t.stats.registryFailed.Store(false)
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
