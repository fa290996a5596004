package gateway

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/tlsconfig"
	"sluice/logstash"
	"sluice/tailer"
)

// ship runs the tailer of one log file against a server.
type ship struct {
	t      *testing.T
	dir    string
	cfg    config.Config
	out    *logstash.Config
	tailer *Tailer
	size   int64 // of the log file
	said   logText
}

type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newShip(t *testing.T, s *server) *ship {
	t.Helper()
	dir := t.TempDir()
	h := &ship{t: t, dir: dir, cfg: config.DefaultConfig()}
	h.cfg.Path.Data = filepath.Join(dir, "data")
	in := tailer.DefaultInput()
	in.Paths, in.ScanFrequency = []string{filepath.Join(dir, "*.log")}, 50*time.Millisecond
	h.cfg.Filebeat.Inputs = []tailer.InputConfig{in}
	h.cfg.Queue.Mem.Flush.Timeout = 10 * time.Millisecond
	out := logstash.DefaultConfig()
	out.Hosts = []string{s.addr}
	out.SSL = &tlsconfig.Config{CertificateAuthorities: []string{s.ca}}
	out.Backoff = logstash.BackoffConfig{Init: time.Millisecond, Max: 20 * time.Millisecond}
	out.BulkMaxSize = 100
	h.cfg.Output.Logstash, h.out = &out, &out
	return h
}

func (h *ship) start() {
	h.t.Helper()
	t, err := OpenTailer(&h.cfg, zerolog.New(&h.said))
	if err != nil {
		h.t.Fatal(err)
	}
	h.tailer = t
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
		if h.t.Failed() {
			h.t.Log(h.said.String())
		}
	})
}

// append writes the lines from..to-1.
func (h *ship) append(from, to int) {
	h.t.Helper()
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	h.write(b.String())
}

func (h *ship) write(text string) {
	h.t.Helper()
	f, err := os.OpenFile(filepath.Join(h.dir, "a.log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		h.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.size += int64(len(text))
}

// settled waits until the registry has everything as acknowledged.
func (h *ship) settled() {
	h.t.Helper()
	eventually(h.t, "all is acknowledged", func() bool {
		s := h.tailer.Registry().States()
		return len(s) == 1 && s[0].Offset == h.size
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestLogstashRestartsInMidWindow(t *testing.T) {
	s := newServer(t)
	h := newShip(t, s)
	reached := make(chan struct{}, 1)
	s.play(func(p *peer, m []string) bool {
		if p.windows < 3 {
			return s.well(p, m)
		}
		s.take(m[:len(m)/2]) // half a window is processed, a quarter acknowledged
		_ = p.ack(len(m) / 4)
		select {
		case reached <- struct{}{}:
		default:
		}
		_, _ = p.r.Peek(1) // until the server dies
		return false
	})
	h.append(0, 2000)
	h.start()
	for range 3 {
		<-reached
		s.stop()
		s.start()
	}
	s.play(s.well)
	s.stop()
	s.start()
	h.settled()
	if n, _ := s.count(); n != 2000 {
		t.Errorf("%d of 2000 lines came", n)
	}
}

func TestAcksInPieces(t *testing.T) {
	s := newServer(t)
	h := newShip(t, s)
	s.play(func(p *peer, m []string) bool {
		s.take(m)
		var frames []byte
		for i := 1; i <= len(m); i += 1 + i/2 {
			frames = append(frames, '2', 'A', 0, 0, 0, byte(i))
		}
		frames = append(frames, '2', 'A', 0, 0, 0, byte(len(m)))
		for piece := range slices.Chunk(frames, 5) { // an ack frame has 6 bytes
			if _, err := p.Write(piece); err != nil {
				return false
			}
		}
		return true
	})
	h.append(0, 3000)
	h.start()
	h.settled()
	if n, all := s.count(); n != 3000 || all != 3000 {
		t.Errorf("%d lines came, %d in all, want 3000", n, all)
	}
}

func TestStuckLogstashThatRecovers(t *testing.T) {
	s := newServer(t)
	h := newShip(t, s)
	h.out.Timeout = 400 * time.Millisecond // bounds silence: keepalives must outlive it
	s.play(func(p *peer, m []string) bool {
		if p.windows == 1 {
			for range 20 {
				if p.ack(0) != nil {
					return false
				}
				time.Sleep(50 * time.Millisecond) // the server's own time
			}
		}
		return s.well(p, m)
	})
	h.append(0, 500)
	h.start()
	h.settled()
	if n, all := s.count(); n != 500 || all != 500 {
		t.Errorf("%d lines came, %d in all, want 500: a busy server got windows twice", n, all)
	}
}

func TestServerThatClosesIdleConnections(t *testing.T) {
	s := newServer(t)
	h := newShip(t, s)
	s.play(func(p *peer, m []string) bool {
		s.well(p, m)
		return false
	})
	h.start()
	for i := range 10 {
		h.append(i, i+1)
		h.settled()
		eventually(t, "the close is seen", func() bool {
			return strings.Count(h.said.String(), "Connection ended in good order") == i+1
		})
	}
	if n, all := s.count(); n != 10 || all != 10 {
		t.Errorf("%d lines came, %d in all, want 10", n, all)
	}
	if st := h.tailer.Status(); st.Retried != 0 {
		t.Errorf("%d documents count as sent again", st.Retried)
	}
	if text := h.said.String(); strings.Contains(text, `"level":"error"`) || strings.Contains(text, `"level":"warn"`) {
		t.Errorf("an idle close was reported: %s", text)
	}
}

func TestPoisonDocument(t *testing.T) {
	for name, pipelining := range map[string]int{"pipelining": 2, "one window": 0} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			h := newShip(t, s)
			h.out.Pipelining = pipelining
			s.play(func(p *peer, m []string) bool {
				if i := slices.IndexFunc(m, func(l string) bool { return strings.HasPrefix(l, "poison") }); i >= 0 {
					s.take(m[:i]) // Logstash processes what stands before it
					reset(p.raw)
					return false
				}
				return s.well(p, m)
			})
			h.append(0, 250)
			h.write("poison 1\n")
			h.append(250, 500)
			h.write("poison 2\npoison 3\npoison 4\npoison 5\npoison 6\n")
			h.start()
			eventually(t, "the other lines have come", func() bool { n, _ := s.count(); return n == 500 })
			h.append(500, 501) // without another line nobody can tell that the last ones are poison
			h.settled()
			if n, _ := s.count(); n != 501 {
				t.Errorf("%d of 501 lines came", n)
			}
			data, err := os.ReadFile(filepath.Join(h.cfg.Path.Data, "dead_letter.ndjson"))
			if err != nil {
				t.Fatal(err)
			}
			if c := bytes.Count(data, []byte(`"message":"poison `)); c != 6 || bytes.Count(data, []byte("\n")) != 6 {
				t.Errorf("%d poison lines are set aside, want 6: %s", c, data)
			}
		})
	}
}
