package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/monitor"
	"sluice/logstash"
)

// Monitored is a tailer that tells how it is, over HTTP and in the log.
type Monitored struct {
	*Tailer
	cfg     *config.Config
	monitor *monitor.Monitor
}

// Monitor returns the tailer with the monitor that http.* and
// logging.metrics.* ask for. version and commit are this build's.
func (t *Tailer) Monitor(cfg *config.Config, version, commit string, log zerolog.Logger) *Monitored {
	info := monitor.Info{
		Beat: "filebeat", Name: t.facts.Name, Version: t.facts.Version, Program: version, Commit: commit,
		UUID: t.facts.AgentID, EphemeralID: t.facts.EphemeralID, OutputType: cfg.Output.Kind(),
		BatchSize: t.facts.BatchEvents, Clients: t.output.Lanes(), Started: time.Now(),
	}
	src := watched{t, int64(cfg.Queue.Mem.Events)}
	return &Monitored{t, cfg, monitor.New(cfg.HTTP, cfg.Logging.Metrics.Log(), info, src, component(log, "monitoring"))}
}

// Run runs the tailer, and the monitor until it has ended.
func (m *Monitored) Run(ctx context.Context) error {
	if err := m.monitor.Listen(); err != nil {
		return errors.Join(m.cfg.Place("http", err), m.output.close(), m.reg.Close())
	}
	watching, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var beside sync.WaitGroup
	beside.Go(func() { m.monitor.Run(watching) })
	err := m.Tailer.Run(ctx)
	end()
	beside.Wait()
	return err
}

// watched is a tailer as the monitor sees it.
type watched struct {
	*Tailer
	maxEvents int64
}

// Numbers gathers what the parts have counted.
func (w watched) Numbers() monitor.Numbers {
	s, reg, reload := w.tailer.Status(), w.reg.Stats(), w.Reload()
	n := monitor.Numbers{
		Events: s.Events, Filtered: s.Filtered, Acked: s.Acked, Retried: s.Retried, DeadLetters: s.DeadLetters,
		BytesRead: s.BytesRead, ReadErrors: s.ReadErrors, Files: s.Files, Lag: s.Lag,
		HarvestersStarted: s.FilesOpened, HarvestersOpen: s.FilesOpen, HarvestersSkipped: s.Skipped,
		Renamed: s.Renamed, Truncated: s.Truncated,
		Queue: monitor.Queue{
			MaxEvents:   w.maxEvents,
			MaxBytes:    int64(w.output.Lanes() * (w.facts.BatchesInFlight + 1) * w.facts.BatchBytes),
			AddedEvents: s.Queued, AddedBytes: s.QueuedBytes, RemovedEvents: s.Unqueued, RemovedBytes: s.UnqueuedBytes,
		},
		Output: connections(w.output.status()),
		Registry: monitor.Registry{
			States: reg.States, Updates: reg.Updates, Cleanups: reg.Cleanups, Writes: reg.Writes,
			WriteFailures: reg.Failures, Failing: reg.Failing,
		},
		Reload: monitor.Reload{Running: int(reload.Running), Scans: reload.Scans, Reloads: reload.Reloads},
	}
	n.Output.Batches, n.Output.Active, n.Output.Sent, n.Output.LastAck = s.Windows, s.Active, s.Sent, s.LastAck
	n.Output.Latency = monitor.Timing(w.tailer.Latency())
	n.Output.Hosts = w.hosts()
	n.Series = series(w.recorders.status())
	for _, in := range w.tailer.Inputs() {
		n.Inputs = append(n.Inputs, monitor.Input{
			Type: in.Type, ID: in.ID, Events: in.Events, Filtered: in.Filtered, Bytes: in.Bytes, Errors: in.Errors,
			Opened: in.Opened, Closed: in.Closed, Processing: monitor.Timing(in.Processing),
		})
	}
	n.Reload.Stops = s.InputsEnded
	n.Reload.Starts = n.Reload.Stops + reload.Running
	return n
}

// connections is what an output knows of its connections.
func connections(s logstash.Status) monitor.Output {
	o := monitor.Output{
		BytesWritten: s.BytesWritten, BytesRead: s.BytesRead, WriteErrors: s.WriteErrors, ReadErrors: s.ReadErrors,
		Connects: s.Connects, ConnectErrors: s.ConnectErrors,
	}
	for _, l := range s.Lanes {
		o.Connections = append(o.Connections, monitor.Connection{Host: l.Host})
	}
	return o
}

// Files returns what is known of each followed file.
func (w watched) Files() []monitor.File {
	var list []monitor.File
	for _, f := range w.tailer.Files() {
		list = append(list, monitor.File(f))
	}
	return list
}

// Health looks at the loop, the output and the brokers of mqtt inputs.
func (w watched) Health() monitor.Health {
	started, stopping, late := w.tailer.Progress()
	return monitor.Health{Late: late, Started: started, Stopping: stopping, Hosts: w.hosts(), Away: w.recorders.away()}
}

// hosts are the places that events go to, with their outages. It waits for
// no connection and no disk.
func (t *Tailer) hosts() (list []monitor.Host) {
	switch o := t.output.(type) {
	case remote:
		for _, h := range o.Hosts() {
			list = append(list, monitor.Host{Name: h.Host, Down: h.Down, Error: h.LastError})
		}
	case indexed:
		for _, h := range o.status().Hosts {
			list = append(list, monitor.Host{Name: h.Host, Down: h.Down, Error: h.LastError})
		}
	case local:
		h := monitor.Host{Name: o.Kind()}
		if f := o.Fault(); f != nil {
			h.Down, h.Error = max(1, time.Since(f.Since)), f.Text
		}
		list = append(list, h)
	}
	return list
}

var _ monitor.Source = watched{}
