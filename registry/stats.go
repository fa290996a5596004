package registry

// counts is what has happened since Open. Guarded by Registry.mu.
type counts struct {
	updates, cleanups, writes, failures int64
	failing, snapshotFails              bool
}

// Stats are counters since Open, and the number of states.
type Stats struct {
	States   int   // in memory
	Updates  int64 // states changed in memory
	Cleanups int64 // states forgotten
	Writes   int64 // tries to make changes durable
	Failures int64 // of these, the ones that failed
	Failing  bool  // the last try has failed, or the last one to write data.json
}

// Stats returns the counters. It never waits for the disk.
func (r *Registry) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{Updates: r.counts.updates, Cleanups: r.counts.cleanups, Writes: r.counts.writes, Failures: r.counts.failures, Failing: r.counts.failing || r.counts.snapshotFails}
	for _, e := range r.entries {
		if e.live {
			s.States++
		}
	}
	return s
}

// wrote counts a write; mu is held.
func (c *counts) wrote(ok bool) {
	c.writes++
	if c.failing = !ok; !ok {
		c.failures++
	}
}
