package tailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"sluice/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is an Output in memory. By default it acknowledges each window at once.
type server struct {
	mu      sync.Mutex
	docs    []string           // accepted, in order, repeats included
	changed chan struct{}      // closed and replaced whenever docs grows
	lanes   int                // 0: 1
	room    int                // documents per window
	refuse  func() error       // fails Connect
	answer  func([]string) int // how many of a window are acked; -1: none, and the connection is lost
	pieces  func(n int) int    // how many of n documents the next ack covers; nil: all
	mute    bool               // takes documents and never answers
	conns   int
}

var errReset = errors.New("connection reset by peer")

func newServer() *server { return &server{changed: make(chan struct{}), room: 1 << 20} }

func (s *server) Lanes() int { return max(1, s.lanes) }

func (s *server) Connect(ctx context.Context, lane int) (Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(); err != nil {
			return nil, err
		}
	}
	s.conns++
	return &fakeConn{s: s, acks: make(chan int, 1000)}, nil
}

type fakeConn struct {
	s      *server
	acks   chan int
	err    error
	closed bool
}

func (c *fakeConn) Send(ctx context.Context, buf []byte, ends []int) (int, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.closed {
		return 0, errReset
	}
	var window []string
	from := 0
	for _, e := range ends {
		window = append(window, string(buf[from:e]))
		from = e
	}
	n := len(window)
	if c.s.answer != nil {
		n = c.s.answer(window)
	}
	c.s.docs = append(c.s.docs, window[:max(n, 0)]...)
	close(c.s.changed)
	c.s.changed = make(chan struct{})
	if c.s.mute {
		return len(window), nil
	}
	for left := n; left > 0; {
		piece := left
		if c.s.pieces != nil && len(c.acks) < cap(c.acks)/2 {
			piece = c.s.pieces(left)
		}
		c.acks <- piece
		left -= piece
	}
	if n < len(window) {
		c.end(errReset)
	}
	return len(window), nil
}

func (c *fakeConn) end(err error) {
	if !c.closed {
		c.closed, c.err = true, err
		close(c.acks)
	}
}

func (c *fakeConn) Room() int        { return c.s.room }
func (c *fakeConn) Acks() <-chan int { return c.acks }
func (c *fakeConn) Err() error       { return c.err }

func (c *fakeConn) Close() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.end(errors.New("closed by the client"))
	return nil
}

// sentEvent is what the tests look at.
type sentEvent struct {
	Message  string
	Metadata struct {
		ID string `json:"_id"`
	} `json:"@metadata"`
	Log struct {
		Offset int64
		File   struct{ Path string }
		Flags  []string
	}
}

func (s *server) events(t *testing.T) (es []sentEvent) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.docs {
		var e sentEvent
		if err := json.Unmarshal([]byte(d), &e); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		es = append(es, e)
	}
	return es
}

func (s *server) messages(t *testing.T) (ms []string) {
	for _, e := range s.events(t) {
		ms = append(ms, e.Message)
	}
	return ms
}

// wait waits until n documents are accepted.
func (s *server) wait(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		s.mu.Lock()
		have, changed := len(s.docs), s.changed
		s.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%d documents came, want %d: %q", have, n, s.messages(t))
		}
	}
}

// gateway is a folder of logs with a registry and a tailer that can be restarted.
type gateway struct {
	t      *testing.T
	dir    string
	cfg    Config
	server *server
	output Output // nil: server
	tailer *Tailer
	reg    *registry.Registry
	stop   func()
	ended  <-chan struct{} // closed when Run has returned
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), cfg: testConfig(), server: newServer()}
	in := DefaultInput()
	in.Paths = []string{filepath.Join(g.dir, "*.log")}
	in.ScanFrequency = 50 * time.Millisecond
	g.cfg.Inputs = []InputConfig{in}
	g.cfg.FlushTimeout = 10 * time.Millisecond
	t.Cleanup(func() { g.halt() })
	return g
}

func (g *gateway) path(name string) string { return filepath.Join(g.dir, name) }

func (g *gateway) start() {
	g.t.Helper()
	var err error
	if g.reg, err = registry.Open(g.path("data"), registry.DefaultConfig(), zerolog.Nop()); err != nil {
		g.t.Fatal(err)
	}
	var out Output = g.server
	if g.output != nil {
		out = g.output
	}
	if g.tailer, err = New(g.cfg, g.reg, out, g.log()); err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done, ended := make(chan error, 1), make(chan struct{})
	g.ended = ended
	go func() {
		done <- g.tailer.Run(ctx)
		close(ended)
	}()
	g.stop = func() {
		cancel()
		if err := <-done; err != nil {
			g.t.Error(err)
		}
		if err := g.reg.Close(); err != nil {
			g.t.Error(err)
		}
	}
}

func (g *gateway) log() zerolog.Logger {
	level := zerolog.InfoLevel
	if *modelSeed != 0 { // somebody wants to know
		level = zerolog.DebugLevel
	}
	return zerolog.New(zerolog.NewTestWriter(g.t)).Level(level)
}

func (g *gateway) halt() {
	if g.stop != nil {
		g.stop()
		g.stop = nil
	}
}

func (g *gateway) write(name, text string) {
	g.t.Helper()
	f, err := os.OpenFile(g.path(name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		g.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		g.t.Fatal(err)
	}
}

// offset is the acknowledged offset in the registry of the file at name.
func (g *gateway) offset(name string) int64 {
	g.t.Helper()
	for _, s := range g.reg.States() {
		if s.Source == g.path(name) {
			return s.Offset
		}
	}
	return -1
}

// eventually waits for a condition that follows from what was done.
func (g *gateway) eventually(what string, ok func() bool) {
	g.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatalf("never: %s", what)
		}
	}
}

func (g *gateway) want(messages ...string) {
	g.t.Helper()
	g.server.wait(g.t, len(messages))
	if got := g.server.messages(g.t); strings.Join(got, "\n") != strings.Join(messages, "\n") {
		g.t.Fatalf("got  %q\nwant %q", got, messages)
	}
}

func numbered(prefix string, from, to int) (lines []string, text string) {
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("%s%d", prefix, i))
	}
	return lines, strings.Join(lines, "\n") + "\n"
}
