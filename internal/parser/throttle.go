package parser

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// pause is how long an error that comes with every line is not logged again.
const pause = 10 * time.Second

// throttle logs errors of lines, at most one in a pause: a file of millions of
// such lines must not fill the log.
type throttle struct {
	log zerolog.Logger

	mu     sync.Mutex
	quiet  time.Time // until then
	missed int
}

func newThrottle(log zerolog.Logger) *throttle { return &throttle{log: log} }

func (t *throttle) error(now time.Time, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.quiet) {
		t.missed++
		return
	}
	e := t.log.Error()
	if t.missed > 0 {
		e = e.Int("not_logged", t.missed)
	}
	e.Msg(message)
	t.quiet, t.missed = now.Add(pause), 0
}
