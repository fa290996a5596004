package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/durable"
	"sluice/tailer"
)

// reshipFailures are the connections in a row that may end without an ack.
const reshipFailures = 3

// ReshipReport says what became of dead letters.
type ReshipReport struct {
	Sent       int `json:"sent"`       // acknowledged
	Refused    int `json:"refused"`    // refused again: in the dead-letter file anew
	Unreadable int `json:"unreadable"` // lines that are no dead letters: in the file anew
	Left       int `json:"left"`       // not tried: the next reship takes them
}

// DeadLetterPath returns the dead-letter file of a configuration; "" if there is
// none.
func DeadLetterPath(cfg *config.Config) string {
	path := cfg.DeadLetter.Path
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(cfg.Path.Data, path)
}

// Reship sends the documents of a dead-letter file to the output. It may run
// beside a tailer, which goes on with a new file. Documents keep their ids, so one
// that is sent twice is stored once. What is refused again, and what can't be
// read, is appended to the file anew; what was not tried, since ctx ended or the
// server is away, stays in the file with .reship behind its name until the next
// call.
func Reship(ctx context.Context, cfg *config.Config, path string, log zerolog.Logger) (ReshipReport, error) {
	lock := flock.New(path + ".lock")
	held, err := lock.TryLock()
	if err != nil {
		return ReshipReport{}, fmt.Errorf("lock the dead-letter file: %w", err)
	}
	if !held {
		return ReshipReport{}, fmt.Errorf("%s is being reshipped by another process", path)
	}
	defer func() { _ = lock.Unlock() }() // the end of the process unlocks, too
	r := &reshipper{path: path, work: path + ".reship"}
	if err := r.take(); err != nil || len(r.lines) == 0 {
		return r.report, err
	}
	out, err := newOutput(cfg, log)
	if err != nil {
		return r.report, err
	}
	if err := out.open(); err != nil {
		return r.report, err
	}
	err = r.run(ctx, out)
	return r.report, errors.Join(err, out.close(), r.finish())
}

type reshipper struct {
	path, work string
	lines      [][]byte // not done
	report     ReshipReport
	fault      error // the dead-letter file can't be written
}

// take moves the dead-letter file aside, unless an earlier call was interrupted,
// and reads what was moved.
func (r *reshipper) take() error {
	if _, err := os.Stat(r.work); errors.Is(err, fs.ErrNotExist) {
		if err := durable.Rename(r.path, r.work); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
	}
	f, err := os.Open(r.work)
	if err != nil {
		return err
	}
	defer f.Close()
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			r.lines = append(r.lines, line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", r.work, err)
		}
	}
}

// run sends line after line.
func (r *reshipper) run(ctx context.Context, out output) error {
	for len(r.lines) > 0 {
		doc := letter(r.lines[0])
		if doc == nil {
			r.report.Unreadable++
			if err := r.back(r.lines[0]); err != nil {
				return err
			}
			r.lines = r.lines[1:]
			continue
		}
		if err := r.send(ctx, out, doc); err != nil {
			return err
		}
		r.lines = r.lines[1:]
	}
	return nil
}

// letter returns the document of a line; nil if there is none.
func letter(line []byte) []byte {
	var l tailer.DeadLetter
	if json.Unmarshal(line, &l) != nil {
		return nil
	}
	if len(l.Document) > 0 {
		return l.Document
	}
	return l.Raw
}

// send sends one document until it is acknowledged or refused.
func (r *reshipper) send(ctx context.Context, out output, doc []byte) error {
	var last error
	for range reshipFailures {
		done, err := r.try(ctx, out, doc)
		if done || ctx.Err() != nil || r.fault != nil {
			return errors.Join(ctx.Err(), r.fault)
		}
		last = err
	}
	return fmt.Errorf("the server takes no document: %w; what is left is tried by the next reship", last)
}

func (r *reshipper) try(ctx context.Context, out output, doc []byte) (done bool, err error) {
	conn, err := out.Connect(ctx, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // it was for this document alone
	refused := false
	if c, ok := conn.(tailer.Refuser); ok {
		c.OnRefused(func(doc []byte, reason error) error {
			refused = true
			r.fault = tailer.AppendDeadLetter(r.path, doc, reason)
			return r.fault
		})
	}
	if _, err := conn.Send(ctx, doc, []int{len(doc)}); err != nil {
		return false, err
	}
	select {
	case _, ok := <-conn.Acks():
		if !ok {
			return false, conn.Err()
		}
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if refused {
		r.report.Refused++
	} else {
		r.report.Sent++
	}
	return true, nil
}

// back appends a line that is no dead letter to the file, as it is.
func (r *reshipper) back(line []byte) error {
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(bytes.Clone(line), '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// finish keeps what is left.
func (r *reshipper) finish() error {
	r.report.Left = len(r.lines)
	if len(r.lines) == 0 {
		return durable.Remove(r.work)
	}
	return durable.WriteFile(r.work, 0o600, func(w io.Writer) error {
		for _, line := range r.lines {
			if _, err := w.Write(append(bytes.Clone(line), '\n')); err != nil {
				return err
			}
		}
		return nil
	})
}

// ListDeadLetters calls fn for each dead letter of a file, and of what an
// interrupted reship left, without sending them.
func ListDeadLetters(path string, fn func(at time.Time, reason string, doc []byte)) error {
	for _, name := range []string{path + ".reship", path} {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for line := range bytes.Lines(data) {
			var l tailer.DeadLetter
			if json.Unmarshal(line, &l) != nil {
				fn(time.Time{}, "it is no dead letter", bytes.TrimSpace(line))
				continue
			}
			fn(l.Time, l.Reason, letter(line))
		}
	}
	return nil
}
