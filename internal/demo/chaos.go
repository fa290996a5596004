package demo

import (
	"context"
	"fmt"
	"time"
)

// Times of --chaos.
const (
	outage     = 500 * time.Millisecond // how long broker and receiver stay away
	chaosEvery = 3 * time.Second        // when the end of the run is not known
	chaosLook  = 20 * time.Millisecond
)

// blow is one thing that goes wrong.
type blow struct {
	name string
	at   float64 // share of the run
	do   func(ctx context.Context, r *run) error
}

// blows are spread over the run. Sensors wait for a blow that is late, at the
// share of the next one: so even the fastest run suffers all of them.
var blows = []blow{
	{"connection cut", 0.10, cutConnection},
	{"broker killed", 0.25, killBroker},
	{"receiver killed", 0.40, killReceiver},
	{"connection cut", 0.55, cutConnection},
	{"broker killed", 0.70, killBroker},
	{"receiver killed", 0.85, killReceiver},
}

// chaos deals the blows until ctx ends or all are dealt; with an open end they
// come round again. Whatever it has killed is restarted when it returns.
func (r *run) chaos(ctx context.Context) error {
	for n := 0; n < len(blows) || r.openEnd(); n++ {
		r.hold(n + 1)
		for !r.due(n) {
			if !pause(ctx, chaosLook) {
				return nil
			}
		}
		b := blows[n%len(blows)]
		r.hold(n + 2)
		r.progress.tell("%s", b.name)
		if err := b.do(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

// due tells whether it is time for the n-th blow.
func (r *run) due(n int) bool {
	if r.openEnd() {
		return time.Since(r.plan.start) >= time.Duration(n+1)*chaosEvery
	}
	return r.share() >= blows[n].at
}

// hold makes sensors wait at the share of the n-th blow.
func (r *run) hold(n int) {
	if n < len(blows) && r.options.Messages > 0 {
		r.plan.held.Store(max(1, int64(blows[n].at*float64(r.options.Messages))))
	} else {
		r.plan.held.Store(0)
	}
}

// openEnd tells whether only a signal ends the run.
func (r *run) openEnd() bool { return r.options.Messages <= 0 && r.options.For <= 0 }

// share is how much of the run is over, 0 to 1.
func (r *run) share() float64 {
	var share float64
	if r.options.Messages > 0 {
		share = float64(r.ledger.counts().published) / float64(r.options.Messages)
	}
	if r.options.For > 0 {
		share = max(share, float64(time.Since(r.plan.start))/float64(r.options.For))
	}
	return share
}

// cutConnection resets the tailer's connection in the place of an ack.
func cutConnection(_ context.Context, r *run) error {
	r.receiver.cut()
	return nil
}

func killBroker(ctx context.Context, r *run) error {
	if err := r.broker.kill(); err != nil {
		return err
	}
	pause(ctx, outage)
	r.progress.tell("broker is back")
	return r.broker.restart()
}

func killReceiver(ctx context.Context, r *run) error {
	if err := r.receiver.kill(); err != nil {
		return err
	}
	pause(ctx, outage)
	r.progress.tell("receiver is back")
	return r.receiver.restart()
}

// pause waits; false if ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
