package tailer

import (
	"context"
	"time"
)

// release lets the parsers give out what waits for more, of a file that is
// about to be closed. It returns false if a timeout is to come first.
func (l *lane) release(ctx context.Context, f *file, h *harvester) bool {
	if h.holds() && (!h.chain.Deadline().IsZero() || !l.finish(ctx, f, h, nil)) {
		return false
	}
	l.rewind(f)
	return true
}

// leaving says why the file is to be closed: it was removed or renamed and an
// option says so, or its parsers hold lines that wait for ever and none comes.
// A file that is gone from its path but has a name elsewhere was renamed: its
// writer may go on for a while. io is held.
func (f *file) leaving(now time.Time) string {
	f.mu.Lock()
	removed, renamed := f.removed, f.renamed
	f.mu.Unlock()
	if removed {
		if info, err := statOpen(f.harvester.file); err == nil && info.links > 0 {
			removed, renamed = false, true
		}
	}
	switch {
	case removed && f.in.closeRemoved:
		return "File was removed. Closing because close_removed is enabled"
	case renamed && f.in.closeRenamed:
		return "File was renamed. Closing because close_renamed is enabled"
	case f.pump == nil && f.harvester.holds() && f.inactive(now):
		return "Closing file: inactive"
	}
	return ""
}

// inactive says whether the last line was read so long ago that the file is to
// be closed (close_inactive). io is held.
func (f *file) inactive(now time.Time) bool {
	return f.in.closeInactive > 0 && now.Sub(f.harvester.lastLine) >= f.in.closeInactive
}

// closeTimedOut closes a file that is open for longer than close_timeout. The
// next scan goes on with it. io is held.
func (l *lane) closeTimedOut(f *file, now time.Time) bool {
	if f.in.closeTimeout <= 0 || now.Sub(f.harvester.opened) < f.in.closeTimeout {
		return false
	}
	l.rewind(f)
	f.close("Closing harvester because close_timeout was reached")
	f.mu.Lock()
	f.timedOut = true
	f.mu.Unlock()
	return true
}
