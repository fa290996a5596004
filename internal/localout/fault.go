package localout

import "time"

// Fault says since when nothing can be written, and why.
type Fault struct {
	Since time.Time
	Text  string
}

// Fault returns what is wrong now; nil if nothing is. Unlike Status it waits
// for no write.
func (o *Output) Fault() *Fault { return o.fault.Load() }

// note keeps the outcome of an attempt; mu is held.
func (o *Output) note(err error) {
	if err == nil {
		o.fault.Store(nil)
		return
	}
	since := time.Now()
	if old := o.fault.Load(); old != nil {
		since = old.Since
	}
	o.fault.Store(&Fault{since, err.Error()})
}
