package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"sluice/bench/broker"
	"sluice/bench/child"
)

const (
	// stall is how long no record may arrive before a run is given up.
	stall = 20 * time.Second
	// quiet is how long nothing may come before the recorder counts as idle.
	quiet = 200 * time.Millisecond
)

// result is one run of one subject.
type result struct {
	perSec float64
	cpu    time.Duration // per message, of the recording processes
	broker time.Duration // per message, Mosquitto's
	peak   int64         // bytes
	disk   float64       // bytes per message, of the whole machine; NaN: unknown
	wakes  float64       // wake-ups per message
}

// run is one subject with its broker.
type run struct {
	row
	dir       string
	broker    *broker.Broker
	publisher *broker.Publisher
	recording *recording
	lines     *lines
	probes    int64 // lines from before the measurement
}

// once measures one subject in a folder of its own.
func (r row) once(ctx context.Context, s subject) (res result, err error) {
	dir, err := os.MkdirTemp("", "record")
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(dir) // the system's temporary folder is cleaned anyway
	x := &run{row: r, dir: dir}
	if x.broker, err = broker.Start(dir, r.broker...); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, x.broker.Stop()) }()
	if x.publisher, err = broker.NewPublisher(x.broker.Address()); err != nil {
		return res, err
	}
	defer func() { _ = x.publisher.Close() }() // all it sent was answered
	if x.recording, err = s.start(dir, x.broker.Port, r.qos); err != nil {
		return res, err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, x.recording.stop())
		}
	}()
	x.lines = newLines(x.recording.files)

	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- x.lines.watch(ctx) }()
	res, err = x.measure(ctx)
	cancel()
	if err := errors.Join(err, <-watched); err != nil {
		return res, err
	}
	stopped = true
	if err := errors.Join(x.recording.stop(), x.lines.look()); err != nil {
		return res, err
	}
	if got := x.lines.total.Load() - x.probes; got != r.messages {
		return res, fmt.Errorf("%d messages became %d lines", r.messages, got)
	}
	return res, nil
}

// measure waits until the recorder has subscribed, and publishes.
func (x *run) measure(ctx context.Context) (res result, err error) {
	if err := x.subscribed(ctx); err != nil {
		return res, err
	}
	before, err := x.total()
	if err != nil {
		return res, err
	}
	x.probes = x.lines.total.Load()
	start := time.Now()
	if err := x.publisher.Publish(ctx, x.messages, func() int64 { return x.allowed(time.Since(start)) }); err != nil {
		return res, err
	}
	if err := x.recorded(ctx, x.probes+x.messages); err != nil {
		return res, err
	}
	took := time.Since(start)
	after, err := x.total()
	if err != nil {
		return res, err
	}
	used := after.recording.Since(before.recording)
	n := float64(x.messages)
	return result{
		perSec: n / took.Seconds(), cpu: used.CPU / time.Duration(x.messages), peak: used.Peak, wakes: float64(used.Wakeups) / n,
		broker: after.broker.Since(before.broker).CPU / time.Duration(x.messages), disk: (after.disk - before.disk) / n,
	}, nil
}

// total is what everything has used so far.
type total struct {
	recording, broker child.Usage
	disk              float64
}

func (x *run) total() (t total, err error) {
	if t.recording, err = x.recording.usage(); err != nil {
		return t, err
	}
	if t.broker, err = x.broker.Usage(); err != nil {
		return t, err
	}
	t.disk = math.NaN()
	if written, ok := child.DiskWritten(x.dir); ok {
		t.disk = float64(written)
	}
	return t, nil
}

// allowed is how many messages may be published by now.
func (x *run) allowed(since time.Duration) int64 {
	n := x.lines.total.Load() - x.probes + x.window
	if x.rate > 0 {
		n = min(n, int64(since.Seconds()*float64(x.rate)))
	}
	return n
}

// subscribed publishes until a first line shows that the recorder listens,
// and returns when all that it got is in the file.
func (x *run) subscribed(ctx context.Context) error {
	one := func() int64 { return 1 }
	for end := time.Now().Add(stall); x.lines.total.Load() == 0; {
		if time.Now().After(end) {
			return fmt.Errorf("nothing was recorded within %s", stall)
		}
		if err := x.publisher.Publish(ctx, 1, one); err != nil {
			return err
		}
		if err := x.alive(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	for before := int64(-1); before != x.lines.total.Load(); {
		before = x.lines.total.Load()
		if err := x.alive(ctx, quiet); err != nil {
			return err
		}
	}
	return nil
}

// recorded waits until the files hold n lines.
func (x *run) recorded(ctx context.Context, n int64) error {
	var before int64
	for moved := time.Now(); ; {
		switch got := x.lines.total.Load(); {
		case got >= n:
			return nil
		case got != before:
			before, moved = got, time.Now()
		case time.Since(moved) > stall:
			return fmt.Errorf("%d of %d messages are in the file, and nothing has come for %s\n%s\n%s", got, n, stall, x.recording.processes[0].Log(), x.broker.Log())
		}
		if err := x.alive(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// alive waits, unless a process of the recording or ctx ends.
func (x *run) alive(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, p := range x.recording.processes {
		select {
		case <-p.Done():
			_, err := p.Usage() // says that it has ended, and its log
			return err
		default:
		}
	}
	return nil
}
