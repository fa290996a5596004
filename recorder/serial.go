package recorder

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// serialSource keeps one serial port open and queues what comes: see the
// package documentation, "Serial ports".
type serialSource struct {
	cfg    SerialConfig
	places places
	queue  *queue
	stats  *stats
	log    zerolog.Logger
	frames *framer
	noise  noise
	quiet  time.Duration // quietStart; tests have their own

	open    atomic.Pointer[serialPort] // the present one
	paused  chan struct{}              // closed by pause
	pausing sync.Once
	ended   chan struct{} // closed when run has returned

	device string    // of the present or last opening
	heard  time.Time // when the last byte came, at first the opening, or the start
	spoke  bool      // one came since the port was opened
	gap    gap
	warned map[string]time.Time // when what was logged
}

// quietStart is how long a port must be silent after it was opened for its first
// record to count as whole: a device that was in the middle of one would have
// gone on.
const quietStart = 500 * time.Millisecond

// pauseWait is how long a stop waits for the port: the kernel may hold up its
// opening or closing.
const pauseWait = 2 * time.Second

// warnEvery is the least time between two equal warnings.
const warnEvery = time.Hour

// serialChunk is how much is read at once, in bytes: what the kernel keeps.
const serialChunk = 4096

func newSerialSource(cfg SerialConfig, q *queue, st *stats, log zerolog.Logger) *serialSource {
	return &serialSource{
		cfg: cfg, places: machine, queue: q, stats: st, log: log, frames: newFramer(&cfg), quiet: quietStart,
		paused: make(chan struct{}), ended: make(chan struct{}), warned: map[string]time.Time{},
	}
}

// pause stops reading, and waits until what was read is queued: nobody would
// send it again.
func (s *serialSource) pause() {
	s.pausing.Do(func() { close(s.paused) })
	if p := s.open.Load(); p != nil {
		_ = p.SetReadDeadline(time.Now())
	}
	timer := time.NewTimer(pauseWait)
	defer timer.Stop()
	select {
	case <-s.ended:
	case <-timer.C:
	}
}

func (s *serialSource) stopping() bool {
	select {
	case <-s.paused:
		return true
	default:
		return false
	}
}

// run reads the port until pause. ctx ends later.
func (s *serialSource) run(context.Context) {
	defer close(s.ended)
	backoff := s.cfg.Backoff.Init
	s.heard = time.Now()
	for {
		began := time.Now()
		err := s.session()
		if s.stopping() {
			s.finish()
			return
		}
		s.lost(err)
		if s.spoke || time.Since(began) > s.cfg.Backoff.Max {
			backoff = s.cfg.Backoff.Init // it was of use
		}
		if !s.rest(backoff) {
			return
		}
		backoff = min(2*backoff, s.cfg.Backoff.Max)
	}
}

// rest waits between half and all of d; false when there is nothing to go on
// for.
func (s *serialSource) rest(d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-s.paused:
		return false
	case <-timer.C:
		return true
	}
}

// errSilence marks a device that says nothing any more.
var errSilence = errors.New("silent")

// session opens the port and reads it to its end.
func (s *serialSource) session() error {
	s.spoke = false
	device, err := s.places.resolve(s.cfg.Port)
	if err != nil {
		return err
	}
	p, err := openSerial(&s.cfg, device)
	if err != nil {
		return err
	}
	defer s.closed(p)
	s.device = strings.ToValidUTF8(device, "\uFFFD")
	s.heard = time.Now()
	s.noise = noise{}
	s.open.Store(p)
	s.stats.update(func(st *SeriesStatus) {
		st.Connected, st.Device = true, s.device
		if st.Connects++; st.Connects > 1 {
			st.Reopens++
		}
	})
	s.opened()
	return s.read(p)
}

// closed ends the use of a port. What was begun is recorded as far as it came.
func (s *serialSource) closed(p *serialPort) {
	s.frames.flush(true, s.record)
	s.open.Store(nil)
	p.close()
	s.stats.update(func(st *SeriesStatus) { st.Connected = false })
}

// read takes what comes, and sends what is to be sent, until the port fails or
// pause.
func (s *serialSource) read(p *serialPort) error {
	out := newSender(&s.cfg, s.heard)
	buf := make([]byte, serialChunk)
	for {
		if !s.waitRoom() {
			return nil
		}
		if err := s.send(p, out); err != nil {
			return err
		}
		if err := p.SetReadDeadline(s.deadline(out)); err != nil {
			return bare(err)
		}
		if s.stopping() { // after the deadline is set: pause sets another
			return nil
		}
		n, err := p.Read(buf)
		now := time.Now()
		if n > 0 {
			s.hear(buf[:n], now)
			continue
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return bare(err)
		}
		s.pauseOfDevice(now)
		if limit := s.cfg.SilenceTimeout; limit > 0 && now.Sub(s.heard) >= limit {
			return fmt.Errorf("%w: nothing came for %s", errSilence, limit)
		}
	}
}

// waitRoom waits while the queue is full; false at pause.
func (s *serialSource) waitRoom() bool {
	room := s.queue.blocked()
	if room == nil {
		return true
	}
	since := time.Now()
	s.stats.update(func(st *SeriesStatus) { st.Stalls++ })
	s.warning("stall").Msg("the queue is full, the port is not read: what comes beyond the kernel's 4KiB is lost, unless the device waits (queue_bytes, queue_records)")
	select {
	case <-room:
		s.heard = time.Now() // it was not the device that was silent
		s.log.Debug().Dur("after", s.heard.Sub(since)).Msg("the port is read again")
		return true
	case <-s.paused:
		return false
	}
}

// deadline is when the reading must be interrupted.
func (s *serialSource) deadline(out *sender) time.Time {
	at := out.due()
	if s.cfg.SilenceTimeout > 0 {
		at = sooner(at, s.heard.Add(s.cfg.SilenceTimeout))
	}
	if s.idles() && s.frames.size > 0 {
		at = sooner(at, s.heard.Add(s.cfg.IdleGap))
	}
	return at
}

// sooner returns the earlier of two times; a zero one is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// idles says whether a pause ends a frame.
func (s *serialSource) idles() bool {
	return s.cfg.Framing == framingIdle || s.cfg.Framing == framingLength
}

// pauseOfDevice ends a frame after a pause that is long enough.
func (s *serialSource) pauseOfDevice(now time.Time) {
	if s.idles() && s.frames.size > 0 && now.Sub(s.heard) >= s.cfg.IdleGap {
		s.frames.flush(s.cfg.Framing == framingLength, s.record)
	}
}

// hear takes bytes from the device.
func (s *serialSource) hear(b []byte, now time.Time) {
	if !s.spoke {
		s.spoke = true
		s.frames.begin(now.Sub(s.heard) < s.quiet)
		s.back()
	} else {
		s.pauseOfDevice(now)
	}
	s.heard = now
	s.stats.update(func(st *SeriesStatus) { st.BytesReceived += int64(len(b)) })
	if s.cfg.Framing == framingLine && s.noise.hear(b) {
		err := fmt.Errorf("port %s: what comes is no text; check baud_rate (now %d), data_bits and parity against the device", s.cfg.Port, s.cfg.BaudRate)
		s.stats.fault(err)
		s.warning("garbage").Err(err).Msg("garbage on the line")
	}
	s.frames.write(b, s.record)
}

// record queues a frame.
func (s *serialSource) record(f frame) {
	s.noise.line(f.bytes)
	r := Record{
		Time: time.Now(), Topic: s.cfg.Port, Size: f.size, Partial: f.partial, kind: kindSerial, slot: -1,
	}
	if s.device != s.cfg.Port {
		r.Device = s.device
	}
	line := f.bytes
	if s.cfg.Checksum == checksumXOR {
		body, ok, without := checkXOR(line)
		if !ok || r.Size > len(line) {
			s.mistrust(f, without)
			return
		}
		r.Partial = false // the sum says that nothing is missing
		if s.cfg.StripChecksum {
			line = body
			r.Size = len(line)
		}
	}
	r.Payload = slices.Clone(line)
	if s.queue.put(r) {
		s.stats.update(func(st *SeriesStatus) {
			st.Received++
			if r.Partial {
				st.Partial++
			}
		})
	}
}

// send sends what is due.
func (s *serialSource) send(p *serialPort, out *sender) error {
	now := time.Now()
	for _, line := range out.take(now) {
		err := p.send(line)
		if errors.Is(err, errRefused) {
			s.warning("refused").Err(err).Msg("a line could not be sent whole; further ones are tried")
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// warning begins a line of the log, which is a warning once in warnEvery.
func (s *serialSource) warning(what string) *zerolog.Event {
	now := time.Now()
	if last, told := s.warned[what]; told && now.Sub(last) < warnEvery {
		return s.log.Debug()
	}
	s.warned[what] = now
	return s.log.Warn()
}

// sender knows which lines are to be sent when.
type sender struct {
	open  [][]byte  // not yet sent
	start time.Time // not before
	polls []poll
}

type poll struct {
	line  []byte
	every time.Duration
	next  time.Time
}

func newSender(c *SerialConfig, opened time.Time) *sender {
	out := &sender{start: opened.Add(c.OpenDelay)}
	line := func(text string) []byte {
		b, _ := unescapeBytes(text + c.LineEnding) // Validate has checked both
		return b
	}
	for _, text := range c.OpenLines {
		out.open = append(out.open, line(text))
	}
	for _, p := range c.Poll {
		out.polls = append(out.polls, poll{line(p.Line), p.Every, out.start})
	}
	return out
}

// due is when the next line is to be sent; zero: never.
func (o *sender) due() (at time.Time) {
	if len(o.open) > 0 {
		return o.start
	}
	for i := range o.polls {
		at = sooner(at, o.polls[i].next)
	}
	return at
}

// take returns the lines that are due now.
func (o *sender) take(now time.Time) (lines [][]byte) {
	if now.Before(o.start) {
		return nil
	}
	lines, o.open = o.open, nil
	for i := range o.polls {
		p := &o.polls[i]
		if p.next.After(now) {
			continue
		}
		lines = append(lines, p.line)
		if p.next = p.next.Add(p.every); p.next.Before(now) {
			p.next = now.Add(p.every) // what was missed is not made up for
		}
	}
	return lines
}
