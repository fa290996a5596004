package recorder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/rs/zerolog"
)

// Recorder records from its sources to the spool.
type Recorder struct {
	cfg       Config
	log       zerolog.Logger
	lines     []*line
	retention *retention
}

// line is one source with its way to the disk.
type line struct {
	name   string
	source source
	writer *writer
	queue  *queue
	stats  *stats
}

// New checks the configuration and reads the certificates. It touches neither
// spool nor network.
func New(cfg Config, log zerolog.Logger) (*Recorder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(cfg.MQTT)+len(cfg.Serial) == 0 {
		return nil, &FieldError{"mqtt", "no source is configured; add an entry with hosts and topics, or one to serial"}
	}
	r := &Recorder{cfg: cfg, log: log}
	r.cfg.Spool = cfg.Spool.filled()
	r.cfg.Spool.Share(len(cfg.MQTT) + len(cfg.Serial))
	clock := newClock(cfg.Clock.filled())
	r.retention = newRetention(r.cfg.Spool, log)
	for i := range cfg.MQTT {
		l, err := newMQTTLine(r.cfg.Spool, cfg.MQTT[i].filled(), log)
		if err != nil {
			return nil, fmt.Errorf("mqtt.%d.%w", i, err)
		}
		r.add(l, clock)
	}
	for i := range cfg.Serial {
		l, err := newSerialLine(r.cfg.Spool, cfg.Serial[i].filled(), log)
		if err != nil {
			return nil, fmt.Errorf("serial.%d.%w", i, err)
		}
		r.add(l, clock)
	}
	return r, nil
}

func (r *Recorder) add(l *line, clock *clock) {
	l.queue.clock = clock
	l.writer.retention = r.retention
	r.retention.series = append(r.retention.series, l.name)
	r.lines = append(r.lines, l)
}

// FreeWith tells how acknowledged segments can be deleted when the spool is full
// (when_full). It must be called before Run.
func (r *Recorder) FreeWith(free Free) { r.retention.free = free }

func newMQTTLine(spool SpoolConfig, cfg MQTTConfig, log zerolog.Logger) (*line, error) {
	l, err := newLine(spool, cfg.Name, cfg.Format, cfg.QueueBytes, cfg.QueueRecords, log)
	if err != nil {
		return nil, err
	}
	l.source, err = newMQTTSource(cfg, l.queue, l.stats, l.writer.log)
	return l, err
}

func newSerialLine(spool SpoolConfig, cfg SerialConfig, log zerolog.Logger) (*line, error) {
	l, err := newLine(spool, cfg.Name, cfg.Format, cfg.QueueBytes, cfg.QueueRecords, log)
	if err != nil {
		return nil, err
	}
	l.stats.now.Port = cfg.Port
	l.source = newSerialSource(cfg, l.queue, l.stats, l.writer.log)
	return l, nil
}

// newLine makes a line that lacks its source.
func newLine(spool SpoolConfig, name, format string, queueBytes int64, queueRecords int, log zerolog.Logger) (*line, error) {
	log = log.With().Str("series", name).Logger()
	f, err := compileFormat(format)
	if err != nil {
		return nil, &FieldError{"format", err.Error()}
	}
	if f.lines > 0 {
		log.Warn().Msg("format: the line breaks in it make several lines of a record; a crash may leave some of them without the others")
	}
	q := newQueue(queueBytes, queueRecords, min(spool.CommitBytes, queueBytes/2))
	st := &stats{now: SeriesStatus{Name: name}}
	return &line{name: name, writer: &writer{cfg: spool, queue: q, format: f, stats: st, log: log}, queue: q, stats: st}, nil
}

// Run records until ctx ends. Then it stops receiving, makes durable and
// acknowledges what it has received, disconnects without ending the session,
// and seals the segments. The error tells what hindered it: a spool that can't
// be used (at once), or records that could not be written before the end; it
// is nil after an orderly stop.
func (r *Recorder) Run(ctx context.Context) error {
	if err := makeSpool(r.cfg.Spool.Path); err != nil {
		return err
	}
	for _, l := range r.lines {
		s, err := openSeries(l.name, r.cfg.Spool, l.writer.format.nul, l.writer.log)
		if err != nil {
			return err
		}
		defer s.unlock()
		l.writer.series = s
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(r.lines))
	var wg sync.WaitGroup
	for i, l := range r.lines {
		wg.Go(func() {
			if errs[i] = l.run(ctx); errs[i] != nil {
				cancel() // one line that can't go on ends all: the supervisor sees it
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Status is a snapshot; it may be called at any time.
func (r *Recorder) Status() Status {
	var s Status
	for _, l := range r.lines {
		st := l.stats.get()
		st.QueueRecords, st.QueueBytes = l.queue.usage()
		if src, ok := l.source.(redelivering); ok {
			st.BytesReceived += src.received()
		}
		s.Series = append(s.Series, st)
	}
	return s
}

// run opens the spool's state and records.
func (l *line) run(ctx context.Context) error {
	if err := l.open(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	if l.writer.table != nil {
		defer l.writer.table.ring.close()
	}
	sourceCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { l.source.run(sourceCtx) })
	err := l.writer.run(ctx, l.source)
	stop()
	wg.Wait()
	return err
}

// open reads and mends what the last run left. A full or failing disk is waited
// for; nothing is received meanwhile.
func (l *line) open(ctx context.Context) error {
	w := l.writer
	var final error
	err := w.insist(ctx, func() error {
		err := w.relieve(ctx, l.openOnce())
		if err != nil && !temporary(err) {
			final = err
			return nil
		}
		return err
	})
	if final != nil {
		return final
	}
	if err != nil {
		return fmt.Errorf("stop before the spool could be used: %w", err)
	}
	w.show()
	return nil
}

func (l *line) openOnce() error {
	w, s := l.writer, l.writer.series
	src, redelivers := l.source.(redelivering)
	var table *inflight
	settle := func(int64, map[int64]int64) error { return nil }
	if redelivers {
		var err error
		perm := os.FileMode(w.cfg.FilePermissions)
		if table, err = openInflight(s.path(l.name+".inflight"), s.path(l.name+".session.json"), perm, w.log); err != nil {
			return explainFolder(s.dir, err)
		}
		settle = table.settle
	}
	err := s.recover(settle)
	if err == nil {
		w.clock, err = openStretches(s, w.format.text, w.queue.clock)
	}
	if err != nil {
		if redelivers {
			table.ring.close()
		}
		return explainFolder(s.dir, err)
	}
	if redelivers {
		w.table = table
		src.resume(table.sessions)
	}
	return nil
}

// temporary tells whether waiting may mend the error.
func temporary(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
