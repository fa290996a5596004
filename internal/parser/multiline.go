package parser

import (
	"regexp"
	"time"
)

// multiline joins lines.
type multiline struct {
	*multilineProgram
	c    *Chain
	next step

	group group // being filled
	done  group // being handed on
	last  bool  // the last line of the group matches
	since time.Time
}

// multilineProgram is what all files of an input have in common.
type multilineProgram struct {
	MultilineConfig
	pattern    *regexp.Regexp
	flushing   *regexp.Regexp
	maxBytes   int
	filestream bool
}

func multilineStep(o MultilineConfig, maxBytes int, filestream bool) builder {
	p := &multilineProgram{MultilineConfig: o, maxBytes: maxBytes, filestream: filestream}
	p.pattern, _ = compilePattern("", o.Pattern) // valid
	p.flushing, _ = compilePattern("", o.FlushPattern)
	return func(c *Chain, next step) step { return &multiline{multilineProgram: p, c: c, next: next} }
}

func (p *multilineProgram) matches(text []byte) bool { return p.pattern.Match(text) != p.Negate }

func (s *multiline) put(l *Line) bool {
	switch s.Type {
	case typeCount:
		s.add(l)
		return s.group.seen < s.lines() || s.hand()
	case typeWhile:
		return s.putWhile(l)
	}
	if !s.group.open {
		s.add(l)
		return true
	}
	if s.flushing != nil && s.flushing.Match(l.Text) {
		s.add(l)
		return s.hand()
	}
	before := s.Match == "before"
	if before && s.last || !before && s.matches(l.Text) {
		s.add(l)
		return true
	}
	s.begin(l)
	return s.handDone()
}

// putWhile passes a line that doesn't match at once, behind the group that it
// ends.
func (s *multiline) putWhile(l *Line) bool {
	switch {
	case s.matches(l.Text):
		s.add(l)
		return true
	case !s.group.open:
		return s.next.put(l)
	}
	s.begin(l)
	return s.handDone() && s.hand()
}

// add joins a line to the group.
func (s *multiline) add(l *Line) {
	s.group.add(s.multilineProgram, l)
	s.since = s.c.now
	if s.Type == typePattern && s.Match == "before" {
		s.last = s.matches(l.Text)
	}
}

// begin makes the line the first of a new group; the old one is done.
func (s *multiline) begin(l *Line) {
	s.group, s.done = s.done, s.group
	s.add(l)
}

// hand hands on the group.
func (s *multiline) hand() bool {
	s.group, s.done = s.done, s.group
	return s.handDone()
}

func (s *multiline) handDone() bool {
	ok := s.next.put(s.done.finish())
	s.done.reset()
	return ok
}

func (s *multiline) held() (int64, bool) { return s.group.line.Start, s.group.open }

func (s *multiline) due() time.Time {
	if !s.group.open || s.Timeout <= 0 || s.Type == typeCount {
		return time.Time{}
	}
	return s.since.Add(s.Timeout)
}

func (s *multiline) expire(time.Time) bool { return s.hand() }

func (s *multiline) flush(bool) bool { return !s.group.open || s.hand() }

// group is lines that are being joined.
type group struct {
	open bool
	line Line
	text []byte
	kept int // lines in text
	seen int // lines in all
	cut  bool
}

// keptText bounds the memory that a group holds when it is empty.
const keptText = 64 << 10

func (g *group) add(p *multilineProgram, l *Line) {
	if !g.open {
		g.open, g.line = true, *l
		g.line.Text, g.line.id = nil, ""
	} else {
		g.mergeFields(l, p.filestream)
	}
	g.seen++
	size := len(g.text)
	separate := size > 0 && !p.SkipNewline
	if separate {
		size++
	}
	if p.MaxLines > 0 && g.kept >= p.MaxLines || p.maxBytes > 0 && size >= p.maxBytes {
		g.cut = g.cut || len(l.Text) > 0
		return
	}
	text := l.Text
	if p.maxBytes > 0 && len(text) > p.maxBytes-size {
		text, g.cut = text[:p.maxBytes-size], true
	}
	if separate {
		g.text = append(g.text, '\n')
	}
	g.text = append(g.text, text...)
	g.kept++
}

// mergeFields adds what was found in a further line.
func (g *group) mergeFields(l *Line, filestream bool) {
	a := &g.line
	if l.json != nil {
		if a.json == nil {
			a.json = make(map[string]any, len(l.json))
		}
		merge(a.json, l.json, true)
	}
	_, own := a.fields["log"]
	if _, also := l.fields["log"]; own || also {
		a.ownLog()
		l.ownLog()
	}
	if filestream && l.Offset != nil {
		a.Offset = l.Offset
	}
	if len(l.Flags) > 0 {
		a.Flags = l.Flags
	}
	if a.fields == nil {
		a.fields = l.fields
	} else {
		merge(a.fields, l.fields, true)
	}
}

var (
	flagsMultiline = []string{"multiline"}
	flagsTruncated = []string{"truncated"}
	flagsBoth      = []string{"truncated", "multiline"}
)

// finish returns the joined line, which is valid until reset.
func (g *group) finish() *Line {
	l := &g.line
	l.Text = g.text
	joined := g.kept > 1
	if _, own := l.fields["log"]; !own && len(l.Flags) == 0 {
		switch {
		case g.cut && joined:
			l.Flags = flagsBoth
		case g.cut:
			l.Flags = flagsTruncated
		case joined:
			l.Flags = flagsMultiline
		}
		return l
	}
	if g.cut {
		l.flag("truncated")
	}
	if joined {
		l.flag("multiline")
	}
	return l
}

// reset empties the group.
func (g *group) reset() {
	text := g.text[:0]
	if cap(text) > keptText {
		text = nil
	}
	*g = group{text: text}
}
