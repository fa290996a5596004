package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/gateway"
	"sluice/recorder"
)

// Options say how much is done.
type Options struct {
	Messages int64         // readings to publish; 0: no limit
	Rate     float64       // readings per second of all sensors; 0: as fast as possible
	For      time.Duration // publish for so long; 0: no limit
	Chaos    bool          // kill broker, receiver and connection meanwhile
	Dir      string        // folder to work in and keep; empty: a temporary one
	Patience time.Duration // without any progress the run is given up; 0: 3 minutes

	Progress io.Writer       // a terminal for live progress; nil: none
	Abort    <-chan struct{} // closed: give up at once, prove what there is

	meddle func([]any) []any // for tests: see receiver
}

// Times of a run.
const (
	defaultPatience = 3 * time.Minute
	sweepEvery      = 300 * time.Millisecond
	showEvery       = 200 * time.Millisecond
	lookEvery       = 10 * time.Millisecond
)

// Validate reports options that make no sense.
func (o *Options) Validate() error {
	switch {
	case o.Messages < 0:
		return fmt.Errorf("messages: %d is negative; give a number of readings, or 0 for no limit", o.Messages)
	case o.Messages > maxNumber:
		return fmt.Errorf("messages: %d is too many; give at most %d", o.Messages, maxNumber)
	case o.Rate < 0 || o.Rate != o.Rate || o.Rate > 1e9:
		return fmt.Errorf("rate: %v is no rate; give readings per second, or 0 for as fast as possible", o.Rate)
	case o.For < 0:
		return fmt.Errorf("for: %v is negative; give a duration such as 30s, or 0 for no limit", o.For)
	}
	return nil
}

// run is one run of the demo.
type run struct {
	options  Options
	dir      string
	ledger   *ledger
	broker   *broker
	receiver *receiver
	sensors  []*sensor
	plan     *schedule
	recorder *recorder.Recorder
	tailer   *gateway.Tailer
	spool    *spool
	progress progress
	stall    stall
	logFile  *os.File

	failed                chan error // of parts that ended by themselves
	recording, tailing    *part
	publishing, upsetting *part
	sweeping              *part
}

// errAborted ends a run that was told to give up.
var errAborted = errors.New("aborted by a second signal")

// Run runs the demo. When ctx ends, sensors stop early and what was published
// is still shipped and proved. The error says that the demo could not run; the
// verdict is in the Proof.
func Run(ctx context.Context, o Options) (p Proof, err error) {
	if err := o.Validate(); err != nil {
		return p, err
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	dir, err := makeDir(o.Dir)
	if err != nil {
		return p, err
	}
	r := &run{options: o, dir: dir, failed: make(chan error, 1), progress: progress{w: o.Progress}}
	p, err = r.do(ctx)
	r.progress.end()
	switch {
	case o.Dir != "":
		return p, err
	case err != nil:
		return p, fmt.Errorf("%w (the folder %s is kept, with sluice.log)", err, dir)
	case p.Err() != nil:
		p.Notes += "; the folder " + dir + " is kept, with sluice.log"
		return p, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return p, fmt.Errorf("remove the temporary folder: %w", err)
	}
	return p, nil
}

// makeDir returns an empty folder: the given one, or a temporary one.
func makeDir(dir string) (string, error) {
	if dir == "" {
		dir, err := os.MkdirTemp("", "sluice-demo-")
		if err != nil {
			return "", fmt.Errorf("make a temporary folder: %w", err)
		}
		return dir, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find folder %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("make the folder: %w", err)
	}
	held, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("read the folder: %w", err)
	}
	if len(held) > 0 {
		return "", fmt.Errorf("folder %s is not empty; name a new one", dir)
	}
	return dir, nil
}

// do starts everything, waits for the end, and stops everything.
func (r *run) do(ctx context.Context) (p Proof, err error) {
	defer func() { err = errors.Join(err, r.close()) }()
	// The parts outlive ctx: they ship what was published before it ended.
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if err := r.start(lasting); err != nil {
		return p, err
	}
	begin := time.Now()
	err = r.drive(ctx, lasting)
	seconds := time.Since(begin).Seconds()
	if err == nil {
		err = r.halt()
	} else {
		_ = r.halt() // what ended the run says more
	}
	p, countErr := r.proof(ctx, seconds)
	return p, errors.Join(err, countErr)
}

// start brings up broker, receiver, recorder and tailer.
func (r *run) start(ctx context.Context) error {
	r.ledger = newLedger(allTopics())
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	brokerTLS, err := ca.issue(2, "sluice demo broker")
	if err != nil {
		return err
	}
	if r.broker, err = newBroker(brokerTLS, r.ledger); err != nil {
		return err
	}
	receiverTLS, err := ca.issue(3, "sluice demo receiver")
	if err != nil {
		return err
	}
	if r.receiver, err = newReceiver(receiverTLS, r.ledger, r.options.meddle); err != nil {
		return err
	}
	caFile := filepath.Join(r.dir, "ca.pem")
	if err := os.WriteFile(caFile, []byte(ca.pem()), 0o640); err != nil {
		return fmt.Errorf("write the authority's certificate: %w", err)
	}
	cfg := settings(r.dir, r.options, r.broker, r.receiver, caFile)
	if err := r.startGateway(ctx, cfg); err != nil {
		return err
	}
	r.plan = &schedule{messages: r.options.Messages, rate: r.options.Rate, lasting: r.options.For}
	for id := range sensorCount {
		r.sensors = append(r.sensors, newSensor(id, r.broker, ca.client(), r.plan))
	}
	return nil
}

// startGateway brings up what is real.
func (r *run) startGateway(ctx context.Context, cfg *config.Config) error {
	var err error
	if r.logFile, err = os.OpenFile(filepath.Join(r.dir, "sluice.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640); err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	log := zerolog.New(zerolog.SyncWriter(r.logFile)).With().Timestamp().Logger()
	if r.recorder, err = gateway.NewRecorder(cfg, log); err != nil {
		return fmt.Errorf("recorder: %w", err)
	}
	r.recording = launch(ctx, "recorder", r.failed, r.recorder.Run)
	if r.tailer, err = gateway.OpenTailer(cfg, log); err != nil {
		return fmt.Errorf("tailer: %w", err)
	}
	r.tailing = launch(ctx, "tailer", r.failed, r.tailer.Run)
	r.spool = newSpool(cfg.Recorder.Spool.Path, r.tailer.Registry())
	return nil
}
