package registry

import (
	"time"
)

// Expire forgets the States of filestream inputs whose TTL is over: those that
// nobody holds, and whose file has not changed for longer than the TTL, nor
// has the registry been open for less (a clock that was set right years later
// ends none). A TTL of 0 is over at once. It does nothing, and costs nothing,
// until CleanupInterval has passed since Open and since the last time. The
// States of log inputs are not touched: those that no input claims stay, as in
// Filebeat.
func (r *Registry) Expire(now time.Time, held func(key string) bool) (gone []State) {
	r.mu.Lock()
	if now.Sub(r.expired) < r.cleanup() {
		r.mu.Unlock()
		return nil
	}
	r.expired = now
	for key, e := range r.entries {
		if ttl := e.cur.TTL; e.live && kindOf(key) == kindFilestream && ttl >= 0 &&
			now.Sub(r.opened) > ttl && now.Sub(e.cur.Timestamp) > ttl {
			gone = append(gone, e.cur)
		}
	}
	r.mu.Unlock()
	kept := gone[:0]
	for _, s := range gone {
		if !held(s.Key) {
			r.Forget(s.Key)
			kept = append(kept, s)
		}
	}
	return kept
}

func (r *Registry) cleanup() time.Duration {
	if r.cfg.CleanupInterval == 0 {
		return DefaultConfig().CleanupInterval
	}
	return r.cfg.CleanupInterval
}
