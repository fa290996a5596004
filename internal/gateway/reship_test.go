package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/elasticsearch"
	"sluice/tailer"
)

// index takes one document a request, and refuses those that contain a word.
type index struct {
	mu      sync.Mutex
	refuse  string
	away    bool
	bodies  []string
	address string
}

func newIndex(t *testing.T) *index {
	t.Helper()
	x := &index{}
	s := httptest.NewServer(x)
	t.Cleanup(s.Close)
	x.address = s.URL
	return x
}

func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	buf := make([]byte, 1<<16)
	n, _ := r.Body.Read(buf)
	body := string(buf[:n])
	switch {
	case x.away:
		w.WriteHeader(http.StatusServiceUnavailable)
	case x.refuse != "" && strings.Contains(body, x.refuse):
		fmt.Fprint(w, `{"errors":true,"items":[{"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"still wrong"}}}]}`)
	default:
		x.bodies = append(x.bodies, body)
		fmt.Fprint(w, `{"errors":false,"items":[{"create":{"status":201}}]}`)
	}
}

// letters are a configuration and a dead-letter file with n documents.
func letters(t *testing.T, x *index, n int) (*config.Config, string) {
	t.Helper()
	cfg := config.DefaultConfig()
	cfg.Path.Data = t.TempDir()
	es := elasticsearch.DefaultConfig()
	es.Hosts, es.CompressionLevel, es.ProxyDisable = []string{x.address}, 0, true
	es.Backoff = elasticsearch.BackoffConfig{Init: time.Millisecond, Max: time.Millisecond}
	cfg.Output.Elasticsearch = &es
	path := DeadLetterPath(&cfg)
	for i := range n {
		doc := fmt.Sprintf(`{"@timestamp":"2026-11-25T10:53:35.123Z","@metadata":{"_id":"g-%d"},"message":"line <%d>"}`, i, i)
		if err := tailer.AppendDeadLetter(path, []byte(doc), fmt.Errorf("400 mapper_parsing_exception")); err != nil {
			t.Fatal(err)
		}
	}
	return &cfg, path
}

func TestReship(t *testing.T) {
	x := newIndex(t)
	cfg, path := letters(t, x, 3)
	x.refuse = "g-1"
	r, err := Reship(t.Context(), cfg, path, zerolog.Nop())
	if want := (ReshipReport{Sent: 2, Refused: 1}); err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	var l tailer.DeadLetter
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &l) != nil || !strings.Contains(l.Reason, "still wrong") {
		t.Errorf("the file has %s, %v", data, err)
	}
	if _, err := os.Stat(path + ".reship"); err == nil {
		t.Error("the file aside is still there")
	}
	x.refuse = ""
	if r, err := Reship(t.Context(), cfg, path, zerolog.Nop()); err != nil || r.Sent != 1 || r.Refused != 0 {
		t.Errorf("once more: %+v, %v", r, err)
	}
	if len(x.bodies) != 3 || !strings.Contains(x.bodies[2], `"_id":"g-1"`) {
		t.Errorf("the server got %q", x.bodies)
	}
	if r, err := Reship(t.Context(), cfg, path, zerolog.Nop()); err != nil || r != (ReshipReport{}) {
		t.Errorf("without letters: %+v, %v", r, err)
	}
}

// A server that is away: nothing is lost, and the next reship goes on.
func TestReshipWithoutAServer(t *testing.T) {
	x := newIndex(t)
	cfg, path := letters(t, x, 3)
	x.away = true
	r, err := Reship(t.Context(), cfg, path, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), "503 Service Unavailable") || r.Left != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	seen := 0
	if err := ListDeadLetters(path, func(_ time.Time, reason string, doc []byte) {
		if reason == "400 mapper_parsing_exception" && strings.Contains(string(doc), "line ") {
			seen++
		}
	}); err != nil || seen != 3 {
		t.Errorf("%d are listed, %v", seen, err)
	}
	x.away = false
	if r, err := Reship(t.Context(), cfg, path, zerolog.Nop()); err != nil || r.Sent != 3 {
		t.Errorf("when it is back: %+v, %v", r, err)
	}
}

func TestReshipOfForeignLines(t *testing.T) {
	x := newIndex(t)
	cfg, path := letters(t, x, 1)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("torn {\n\n"); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	r, err := Reship(t.Context(), cfg, path, zerolog.Nop())
	if want := (ReshipReport{Sent: 1, Unreadable: 1}); err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "torn {\n" {
		t.Errorf("the file has %q, %v", data, err)
	}
}

func TestReshipOnceAtATime(t *testing.T) {
	x := newIndex(t)
	cfg, path := letters(t, x, 1)
	lock := flock.New(filepath.Clean(path + ".lock"))
	if held, err := lock.TryLock(); err != nil || !held {
		t.Fatal(held, err)
	}
	if _, err := Reship(t.Context(), cfg, path, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("error %v", err)
	}
	_ = lock.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Reship(ctx, cfg, path, zerolog.Nop()); err == nil || r.Left != 1 {
		t.Errorf("when it is stopped: %+v, %v", r, err)
	}
}
