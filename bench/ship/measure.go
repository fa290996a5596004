package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sluice/bench/acker"
	"sluice/bench/child"
)

// stall is how long nothing may arrive before a run is given up.
const stall = 30 * time.Second

// row is one line of the report: a workload and the options that matter.
type row struct {
	workload
	level, batch int
	target       float64 // CPU µs per event that the row should not exceed; 0: none
}

// result is one run.
type result struct {
	cpu    time.Duration // user + system per event, start and stop of the process included
	perSec float64
	peak   int64 // bytes
	wire   float64
	first  time.Duration // start of the process to the first complete window
}

// place is a fresh folder with a file of lines, a receiver, and the
// configuration that ships one to the other.
type place struct {
	dir, conf string
	receiver  *acker.Server
}

func newPlace(r row, n int, check func([]byte)) (p *place, err error) {
	p = &place{}
	if p.dir, err = os.MkdirTemp("", "ship"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if err := r.generate(filepath.Join(p.dir, "feeds.log"), n); err != nil {
		return nil, err
	}
	if p.receiver, err = acker.Listen(filepath.Join(p.dir, "ca.pem"), check); err != nil {
		return nil, err
	}
	p.conf = filepath.Join(p.dir, "sluice.yml")
	text := fmt.Sprintf("path.data: %s/data\nfilebeat.inputs:\n- type: log\n  paths: [%s/*.log]\noutput.logstash:\n  hosts: [%q]\n  compression_level: %d\n  bulk_max_size: %d\n  ssl.certificate_authorities: [%s/ca.pem]\n",
		p.dir, p.dir, p.receiver.Addr(), r.level, r.batch, p.dir)
	return p, os.WriteFile(p.conf, []byte(text), 0o600)
}

func (p *place) close() {
	if p.receiver != nil {
		_ = p.receiver.Close() // only this process used it
	}
	_ = os.RemoveAll(p.dir) // the system's temporary folder is cleaned anyway
}

// measure ships n lines once.
func measure(ctx context.Context, bin string, r row, n int, check func([]byte)) (result, error) {
	p, err := newPlace(r, n, check)
	if err != nil {
		return result{}, err
	}
	defer p.close()
	start := time.Now()
	tailer, err := child.Start(filepath.Join(p.dir, "stderr"), exec.Command(bin, "tailer", "-c", p.conf))
	if err != nil {
		return result{}, err
	}
	err = wait(ctx, tailer, p.receiver, int64(n))
	took := time.Since(start)
	usage, uerr := tailer.Usage()
	cpu, serr := tailer.Stop()
	if err := errors.Join(err, uerr, serr, p.receiver.Err()); err != nil {
		return result{}, err
	}
	if got := p.receiver.Documents.Load(); got != int64(n) {
		return result{}, fmt.Errorf("%d lines became %d events", n, got)
	}
	return result{
		cpu: cpu / time.Duration(n), perSec: float64(n) / took.Seconds(), peak: usage.Peak,
		wire:  float64(p.receiver.Bytes.Load()) / float64(n),
		first: time.Duration(p.receiver.First.Load() - start.UnixNano()),
	}, nil
}

// wait returns when n documents were acknowledged.
func wait(ctx context.Context, tailer *child.Process, receiver *acker.Server, n int64) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var before int64
	for moved := time.Now(); ; {
		got := receiver.Documents.Load()
		switch {
		case got >= n:
			return nil
		case got != before:
			before, moved = got, time.Now()
		case time.Since(moved) > stall:
			return fmt.Errorf("%d of %d events came, then nothing for %s\n%s", got, n, stall, tailer.Log())
		}
		select {
		case <-tick.C:
		case <-tailer.Done():
			return errors.New("the tailer ended before all was shipped")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// prove ships a part of the lines to a receiver that looks into every window:
// what the measured runs only count must be whole events with ids of their own.
func prove(ctx context.Context, bin string, r row, n int) error {
	ids := make(map[string]bool, n)
	var fault error
	check := func(doc []byte) {
		var event struct {
			Message  string
			Metadata struct {
				ID string `json:"_id"`
			} `json:"@metadata"`
		}
		if err := json.Unmarshal(doc, &event); err != nil || event.Message == "" || event.Metadata.ID == "" {
			fault = fmt.Errorf("the event %s is not whole: %w", doc, err)
		}
		ids[event.Metadata.ID] = true
	}
	_, err := measure(ctx, bin, r, n, check)
	if err := errors.Join(err, fault); err != nil {
		return err
	}
	if len(ids) != n {
		return fmt.Errorf("%d lines became events with %d ids", n, len(ids))
	}
	return nil
}
