package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/event"
)

// container reads the lines that container runtimes write, and puts pieces
// together: Docker and CRI cut long lines at 16 KiB. Pieces of two streams that
// alternate are glued, as Filebeat does; so what waits is always in one row.
type container struct {
	*containerProgram
	c    *Chain
	next step

	open  bool
	first Line // of the pieces
	text  []byte
	from  int64 // end of the last line that was handed on or is damaged
	begun bool  // from is known
}

type containerProgram struct {
	ContainerConfig
	log *throttle
	// wholeOffset: log.offset is the end of the line before, so dropped lines
	// count as a part of the next one, as in Filebeat's container input.
	wholeOffset bool
}

func containerStep(o ContainerConfig, wholeOffset bool, log zerolog.Logger) builder {
	p := &containerProgram{o, newThrottle(log), wholeOffset}
	return func(c *Chain, next step) step { return &container{containerProgram: p, c: c, next: next} }
}

func (s *container) put(l *Line) bool {
	if !s.begun {
		s.from, s.begun = l.Start, true
	}
	end := l.End
	var p piece
	if err := s.read(&p, l.Text); err != nil {
		s.log.error(s.c.now, "Parse line error: "+err.Error())
		s.close()
		s.from = end
		return s.c.drop()
	}
	switch {
	case p.part && !s.open:
		s.open, s.first, s.text = true, *l, append(s.text[:0], p.text...)
		s.first.Text = nil
		p.describe(&s.first)
		return true
	case p.part:
		s.text = append(s.text, p.text...)
		return true
	case s.open:
		s.text = append(s.text, p.text...)
		s.open = false
		l = &s.first
		l.Text = s.text
	default:
		p.describe(l)
		l.Text = p.text
	}
	if s.Stream != "all" && s.Stream != p.stream {
		s.close()
		return s.c.drop()
	}
	return s.hand(l, end)
}

// hand hands on a line that ends at end.
func (s *container) hand(l *Line, end int64) bool {
	if s.wholeOffset {
		l.Offset = s.from
	}
	s.from = end
	ok := s.next.put(l)
	s.close()
	return ok
}

// close lets go of pieces.
func (s *container) close() {
	s.open, s.first = false, Line{}
	if cap(s.text) > keptText {
		s.text = nil
	}
}

func (s *container) held() (int64, bool) { return s.first.Start, s.open }

func (s *container) due() time.Time { return time.Time{} }

func (s *container) expire(time.Time) bool { return true }

func (s *container) flush(pieces bool) bool {
	if !s.open || !pieces {
		return true
	}
	s.open = false
	s.first.Text = s.text
	return s.hand(&s.first, s.c.read)
}

// piece is what one line of a container's file says.
type piece struct {
	text   []byte
	stream string
	time   time.Time
	attrs  map[string]any
	part   bool // the line goes on
}

// describe puts all but the text into the line.
func (p *piece) describe(l *Line) {
	l.Time = p.time
	l.set("stream", p.stream)
	if len(p.attrs) > 0 {
		l.set("docker", map[string]any{"attrs": p.attrs})
	}
}

func (s *container) read(p *piece, line []byte) error {
	if s.Format == "docker" || s.Format == "auto" && len(line) > 0 && line[0] == '{' {
		return p.readDocker(line)
	}
	return p.readCRI(line)
}

// readDocker reads {"log":…,"stream":…,"time":…,"attrs":…}; the line goes on
// if its log has no line feed at its end.
func (p *piece) readDocker(line []byte) error {
	var d struct {
		Log    string          `json:"log"`
		Stream string          `json:"stream"`
		Time   string          `json:"time"`
		Attrs  json.RawMessage `json:"attrs"`
	}
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&d); err != nil { // text behind the object is passed over
		return fmt.Errorf("decode docker JSON: %w", err)
	}
	at, err := time.Parse(time.RFC3339, d.Time)
	if err != nil {
		return fmt.Errorf("parse docker timestamp: %w", err)
	}
	p.text, p.stream, p.time = []byte(d.Log), d.Stream, at
	p.part = len(p.text) > 0 && p.text[len(p.text)-1] != '\n'
	if len(d.Attrs) > 0 {
		v, _ := event.FromJSON(d.Attrs) // a part of valid JSON
		p.attrs, _ = v.(map[string]any)
	}
	return nil
}

// readCRI reads "time stream tags text"; the line goes on if it has the tag P.
func (p *piece) readCRI(line []byte) error {
	stamp, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok {
		return errors.New("invalid CRI log, timestamp not found")
	}
	at, err := time.Parse(time.RFC3339, string(stamp))
	if err != nil {
		return fmt.Errorf("invalid CRI timestamp: %w", err)
	}
	stream, rest, ok := bytes.Cut(rest, []byte{' '})
	if !ok {
		return errors.New("invalid CRI log, stream not found")
	}
	tags, text, ok := bytes.Cut(rest, []byte{' '})
	if !ok {
		return errors.New("invalid CRI log, tags not found")
	}
	p.text, p.time = text, at
	switch string(stream) {
	case "stdout":
		p.stream = "stdout"
	case "stderr":
		p.stream = "stderr"
	default:
		p.stream = string(stream)
	}
	for len(tags) > 0 {
		var tag []byte
		tag, tags, _ = bytes.Cut(tags, []byte{':'})
		if string(tag) == "P" {
			p.part = true
		}
	}
	return nil
}
