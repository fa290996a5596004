package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/registry"
)

// TestSyncWaitsForWhatTheTailerKnows: what is acknowledged, but only in the
// memory of a running tailer, is in data.json after a sync.
func TestSyncWaitsForWhatTheTailerKnows(t *testing.T) {
	dir := t.TempDir()
	cfg := registry.DefaultConfig()
	cfg.Flush, cfg.SnapshotBudget = 1500*time.Millisecond, 0
	reg, err := registry.Open(dir, cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // as a tailer does, with a line every now and then
		defer close(stopped)
		for {
			reg.Commit(registry.State{Key: "filebeat::logs::native::1-2", Source: "/var/log/a.log", Offset: 77, Timestamp: time.Now(), TTL: -1, Inode: 1, Device: 2})
			if _, err := reg.Maintain(time.Now()); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"sluice", "registry", "sync", "-E", "path.data=" + dir, "-E", "filebeat.registry.flush=1m"}, nil, &out, &errs); code != 0 {
		t.Errorf("exit status %d: %s", code, errs.String())
	}
	data, err := os.ReadFile(filepath.Join(dir, "registry", "filebeat", "data.json"))
	if err != nil || !strings.Contains(string(data), `"offset":77`) {
		t.Errorf("data.json holds %s (%v)", data, err)
	}
	close(stop)
	<-stopped
	if err := reg.Close(); err != nil {
		t.Error(err)
	}

	// Nobody writes: the wait ends by itself, or with its context.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := awaitFlush(ctx, dir, time.Hour); err == nil {
		t.Error("the end of the context was passed over")
	}
	if err := awaitFlush(context.Background(), dir, 0); err != nil {
		t.Error(err)
	}
}
