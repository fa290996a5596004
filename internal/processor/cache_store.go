package processor

import (
	"bufio"
	"bytes"
	"container/list"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/durable"
	"sluice/internal/event"
)

// store holds the values of one cache. It is shared by the processors that
// name the same one.
type store struct {
	name string // in stores
	path string // of its file; empty without one
	log  zerolog.Logger

	users int // under stores.Mutex
	end   chan struct{}
	ended sync.WaitGroup

	mu       sync.Mutex
	capacity int
	values   map[string]*list.Element // of *cached
	byAge    *list.List               // the oldest in front
	dirty    bool
}

// cached is one value.
type cached struct {
	key   string
	value any
	until time.Time
}

// stores are those in use.
var stores = struct {
	sync.Mutex
	open map[string]*store
}{open: make(map[string]*store)}

// openStore returns the store of that id; without path it is in memory only.
// Each user must close it.
func openStore(id, path string, every time.Duration, log zerolog.Logger) (*store, error) {
	name := "memory:" + id
	if path != "" {
		name = "file:" + path
	}
	stores.Lock()
	defer stores.Unlock()
	if s := stores.open[name]; s != nil {
		s.users++
		return s, nil
	}
	s := &store{
		name: name, path: path, log: log, users: 1, end: make(chan struct{}),
		values: make(map[string]*list.Element), byAge: list.New(),
	}
	if path != "" {
		if err := s.load(); err != nil {
			return nil, err
		}
		if every > 0 {
			s.ended.Go(func() { s.writeEvery(every) })
		}
	}
	stores.open[name] = s
	return s, nil
}

// close ends one use; the last one writes the file.
func (s *store) close() error {
	stores.Lock()
	defer stores.Unlock()
	s.users--
	if s.users > 0 {
		return nil
	}
	delete(stores.open, s.name)
	close(s.end)
	s.ended.Wait()
	return s.write()
}

func (s *store) limit(capacity int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = capacity
	s.makeRoom(time.Now())
}

func (s *store) put(key string, value any, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.values[key]; old != nil {
		s.byAge.Remove(old)
	}
	s.values[key] = s.byAge.PushBack(&cached{key, value, until})
	s.makeRoom(time.Now())
	s.dirty = true
}

// makeRoom removes what is outdated or too much, the oldest first.
func (s *store) makeRoom(now time.Time) {
	for front := s.byAge.Front(); front != nil; front = s.byAge.Front() {
		c := front.Value.(*cached)
		full := s.capacity > 0 && s.byAge.Len() > s.capacity
		if !full && now.Before(c.until) {
			return
		}
		s.byAge.Remove(front)
		delete(s.values, c.key)
	}
}

func (s *store) get(key string) (any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := s.values[key]
	if entry == nil {
		return nil, false
	}
	c := entry.Value.(*cached)
	return c.value, time.Now().Before(c.until)
}

func (s *store) delete(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.values[key]; old != nil {
		s.byAge.Remove(old)
		delete(s.values, key)
		s.dirty = true
	}
}

func (s *store) writeEvery(interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-s.end:
			return
		case <-tick.C:
			if err := s.write(); err != nil {
				s.log.Warn().Err(err).Msg("cannot write a cache's file; it stays in memory")
			}
		}
	}
}

// The names of the file's lines, each {"key":…,"val":…,"expires":…}.
const (
	lineKey     = "key"
	lineValue   = "val"
	lineExpires = "expires"
)

// write replaces the file, if there is one and a value changed.
func (s *store) write() error {
	s.mu.Lock()
	var b []byte
	if changed := s.dirty; s.path == "" || !changed {
		s.mu.Unlock()
		return nil
	}
	for entry := s.byAge.Front(); entry != nil; entry = entry.Next() {
		c := entry.Value.(*cached)
		line := map[string]any{lineKey: c.key, lineValue: c.value, lineExpires: c.until.UTC().Format(time.RFC3339Nano)}
		b = append(event.AppendJSON(b, line, false), '\n')
	}
	s.dirty = false
	s.mu.Unlock()
	err := os.MkdirAll(filepath.Dir(s.path), 0o700)
	if err == nil {
		err = durable.WriteFile(s.path, 0o600, func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		})
	}
	if err != nil {
		s.mu.Lock()
		s.dirty = true
		s.mu.Unlock()
		return fmt.Errorf("write the cache: %w", err)
	}
	return nil
}

// load reads the file, but for lines that are broken or outdated.
func (s *store) load() error {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the cache: %w", err)
	}
	defer f.Close()
	now, broken := time.Now(), 0
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			c, ok := parseCached(line)
			switch {
			case !ok:
				broken++
			case now.Before(c.until):
				s.put(c.key, c.value, c.until)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the cache %s: %w", s.path, err)
		}
	}
	if broken > 0 {
		s.log.Warn().Str("path", s.path).Int("lines", broken).Msg("lines of a cache's file cannot be read; their values are forgotten")
	}
	s.dirty = broken > 0
	return nil
}

func parseCached(line []byte) (*cached, bool) {
	v, err := event.FromJSON(line)
	fields, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, false
	}
	key, ok1 := fields[lineKey].(string)
	text, ok2 := fields[lineExpires].(string)
	until, err := time.Parse(time.RFC3339Nano, text)
	return &cached{key, fields[lineValue], until}, ok1 && ok2 && err == nil
}
