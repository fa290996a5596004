package failover

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// maxTexts bounds the different errors that are logged within one outage.
const maxTexts = 5

// Host is one server. It is safe for concurrent use.
type Host struct {
	index int
	name  string

	mu    sync.Mutex
	known bool      // it took a connection once
	down  time.Time // since when, zero for up
	tries int
	texts map[string]bool
	last  string // the text of the last failure
}

// NewHost returns a host, which nothing is known of; name is how it is logged.
func NewHost(index int, name string) *Host { return &Host{index: index, name: name} }

// Index is the host's number in the option hosts, from 0.
func (h *Host) Index() int { return h.index }

// String returns the host's name.
func (h *Host) String() string { return h.name }

// Failed records a failure to do what (connect, publish events); the first one,
// and every other one with a text that is new in this outage, is logged.
func (h *Host) Failed(log zerolog.Logger, what string, err error, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down.IsZero() {
		h.down, h.tries, h.texts = since, 0, map[string]bool{}
	}
	h.tries++
	text := err.Error()
	h.last = text
	if h.texts[text] || len(h.texts) >= maxTexts {
		log.Debug().Str("host", h.name).Int("tries", h.tries).Msg("Failed to " + what + " to " + text)
		return
	}
	h.texts[text] = true
	log.Error().Str("host", h.name).Msg("Failed to " + what + " to " + text)
}

// Opened records a connection. It does not end an outage: a server that refuses
// our certificate, or is stuck, takes connections too.
func (h *Host) Opened(log zerolog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	event := log.Debug()
	if !h.known && h.down.IsZero() {
		event = log.Info()
	}
	h.known = true
	event.Str("host", h.name).Msg("Connection to " + h.name + " established")
}

// Worked records acknowledged documents, which end an outage.
func (h *Host) Worked(log zerolog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down.IsZero() {
		return
	}
	log.Info().Str("host", h.name).Dur("down_ms", time.Since(h.down)).Int("tries", h.tries).
		Msg("Connection to " + h.name + " established again, documents are acknowledged")
	h.down, h.texts = time.Time{}, nil
}

// Down returns how long the host has been away, 0 if it is not, and the last
// failure of the outage.
func (h *Host) Down(now time.Time) (time.Duration, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down.IsZero() {
		return 0, ""
	}
	return max(1, now.Sub(h.down)), h.last
}
