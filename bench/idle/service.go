package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sluice/bench/acker"
	"sluice/bench/broker"
	"sluice/bench/child"
)

// ready is how long a service may take to ship what is there at the start.
const ready = time.Minute

const line = "2026-11-21T19:40:00+0000 /feeds/%03d/temp 22.31\n"

// tailer watches the tailer with files of one line each. With every not 0
// the first file gets another line at this interval.
func (s service) tailer(ctx context.Context, files int, every, watched time.Duration) (res result, err error) {
	dir, err := os.MkdirTemp("", "idle")
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(dir) // the system's temporary folder is cleaned anyway
	if err := os.Mkdir(filepath.Join(dir, "feeds"), 0o700); err != nil {
		return res, err
	}
	for i := range files {
		if err := os.WriteFile(feed(dir, i), fmt.Appendf(nil, line, i), 0o600); err != nil {
			return res, err
		}
	}
	receiver, err := acker.Listen(filepath.Join(dir, "ca.pem"), nil)
	if err != nil {
		return res, err
	}
	defer receiver.Close() // only this process used it
	conf := filepath.Join(dir, "sluice.yml")
	text := fmt.Sprintf("path.data: %s/data\nfilebeat.inputs:\n- type: log\n  paths: [%s/feeds/*.log]\n  scan_frequency: 10s\noutput.logstash:\n  hosts: [%q]\n  ssl.certificate_authorities: [%s/ca.pem]\n", dir, dir, receiver.Addr(), dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return res, err
	}
	p, err := child.Start(filepath.Join(dir, "stderr"), exec.Command(s.bin, "tailer", "-c", conf))
	if err != nil {
		return res, err
	}
	defer func() {
		_, serr := p.Stop()
		err = errors.Join(err, serr, receiver.Err())
	}()
	all := func() bool { return receiver.Documents.Load() >= int64(files) }
	if err := until(ctx, p, all); err != nil {
		return res, err
	}
	var write func() error
	if every > 0 {
		write = func() error { return appendLine(feed(dir, 0)) }
	}
	res, err = s.watch(ctx, p, dir, watched, every, write)
	if err != nil || every == 0 {
		return res, err
	}
	written := int64(watched / every)
	return res, until(ctx, p, func() bool { return receiver.Documents.Load() >= int64(files)+written })
}

// feed is in a folder of its own: a log in the watched one would wake the tailer.
func feed(dir string, i int) string {
	return filepath.Join(dir, "feeds", fmt.Sprintf("feed-%05d.log", i))
}

func appendLine(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, line, 0)
	return errors.Join(err, f.Close())
}

// recorder watches the recorder while nothing is published.
func (s service) recorder(ctx context.Context, watched time.Duration) (res result, err error) {
	dir, err := os.MkdirTemp("", "idle")
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(dir) // the system's temporary folder is cleaned anyway
	b, err := broker.Start(dir)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, b.Stop()) }()
	conf := filepath.Join(dir, "sluice.yml")
	text := fmt.Sprintf("path.data: %s/data\nrecorder:\n  spool.path: %s/spool\n  mqtt:\n  - hosts: [\"mqtt://%s\"]\n    client_id: bench-recorder\n", dir, dir, b.Address())
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return res, err
	}
	p, err := child.Start(filepath.Join(dir, "stderr"), exec.Command(s.bin, "recorder", "-c", conf))
	if err != nil {
		return res, err
	}
	defer func() {
		_, serr := p.Stop()
		err = errors.Join(err, serr)
	}()
	connected := func() bool {
		log, err := os.ReadFile(filepath.Join(dir, "mosquitto.log"))
		return err == nil && strings.Contains(string(log), "as bench-recorder")
	}
	if err := until(ctx, p, connected); err != nil {
		return res, err
	}
	return s.watch(ctx, p, dir, watched, 0, nil)
}

// until waits for ok.
func until(ctx context.Context, p *child.Process, ok func() bool) error {
	for end := time.Now().Add(ready); !ok(); {
		if time.Now().After(end) {
			return fmt.Errorf("not ready after %s\n%s", ready, p.Log())
		}
		if err := rest(ctx, p, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// watch lets the service settle and returns what it then uses; meanwhile write
// is called at each interval, if there is one.
func (s service) watch(ctx context.Context, p *child.Process, dir string, watched, every time.Duration, write func() error) (res result, err error) {
	if err := rest(ctx, p, s.settle); err != nil {
		return res, err
	}
	disk, known := child.DiskWritten(dir)
	before, err := p.Usage()
	if err != nil {
		return res, err
	}
	start := time.Now()
	for left := watched; left > 0; left = watched - time.Since(start) {
		step := left
		if write != nil {
			step = min(left, every)
			if err := write(); err != nil {
				return res, err
			}
		}
		if err := rest(ctx, p, step); err != nil {
			return res, err
		}
	}
	after, err := p.Usage()
	if err != nil {
		return res, err
	}
	used, seconds := after.Since(before), time.Since(start).Seconds()
	res = result{
		wakeups: float64(used.Wakeups) / seconds, cpu: float64(used.CPU.Microseconds()) / 1e3 / seconds,
		resident: used.Resident, peak: used.Peak, dirtied: float64(used.Dirtied) / seconds, disk: math.NaN(), per: watched,
	}
	if end, ok := child.DiskWritten(dir); ok && known {
		res.disk = float64(end-disk) / seconds
	}
	return res, nil
}

// rest waits, unless the service or ctx ends.
func rest(ctx context.Context, p *child.Process, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-p.Done():
		_, err := p.Usage() // says that it has ended, and its log
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
