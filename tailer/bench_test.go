package tailer

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"sluice/registry"
)

// discard acknowledges everything and keeps nothing.
type discard struct {
	docs atomic.Int64
	want int64
	done chan struct{}
}

func (d *discard) Lanes() int { return 1 }
func (d *discard) Connect(context.Context, int) (Conn, error) {
	return &discardConn{d, make(chan int, 1)}, nil
}

type discardConn struct {
	*discard
	acks chan int
}

func (c *discardConn) Send(_ context.Context, _ []byte, ends []int) (int, error) {
	c.acks <- len(ends)
	if c.docs.Add(int64(len(ends))) == c.want {
		close(c.done)
	}
	return len(ends), nil
}

func (c *discardConn) Room() int {
	if len(c.acks) > 0 {
		return 0
	}
	return 1 << 20
}
func (c *discardConn) Acks() <-chan int { return c.acks }
func (c *discardConn) Err() error       { return nil }
func (c *discardConn) Close() error     { close(c.acks); return nil }

// BenchmarkReadAndEncode is the tailer without an output: read, cut, encode,
// batch, commit. Its allocations are those of the start; divided by the
// number of events they show as 0.
func BenchmarkReadAndEncode(b *testing.B) {
	dir := b.TempDir()
	f, err := os.Create(filepath.Join(dir, "a.log"))
	if err != nil {
		b.Fatal(err)
	}
	line := []byte("2026-11-21T19:10:51+0000,/feeds/0/temp,21.50  \n")
	chunk := make([]byte, 0, 1000*len(line))
	for range 1000 {
		chunk = append(chunk, line...)
	}
	n := 0
	for ; n < max(b.N, 1000); n += 1000 {
		if _, err := f.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	reg, err := registry.Open(filepath.Join(dir, "data"), registry.DefaultConfig(), zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	defer reg.Close()
	c, in := testConfig(), DefaultInput()
	in.Paths = []string{filepath.Join(dir, "*.log")}
	c.Inputs = []InputConfig{in}
	out := &discard{want: int64(n), done: make(chan struct{})}
	t, err := New(c, reg, out, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	go func() { stopped <- t.Run(ctx) }()
	<-out.done
	b.StopTimer()
	runtime.ReadMemStats(&after)
	cancel()
	if err := <-stopped; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(n), "allocs/event")
	b.ReportMetric(float64(len(line)), "B/line")
}
