package parser

import "time"

// Emit takes a line that leaves the parsers. It returns false to stop; then
// the Chain is of no further use. The line is valid only during the call.
type Emit func(*Line) bool

// step is one parser of a chain. It hands lines on to the next step, in their
// order; it keeps no Text that it was given.
type step interface {
	put(l *Line) bool
}

// waiter is a step in which lines wait for more.
type waiter interface {
	// held returns the start of the first line that waits.
	held() (start int64, ok bool)
	// due is when expire has something to do; zero: never.
	due() time.Time
	// expire hands on what was due by now.
	expire(now time.Time) bool
	// flush hands on what is complete; with pieces also the beginning of a line
	// whose end is to come.
	flush(pieces bool) bool
}

// Chain is the parsers of one file. It is not safe for concurrent use.
type Chain struct {
	first      step
	waiters    []waiter // in the order of the steps
	filestream bool

	emit     Emit
	now      time.Time
	read     int64 // end of the last line that was added
	reported int64 // the End that was emitted last
	dropped  bool  // a line was dropped since then
}

// Add hands the next line of the file to the parsers, uncut, with Start, End,
// Offset and Time. now begins the timeouts. It returns false when emit did.
func (c *Chain) Add(l *Line, now time.Time, emit Emit) bool {
	c.now, c.emit, c.read = now, emit, l.End
	if c.filestream && len(l.Text) == 0 {
		l.Offset = nil
	}
	return c.first.put(l) && c.report()
}

// Held returns the start of the earliest line that waits in a parser.
func (c *Chain) Held() (start int64, held bool) {
	for _, w := range c.waiters {
		if at, ok := w.held(); ok && (!held || at < start) {
			start, held = at, true
		}
	}
	return start, held
}

// Deadline returns when Expire has something to do; zero if never.
func (c *Chain) Deadline() (at time.Time) {
	for _, w := range c.waiters {
		if due := w.due(); !due.IsZero() && (at.IsZero() || due.Before(at)) {
			at = due
		}
	}
	return at
}

// Expire emits the groups of lines that have waited for their timeout.
func (c *Chain) Expire(now time.Time, emit Emit) bool {
	c.now, c.emit = now, emit
	for _, w := range c.waiters {
		if due := w.due(); !due.IsZero() && !due.After(now) && !w.expire(now) {
			return false
		}
	}
	return c.report()
}

// Flush emits all that waits: no more is to come.
func (c *Chain) Flush(emit Emit) bool { return c.flush(emit, true) }

// Settle emits the groups of lines that wait, but keeps the beginning of a
// container's line: the rest of it may come later. If lines are held then, who
// continues begins at Held.
func (c *Chain) Settle(emit Emit) bool { return c.flush(emit, false) }

func (c *Chain) flush(emit Emit, pieces bool) bool {
	c.emit = emit
	for _, w := range c.waiters {
		if !w.flush(pieces) {
			return false
		}
	}
	return c.report()
}

// reach is the offset up to which no line waits.
func (c *Chain) reach() int64 {
	if start, held := c.Held(); held {
		return min(start, c.read)
	}
	return c.read
}

// put emits a line: the chain is its own last step.
func (c *Chain) put(l *Line) bool {
	l.End = c.reach()
	c.reported, c.dropped = l.End, false
	l.full = len(l.Flags) > 0 || len(l.fields) > 0 || l.decoded != nil || c.filestream && l.Offset != nil
	return c.emit(l)
}

// drop notes that a line becomes no event.
func (c *Chain) drop() bool {
	c.dropped = true
	return true
}

// report emits a blank line if lines were dropped that nothing else covers.
func (c *Chain) report() bool {
	end := c.reach()
	if !c.dropped || end <= c.reported {
		return true
	}
	c.dropped, c.reported = false, end
	return c.emit(&Line{Start: end, End: end, Time: c.now})
}
