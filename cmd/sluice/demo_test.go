//go:build !arm || demo

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// TestSignalThatComesTwiceIsOne: timeout(1) sends its signal twice; only one
// that comes later aborts the demo.
func TestSignalThatComesTwiceIsOne(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	abort, stop := secondSignal(ctx)
	defer stop()
	// Until secondSignal listens, a signal would end this process.
	guard := make(chan os.Signal, 100)
	signal.Notify(guard, syscall.SIGTERM)
	defer signal.Stop(guard)
	begun := time.Now()
	cancel()
	for {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case <-abort:
			if took := time.Since(begun); took < oneSignal {
				t.Errorf("aborted after %v", took)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(begun) > time.Minute {
			t.Fatal("signals do not abort")
		}
	}
}
