package failover

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// homePatience is how long a route's home must have been down before the route
// uses another host.
const homePatience = 10 * time.Second

// Anywhere is the home of a route that has none.
const Anywhere = -1

// Route is safe for concurrent use.
type Route struct {
	hosts []*Host
	home  int

	mu      sync.Mutex
	current int
	tried   []bool // hosts that failed since the last wait or ack
	backoff Backoff
}

// NewRoute returns a route over hosts, of which there is at least one. home is
// an index of theirs, or Anywhere.
func NewRoute(hosts []*Host, home int, backoff Backoff) *Route {
	r := &Route{hosts: hosts, home: home, tried: make([]bool, len(hosts)), backoff: backoff}
	r.current = rand.IntN(len(hosts))
	if home != Anywhere {
		r.current = home
	}
	return r
}

// Next returns the host to try, or nil and how long to wait when all have failed.
func (r *Route) Next(now time.Time) (*Host, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.home != Anywhere {
		r.current = r.home
	}
	if !r.tried[r.current] {
		return r.hosts[r.current], 0
	}
	var rest []int
	for i := range r.tried {
		if !r.tried[i] && r.mayLeaveHome(now) {
			rest = append(rest, i)
		}
	}
	if len(rest) > 0 {
		r.current = rest[rand.IntN(len(rest))]
		return r.hosts[r.current], 0
	}
	clear(r.tried)
	r.current = rand.IntN(len(r.tried))
	return nil, r.backoff.Next()
}

func (r *Route) mayLeaveHome(now time.Time) bool {
	if r.home == Anywhere {
		return true
	}
	down, _ := r.hosts[r.home].Down(now)
	return down >= homePatience
}

// Away tells whether h is not the route's home.
func (r *Route) Away(h *Host) bool { return r.home != Anywhere && h.index != r.home }

// Failed notes that h failed: another one is next.
func (r *Route) Failed(h *Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried[h.index] = true
}

// Worked notes that documents were acknowledged: all is well again.
func (r *Route) Worked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.tried)
	r.backoff.Reset()
}

// Hurry makes the next wait as short as the first one.
func (r *Route) Hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.backoff.Reset()
}

// Backoff is a growing wait: equal jitter, as in Filebeat.
type Backoff struct {
	Init, Max time.Duration
	current   time.Duration
}

// Next returns the next wait: between half of d and d, where d begins at twice
// Init and doubles up to Max.
func (b *Backoff) Next() time.Duration {
	if b.current == 0 {
		b.current = b.Init
	}
	b.current = min(2*b.current, b.Max)
	half := b.current / 2
	return half + time.Duration(rand.Int64N(int64(half)+1))
}

// Reset makes the next wait the first one.
func (b *Backoff) Reset() { b.current = 0 }

// Sleep waits for d, or until ctx ends, whose error it returns.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
