package demo

import (
	"context"
	"errors"
	"fmt"
)

// part is something that runs until it is stopped: the recorder, the tailer,
// the sensors, chaos.
type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done
}

// launch runs a part. A part that fails before it is stopped says so on failed.
func launch(ctx context.Context, name string, failed chan<- error, run func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(ctx)
	p := &part{name: name, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := run(ctx)
		if err == nil || errors.Is(err, context.Canceled) {
			return
		}
		p.err = fmt.Errorf("%s: %w", name, err)
		if ctx.Err() == nil {
			select {
			case failed <- p.err:
			default: // one failure is enough to end the run
			}
		}
	}()
	return p
}

// stop ends the part, waits for it, and returns how it ended. A nil part was
// never started.
func (p *part) stop() error {
	if p == nil {
		return nil
	}
	p.cancel()
	<-p.done
	return p.err
}

// ended tells whether the part has come to its end.
func (p *part) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
