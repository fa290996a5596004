package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"sluice/bench/broker"
	"sluice/bench/child"
)

// kills is the row in which the recording processes are killed (kill -9), again
// and again, and started anew at once, while messages are published.
type kills struct {
	name     string
	messages int64
	rate     int64 // messages/s
	times    int
}

func killing(scale float64) kills {
	times := max(2, int(10*scale))
	return kills{name: "QoS 1, kill -9", rate: 20000, messages: 10000 * int64(times), times: times}
}

// kept is what a subject had in its files afterwards.
type kept struct{ lost, doubled int64 }

func (k kills) report(ctx context.Context, out io.Writer, subjects []subject) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\nrow\trecorder\tmessages\tkills\tlost\tdoubled\ttarget\n")
	for _, s := range subjects {
		if s.missing != "" {
			continue
		}
		got, err := k.once(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", k.name, s.name, err)
		}
		target := "-"
		if !s.peer() {
			target = "none ok"
			if got != (kept{}) {
				target = "none MISSED"
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%s\n", k.name, s.name, k.messages, k.times, got.lost, got.doubled, target)
	}
	return table.Flush()
}

// once measures one subject. The broker keeps what comes for its session
// meanwhile: whatever is lost, the subject has lost.
func (k kills) once(ctx context.Context, s subject) (got kept, err error) {
	dir, err := os.MkdirTemp("", "record")
	if err != nil {
		return got, err
	}
	defer os.RemoveAll(dir)
	b, err := broker.Start(dir, "max_inflight_messages 1000", "max_queued_messages 0")
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, b.Stop()) }()
	p, err := broker.NewPublisher(b.Address())
	if err != nil {
		return got, err
	}
	defer func() { _ = p.Close() }() // all it sent was answered
	p.Numbered = true
	x := &run{row: row{qos: 1}, dir: dir, broker: b, publisher: p}
	if x.recording, err = s.start(dir, b.Port, 1); err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, x.recording.stop()) }()
	if err := k.publish(ctx, x, s); err != nil {
		return got, err
	}
	return k.count(ctx, x)
}

// publish publishes at the row's rate, and kills in between.
func (k kills) publish(ctx context.Context, x *run, s subject) (err error) {
	x.lines = newLines(x.recording.files)
	if err := k.ready(ctx, x); err != nil {
		return err
	}
	first := x.publisher.Sent()
	published := make(chan error, 1)
	start := time.Now()
	go func() {
		published <- x.publisher.Publish(ctx, k.messages, func() int64 { return int64(time.Since(start).Seconds() * float64(k.rate)) })
	}()
	pause := time.Duration(float64(k.messages) / float64(k.rate) / float64(k.times+1) * float64(time.Second))
	for range k.times {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		child.Kill(x.recording.processes...)
		if x.recording, err = s.start(x.dir, x.broker.Port, 1); err != nil {
			return err
		}
	}
	if err := <-published; err != nil {
		return err
	}
	x.probes = first
	return nil
}

// ready waits for the subscription.
func (k kills) ready(ctx context.Context, x *run) error {
	watch, cancel := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- x.lines.watch(watch) }()
	err := x.subscribed(ctx)
	cancel()
	return errors.Join(err, <-watched)
}

// count waits until nothing more comes into the files, and looks for each
// number.
func (k kills) count(ctx context.Context, x *run) (got kept, err error) {
	var before int64 = -1
	for still := time.Now(); time.Since(still) < 3*time.Second; {
		if err := x.lines.look(); err != nil {
			return got, err
		}
		if n := x.lines.total.Load(); n != before {
			before, still = n, time.Now()
		}
		if err := x.alive(ctx, 50*time.Millisecond); err != nil {
			return got, err
		}
	}
	seen := make([]int64, k.messages)
	paths, err := filepath.Glob(x.lines.pattern)
	if err != nil {
		return got, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return got, err
		}
		for line := range bytes.Lines(text) {
			if n := number(line) - x.probes - 1; n >= 0 && n < k.messages {
				seen[n]++
			}
		}
	}
	for _, n := range seen {
		if n == 0 {
			got.lost++
		} else {
			got.doubled += n - 1
		}
	}
	return got, nil
}

// number is what follows the "#" in a line; -1: nothing.
func number(line []byte) int64 {
	_, rest, ok := bytes.Cut(line, []byte("#"))
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if !ok || err != nil {
		return -1
	}
	return n
}
