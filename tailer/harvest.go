package tailer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"time"
)

const (
	// readBuffer is how much is read at once; it grows for longer lines.
	readBuffer = 64 << 10
	// quantum is how much of one file is read before the next one has its turn.
	quantum = 1 << 20
)

// harvest reads lines of f into the lane's batch, handing over full ones. It
// returns true if it stopped before the end of the file. f.io is held.
func (l *lane) harvest(ctx context.Context, f *file) (more bool) {
	if f.dropped() {
		return false
	}
	h, err := l.open(f)
	if err != nil {
		l.reportRead(f, err)
		return false
	}
	if h == nil {
		return false // over a limit, or the file is gone
	}
	f.mu.Lock()
	offset := f.read
	f.mu.Unlock()
	if l.spare == nil {
		l.spare = make([]byte, readBuffer)
	}
	have := 0 // bytes in spare, the first of which stands at offset
	for start := offset; ; {
		n, err := h.data.ReadAt(l.spare[have:], offset+int64(have))
		have += n
		if fault := l.settled(h, n, err); fault != nil {
			l.abandon(f, fault)
			return false
		}
		if same, err := l.unchanged(f, h); err != nil || !same {
			return err == nil // truncated, and filled again, since it was opened
		}
		l.foresee(f, h, offset, l.spare[:have])
		begun := time.Now()
		data, all := l.timely(h, offset, l.spare[:have])
		used, ok := l.lines(ctx, f, h, offset, data)
		if used > 0 {
			f.in.stats.processing.add(time.Since(begun))
		}
		offset += int64(used)
		have = copy(l.spare, l.spare[used:have])
		if !ok {
			return false
		}
		if changed := l.advance(f, h, offset, have, err == io.EOF); changed {
			return true // truncated meanwhile: begin anew
		}
		l.readable(f)
		switch {
		case !all:
			f.postpone()
			return false
		case err == io.EOF:
			l.shrink()
			return l.atEnd(ctx, f, h, offset, l.spare[:have])
		case offset-start >= quantum:
			l.shrink()
			return !l.closeTimedOut(f, time.Now())
		case have == len(l.spare):
			l.spare = append(l.spare, make([]byte, min(len(l.spare), f.in.maxBytes+readBuffer))...)
		}
	}
}

// abandon closes a file that can't be read.
func (l *lane) abandon(f *file, fault error) {
	l.reportRead(f, fault)
	l.rewind(f)
	f.close("closed after a read error")
}

// settled returns what hinders that n bytes, read with err, are sent.
func (l *lane) settled(h *harvester, n int, err error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n > 0 && h.file != nil && l.t.cfg.Settle != nil {
		return l.t.cfg.Settle(h.path, h.file)
	}
	return nil
}

// shrink lets go of a buffer that had grown for a long line.
func (l *lane) shrink() {
	if len(l.spare) > 4*readBuffer {
		l.spare = nil
	}
}

// advance publishes the read offset. It returns true if the file has begun a
// new life under the reader.
func (l *lane) advance(f *file, h *harvester, offset int64, rest int, atEOF bool) (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.life != h.life {
		return true
	}
	if offset != f.read {
		h.lastLine = time.Now()
	}
	l.t.stats.bytesRead.Add(offset - f.read)
	f.in.stats.bytes.Add(offset - f.read)
	f.read, f.skip = offset, h.skip
	seen := offset + int64(rest)
	if !h.gz && seen > f.size {
		f.lag.grew(f.size, seen, f.acked, time.Since(l.t.started))
		f.size = seen
	}
	f.end = -1
	if atEOF {
		f.end = seen
	}
	if f.pump != nil {
		f.pump.release(offset)
	}
	return false
}

// lines turns the complete lines in data into events and returns how many
// bytes it has used up; ok is false when ctx has ended.
func (l *lane) lines(ctx context.Context, f *file, h *harvester, offset int64, data []byte) (used int, ok bool) {
	now := time.Now()
	limit := f.in.rawLimit(&h.dec)
	for {
		line, whole, found := h.dec.cut(data[used:])
		if !found {
			break
		}
		at, raw := offset+int64(used), data[used:used+line]
		used += whole
		end := offset + int64(used)
		switch {
		case h.skip >= 0 && f.in.slow: // the end of an over-long line
			ok = l.send(ctx, f, h, now, h.skip, end, h.long)
			h.skip, h.long = -1, nil
		case h.skip >= 0:
			h.skip = -1
			l.batch.skip(f, h.life, end)
			continue
		default:
			ok = l.send(ctx, f, h, now, at, end, raw)
		}
		if !ok {
			return used - whole, false
		}
	}
	rest := data[used:]
	if h.skip < 0 {
		if len(rest) <= limit+len(h.dec.newline) {
			return used, true
		}
		// The rest of this line is skipped as it comes. Until its end is read
		// its ack covers nothing: after a restart it is cut, and sent, anew.
		at := offset + int64(used)
		if f.in.slow {
			h.long = bytes.Clone(rest[:limit])
		} else if !l.event(ctx, f, h, now.UnixMilli(), at, at, rest[:limit]) {
			return used, false
		}
		h.skip = at
	}
	return used + len(rest) - len(rest)%h.dec.unit, true
}

// decode returns a line's text, cut to what is taken of a line.
func (l *lane) decode(f *file, h *harvester, raw []byte) (text []byte, truncated bool) {
	limit := f.in.rawLimit(&h.dec)
	text = raw[:min(len(raw), limit)]
	if len(raw) > 0 {
		text = h.dec.text(text)
	}
	most := f.in.lineLimit()
	if truncated = len(text) > most || len(raw) >= limit; truncated {
		text = text[:min(len(text), most)]
	}
	return text, truncated
}

// event filters one line, cut to max_bytes, and appends its event to the batch.
func (l *lane) event(ctx context.Context, f *file, h *harvester, now, start, end int64, raw []byte) bool {
	text, truncated := l.decode(f, h, raw)
	if h.plain == nil {
		if err := l.compile(f, h, start+int64(len(raw))); err != nil {
			l.reportRead(f, err)
			return false
		}
	}
	b := l.batch
	if len(text) == 0 || !f.in.wants(text) {
		l.t.stats.filtered.Add(1)
		f.in.stats.filtered.Add(1)
		b.skip(f, h.life, end)
		return true
	}
	t := h.plain
	if truncated {
		t = h.cut
	}
	b.buf = t.append(b.buf, now, start, h.dec.shown(start, f.in.typ == TypeFilestream), text)
	return l.added(ctx, f, h, end)
}

// added takes the document that was appended to the batch's buffer into
// account, and hands the batch over if it is full.
func (l *lane) added(ctx context.Context, f *file, h *harvester, end int64) bool {
	b := l.batch
	b.add(f, h.life, end)
	l.t.stats.events.Add(1)
	f.in.stats.events.Add(1)
	if len(b.buf) > l.t.cfg.BatchBytes && b.len() > 1 {
		// The document that made it too large begins the next batch.
		l.over.reset(slack)
		b.moveLast(&l.over)
		if !l.push(ctx) {
			return false
		}
		l.batch.buf = append(l.batch.buf, l.over.buf...)
		l.batch.add(f, h.life, end)
		return true
	}
	if b.len() >= l.t.cfg.BatchEvents || len(b.buf) >= l.t.cfg.BatchBytes {
		return l.push(ctx)
	}
	return true
}

// open returns the file's harvester, opened and checked; nil if the file is
// not to be read now.
func (l *lane) open(f *file) (*harvester, error) {
	f.mu.Lock()
	path, life, wait := f.path, f.life, f.timedOut
	f.mu.Unlock()
	h := f.harvester
	if h != nil && h.undecided {
		if err := h.decide(f.in); err != nil {
			return nil, err
		}
		f.mu.Lock()
		f.gz = h.gz
		f.mu.Unlock()
	}
	if h != nil && h.life == life {
		if same, err := l.unchanged(f, h); same || err != nil {
			return h, err
		}
	}
	if wait {
		return nil, nil
	}
	if h == nil {
		if !f.in.admit() {
			return nil, nil
		}
		c, err := f.in.openContent(path)
		if err != nil {
			f.in.refused()
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil // the scan will see it
			}
			return nil, err
		}
		h = &harvester{content: *c, path: path, opened: time.Now(), lastLine: time.Now(), skip: -1}
	}
	ok, err := l.prepare(f, h)
	if err != nil || !ok {
		if f.harvester == nil {
			f.in.refused()
			h.close()
		} else {
			l.rewind(f)
			f.close("closed: it is another file now")
		}
		return nil, err
	}
	if f.harvester == nil {
		f.harvest(h)
	}
	return h, nil
}

// unchanged looks at the first bytes of an open file before and after each
// reading: a file that was truncated and has grown past the read offset between
// two looks is seen by them. If they differ, it has begun a new life.
func (l *lane) unchanged(f *file, h *harvester) (bool, error) {
	if f.pump != nil || h.gz && !f.changed() {
		return true, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.life != h.life {
		return false, nil
	}
	same, err := f.prefix.holds(h.data, l.first[:])
	f.recheck = false
	if err == nil && !same {
		f.in.log.Info().Str("path", f.path).Int64("offset", f.acked).Msg("File was truncated. Begin reading file from offset 0: its first bytes are others now")
		f.renew(0)
	}
	return same, err
}

// prepare checks that the open file is the one that the State is about, and
// compiles its event templates. False: leave it to the scan.
func (l *lane) prepare(f *file, h *harvester) (bool, error) {
	info, err := statOpen(h.file)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.is(info) || !info.regular {
		return false, nil // replaced between the scan and now
	}
	if f.gz = h.gz; h.gz {
		h.data.(*unzipped).zr = nil // it may be another archive now
		info.size = math.MaxInt64   // of the content: not known before its end
	}
	if err := f.verify(h.data, info, l.first[:]); err != nil {
		return false, err
	}
	head := l.first[:4]
	n, err := h.data.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if f.in.dec.bom && n < 2 && f.pump == nil {
		return false, nil // the byte order can't be told yet
	}
	h.life, h.skip, h.long, h.plain, h.cut, h.flagged, h.seen = f.life, -1, nil, nil, nil, nil, 0
	if f.skip >= 0 && f.in.slow {
		f.read = f.skip // what was kept of the over-long line is gone
		f.skip = -1
	}
	h.skip = f.skip
	if h.dec, err = f.in.dec.resolve(head[:n]); err != nil {
		return false, err
	}
	if h.chain = nil; f.in.program != nil {
		h.chain = f.in.program.New()
	}
	return true, nil
}

// verify compares the file with what the State knows of its content, and
// begins a new life if it is another one. f.mu is held.
func (f *file) verify(handle io.ReaderAt, info fileInfo, scratch []byte) error {
	same, err := f.prefix.holds(handle, scratch)
	if err != nil {
		return err
	}
	f.unsure, f.recheck = false, false
	switch {
	case !same:
		f.in.log.Info().Str("path", f.path).Int64("offset", f.acked).Msg("Old file was truncated. Starting from the beginning: its first bytes are others now")
		f.renew(0)
	case info.size < f.read && f.prefix.length > 0:
		// The first bytes are the same, the end is missing: a power cut took
		// what the writer had not synced. Continue there, under new ids.
		f.in.log.Warn().Str("path", f.path).Int64("offset", f.read).Int64("size", info.size).Msg("file is shorter than its offset but begins as before: continuing at its end")
		f.renew(info.size)
	case info.size < f.read:
		f.in.log.Info().Str("path", f.path).Int64("offset", f.acked).Msg("Old file was truncated. Starting from the beginning: it is shorter than its offset")
		f.renew(0)
	}
	return nil
}

// atEnd does what is due once a file is read to its end; rest is its last line
// as far as it is there. It returns true if there is more to read.
func (l *lane) atEnd(ctx context.Context, f *file, h *harvester, offset int64, rest []byte) (more bool) {
	l.growPrefix(f, h, offset)
	l.partial(f, h, offset, rest)
	if f.in.closeEOF || l.t.cfg.Once || f.pump != nil && f.pump.done() {
		if !l.finish(ctx, f, h, rest) {
			return false
		}
	}
	if f.in.closeEOF {
		l.rewind(f)
		f.close("End of file reached. Closing because close_eof is enabled")
		return false
	}
	if reason := f.leaving(time.Now()); reason != "" && l.release(ctx, f, h) {
		f.close(reason)
	}
	return false
}

// errDropped says that a file, or what it held when it was opened, is followed
// no more.
var errDropped = errors.New("the file is followed no more")

// reportRead logs a read error, once; the next scan tries again.
func (l *lane) reportRead(f *file, err error) {
	if errors.Is(err, errDropped) {
		return
	}
	l.t.stats.readErrors.Add(1)
	f.in.stats.errors.Add(1)
	if f.fault == err.Error() {
		return
	}
	f.fault = err.Error()
	f.mu.Lock()
	path := f.path
	f.mu.Unlock()
	l.log.Error().Err(err).Str("path", path).Msg("can't read the file; each scan tries again (the user of this service needs the right to read it: chmod, setfacl, or a group)")
}

// readable notes that a file can be read.
func (l *lane) readable(f *file) {
	if f.fault != "" {
		f.fault = ""
		f.in.log.Info().Str("path", f.harvester.path).Msg("the file can be read again")
	}
}
