package monitor

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// fake is a Source that is what a test sets.
type fake struct {
	mu      sync.Mutex
	numbers Numbers
	files   []File
	health  Health
	hang    chan struct{} // Numbers waits for it
}

func (f *fake) Numbers() Numbers {
	if f.hang != nil {
		<-f.hang
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.numbers
}

func (f *fake) Files() []File {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.files
}

func (f *fake) Health() Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health
}

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

var someInfo = Info{
	Beat: "filebeat", Name: "gateway", Version: "9.0.0", Program: "1.2", Commit: "abc", UUID: "u", EphemeralID: "e",
	OutputType: "logstash", BatchSize: 2048, Clients: 1,
}

func someNumbers() Numbers {
	return Numbers{
		Events: 100, Filtered: 7, Acked: 80, Retried: 3, DeadLetters: 1, BytesRead: 5000, ReadErrors: 2, Files: 2, Lag: 30,
		HarvestersStarted: 5, HarvestersOpen: 2, HarvestersSkipped: 1, Renamed: 4, Truncated: 1,
		Inputs: []Input{
			{Type: "log", Events: 60, Filtered: 7, Bytes: 3000, Opened: 3, Closed: 2},
			{Type: "filestream", ID: "mine", Events: 40, Bytes: 2000, Opened: 2, Closed: 1, Processing: Timing{2, 3, []time.Duration{1, 2}}},
		},
		Queue:    Queue{MaxEvents: 200, MaxBytes: 1 << 20, AddedEvents: 90, AddedBytes: 9000, RemovedEvents: 81, RemovedBytes: 8100},
		Registry: Registry{States: 2, Updates: 9, Cleanups: 1, Writes: 5, WriteFailures: 1},
		Output: Output{
			Batches: 4, Active: 9, Sent: 93, BytesWritten: 4000, BytesRead: 60, Connects: 2, ConnectErrors: 1, LastAck: time.Unix(1000, 0),
			Latency:     Timing{Count: 4, Sum: 100 * time.Millisecond, Last: []time.Duration{10e6, 20e6, 30e6, 40e6}},
			Connections: []Connection{{Host: "elk:5044"}}, Hosts: []Host{{Name: "elk:5044"}},
		},
	}
}

func someMonitor(cfg Config, src Source, log io.Writer) *Monitor {
	return New(cfg, Log{Period: 30 * time.Second, Namespaces: []string{"stats"}}, someInfo, src, zerolog.New(log))
}

// serving runs a Monitor that listens where cfg says until the test ends.
func serving(t *testing.T, cfg Config, src Source) (*Monitor, *http.Client) {
	t.Helper()
	cfg.Enabled = true
	m := someMonitor(cfg, src, io.Discard)
	if err := m.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan bool, 1)
	go func() { m.Run(ctx); ended <- true }()
	addr := m.Addr()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, addr.Network(), addr.String())
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		end()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("the endpoint does not end")
		}
	})
	return m, &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// get returns status, type and body of an answer.
func get(t *testing.T, c *http.Client, path string) (int, string, string) {
	t.Helper()
	r, err := c.Get("http://monitor" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header.Get("Content-Type"), string(body)
}
