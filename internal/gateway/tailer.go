package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/uuid/v5"
	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/logstash"
	"sluice/recorder"
	"sluice/registry"
	"sluice/tailer"
)

// Tailer is a tailer with the registry that it holds, the output that it
// ships to, and the recorders of its mqtt inputs.
type Tailer struct {
	tailer    *tailer.Tailer
	reg       *registry.Registry
	output    output
	recorders *recorders
	reload    *reload // nil: no files with more inputs
	facts     tailer.Config
}

// TailerOptions are what a tailer needs beside the configuration.
type TailerOptions struct {
	// Once ends Run when every file is read to its end and acknowledged (--once).
	Once bool
	// Stdin is what an input of type stdin reads; nil: standard input.
	Stdin io.Reader
	// Discard sends nothing, unless the output is output.file: what is read
	// counts as acknowledged (-N).
	Discard bool
}

// OpenTailer opens the registry below path.data, which no other sluice or
// Filebeat may hold, and prepares the inputs and the output. Nothing is read
// or sent before Run.
func OpenTailer(cfg *config.Config, log zerolog.Logger, opts ...TailerOptions) (*Tailer, error) {
	var o TailerOptions
	if len(opts) > 0 {
		o = opts[0]
	}
	if err := cfg.NothingToShip(); err != nil {
		return nil, err
	}
	out, err := newOutput(cfg, log)
	if err != nil {
		return nil, err
	}
	if o.Discard && cfg.Output.File == nil {
		log.Warn().Msg("publishing is disabled: events are dropped, and count as acknowledged")
		out = discard{out}
	}
	tc, err := tailerConfig(cfg, o, out.Lanes(), log)
	if err != nil {
		return nil, err
	}
	t := &Tailer{output: out}
	if t.reload, err = newReload(cfg, component(log, "reload")); err != nil {
		return nil, err
	}
	if t.reload != nil {
		tc.MayBeEmpty = true
		tc.Inputs = t.reload.all()
	}
	if t.recorders, err = newRecorders(cfg, o, component(log, "recorder")); err != nil {
		return nil, err
	}
	if t.reload != nil {
		if err := t.reload.record(t.recorders); err != nil {
			return nil, err
		}
	}
	if t.reg, err = openRegistry(cfg, component(log, "registry")); err != nil {
		return nil, err
	}
	if err := t.prepare(cfg, tc, log); err != nil {
		return nil, errors.Join(err, out.close(), t.reg.Close())
	}
	return t, nil
}

// prepare does what may be done only while the registry is held.
func (t *Tailer) prepare(cfg *config.Config, tc tailer.Config, log zerolog.Logger) (err error) {
	if tc.AgentID, err = registry.AgentID(cfg.Path.Data); err != nil {
		return err
	}
	if tc.FirstStart, err = registry.FirstStart(cfg.Path.Data); err != nil {
		return err
	}
	if err := t.output.open(); err != nil {
		return cfg.Place("output."+cfg.Output.Kind(), err)
	}
	t.facts = tc
	t.tailer, err = tailer.New(tc, t.reg, t.output, component(log, "tailer"))
	return err
}

// lockPatience is how long a start waits for whoever holds the registry: a
// cleaner or a registry command holds it for moments.
const lockPatience = 15 * time.Second

func openRegistry(cfg *config.Config, log zerolog.Logger) (*registry.Registry, error) {
	start, told := time.Now(), false
	for ; ; time.Sleep(50 * time.Millisecond) {
		reg, err := registry.Open(cfg.Path.Data, cfg.Filebeat.Registry, log)
		waited := time.Since(start)
		if !errors.Is(err, registry.ErrLocked) || errors.Is(err, registry.ErrLockedForLong) || waited > lockPatience {
			return reg, err
		}
		if !told && waited > time.Second {
			told = true
			log.Warn().Err(err).Msgf("waiting for the registry, at most %v", lockPatience)
		}
	}
}

// Run ships until ctx ends, or with Once until everything is shipped, then
// closes the output and the registry. Recorders stop before the tailer does.
// It also ends, with an error, when standard output has lost its reader or a
// recorder can't use its spool.
func (t *Tailer) Run(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	shipping, endShipping := context.WithCancel(context.WithoutCancel(ctx))
	defer endShipping()
	var beside sync.WaitGroup
	var fault error // of the output or a recorder; read after Wait
	beside.Go(func() {
		select {
		case fault = <-t.output.broken():
			end()
		case fault = <-t.recorders.broken:
			end()
		case <-ctx.Done():
		}
		t.recorders.stop()
		endShipping()
	})
	if t.reload != nil {
		beside.Go(func() { t.reload.run(ctx, t.tailer) })
	}
	t.recorders.start()
	err := t.tailer.Run(shipping)
	end()
	beside.Wait()
	unsent, closed := t.output.close(), t.reg.Close()
	if err != nil && closed != nil && strings.HasSuffix(err.Error(), closed.Error()) {
		closed = nil // the tailer has said it
	}
	return errors.Join(fault, err, unsent, closed)
}

// StatusText is one line about the tailer, the hosts that are away, and the
// recorders of its mqtt inputs.
func (t *Tailer) StatusText() string {
	text := t.Status().String()
	for _, h := range t.hosts() {
		if h.Down > 0 {
			text += fmt.Sprintf("; %s is away for %s: %s", h.Name, h.Down.Round(time.Second), strings.TrimPrefix(h.Error, h.Name+": "))
		}
	}
	if s := t.recorders.status(); len(s.Series) > 0 {
		text += "; " + s.String()
	}
	return text
}

// Status returns the tailer's counters.
func (t *Tailer) Status() tailer.Status { return t.tailer.Status() }

// Output returns the output's counters; those of connections stay zero where
// there are none.
func (t *Tailer) Output() logstash.Status { return t.output.status() }

// Registry returns the registry that the tailer holds until Run returns.
func (t *Tailer) Registry() *registry.Registry { return t.reg }

// tailerConfig gathers the tailer's part of the configuration; lanes is the
// number of the output's connections.
func tailerConfig(cfg *config.Config, o TailerOptions, lanes int, log zerolog.Logger) (tailer.Config, error) {
	c := tailer.DefaultConfig()
	c.Inputs = slices.Clone(cfg.Filebeat.Inputs)
	host, err := os.Hostname()
	c.HostName = host
	if c.Name = cfg.Name; c.Name == "" {
		if err != nil {
			return c, fmt.Errorf("name: the host has none; set the option: %w", err)
		}
		c.Name = host
	}
	run, err := uuid.NewV4()
	if err != nil {
		return c, fmt.Errorf("draw the id of this run: %w", err)
	}
	c.EphemeralID = run.String()
	c.Version = cfg.Compatibility.Version
	c.Tags, c.Fields, c.FieldsUnderRoot = cfg.Tags, cfg.Fields, cfg.FieldsUnderRoot
	c.Processors = cfg.Processors
	c.DataPath = cfg.Path.Data
	c.Once = o.Once
	if c.Stdin = o.Stdin; c.Stdin == nil {
		c.Stdin = os.Stdin
	}
	shipTo(&cfg.Output, &c)
	c.BatchEvents = min(c.BatchEvents, heldByBatch(cfg.Queue.Mem.Events, lanes*(c.BatchesInFlight+1)))
	c.FlushTimeout, c.FlushEvents = cfg.Queue.Mem.Flush.Timeout, cfg.Queue.Mem.Flush.MinEvents
	c.ShutdownTimeout = cfg.Filebeat.ShutdownTimeout
	c.DeadLetterPath = DeadLetterPath(cfg)
	c.Settle = settle
	c.Times = segmentTimes(cfg, log)
	c.Sealed = recorder.Sealed
	if c.SpoolPath, err = filepath.Abs(cfg.InputSpool().Path); err != nil {
		return c, fmt.Errorf("path.data: %w", err)
	}
	return c, nil
}

// segmentTimes looks up the clock of a segment's lines.
func segmentTimes(cfg *config.Config, log zerolog.Logger) func(path string) tailer.Times {
	times := recorder.NewTimes(cfg.ClockConfig(), component(log, "tailer"))
	return func(path string) tailer.Times {
		if s := times.Segment(path); s != nil {
			return s
		}
		return nil
	}
}

// settle makes what was read of a segment durable that is still written. The
// recorder acknowledges a message after its fsync; a line that left before it
// would be lost on this side by a power cut, delivered again by the broker, and
// recorded, shipped and indexed a second time under another id.
func settle(path string, file *os.File) error {
	sealed, segment, err := recorder.Sealed(path)
	if err == nil && (sealed || !segment) {
		return nil
	}
	err = file.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// Tune sets the process up for a small machine. The collector does not let
// the heap double: the buffers live long, and what is thrown away is little.
func Tune(cfg *config.Config) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if cfg.MaxProcs > 0 {
		runtime.GOMAXPROCS(cfg.MaxProcs)
	}
}

func component(log zerolog.Logger, name string) zerolog.Logger {
	return log.With().Str("component", name).Logger()
}
