package demo

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress rewrites two lines on a terminal; with a nil writer it does nothing.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	shown bool

	last      time.Time
	published int64
	unique    int64
	rateIn    float64 // readings/s, smoothed
	rateOut   float64
}

// sample is what the lines show.
type sample struct {
	published, recorded, unique, lag, sealed, deleted int64
	files                                             int
}

// show draws the lines.
func (p *progress) show(now time.Time, s sample) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil {
		return nil
	}
	if !p.last.IsZero() {
		if d := now.Sub(p.last).Seconds(); d > 0 {
			p.rateIn = smooth(p.rateIn, float64(s.published-p.published)/d)
			p.rateOut = smooth(p.rateOut, float64(s.unique-p.unique)/d)
		}
	}
	p.last, p.published, p.unique = now, s.published, s.unique
	p.clear()
	p.shown = true
	_, err := fmt.Fprintf(p.w, "published %s (%s/s), recorded %s, arrived %s (%s/s)\r\nlag %s, %d files followed, segments: %d sealed, %d deleted",
		thousands(s.published), thousands(int64(p.rateIn)), thousands(s.recorded), thousands(s.unique), thousands(int64(p.rateOut)),
		size(s.lag), s.files, s.sealed, s.deleted)
	return err
}

// tell writes a line of its own above.
func (p *progress) tell(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil {
		p.clear()
		fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// end removes the lines.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K\x1b[1A\r\x1b[K") // both lines
		p.shown = false
	}
}

func smooth(old, now float64) float64 {
	if old == 0 {
		return now
	}
	return 0.7*old + 0.3*now
}

// size writes bytes with a unit: 812 B, 12.3 kB, 4.5 MB.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}
