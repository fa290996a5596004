package gateway

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/tailer"
)

// reload follows the files of filebeat.config.inputs and gives the tailer
// their inputs, beside those of filebeat.inputs.
type reload struct {
	files   *config.InputFiles
	own     []tailer.InputConfig // filebeat.inputs
	more    []tailer.InputConfig // of the files
	log     zerolog.Logger
	told    []string // warnings
	pending bool     // the tailer has not taken the newest inputs

	recorders *recorders
	unready   string // why mqtt inputs of the files can't record yet

	counters reloadCounters
}

type reloadCounters struct{ scans, reloads, running atomic.Int64 }

// ReloadStatus is a snapshot of what was done about filebeat.config.inputs.
type ReloadStatus struct {
	Scans   int64 // looks at the files
	Reloads int64 // changes that were taken over
	Running int64 // enabled inputs of the files
}

// Reload returns the counters of filebeat.config.inputs; zero without it.
func (t *Tailer) Reload() ReloadStatus {
	if t.reload == nil {
		return ReloadStatus{}
	}
	c := &t.reload.counters
	return ReloadStatus{Scans: c.scans.Load(), Reloads: c.reloads.Load(), Running: c.running.Load()}
}

// newReload reads the files for the first time; nil if there are none to read.
// A fault ends the start, unless the files are read again: then it is logged.
func newReload(cfg *config.Config, log zerolog.Logger) (*reload, error) {
	files := cfg.InputFiles()
	if files == nil {
		return nil, nil
	}
	r := &reload{files: files, own: cfg.Filebeat.Inputs, log: log}
	if _, err := r.scan(); err != nil {
		if files.Period() == 0 {
			return nil, err
		}
		r.complain(err)
	}
	return r, nil
}

// all are the inputs that should run.
func (r *reload) all() []tailer.InputConfig { return slices.Concat(r.own, r.more) }

// scan looks at the files and says whether their inputs are others now.
func (r *reload) scan() (changed bool, err error) {
	changed, r.more, err = r.files.Scan()
	r.counters.scans.Add(1)
	enabled := 0
	for i := range r.more {
		if r.more[i].Enabled {
			enabled++
		}
	}
	r.counters.running.Store(int64(enabled))
	warnings := r.files.Warnings()
	for _, w := range warnings {
		if !slices.Contains(r.told, w) {
			r.log.Warn().Msg(w)
		}
	}
	r.told = warnings
	return changed, err
}

// record prepares the recorders of the files' mqtt inputs. A fault ends the
// start, unless the files are read again: then it is logged.
func (r *reload) record(all *recorders) error {
	r.recorders = all
	err := all.prepare(r.more)
	if r.files.Period() == 0 {
		return err
	}
	r.await(err)
	return nil
}

// await notes that a recorder could not be prepared, and logs why, once: each
// look at the files tries again.
func (r *reload) await(err error) {
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why != "" && why != r.unready {
		r.log.Error().Err(err).Msg("an mqtt input can't be started; it is tried again")
	}
	r.unready = why
}

// complain logs the faults of files, one a line.
func (r *reload) complain(err error) {
	var faults config.Errors
	if !errors.As(err, &faults) {
		r.log.Error().Err(err).Msg("Error loading configuration files: the inputs of the faulty ones stay as they were")
		return
	}
	for _, fault := range faults {
		r.log.Error().Err(fault).Msg("Error loading configuration files: the inputs of the faulty ones stay as they were")
	}
}

// run looks at the files again and again until ctx ends.
func (r *reload) run(ctx context.Context, t *tailer.Tailer) {
	period := r.files.Period()
	if period == 0 {
		r.log.Info().Int64("inputs", r.counters.running.Load()).Msg("Loading of config files completed.")
		return
	}
	r.log.Info().Msg("Config reloader started")
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.again(ctx, t)
		case <-ctx.Done():
			return
		}
	}
}

// again looks at the files once and tells the tailer what has changed.
func (r *reload) again(ctx context.Context, t *tailer.Tailer) {
	changed, err := r.scan()
	if err != nil {
		r.complain(err)
	}
	if !changed && !r.pending {
		if r.unready != "" {
			r.await(r.recorders.replace(r.all()))
		}
		return
	}
	err = t.SetInputs(ctx, r.all())
	if r.pending = err != nil; r.pending && ctx.Err() == nil {
		r.complain(err)
		return
	}
	r.counters.reloads.Add(1)
	r.await(r.recorders.replace(r.all()))
}
