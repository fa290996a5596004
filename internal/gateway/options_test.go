package gateway

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/elasticsearch"
	"sluice/tailer"
)

// queue.mem.events bounds what is read and not acknowledged, whatever the
// number of connections and of windows on their way.
func TestQueueMemEventsBoundsWhatIsNotAcknowledged(t *testing.T) {
	for name, set := range map[string]func(*ship){
		"two windows under way": func(h *ship) { h.out.Pipelining = 2 },
		"one window under way":  func(h *ship) { h.out.Pipelining = 0 },
		"two connections":       func(h *ship) { h.out.Worker = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			h := newShip(t, s)
			h.cfg.Queue.Mem.Events, h.out.BulkMaxSize = 60, 2048
			set(h)
			release := make(chan struct{})
			var once sync.Once
			t.Cleanup(func() { once.Do(func() { close(release) }) })
			s.play(func(p *peer, m []string) bool {
				<-release
				return s.well(p, m)
			})
			h.append(0, 1000)
			var b strings.Builder
			for range 1000 {
				b.WriteString("other\n")
			}
			if err := os.WriteFile(filepath.Join(h.dir, "b.log"), []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			h.start()
			eventually(t, "the queue is full", func() bool { return h.tailer.Status().Events >= 60 })
			if n := h.tailer.Status().Events; n > 62 { // each reader holds the line that it can't hand over
				t.Errorf("%d events were read without any ack, want 60", n)
			}
			once.Do(func() { close(release) })
			eventually(t, "everything came", func() bool { _, all := s.count(); return all == 2000 })
		})
	}
}

func TestMaxProcs(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	t.Setenv("GOGC", "100") // leave the collector alone
	cfg := config.DefaultConfig()
	Tune(&cfg)
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("without max_procs %d CPUs are used, before %d", got, before)
	}
	cfg.MaxProcs = 1
	Tune(&cfg)
	if got := runtime.GOMAXPROCS(0); got != 1 {
		t.Errorf("max_procs: 1 uses %d CPUs", got)
	}
}

// output.logstash.index is @metadata.beat; escape_html concerns every text.
func TestIndexAndEscapeHTML(t *testing.T) {
	for _, escape := range []bool{false, true} {
		s := newServer(t)
		h := newShip(t, s)
		h.out.Index, h.out.EscapeHTML = "mqtt", escape
		h.cfg.Tags = []string{"<&>"}
		s.play(s.well)
		h.write("a <b> & c\n")
		h.start()
		h.settled()
		doc := s.last()
		message, tags := `"a <b> & c"`, `["<&>"]`
		if escape {
			message, tags = `"a \u003cb\u003e \u0026 c"`, `["\u003c\u0026\u003e"]`
		}
		for _, want := range []string{`"beat":"mqtt"`, `"message":` + message, `"tags":` + tags} {
			if !strings.Contains(doc, want) {
				t.Errorf("escape_html %v: the document lacks %s: %s", escape, want, doc)
			}
		}
	}
}

func TestDocumentsForElasticsearch(t *testing.T) {
	es := elasticsearch.DefaultConfig()
	es.EscapeHTML, es.BulkMaxSize, es.BulkMaxBytes = true, 50, 1000
	c := tailer.Config{BatchBytes: 1 << 20}
	shipTo(&config.OutputConfig{Elasticsearch: &es}, &c)
	if !c.EscapeHTML || c.BatchEvents != 50 || c.BatchBytes != 1000 || c.BatchesInFlight != 1 {
		t.Errorf("%+v", c)
	}
}

// A stop at once after the last event: with filebeat.shutdown_timeout it waits
// for the ack that is under way, without it the line is sent again.
func TestShutdownTimeout(t *testing.T) {
	s := newServer(t)
	h := newShip(t, s)
	h.cfg.Filebeat.ShutdownTimeout = 0
	asked := make(chan struct{}, 10)
	s.play(func(p *peer, m []string) bool {
		asked <- struct{}{}
		_, _ = p.r.Peek(1) // until the client leaves
		return false
	})
	h.append(0, 1)
	ended := h.run(t)
	<-asked
	if err := ended(); err != nil { // the test's own deadline is the limit
		t.Fatal(err)
	}
	s.play(s.well)
	h.start()
	h.settled()
	if n, all := s.count(); n != 1 || all != 1 {
		t.Errorf("%d lines came, %d in all", n, all)
	}
}

// run starts the tailer; the returned function stops it and waits for its end.
func (h *ship) run(t *testing.T) func() error {
	t.Helper()
	g, err := OpenTailer(&h.cfg, zerolog.New(&h.said))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}
