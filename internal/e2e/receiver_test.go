package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/elastic/go-lumber/server/v2"
)

// receiver is a Lumberjack server over TLS that keeps every event by its id.
type receiver struct {
	t     *testing.T
	pki   *pki
	port  int
	plain bool // messages are lines, not records

	mu     sync.Mutex
	events int
	byID   map[string]string // @metadata._id → payload
	paths  map[string]bool
	server *v2.Server
	done   chan struct{}
}

func newReceiver(t *testing.T, p *pki) *receiver {
	r := &receiver{t: t, pki: p, port: freePort(t), byID: map[string]string{}, paths: map[string]bool{}}
	t.Cleanup(r.stop)
	return r
}

func (r *receiver) addr() string { return fmt.Sprintf("127.0.0.1:%d", r.port) }

func (r *receiver) start() {
	r.t.Helper()
	r.startWith(&tls.Config{Certificates: []tls.Certificate{r.pki.server}})
}

func (r *receiver) startWith(config *tls.Config) {
	r.t.Helper()
	l, err := net.Listen("tcp", r.addr())
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := v2.NewWithListener(tls.NewListener(l, config))
	if err != nil {
		r.t.Fatal(err)
	}
	r.server, r.done = s, make(chan struct{})
	go func() {
		defer close(r.done)
		for b := range s.ReceiveChan() {
			for _, e := range b.Events {
				r.keep(e)
			}
			b.ACK()
		}
	}()
}

// stop drops the connections, acknowledged or not.
func (r *receiver) stop() {
	if r.server != nil {
		_ = r.server.Close()
		<-r.done
		r.server = nil
	}
}

func (r *receiver) keep(e any) {
	event := e.(map[string]any)
	var record struct{ Payload string }
	message := event["message"].(string)
	if r.plain {
		record.Payload = message
	} else if err := json.Unmarshal([]byte(message), &record); err != nil {
		r.t.Errorf("%s: %v", message, err)
	}
	id := event["@metadata"].(map[string]any)["_id"].(string)
	path := event["log"].(map[string]any)["file"].(map[string]any)["path"].(string)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events++
	r.paths[path] = true
	if was, ok := r.byID[id]; ok && was != record.Payload {
		r.t.Errorf("id %s stands for %q and %q", id, was, record.Payload)
	}
	r.byID[id] = record.Payload
}

func (r *receiver) unique() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byID)
}

// await waits until n different events have come. However slow the machine is:
// only three minutes without a further one end it.
func (r *receiver) await(n int) {
	r.t.Helper()
	have, since := -1, time.Now()
	for {
		now := r.unique()
		switch {
		case now >= n:
			return
		case now != have:
			have, since = now, time.Now()
		case time.Since(since) > 3*time.Minute:
			r.t.Fatalf("%d of %d events have come, and no more do", now, n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// missing returns how many of the readings 0 to n-1 have not come.
func (r *receiver) missing(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	come := map[string]bool{}
	for _, p := range r.byID {
		come[p] = true
	}
	missing := 0
	for i := range n {
		if !come[payload(i)] {
			missing++
		}
	}
	return missing
}

// forget takes a reading out of the proof.
func (r *receiver) forget(reading int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.byID, func(_, p string) bool { return p == payload(reading) })
}

// prove checks that the readings 0 to n-1 came, each under exactly one id.
func (r *receiver) prove(n int) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := map[string]int{}
	for _, p := range r.byID {
		ids[p]++
	}
	lost, doubled := 0, 0
	for i := range n {
		switch c := ids[payload(i)]; {
		case c == 0:
			lost++
		case c > 1:
			doubled++
		}
	}
	r.t.Logf("%d readings, %d events received, %d segments", n, r.events, len(r.paths))
	if lost != 0 || doubled != 0 || len(ids) != n {
		r.t.Errorf("of %d readings %d are lost, %d doubled; %d different ones came", n, lost, doubled, len(ids))
	}
}
