package gateway

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/monitor"
	"sluice/recorder"
)

// series are the recorders' numbers as the monitor has them.
func series(s recorder.Status) (list []monitor.Series) {
	for _, r := range s.Series {
		m := monitor.Series{
			Name: r.Name, Source: "mqtt", Connected: r.Connected, Blocked: r.Blocked,
			Received: r.Received, Recorded: r.Recorded, Duplicates: r.Duplicates + r.Repeats, Excluded: r.Excluded,
			Truncated: r.Truncated, Connects: r.Connects,
			Lost: r.Lost, DroppedSegments: r.DroppedSegments, DroppedRecords: r.DroppedRecords, DroppedBytes: r.DroppedBytes,
			BytesIn: r.BytesReceived, BytesOut: r.BytesRecorded, Commits: r.Commits,
			Partial: r.Partial, ChecksumFailures: r.ChecksumFailures, Gaps: r.Gaps, Reopens: r.Reopens, Stalls: r.Stalls,
			QueueRecords: int64(r.QueueRecords), QueueBytes: r.QueueBytes, LastRecord: r.LastRecord,
		}
		if r.Port != "" {
			m.Source = "serial"
		}
		list = append(list, m)
	}
	return list
}

// MonitoredRecorder is a recorder that tells over HTTP how it is.
type MonitoredRecorder struct {
	*recorder.Recorder
	monitor *monitor.Monitor
}

// MonitorRecorder returns the recorder with the endpoint that recorder.http asks
// for. version and commit are this build's.
func MonitorRecorder(r *recorder.Recorder, cfg *config.Config, version, commit string, log zerolog.Logger) *MonitoredRecorder {
	info := monitor.Info{Beat: "sluice", Name: cfg.Name, Version: cfg.Compatibility.Version, Program: version, Commit: commit, Started: time.Now()}
	return &MonitoredRecorder{r, monitor.New(cfg.RecorderHTTP(), monitor.Log{}, info, watchedRecorder{r}, component(log, "monitoring"))}
}

// Run runs the recorder, and the endpoint until it has ended.
func (m *MonitoredRecorder) Run(ctx context.Context) error {
	if err := m.monitor.Listen(); err != nil {
		var field *monitor.FieldError
		if errors.As(err, &field) {
			return &monitor.FieldError{Name: "http." + field.Name, Reason: field.Reason, Err: field.Err}
		}
		return err
	}
	watching, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var beside sync.WaitGroup
	beside.Go(func() { m.monitor.Run(watching) })
	err := m.Recorder.Run(ctx)
	end()
	beside.Wait()
	return err
}

// watchedRecorder is a recorder as the monitor sees it.
type watchedRecorder struct{ *recorder.Recorder }

// Numbers gathers what the sources have counted.
func (w watchedRecorder) Numbers() monitor.Numbers {
	return monitor.Numbers{Series: series(w.Status())}
}

// Files returns none: nothing is followed.
func (watchedRecorder) Files() []monitor.File { return nil }

// Health tells which sources are away. They are waited for: that is no
// illness.
func (w watchedRecorder) Health() monitor.Health {
	h := monitor.Health{Started: true}
	for _, s := range w.Status().Series {
		if text := absence(&s); text != "" {
			h.Away = append(h.Away, "source "+s.Name+" "+text)
		}
	}
	return h
}

// absence says why nothing is recorded from a source now; empty: it can be.
func absence(s *recorder.SeriesStatus) string {
	text := "is not connected to its broker"
	switch {
	case s.Blocked:
		text = "records nothing, since its spool can't be written"
	case s.Connected:
		return ""
	case s.Port != "":
		text = "can't read " + s.Port
	case s.Broker != "":
		text = "is not connected to " + s.Broker
	}
	if s.LastError != "" {
		_, address, _ := strings.Cut(s.Broker, "://")
		text += ": " + strings.TrimPrefix(s.LastError, address+": ")
	}
	return text
}

var _ monitor.Source = watchedRecorder{}
