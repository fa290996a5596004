package tailer

import (
	"testing"
	"time"
)

func TestLagOfAFile(t *testing.T) {
	const s = time.Second
	var l lag
	wait := func(now time.Duration) time.Duration { return now - time.Duration(l.clean) }
	l.grew(0, 100, 0, 10*s) // first seen
	if got := wait(15 * s); got != 5*s {
		t.Errorf("since the first look: %v", got)
	}
	l.grew(100, 150, 0, 20*s) // the mark
	l.grew(150, 200, 0, 30*s)
	l.acked(149)
	if got := wait(40 * s); got != 30*s {
		t.Errorf("before the mark is acknowledged: %v", got)
	}
	l.acked(150)
	if got := wait(40 * s); got != 20*s {
		t.Errorf("the mark is acknowledged: %v", got)
	}
	l.acked(200)
	l.grew(200, 210, 200, 100*s) // after a pause without lag
	if got := wait(101 * s); got != s {
		t.Errorf("after a pause: %v", got)
	}
}

func TestStopwatchMeasuresWholeWindows(t *testing.T) {
	var w stopwatch
	var to timing
	start := time.Now()
	w.begin(10, start)
	w.begin(5, start)
	w.answer(9, start, &to)
	if to.Count != 0 {
		t.Error("half a window is measured")
	}
	w.answer(6, start.Add(time.Second), &to)
	if to.Count != 2 || to.Sum < time.Second || len(w.windows) != 0 {
		t.Errorf("%+v, %+v", to.get(), w)
	}
	for range 2 * kept {
		to.add(time.Millisecond)
	}
	if got := to.get(); got.Count != 2*kept+2 || len(got.Last) != kept || got.Last[0] != time.Millisecond || got.Last[1] != time.Millisecond {
		t.Errorf("%d of %d are kept", len(got.Last), got.Count)
	}
}

func TestNumbersWhileTheOutputIsAway(t *testing.T) {
	g := newGateway(t)
	g.cfg.Inputs[0].ExcludeLines = []string{"^no"}
	g.write("a.log", "one\nno\ntwo\n")
	g.start()
	g.want("one", "two")
	g.eventually("nothing is left", func() bool {
		s := g.tailer.Status()
		return s.Lag == 0 && s.Active == 0 && s.Queued == 2 && s.Unqueued == 2
	})
	for _, f := range g.tailer.Files() {
		if f.Path != g.path("a.log") || f.Input != "log" || f.Size != 11 || f.Offset != 11 || f.Lag != 0 || f.Wait != 0 {
			t.Errorf("caught up: %+v", f)
		}
	}
	in := g.tailer.Inputs()
	if len(in) != 1 || in[0].Events != 2 || in[0].Filtered != 1 || in[0].Bytes != 11 || in[0].Opened != 1 || in[0].Processing.Count == 0 || in[0].Type != TypeLog {
		t.Errorf("inputs: %+v", in)
	}
	if l := g.tailer.Latency(); l.Count == 0 || len(l.Last) != int(l.Count) {
		t.Errorf("latency: %+v", l)
	}
	if started, stopping, late := g.tailer.Progress(); !started || stopping || late > 10*time.Second {
		t.Errorf("progress: %v, %v, %v", started, stopping, late)
	}
	g.server.mu.Lock()
	g.server.refuse = func() error { return errReset }
	g.server.answer = func([]string) int { return 0 } // it takes nothing and hangs up
	g.server.mu.Unlock()
	g.write("a.log", "three\n")
	g.eventually("the lag is seen", func() bool {
		list := g.tailer.Files()
		return len(list) == 1 && list[0].Lag == 6 && list[0].Wait > 0 && list[0].Offset == 11
	})
	g.eventually("it is sent and comes back", func() bool { s := g.tailer.Status(); return s.Sent >= 3 && s.Retried >= 1 && s.Active == 0 })
	g.server.mu.Lock()
	g.server.refuse, g.server.answer = nil, nil
	g.server.mu.Unlock()
	g.want("one", "two", "three")
	g.eventually("nothing is left again", func() bool { s := g.tailer.Status(); return s.Lag == 0 && s.Active == 0 })
	g.halt()
	if _, stopping, late := g.tailer.Progress(); !stopping || late != 0 {
		t.Errorf("after the end: stopping %v, late %v", stopping, late)
	}
}
