package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"sluice/bench/broker"
	"sluice/bench/child"
)

// subject is a program, or a pipe of two, that records MQTT messages.
type subject struct {
	name string
	// missing says why it can't be measured here; empty: it can.
	missing string
	start   func(dir string, port, qos int) (*recording, error)
}

// peer tells whether it is another's program, for which we have no targets.
func (s subject) peer() bool { return s.name == pipeName }

const pipeName = "mosquitto_sub | rotatelogs"

// recording is a running subject.
type recording struct {
	processes []*child.Process
	files     string // pattern of the files with one line for each record
}

// usage is what all of its processes used.
func (r *recording) usage() (sum child.Usage, err error) {
	for _, p := range r.processes {
		u, err := p.Usage()
		if err != nil {
			return sum, err
		}
		sum = sum.Plus(u)
	}
	return sum, nil
}

func (r *recording) stop() (err error) {
	for _, p := range r.processes {
		if _, e := p.Stop(); err == nil {
			err = e
		}
	}
	return err
}

// sluice is our recorder with its defaults: JSON lines, group commit with
// fsync, redelivery table.
func sluice(bin string) subject {
	return subject{name: filepath.Base(bin), start: func(dir string, port, qos int) (*recording, error) {
		conf := filepath.Join(dir, "sluice.yml")
		text := fmt.Sprintf("path.data: %s/data\nrecorder:\n  spool.path: %s/spool\n  mqtt:\n  - hosts: [\"mqtt://127.0.0.1:%d\"]\n    topics: [\"feeds/#\"]\n    qos: %d\n    client_id: bench-recorder\n", dir, dir, port, qos)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			return nil, err
		}
		p, err := child.Start(filepath.Join(dir, "recorder.log"), exec.Command(bin, "recorder", "-c", conf))
		if err != nil {
			return nil, err
		}
		return &recording{[]*child.Process{p}, filepath.Join(dir, "spool", "*.log")}, nil
	}}
}

// pipe is what the original system used: mosquitto_sub into rotatelogs.
func pipe() subject {
	s := subject{name: pipeName}
	sub, err := broker.Find("mosquitto_sub")
	if err != nil {
		s.missing = err.Error() + "; run: apt-get install mosquitto-clients"
		return s
	}
	rotate, err := broker.Find("rotatelogs")
	if err != nil {
		s.missing = err.Error() + "; run: apt-get install apache2-utils"
		return s
	}
	s.start = func(dir string, port, qos int) (*recording, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		defer r.Close() // the processes have their own
		defer w.Close()
		to := exec.Command(rotate, filepath.Join(dir, "feeds.log"), "3600")
		to.Stdin = r
		from := exec.Command(sub, "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-i", "bench-recorder", "-c", "-q", strconv.Itoa(qos), "-t", "feeds/#", "-F", "%I %t %p")
		from.Stdout = w
		rec := &recording{files: filepath.Join(dir, "feeds.log.*")}
		for _, cmd := range []*exec.Cmd{from, to} { // ended in this order
			p, err := child.Start(filepath.Join(dir, "pipe.log"), cmd)
			if err != nil {
				_ = rec.stop() // the first error says more
				return nil, err
			}
			rec.processes = append(rec.processes, p)
		}
		return rec, nil
	}
	return s
}
