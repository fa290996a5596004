package tailer

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// hurried is a server whose waits can be kept short.
type hurried struct {
	*server
	hurries atomic.Int64
}

func (h *hurried) Hurry(int) { h.hurries.Add(1) }

func TestSearchForPoisonDoesNotWaitLongerAndLonger(t *testing.T) {
	g := newGateway(t)
	g.cfg.DeadLetterPath = g.path("dead.ndjson")
	out := &hurried{server: g.server}
	g.output = out
	var ill atomic.Bool
	g.server.answer = func(w []string) int {
		if ill.Load() || slices.ContainsFunc(w, func(d string) bool { return strings.Contains(d, "poison") }) {
			return -1
		}
		return len(w)
	}
	_, text := numbered("", 0, 100)
	g.write("a.log", "poison\n"+text)
	g.start()
	g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(len(text)+7) })
	if n := out.hurries.Load(); n < 5 {
		t.Errorf("hurried %d times: the search lost more connections than that", n)
	}

	// A server that refuses everything is left in peace soon.
	before := out.hurries.Load()
	ill.Store(true)
	g.server.mu.Lock()
	conns := g.server.conns
	g.server.mu.Unlock()
	g.write("a.log", text)
	g.eventually("it was tried often", func() bool {
		g.server.mu.Lock()
		defer g.server.mu.Unlock()
		return g.server.conns > conns+60
	})
	if n := out.hurries.Load() - before; n > hurriesAtMost {
		t.Errorf("hurried %d times although the server refuses everything", n)
	}
	ill.Store(false)
	g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(2*len(text)+7) })
}
