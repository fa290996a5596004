package tailer

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
)

// checkTogether finds faults that no input has alone.
func checkTogether(inputs []InputConfig) error {
	ids := make(map[string]bool)
	var kinds []string
	stdin := -1
	for i := range inputs {
		in := &inputs[i]
		if !in.Enabled {
			continue
		}
		kinds = append(kinds, in.kind())
		switch {
		case in.kind() == TypeStdin:
			stdin = i
		case in.kind() == TypeFilestream && in.ID != "":
			if ids[in.ID] {
				return fault(fmt.Sprintf("filebeat.inputs.%d.id", i), "filestream input with ID '%s' already exists: give each filestream input an id of its own, else they would share the states of their files", in.ID)
			}
			ids[in.ID] = true
		}
	}
	if stdin >= 0 && len(kinds) > 1 {
		return fault(fmt.Sprintf("filebeat.inputs.%d.type", stdin), "stdin requires to be run in exclusive mode, configured inputs: %s; leave the others out", strings.Join(kinds, ", "))
	}
	return checkClashes(inputs)
}

// startStdin begins to read standard input, which is a file that can't be
// reopened and has no State.
func (t *Tailer) startStdin(in *input) {
	f := &file{in: in, pump: newPump(), end: -1, skip: -1, generation: randomGeneration()}
	f.pump.room = stdinRoom + 2*in.rawLimit(&in.dec)
	f.lane = t.lanes[0]
	h := &harvester{content: content{data: feed{f.pump}}, opened: time.Now(), lastLine: time.Now(), skip: -1, dec: in.dec}
	if in.program != nil {
		h.chain = in.program.New()
	}
	in.open.Add(1)
	f.harvest(h)
	t.mu.Lock()
	in.set.files[f.inode] = f
	t.mu.Unlock()
	source := t.cfg.Stdin
	go f.pump.run(source, func(size int64) {
		f.mu.Lock()
		f.size, f.end = size, -1
		f.mu.Unlock()
		f.lane.ready(f)
	})
}

// SetInputs replaces the inputs of a running Tailer, as a reload of
// filebeat.config.inputs asks for: those that did not change go on. It returns
// the faults of inputs that can't be used, which are left out.
func (t *Tailer) SetInputs(ctx context.Context, list []InputConfig) error {
	if err := checkTogether(list); err != nil {
		return err
	}
	for i := range list {
		if err := list[i].Validate(); err != nil {
			return prefixed(err, fmt.Sprintf("inputs.%d", i))
		}
	}
	select {
	case t.reload <- list:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replaceInputs starts and ends inputs; the scan's own.
func (t *Tailer) replaceInputs(list []InputConfig) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var keep, fresh []*input
	for i := range list {
		if !list[i].Enabled {
			continue
		}
		at := slices.IndexFunc(t.inputs, func(in *input) bool { return reflect.DeepEqual(*in.cfg, list[i]) && !slices.Contains(keep, in) })
		if at >= 0 {
			keep = append(keep, t.inputs[at])
			continue
		}
		in, err := t.newInput(&list[i])
		if err != nil {
			t.log.Error().Err(err).Msg("an input can't be started")
			continue
		}
		// Its id may have no States yet, though it is not new.
		in.novel = in.novel && !slices.ContainsFunc(t.inputs, func(old *input) bool { return keySpace(old.cfg) == keySpace(in.cfg) })
		fresh = append(fresh, in)
	}
	for _, in := range t.inputs {
		if !slices.Contains(keep, in) {
			t.end(in)
		}
	}
	// What goes on under another id keeps its generation ids, also after a
	// crash. keepRegistry reports a failure.
	_ = t.reg.Sync()
	t.inputs = keep
	for _, in := range fresh {
		in.set = t.setOf(in.cfg)
		t.inputs = append(t.inputs, in)
		t.log.Info().Msgf("Starting runner: input [type=%s]", in.typ)
		in.log.Info().Strs("paths", in.cfg.Paths).Msg("Starting input")
	}
	t.findOrphans(fresh)
	t.log.Info().Int("inputs", len(t.inputs)).Msg("Loading of config files completed.")
}

// end stops following the files of an input; their States stay.
func (t *Tailer) end(in *input) {
	t.log.Info().Msgf("Stopping runner: input [type=%s]", in.typ)
	t.stats.inputsEnded.Add(1)
	for _, f := range in.set.files {
		if f.in == in {
			t.drop(f)
		}
	}
	t.log.Info().Msgf("Runner: 'input [type=%s]' has stopped", in.typ)
}

// pollDue is when to look for what no notification tells: whether all is done
// (Once), and growth where the system gives no notice. Else there is nothing
// to wake up for.
func (t *Tailer) pollDue() time.Duration {
	period := 24 * time.Hour
	if t.watch.blindSomewhere() {
		for _, in := range t.inputs {
			period = min(period, max(in.backoffInit, 10*time.Millisecond))
		}
	}
	if t.cfg.Once {
		period = min(period, 20*time.Millisecond)
	}
	return period
}

// polled looks at files without notifications, each with a wait that grows
// while nothing comes (backoff). It returns true when everything is done (Once).
func (t *Tailer) polled(now time.Time) (done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.watch.blindSomewhere() {
		for f := range t.followed() {
			if !t.watch.sees(filepath.Dir(f.path)) {
				t.look(f, now)
			}
		}
	}
	return t.cfg.Once && t.finished()
}

// look sees whether a file has grown, if its wait is over.
func (t *Tailer) look(f *file, now time.Time) {
	if f.pump != nil || now.Before(f.nextLook) {
		return
	}
	info, err := statFile(f.path, true)
	if err != nil || !f.is(info) {
		return // the scan sees what became of it
	}
	if info.size != f.size {
		f.wait = 0
		t.update(f, f.path, info, now, false)
	}
	f.wait = min(max(f.wait*time.Duration(f.in.backoffFactor), f.in.backoffInit), max(f.in.backoffMax, f.in.backoffInit))
	f.nextLook = now.Add(f.wait)
}

// finished says whether every input was looked at and every file is read to
// its end and acknowledged.
func (t *Tailer) finished() bool {
	for _, in := range t.inputs {
		if in.typ != TypeStdin && !in.scanned {
			return false
		}
	}
	for f := range t.followed() {
		f.mu.Lock()
		done := !f.queued && !f.pending() && (f.ignored || f.end >= 0 || f.size == f.read) && f.acked >= f.read
		if f.pump != nil {
			done = done && f.pump.done()
		}
		f.mu.Unlock()
		if !done && f.fault == "" {
			return false
		}
	}
	return true
}
