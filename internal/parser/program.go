package parser

import (
	"fmt"
	"regexp"

	"github.com/rs/zerolog"
)

// groupLimit bounds the bytes of joined lines in filestream, whose
// message_max_bytes applies only to the result.
const groupLimit = 10 << 20

// Program is what the options of one input do to lines, compiled.
type Program struct {
	steps      []builder // the first one first
	maxBytes   int
	filestream bool
}

// builder makes a step of a chain.
type builder func(c *Chain, next step) step

// CompileLog compiles json, multiline and the container format of the inputs
// log, container and stdin; each may be nil. maxBytes cuts what comes out.
// Errors are of type *OptionError and begin at json, multiline, stream or format.
func CompileLog(json *JSONConfig, multiline *MultilineConfig, container *ContainerConfig, maxBytes int, log zerolog.Logger) (*Program, error) {
	p := &Program{maxBytes: maxBytes}
	if container != nil {
		if err := container.Validate(); err != nil {
			return nil, err
		}
		p.add(containerStep(*container, true, log))
	}
	if json != nil {
		if multiline != nil && json.MessageKey == "" {
			return nil, &OptionError{"json.message_key", "When using the JSON decoder and multiline together, you need to specify a message_key value"}
		}
		p.add(jsonStep(*json, log))
	}
	if container != nil || json != nil {
		p.add(stripStep)
	}
	if multiline != nil {
		if err := multiline.Validate(); err != nil {
			return nil, within(kindMultiline, err)
		}
		p.add(multilineStep(*multiline, maxBytes, false))
	}
	return p, nil
}

// CompileFilestream compiles the parsers of the filestream input. maxBytes cuts
// what comes out. Errors are of type *OptionError and begin at parsers.
func CompileFilestream(list List, maxBytes int, log zerolog.Logger) (*Program, error) {
	p := &Program{maxBytes: maxBytes, filestream: true}
	for i := range list {
		err := list[i].Validate()
		if err == nil {
			err = within(list[i].kind, p.compile(list[i].options, log))
		}
		if err != nil {
			return nil, within(fmt.Sprintf("parsers.%d", i), err)
		}
	}
	return p, nil
}

// compile adds one parser whose options are valid.
func (p *Program) compile(options any, log zerolog.Logger) error {
	switch o := options.(type) {
	case *MultilineConfig:
		p.add(multilineStep(*o, groupLimit, true))
	case *NDJSONConfig:
		p.add(ndjsonStep(*o, log))
	case *ContainerConfig:
		p.add(containerStep(*o, false, log))
	case *IncludeConfig:
		p.add(includeStep(*o))
	case *SyslogConfig:
		b, err := syslogStep(*o, log)
		if err != nil {
			return err
		}
		p.add(b)
	}
	return nil
}

func (p *Program) add(b builder) { p.steps = append(p.steps, b) }

// New returns the parsers for one file, to be read from a line that begins
// where an acknowledgement ends.
func (p *Program) New() *Chain {
	c := &Chain{filestream: p.filestream}
	c.first = &limit{next: c, bytes: p.maxBytes}
	for i := len(p.steps) - 1; i >= 0; i-- {
		c.first = p.steps[i](c, c.first)
		if w, ok := c.first.(waiter); ok {
			c.waiters = append([]waiter{w}, c.waiters...)
		}
	}
	return c
}

// limit cuts lines to max_bytes.
type limit struct {
	next  step
	bytes int
}

func (s *limit) put(l *Line) bool {
	if s.bytes > 0 && len(l.Text) > s.bytes {
		l.Text = l.Text[:s.bytes]
		l.flag("truncated")
	}
	return s.next.put(l)
}

// strip takes the line end off what was inside of JSON.
type strip struct{ next step }

func stripStep(_ *Chain, next step) step { return &strip{next} }

func (s *strip) put(l *Line) bool {
	if n := len(l.Text); n > 0 && l.Text[n-1] == '\n' {
		l.Text = l.Text[:n-1]
		if n > 1 && l.Text[n-2] == '\r' {
			l.Text = l.Text[:n-2]
		}
	}
	return s.next.put(l)
}

// include drops lines that match no pattern.
type include struct {
	c        *Chain
	next     step
	patterns []*regexp.Regexp
}

func includeStep(o IncludeConfig) builder {
	var patterns []*regexp.Regexp
	for _, p := range o.Patterns {
		patterns = append(patterns, regexp.MustCompile(p)) // valid
	}
	return func(c *Chain, next step) step { return &include{c, next, patterns} }
}

func (s *include) put(l *Line) bool {
	for _, r := range s.patterns {
		if r.Match(l.Text) {
			return s.next.put(l)
		}
	}
	return s.c.drop()
}
