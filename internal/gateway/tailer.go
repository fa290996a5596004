package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/gofrs/uuid/v5"
	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/logstash"
	"sluice/registry"
	"sluice/tailer"
)

// Tailer is a tailer with the registry that it holds and the output that it
// ships to.
type Tailer struct {
	tailer *tailer.Tailer
	reg    *registry.Registry
	output *logstash.Client
}

// OpenTailer opens the registry below path.data, which no other sluice or
// Filebeat may hold, and prepares the inputs and the output. Nothing is read
// or sent before Run.
func OpenTailer(cfg *config.Config, log zerolog.Logger) (*Tailer, error) {
	if err := cfg.NothingToShip(); err != nil {
		return nil, err
	}
	out, err := logstash.New(*cfg.Output.Logstash, component(log, "logstash"))
	if err != nil {
		return nil, fmt.Errorf("output.logstash: %w", err)
	}
	tc, err := tailerConfig(cfg)
	if err != nil {
		return nil, err
	}
	reg, err := openRegistry(cfg, component(log, "registry"))
	if err != nil {
		return nil, err
	}
	if tc.AgentID, err = registry.AgentID(cfg.Path.Data); err != nil {
		return nil, errors.Join(err, reg.Close())
	}
	t, err := tailer.New(tc, reg, output{out}, component(log, "tailer"))
	if err != nil {
		return nil, errors.Join(err, reg.Close())
	}
	return &Tailer{tailer: t, reg: reg, output: out}, nil
}

// lockPatience is how long a start waits for whoever holds the registry: a
// cleaner or a registry command holds it for moments.
const lockPatience = 15 * time.Second

func openRegistry(cfg *config.Config, log zerolog.Logger) (*registry.Registry, error) {
	start, told := time.Now(), false
	for ; ; time.Sleep(50 * time.Millisecond) {
		reg, err := registry.Open(cfg.Path.Data, cfg.Filebeat.Registry, log)
		waited := time.Since(start)
		if !errors.Is(err, registry.ErrLocked) || waited > lockPatience {
			return reg, err
		}
		if !told && waited > time.Second {
			told = true
			log.Warn().Err(err).Msgf("waiting for the registry, at most %v", lockPatience)
		}
	}
}

// Run ships until ctx ends, then closes the registry.
func (t *Tailer) Run(ctx context.Context) error {
	return errors.Join(t.tailer.Run(ctx), t.reg.Close())
}

// Status returns the tailer's counters.
func (t *Tailer) Status() tailer.Status { return t.tailer.Status() }

// Output returns the output's counters.
func (t *Tailer) Output() logstash.Status { return t.output.Status() }

// Registry returns the registry that the tailer holds until Run returns.
func (t *Tailer) Registry() *registry.Registry { return t.reg }

// tailerConfig gathers the tailer's part of the configuration.
func tailerConfig(cfg *config.Config) (tailer.Config, error) {
	ls := cfg.Output.Logstash
	c := tailer.DefaultConfig()
	c.Inputs = cfg.Filebeat.Inputs
	c.Name = cfg.Name
	if c.Name == "" {
		host, err := os.Hostname()
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
	if ls.Index != "" {
		c.Index = ls.Index
	}
	c.Tags, c.Fields, c.FieldsUnderRoot = cfg.Tags, cfg.Fields, cfg.FieldsUnderRoot
	c.EscapeHTML = ls.EscapeHTML
	if c.BatchEvents = cfg.Queue.Mem.Events; ls.BulkMaxSize > 0 {
		c.BatchEvents = min(ls.BulkMaxSize, c.BatchEvents)
	}
	// A window of 1 MiB fills the link; larger ones only take memory.
	c.BatchBytes = min(c.BatchBytes, ls.MaxWindowBytes)
	c.BatchesInFlight = max(1, ls.Pipelining)
	c.FlushTimeout, c.FlushEvents = cfg.Queue.Mem.Flush.Timeout, cfg.Queue.Mem.Flush.MinEvents
	c.ShutdownTimeout = cfg.Filebeat.ShutdownTimeout
	c.DeadLetterPath = cfg.DeadLetter.Path
	if c.DeadLetterPath != "" && !filepath.IsAbs(c.DeadLetterPath) {
		c.DeadLetterPath = filepath.Join(cfg.Path.Data, c.DeadLetterPath)
	}
	return c, nil
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
