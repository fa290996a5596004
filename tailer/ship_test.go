package tailer

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestLostConnectionSendsAgainWhatWasNotAcked(t *testing.T) {
	g := newGateway(t)
	lines, text := numbered("", 0, 5000)
	windows := 0
	g.server.answer = func(w []string) int {
		if windows++; windows%3 == 0 {
			return len(w) / 2 // then the connection is lost
		}
		return len(w)
	}
	g.cfg.BatchEvents = 100
	g.write("a.log", text)
	g.start()
	g.want(lines...) // partial acks are kept: nothing twice
	g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(len(text)) })
}

func TestOffsetNeverPassesAnUnackedLine(t *testing.T) {
	g := newGateway(t)
	var open atomic.Bool
	g.server.answer = func(w []string) int {
		if !open.Load() {
			return min(len(w), 3)
		}
		return len(w)
	}
	g.server.room = 5
	g.server.refuse = func() error {
		if g.server.conns > 0 && !open.Load() {
			return errors.New("connection refused")
		}
		return nil
	}
	g.write("a.log", "1\n2\n3\n4\n5\n6\n")
	g.start()
	g.want("1", "2", "3")
	g.eventually("three lines are acknowledged", func() bool { return g.offset("a.log") == 6 })
	g.halt()
	open.Store(true)
	g.start()
	g.want("1", "2", "3", "4", "5", "6")
}

func TestStopWaitsForOutstandingAcks(t *testing.T) {
	g := newGateway(t)
	sent, answer := make(chan struct{}), make(chan struct{})
	g.server.answer = func(w []string) int { close(sent); <-answer; return len(w) }
	g.write("a.log", "one\n")
	g.start()
	<-sent
	stopped := make(chan struct{})
	go func() { g.halt(); close(stopped) }()
	close(answer)
	<-stopped
	g.server.answer = nil
	g.start()
	g.write("a.log", "two\n")
	g.want("one", "two") // the ack of one was kept
}

func TestStopWithServerAwayIsQuick(t *testing.T) {
	g := newGateway(t)
	g.cfg.ShutdownTimeout = time.Hour
	tries := make(chan struct{}, 1000)
	g.server.refuse = func() error {
		select {
		case tries <- struct{}{}:
		default:
		}
		return errors.New("connection refused")
	}
	_, text := numbered("", 0, 10_000)
	g.cfg.BatchEvents = 10
	g.write("a.log", text)
	g.start()
	<-tries
	g.halt() // would hang for an hour
}

func TestPoisonDocumentIsSetAside(t *testing.T) {
	g := newGateway(t)
	g.cfg.DeadLetterPath = g.path("dead.ndjson")
	g.cfg.BatchEvents = 200
	g.server.answer = func(w []string) int {
		if slices.ContainsFunc(w, func(d string) bool { return strings.Contains(d, "poison") }) {
			return -1
		}
		return len(w)
	}
	lines, text := numbered("", 0, 1000)
	g.write("a.log", text+"poison\n"+text)
	g.start()
	g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(2*len(text)+7) })
	got := map[string]int{}
	for _, e := range g.server.events(t) {
		got[e.Metadata.ID]++
	}
	if len(got) != 2*len(lines) {
		t.Errorf("%d documents of %d came", len(got), 2*len(lines))
	}
	data, err := os.ReadFile(g.path("dead.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	var dead struct{ Document sentEvent }
	if err := json.Unmarshal(data, &dead); err != nil || dead.Document.Message != "poison" || bytes.Count(data, []byte("\n")) != 1 {
		t.Errorf("dead letters: %s (%v)", data, err)
	}
}

func TestServerThatRefusesEverythingSetsNothingAside(t *testing.T) {
	g := newGateway(t)
	g.cfg.DeadLetterPath = g.path("dead.ndjson")
	g.cfg.BatchEvents = 10
	var ill atomic.Bool
	ill.Store(true)
	g.server.answer = func(w []string) int {
		if ill.Load() {
			return -1
		}
		return len(w)
	}
	lines, text := numbered("", 0, 100)
	g.write("a.log", text)
	g.start()
	g.eventually("it was tried often", func() bool {
		g.server.mu.Lock()
		defer g.server.mu.Unlock()
		return g.server.conns > 50
	})
	ill.Store(false)
	g.server.wait(t, len(lines))
	g.eventually("all is acknowledged", func() bool { return g.offset("a.log") == int64(len(text)) })
	if _, err := os.Stat(g.path("dead.ndjson")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("good documents were set aside (%v)", err)
	}
}

func TestLanesKeepTheOrderOfEachFile(t *testing.T) {
	g := newGateway(t)
	g.server.lanes = 3
	g.cfg.BatchEvents = 7
	want := map[string][]string{}
	total := 0
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		lines, text := numbered(n, 0, 500)
		want[g.path(n+".log")] = lines
		total += len(lines)
		g.write(n+".log", text)
	}
	g.start()
	g.server.wait(t, total)
	got := map[string][]string{}
	for _, e := range g.server.events(t) {
		got[e.Log.File.Path] = append(got[e.Log.File.Path], e.Message)
	}
	for path, lines := range want {
		if !slices.Equal(got[path], lines) {
			t.Errorf("%s is out of order", path)
		}
	}
}

func TestWindowsHaveAtMostTheRoomGiven(t *testing.T) {
	g := newGateway(t)
	g.server.room = 7
	g.server.answer = func(w []string) int {
		if len(w) > 7 {
			t.Errorf("a window of %d documents", len(w))
		}
		return len(w)
	}
	lines, text := numbered("", 0, 100)
	g.write("a.log", text)
	g.start()
	g.want(lines...)
}
