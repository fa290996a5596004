package logstash

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// maxTexts bounds the different errors that are logged within one outage.
const maxTexts = 5

// hostState is what all lanes together know about one host. It sees to it that
// an outage is logged once and not with every try.
type hostState struct {
	index int
	host  host

	mu      sync.Mutex
	known   bool      // it took a connection once
	down    time.Time // since when, zero for up
	tries   int
	texts   map[string]bool
	outages int64
	last    string // the text of the last failure
}

// status describes the host's outage; it lasts at least a nanosecond.
func (h *hostState) status(now time.Time) HostStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := HostStatus{Host: h.host.String()}
	if !h.down.IsZero() {
		s.Down, s.LastError = max(1, now.Sub(h.down)), h.last
	}
	return s
}

// failed records a failure to do what (connect, publish events); the first one,
// and every other one with a text that is new in this outage, is logged.
func (h *hostState) failed(log zerolog.Logger, what string, err error, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down.IsZero() {
		h.down, h.tries, h.texts = since, 0, map[string]bool{}
		h.outages++
	}
	h.tries++
	text := err.Error()
	h.last = text
	if h.texts[text] || len(h.texts) >= maxTexts {
		log.Debug().Str("host", h.host.String()).Int("tries", h.tries).Msg("Failed to " + what + " to " + text)
		return
	}
	h.texts[text] = true
	log.Error().Str("host", h.host.String()).Msg("Failed to " + what + " to " + text)
}

// opened records a connection. It does not end an outage: a server that refuses
// our certificate, or is stuck, takes connections too.
func (h *hostState) opened(log zerolog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	event := log.Debug()
	if !h.known && h.down.IsZero() {
		event = log.Info()
	}
	h.known = true
	event.Str("host", h.host.String()).Msg("Connection to " + h.host.String() + " established")
}

// worked records acknowledged documents, which end an outage.
func (h *hostState) worked(log zerolog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down.IsZero() {
		return
	}
	log.Info().Str("host", h.host.String()).Dur("down_ms", time.Since(h.down)).Int("tries", h.tries).
		Msg("Connection to " + h.host.String() + " established again, documents are acknowledged")
	h.down, h.texts = time.Time{}, nil
}

// downFor returns how long the host has been down, 0 for up.
func (h *hostState) downFor(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down.IsZero() {
		return 0
	}
	return now.Sub(h.down)
}
