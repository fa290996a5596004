package tailer

import (
	"context"
	"strconv"
	"strings"
	"time"

	"sluice/internal/event"
	"sluice/internal/parser"
)

// The slow way of a line: through the parsers of its input, which may join,
// split and decode lines, and as an event made of maps through processors.
// Inputs without any of them never come here.

// line hands one line of the file to the parsers, or straight on.
func (l *lane) line(ctx context.Context, f *file, h *harvester, now time.Time, start, end int64, raw []byte) bool {
	if h.plain == nil {
		if err := l.compile(f, h, start+int64(len(raw))); err != nil {
			l.reportRead(f, err)
			return false
		}
	}
	text, truncated := l.decode(f, h, raw)
	p := parser.Line{Text: text, Start: start, End: end, Offset: h.dec.shown(start, f.in.typ == TypeFilestream), Time: now, Clock: h.clock}
	emit := l.emitter(ctx, f, h)
	if h.chain == nil {
		if truncated {
			p.Flags = []string{"truncated"}
		}
		return emit(&p)
	}
	ok := h.chain.Add(&p, now, emit)
	l.await(f, h)
	return ok
}

// emitter returns what takes the lines that the parsers give out.
func (l *lane) emitter(ctx context.Context, f *file, h *harvester) parser.Emit {
	return func(p *parser.Line) bool { return l.publish(ctx, f, h, p) }
}

// publish makes a line an event, if the filters and processors want it.
func (l *lane) publish(ctx context.Context, f *file, h *harvester, p *parser.Line) bool {
	if p.Blank() || !f.in.wants(p.FilterText()) {
		l.t.stats.filtered.Add(1)
		f.in.stats.filtered.Add(1)
		l.batch.skip(f, h.life, p.End)
		return true
	}
	if f.in.direct {
		if offset, bare := p.Bare(); bare {
			return l.direct(ctx, f, h, p, offset)
		}
	}
	var e *event.Event
	if f.in.typ == TypeMQTT {
		e = h.doc.record(p.Text, p.Time)
	} else {
		e = h.doc.event(string(p.Text), p.Offset, "", p.Flags, p.Time)
		p.Apply(e)
	}
	putClock(e, p.Clock)
	h.doc.general(e)
	if !f.in.cfg.KeepNull {
		event.DropNulls(e.Fields)
	}
	if !f.in.processors.Run(e) {
		return l.dropped(f, h, p.End)
	}
	h.doc.agent(e)
	if !l.t.processors.Run(e) {
		return l.dropped(f, h, p.End)
	}
	if id, _ := e.Meta["_id"].(string); id == "" && h.doc.generation != "" {
		// Not before: processors see no id that Filebeat has not, and theirs stays.
		e.Meta = set(e.Meta, "_id", h.doc.generation+"-"+strconv.FormatInt(p.Start, 10))
	}
	l.batch.buf = e.AppendJSON(l.batch.buf, h.doc.base(), l.t.cfg.EscapeHTML)
	return l.added(ctx, f, h, p.End)
}

// direct makes a line that parsers left as a text an event by a template.
func (l *lane) direct(ctx context.Context, f *file, h *harvester, p *parser.Line, offset int64) bool {
	t, err := h.templateFor(p.Flags)
	if err != nil {
		l.reportRead(f, err)
		return false
	}
	l.batch.buf = t.append(l.batch.buf, p.Time.UnixMilli(), p.Start, offset, p.Text)
	return l.added(ctx, f, h, p.End)
}

// templateFor returns the template of the file's events with these flags.
func (h *harvester) templateFor(flags []string) (*template, error) {
	switch {
	case len(flags) == 0:
		return h.plain, nil
	case len(flags) == 1 && flags[0] == "truncated":
		return h.cut, nil
	}
	key := strings.Join(flags, " ")
	if t := h.flagged[key]; t != nil {
		return t, nil
	}
	t, err := h.doc.template(flags)
	if err != nil {
		return nil, err
	}
	if h.flagged == nil {
		h.flagged = make(map[string]*template)
	}
	h.flagged[key] = t
	return t, nil
}

// dropped counts an event that a processor did not want.
func (l *lane) dropped(f *file, h *harvester, end int64) bool {
	l.t.stats.filtered.Add(1)
	f.in.stats.filtered.Add(1)
	l.batch.skip(f, h.life, end)
	return true
}

// holds says whether lines wait in the parsers.
func (h *harvester) holds() bool {
	if h == nil || h.chain == nil {
		return false
	}
	_, held := h.chain.Held()
	return held
}

// await notes when something of the file is due: what its parsers hold, or
// the end of its last line.
func (l *lane) await(f *file, h *harvester) {
	var at time.Time
	if h.chain != nil {
		at = h.chain.Deadline()
	}
	if h.partialDue.After(time.Time{}) && (at.IsZero() || h.partialDue.Before(at)) {
		at = h.partialDue
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.IsZero() {
		delete(l.waiting, f)
		return
	}
	l.waiting[f] = at
	if l.due.IsZero() || at.Before(l.due) {
		l.due = at
	}
}

// dueFiles takes out the files for which something is due, and finds out when
// the next is.
func (l *lane) dueFiles(now time.Time) (due []*file) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.due.IsZero() || now.Before(l.due) {
		return nil
	}
	l.due = time.Time{}
	for f, at := range l.waiting {
		switch {
		case !at.After(now):
			due = append(due, f)
			delete(l.waiting, f)
		case l.due.IsZero() || at.Before(l.due):
			l.due = at
		}
	}
	return due
}

// nextDue returns when something is due; zero: nothing is.
func (l *lane) nextDue() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.due
}

// expire gives out what is due.
func (l *lane) expire(ctx context.Context, now time.Time) {
	for _, f := range l.dueFiles(now) {
		if ctx.Err() != nil {
			return
		}
		l.expireFile(ctx, f, now)
	}
}

func (l *lane) expireFile(ctx context.Context, f *file, now time.Time) {
	f.io.Lock()
	defer f.io.Unlock()
	h := f.harvester
	if h == nil || f.dropped() || f.lives() != h.life {
		return
	}
	if !h.partialDue.IsZero() && !h.partialDue.After(now) {
		l.endPartial(ctx, f, h)
	}
	if h.chain != nil && h.holds() {
		h.chain.Expire(now, l.emitter(ctx, f, h))
	}
	l.await(f, h)
	if !h.holds() {
		l.t.idle.add(f) // it may have been kept open for what it held
	}
}

// partial notes that the file's last line has no end yet, for
// partial_line_timeout.
func (l *lane) partial(f *file, h *harvester, offset int64, rest []byte) {
	timeout := f.in.cfg.PartialLineTimeout
	if timeout <= 0 || f.pump != nil {
		return
	}
	seen := offset + int64(len(rest))
	switch {
	case len(rest) == 0:
		h.partialDue = time.Time{}
	case seen != h.partialSeen || h.partialDue.IsZero():
		h.partialDue = time.Now().Add(timeout)
	}
	h.partialSeen = seen
	l.await(f, h)
}

// endPartial sends the file's last line though it has no end.
func (l *lane) endPartial(ctx context.Context, f *file, h *harvester) {
	h.partialDue = time.Time{}
	f.mu.Lock()
	start := f.read
	f.mu.Unlock()
	rest := make([]byte, max(0, h.partialSeen-start))
	n, _ := h.data.ReadAt(rest, start)
	if same, err := l.unchanged(f, h); err != nil || !same {
		l.ready(f) // truncated, and filled again
		return
	}
	l.last(ctx, f, h, rest[:h.dec.whole(rest[:n])], start)
}

// last sends what stands behind the last line end as a line of its own.
func (l *lane) last(ctx context.Context, f *file, h *harvester, rest []byte, start int64) bool {
	if len(rest) == 0 {
		return true
	}
	end := start + int64(len(rest))
	ok := l.send(ctx, f, h, time.Now(), start, end, rest)
	if ok {
		l.advance(f, h, end, 0, true)
	}
	return ok
}

// finish gives out what waits for more that will not come: what the parsers
// hold, and the last line of standard input. Of a file that is only closed the
// beginning of a container's line stays: the next opening reads it again.
func (l *lane) finish(ctx context.Context, f *file, h *harvester, rest []byte) bool {
	if f.pump != nil && len(rest) > 0 && f.pump.done() {
		f.mu.Lock()
		start := f.read
		f.mu.Unlock()
		if !l.last(ctx, f, h, rest, start) {
			return false
		}
	}
	if !h.holds() {
		return true
	}
	out := h.chain.Settle
	if f.pump != nil || l.t.cfg.Once {
		out = h.chain.Flush
	}
	ok := out(l.emitter(ctx, f, h))
	l.await(f, h)
	return ok
}

// rewind makes the reader of a file that is about to be closed begin at the
// first line that its parsers hold: they let go of it.
func (l *lane) rewind(f *file) {
	h := f.harvester
	if h == nil {
		return
	}
	l.mu.Lock()
	delete(l.waiting, f)
	l.mu.Unlock()
	if h.chain == nil {
		return
	}
	start, held := h.chain.Held()
	f.mu.Lock()
	defer f.mu.Unlock()
	if held && f.life == h.life {
		f.read, f.end = start, -1
		if f.skip > start {
			f.skip = -1 // that line comes again, too
		}
	}
}
