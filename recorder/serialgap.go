package recorder

import (
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"
)

// The events of serial ports.
const (
	eventGap      = "gap"
	eventBack     = "back"
	eventChecksum = "checksum"
)

// gap is a time without the device: its port is not there, or it says nothing.
type gap struct {
	is       bool
	silent   bool // it ends with a byte, not when the port is opened
	since    time.Time
	attempts int
	texts    map[string]bool // reasons that were logged
}

// gapDetails are the fields of the events gap and back.
type gapDetails struct {
	Source string     `json:"source"`
	Port   string     `json:"port"`
	Device string     `json:"device,omitempty"`
	Reason string     `json:"reason,omitempty"`
	Since  *time.Time `json:"since,omitempty"`
	// Seconds is how long the gap was.
	Seconds *float64 `json:"seconds,omitempty"`
}

const sourceSerial = "serial"

func (s *serialSource) details() gapDetails {
	d := gapDetails{Source: sourceSerial, Port: s.cfg.Port}
	if s.device != d.Port {
		d.Device = s.device
	}
	return d
}

// event queues an event.
func (s *serialSource) event(name string, details any) {
	b, err := json.Marshal(details)
	if err != nil {
		s.log.Error().Err(err).Str("event", name).Msg("an event can't be written")
		return
	}
	s.announce(name, b)
}

func (s *serialSource) announce(name string, details []byte) {
	if s.queue.put(newEvent(s.cfg.Name, name, details)) {
		s.stats.update(func(st *SeriesStatus) { st.Received++ })
	}
}

// lost logs why the port can't be read, each reason once, and records the
// beginning of a gap.
func (s *serialSource) lost(err error) {
	s.stats.fault(err)
	silent := errors.Is(err, errSilence)
	if !s.gap.is {
		s.gap = gap{is: true, silent: silent, since: s.heard, texts: map[string]bool{}}
		s.stats.update(func(st *SeriesStatus) { st.Gaps++ })
		d := s.details()
		since := s.heard.UTC().Round(0)
		d.Reason, d.Since = err.Error(), &since
		s.event(eventGap, d)
	}
	s.gap.attempts++
	event := s.log.Debug()
	if text := err.Error(); !s.gap.texts[text] && len(s.gap.texts) < maxReasons {
		s.gap.texts[text] = true
		event = s.log.Warn()
	}
	event.Err(err).Str("port", s.cfg.Port).Msg("the port can't be read, trying on")
}

// opened tells that the port is there: the end of a gap, unless it was the
// device that said nothing.
func (s *serialSource) opened() {
	switch {
	case !s.gap.is: // the start
		s.log.Info().Str("port", s.cfg.Port).Str("device", s.device).Msg("reading the port")
		s.event(eventBack, s.details())
	case !s.gap.silent:
		s.back()
	}
}

// back ends a gap, if there is one.
func (s *serialSource) back() {
	if !s.gap.is {
		return
	}
	length, since := time.Since(s.gap.since).Seconds(), s.gap.since.UTC().Round(0)
	s.log.Info().Str("port", s.cfg.Port).Str("device", s.device).Float64("seconds", length).Int("attempts", s.gap.attempts).
		Msg("reading the port again")
	d := s.details()
	d.Since, d.Seconds = &since, &length
	s.event(eventBack, d)
	s.gap = gap{}
}

// finish records the gap that begins with a stop.
func (s *serialSource) finish() {
	if s.gap.is {
		return
	}
	now := time.Now().UTC().Round(0)
	d := s.details()
	d.Reason, d.Since = "the recorder stopped", &now
	s.event(eventGap, d)
}

// mistrust records a frame whose checksum is wrong or, without, missing: apart,
// so that nobody takes it for data.
func (s *serialSource) mistrust(f frame, without bool) {
	reason := "the checksum is wrong"
	switch {
	case f.size > len(f.bytes):
		reason = "too long for its checksum to be kept (max_line)"
	case without:
		reason = "there is no checksum"
	}
	b, err := json.Marshal(s.details())
	if err != nil {
		s.log.Error().Err(err).Msg("an event can't be written")
		return
	}
	b = append(b[:len(b)-1], `,"reason":`...)
	b = appendJSONString(b, reason)
	b = appendSerialLine(b, f.bytes, f.size, f.partial)
	s.announce(eventChecksum, append(b, '}'))
	if f.partial {
		s.stats.update(func(st *SeriesStatus) { st.Partial++ })
		return // what is missing may have been right
	}
	s.stats.update(func(st *SeriesStatus) { st.ChecksumFailures++ })
	s.warning(reason).Str("port", s.cfg.Port).Str("reason", reason).
		Msg("a line is not recorded as data but as an event (checksum: xor); the next hour they are only counted")
}

// appendSerialLine appends the fields of a serial record from line on.
func appendSerialLine(dst, line []byte, size int, partial bool) []byte {
	dst = append(dst, `,"line":`...)
	if utf8.Valid(line) {
		dst = appendJSONString(dst, line)
	} else {
		dst = append(appendBase64(dst, line), `,"encoding":"base64"`...)
	}
	if partial {
		dst = append(dst, `,"partial":true`...)
	}
	return appendCut(dst, size, len(line))
}

// appendSerial appends a serial record: see the package documentation, "JSON
// lines".
func appendSerial(dst []byte, r *Record) []byte {
	dst = append(appendTime(dst, r.Time), `,"source":"`+sourceSerial+`","port":`...)
	dst = appendJSONString(dst, r.Topic)
	if r.Device != "" {
		dst = append(dst, `,"device":`...)
		dst = appendJSONString(dst, r.Device)
	}
	dst = appendSerialLine(dst, r.Payload, r.Size, r.Partial)
	return append(appendClock(dst, r), '}')
}
