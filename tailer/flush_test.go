package tailer

import (
	"slices"
	"testing"
	"time"
)

// queue.mem.flush: the first event after a pause leaves at once, the next ones
// wait for the timeout, or until they are as many as min_events.
func TestFlushTimeoutAndMinEvents(t *testing.T) {
	g := newGateway(t)
	g.cfg.FlushTimeout, g.cfg.FlushEvents = time.Hour, 5
	g.write("a.log", "first\n")
	g.start()
	g.want("first")
	g.write("a.log", "1\n2\n3\n")
	g.eventually("they are read", func() bool { return g.tailer.Status().Events == 4 })
	g.scans(2)
	g.want("first")
	g.write("a.log", "4\n5\n")
	g.want("first", "1", "2", "3", "4", "5")
	g.halt()

	g.cfg.FlushTimeout = 50 * time.Millisecond
	g.start()
	g.write("a.log", "6\n")
	g.server.wait(t, 7)
	g.write("a.log", "7\n8\n") // fewer than min_events
	g.server.wait(t, 9)
	if last := g.server.messages(t)[6:]; !slices.Equal(last, []string{"6", "7", "8"}) {
		t.Errorf("got %q", last)
	}
}
