package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sluice/cleaner"
	"sluice/internal/gateway"
	"sluice/recorder"
	"sluice/registry"
)

// spool watches the folder of segments: it counts the lines of each sealed one
// on the disk, and only then lets the cleaner delete it.
type spool struct {
	dir string
	reg *registry.Registry

	mu       sync.Mutex
	counted  map[string]bool // paths of sealed segments
	recorded int64           // lines in them
	deleted  int64
	left     int // segments in the folder after the last sweep
}

func newSpool(dir string, reg *registry.Registry) *spool {
	return &spool{dir: dir, reg: reg, counted: map[string]bool{}}
}

// spoolCounts are the sums of a spool.
type spoolCounts struct {
	recorded, sealed, deleted int64
	left                      int
}

func (s *spool) counts() spoolCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return spoolCounts{s.recorded, int64(len(s.counted)), s.deleted, s.left}
}

// count looks for segments that were sealed since the last time.
func (s *spool) count() error {
	paths, err := filepath.Glob(filepath.Join(s.dir, "*.log"))
	if err != nil {
		return fmt.Errorf("list the segments: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = len(paths)
	for _, path := range paths {
		if s.counted[path] {
			continue
		}
		sealed, segment, err := recorder.Sealed(path)
		if err != nil {
			return fmt.Errorf("look at a segment: %w", err)
		}
		if !sealed || !segment {
			continue
		}
		n, err := countLines(path)
		if err != nil {
			return err
		}
		s.counted[path] = true
		s.recorded += n
	}
	return nil
}

// sweep counts, then runs the cleaner over what has been counted.
func (s *spool) sweep(ctx context.Context) error {
	if err := s.count(); err != nil {
		return err
	}
	states, err := cleaner.DurableStates(s.reg)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := states[:0]
	for _, state := range states {
		if s.counted[state.Source] {
			known = append(known, state)
		}
	}
	report, err := cleaner.Clean(ctx, known, gateway.CleanOptions(0, s.reg))
	s.deleted += int64(report.Deleted)
	s.left -= report.Deleted
	if err != nil {
		return fmt.Errorf("clean: %w", err)
	}
	for _, f := range report.Files {
		if f.Result == cleaner.Failed {
			return fmt.Errorf("clean %s: %s", f.Source, f.Reason)
		}
	}
	return nil
}

// every sweeps until ctx ends.
func (s *spool) every(ctx context.Context, pause time.Duration) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// countLines counts the line feeds of a file.
func countLines(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("count the lines of a segment: %w", err)
	}
	defer f.Close()
	var n int64
	buf := make([]byte, 64<<10)
	for {
		k, err := f.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("count the lines of a segment: %w", err)
		}
	}
}
