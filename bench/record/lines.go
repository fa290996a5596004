package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// lines counts the line feeds of files that grow: the records that are in the
// file. (Ours are seen up to one fsync before they count as durable; the next
// group is only written after it, so that a rate is not better for it.)
type lines struct {
	pattern string
	read    map[string]int64
	buf     []byte
	total   atomic.Int64
}

func newLines(pattern string) *lines {
	return &lines{pattern: pattern, read: make(map[string]int64), buf: make([]byte, 256<<10)}
}

// look counts what is new. Only one goroutine may look.
func (l *lines) look() error {
	paths, err := filepath.Glob(l.pattern)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := l.rest(path); err != nil {
			return err
		}
	}
	return nil
}

func (l *lines) rest(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	for {
		n, err := f.ReadAt(l.buf, l.read[path])
		l.read[path] += int64(n)
		l.total.Add(int64(bytes.Count(l.buf[:n], []byte("\n"))))
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// watch looks every millisecond until ctx ends; the result is why it ended.
func (l *lines) watch(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if err := l.look(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
