package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/recorder"
	"sluice/tailer"
)

// recorders are those of the inputs of type mqtt: one for each, so that inputs
// can come and go while the others go on (filebeat.config.inputs).
type recorders struct {
	spool  recorder.SpoolConfig
	clock  recorder.ClockConfig
	free   recorder.Free // deletes acknowledged segments of the spool
	log    zerolog.Logger
	broken chan error // the first that could not go on, of those from the start

	mu      sync.Mutex
	closed  bool                  // nothing is to be recorded (--once), or no more
	running map[string]*recording // by series

	shown atomic.Pointer[[]*recording] // those of running, for who must not wait for mu
}

// recording is a recorder that runs, or is about to.
type recording struct {
	source recorder.MQTTConfig
	rec    *recorder.Recorder
	name   string // of the input, for messages
	stop   context.CancelFunc
	ended  chan struct{}
}

// newRecorders prepares the recorders of filebeat.inputs: certificates are
// read, but nothing is received or written before start.
func newRecorders(cfg *config.Config, o TailerOptions, log zerolog.Logger) (*recorders, error) {
	r := &recorders{spool: cfg.InputSpool(), clock: cfg.ClockConfig(), log: log, broken: make(chan error, 1), running: make(map[string]*recording), closed: o.Once}
	spool, err := filepath.Abs(r.spool.Path)
	if err != nil {
		return nil, fmt.Errorf("path.data: %w", err)
	}
	r.free = freeFrom(cfg.RegistryPath(), spool)
	sessions := 0
	for i := range cfg.Filebeat.Inputs {
		if in := &cfg.Filebeat.Inputs[i]; in.Enabled && in.IsMQTT() {
			sessions++
		}
	}
	r.spool.Share(sessions)
	if o.Once && sessions > 0 {
		log.Warn().Msg("--once: mqtt inputs receive nothing; what they have received before is shipped")
	}
	return r, r.prepare(cfg.Filebeat.Inputs)
}

// prepare makes the recorders of the mqtt inputs among these. The error tells
// which can't be made; they are left out.
func (r *recorders) prepare(inputs []tailer.InputConfig) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for i := range inputs {
		if in := &inputs[i]; in.Enabled && in.IsMQTT() && !r.closed {
			errs = append(errs, r.add(in))
		}
	}
	r.show()
	return errors.Join(errs...)
}

// show makes what runs now visible to status and away; r.mu is held.
func (r *recorders) show() {
	list := slices.SortedFunc(maps.Values(r.running), func(a, b *recording) int { return strings.Compare(a.source.Name, b.source.Name) })
	r.shown.Store(&list)
}

func (r *recorders) add(in *tailer.InputConfig) error {
	g := &recording{source: config.MQTTSource(in), name: cmp.Or(in.ID, in.ClientID)}
	var err error
	g.rec, err = recorder.New(recorder.Config{Spool: r.spool, Clock: r.clock, MQTT: []recorder.MQTTConfig{g.source}}, r.log)
	if err != nil {
		return fmt.Errorf("mqtt input %s: %s", g.name, strings.NewReplacer("mqtt.0.", "", "ssl: ", "ssl.").Replace(err.Error()))
	}
	g.rec.FreeWith(r.free)
	r.running[g.source.Name] = g
	return nil
}

// start lets the prepared recorders record. One that can't go on breaks them all.
func (r *recorders) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.running {
		r.run(g, func(err error) {
			select {
			case r.broken <- err:
			default:
			}
		})
	}
	r.tellLeft()
}

// run starts a recorder; r.mu is held. failed takes why it could not go on.
func (r *recorders) run(g *recording, failed func(error)) {
	ctx, stop := context.WithCancel(context.Background())
	g.stop, g.ended = stop, make(chan struct{})
	go func() {
		defer close(g.ended)
		if err := g.rec.Run(ctx); err != nil {
			failed(fmt.Errorf("mqtt input %s: %w", g.name, err))
		}
	}()
}

// end stops a recorder: what it has received is on disk and acknowledged then.
func (g *recording) end() {
	if g.stop != nil {
		g.stop()
		<-g.ended
	}
}

// replace starts and stops recorders so that those of the given inputs run;
// those whose options did not change go on. The error tells which can't be
// made; they are left out.
func (r *recorders) replace(inputs []tailer.InputConfig) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	wanted := make(map[string]*tailer.InputConfig)
	for i := range inputs {
		if in := &inputs[i]; in.Enabled && in.IsMQTT() {
			wanted[in.Series()] = in
		}
	}
	for series, g := range r.running {
		in := wanted[series]
		if in != nil && reflect.DeepEqual(config.MQTTSource(in), g.source) && !g.over() {
			delete(wanted, series)
			continue
		}
		g.end()
		delete(r.running, series)
	}
	var errs []error
	for series, in := range wanted {
		if err := r.add(in); err != nil {
			errs = append(errs, err)
			continue
		}
		r.run(r.running[series], func(err error) {
			r.log.Error().Err(err).Msg("an mqtt input has ended; a change of its options starts it again")
		})
	}
	r.show()
	r.tellLeft()
	return errors.Join(errs...)
}

// over says whether the recorder has ended by itself.
func (g *recording) over() bool {
	select {
	case <-g.ended:
		return true
	default:
		return false
	}
}

// stop ends all recorders, and starts none any more.
func (r *recorders) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var wg sync.WaitGroup
	for _, g := range r.running {
		wg.Go(g.end)
	}
	wg.Wait()
}

// tellLeft warns of segments whose input is gone: nobody ships them.
func (r *recorders) tellLeft() {
	paths, err := filepath.Glob(filepath.Join(r.spool.Path, tailer.SeriesPrefix+"*.log"))
	if err != nil {
		return // no such folder name is possible without a fault elsewhere
	}
	left := make(map[string]int64)
	for _, path := range paths {
		name := filepath.Base(path)
		series := name[:max(0, strings.LastIndexByte(name, '-'))]
		if info, err := os.Stat(path); err == nil && r.running[series] == nil {
			left[series] += info.Size()
		}
	}
	for series, bytes := range left {
		r.log.Warn().Str("series", series).Int64("bytes", bytes).Msgf("%s holds segments of an mqtt input that is not configured; they are shipped when there is an input with its id (or client_id and hosts) again, else delete them", r.spool.Path)
	}
}

// status is that of all recorders, sorted by series. It waits for nothing but
// memory.
func (r *recorders) status() (s recorder.Status) {
	for _, g := range *r.shown.Load() {
		s.Series = append(s.Series, g.rec.Status().Series...)
	}
	return s
}

// away says which inputs receive nothing now, and why. It waits for nothing but
// memory.
func (r *recorders) away() (list []string) {
	for _, g := range *r.shown.Load() {
		for _, s := range g.rec.Status().Series {
			if text := absence(&s); text != "" {
				list = append(list, "mqtt input "+g.name+" "+text)
			}
		}
	}
	return list
}
