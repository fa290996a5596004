package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// drive takes a run from the first reading to the last deleted segment.
// Producers end first: sensors, recorder, tailer.
func (r *run) drive(ctx, lasting context.Context) error {
	subscribed := func() bool {
		select {
		case <-r.broker.subscribed:
			return true
		default:
			return ctx.Err() != nil
		}
	}
	if err := r.await("the recorder to subscribe", subscribed); err != nil || ctx.Err() != nil {
		return err
	}
	r.plan.start = time.Now()
	r.sweeping = launch(lasting, "spool", r.failed, func(ctx context.Context) error { return r.spool.every(ctx, sweepEvery) })
	if r.options.Chaos {
		r.upsetting = launch(lasting, "chaos", r.failed, r.chaos)
	}
	r.publishing = launch(lasting, "sensors", r.failed, func(lasting context.Context) error {
		r.publish(lasting, ctx.Done())
		return nil
	})
	if err := r.await("the sensors", r.publishing.ended); err != nil {
		return err
	}
	if r.upsetting != nil && ctx.Err() == nil && !r.openEnd() {
		if err := r.await("the rest of the chaos", r.upsetting.ended); err != nil {
			return err
		}
	}
	if err := r.upsetting.stop(); err != nil {
		return err
	}
	if err := r.await("the recorder to acknowledge", r.drained); err != nil {
		return err
	}
	if err := r.recording.stop(); err != nil {
		return err
	}
	if err := r.spool.count(); err != nil {
		return err
	}
	return r.await("the segments to be shipped and cleaned", func() bool { return r.spool.counts().left == 0 })
}

// drained tells whether the recorder has all that was published. The broker's
// PUBACK leaves shortly before the message is in the recorder's session.
func (r *run) drained() bool {
	c := r.ledger.counts()
	return c.accepted >= c.published && r.broker.outstanding() == 0
}

// publish runs all sensors to their end.
func (r *run) publish(ctx context.Context, stop <-chan struct{}) {
	var all sync.WaitGroup
	for _, s := range r.sensors {
		all.Go(func() { s.run(ctx, stop) })
	}
	all.Wait()
}

// stall watches whether anything moves.
type stall struct {
	sum   int64
	since time.Time
}

// await waits for done, shows the progress, and gives up when a part fails, on
// a second signal, or when nothing has moved for Options.Patience.
func (r *run) await(what string, done func() bool) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	r.stall.since = time.Now()
	var shown time.Time
	for !done() {
		select {
		case err := <-r.failed:
			return err
		case <-r.options.Abort:
			return errAborted
		case now := <-look.C:
			if now.Sub(shown) < showEvery {
				continue
			}
			shown = now
			if err := r.show(now); err != nil {
				return err
			}
			if r.idle(now) > r.options.Patience {
				return fmt.Errorf("waited for %s, but nothing has moved for %v", what, r.options.Patience)
			}
		}
	}
	return nil
}

// idle is how long nothing has moved although something should.
func (r *run) idle(now time.Time) time.Duration {
	c, s := r.ledger.counts(), r.spool.counts()
	sum := c.accepted + c.published + c.received + s.recorded + s.sealed + s.deleted - int64(s.left) - int64(r.broker.outstanding())
	nothingDue := r.publishing != nil && !r.publishing.ended() && c.accepted == c.unique
	for _, one := range r.sensors {
		nothingDue = nothingDue && one.waiting.Load() == 0
	}
	if sum != r.stall.sum || nothingDue {
		r.stall.sum, r.stall.since = sum, now
	}
	return now.Sub(r.stall.since)
}

// show draws the progress line.
func (r *run) show(now time.Time) error {
	c, s, t := r.ledger.counts(), r.spool.counts(), r.tailer.Status()
	var recorded int64
	for _, series := range r.recorder.Status().Series {
		recorded += series.Recorded
	}
	return r.progress.show(now, sample{
		published: c.published, recorded: recorded, unique: c.unique, lag: t.Lag,
		sealed: s.sealed, deleted: s.deleted, files: t.Files,
	})
}

// halt stops what still runs, producers first.
func (r *run) halt() error {
	var errs []error
	for _, p := range []**part{&r.upsetting, &r.publishing, &r.recording, &r.sweeping, &r.tailing} {
		errs = append(errs, (*p).stop())
		*p = nil
	}
	return errors.Join(errs...)
}

// close stops everything; parts that were never started are nil.
func (r *run) close() error {
	errs := []error{r.halt()}
	if r.receiver != nil {
		errs = append(errs, r.receiver.close())
	}
	if r.broker != nil {
		errs = append(errs, r.broker.close())
	}
	if r.logFile != nil {
		errs = append(errs, r.logFile.Close())
	}
	return errors.Join(errs...)
}

// proof sums up after everything has stopped.
func (r *run) proof(ctx context.Context, seconds float64) (Proof, error) {
	err := r.spool.count()
	c, s, t := r.ledger.counts(), r.spool.counts(), r.tailer.Status()
	p := Proof{
		Published: c.published, Recorded: s.recorded, Shipped: t.Acked, Received: c.received, Unique: c.unique,
		Sealed: s.sealed, Deleted: s.deleted, Seconds: seconds, Early: ctx.Err() != nil,
	}
	p.Lost, p.Duplicated = r.ledger.verdict()
	switch dropped := r.broker.dropped.Load(); {
	case c.firstFault != "":
		p.Fault = fmt.Sprintf("%d events are wrong; the first: %s", c.foreign+c.clashes, c.firstFault)
	case dropped > 0:
		p.Fault = fmt.Sprintf("the broker dropped %d messages: a fault of the demo", dropped)
	case p.Recorded != p.Unique:
		p.Fault = fmt.Sprintf("%d lines are recorded, but %d different events arrived", p.Recorded, p.Unique)
	}
	if r.options.Chaos {
		p.Notes = fmt.Sprintf("; %d acks withheld, %s readings sent again by sensors, %s events sent again by the tailer",
			r.receiver.cuts.Load(), thousands(c.retried), thousands(c.received-c.unique))
	}
	return p, err
}
