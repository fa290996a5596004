package processor

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/rs/zerolog"

	"sluice/internal/event"
)

// Chain is a compiled List. The nil Chain does nothing.
type Chain struct {
	links []link
	log   zerolog.Logger
	ends  bool // at the first error
}

// link is one entry of a chain.
type link struct {
	kind string
	when *condition // nil: always
	step step
}

// Compile makes a chain of the general list: after a processor's error the
// next one runs. Errors name the entry and its option, as those of Validate do.
func Compile(list List, env Env) (*Chain, error) { return compileList(list, env, false) }

// CompileForInput makes a chain of an input's list: a processor's error ends
// it, and the event goes on to the general list.
func CompileForInput(list List, env Env) (*Chain, error) { return compileList(list, env, true) }

func compileList(list List, env Env, ends bool) (*Chain, error) {
	if len(list) == 0 {
		return nil, nil
	}
	c := &Chain{log: env.Log, ends: ends}
	for i := range list {
		l, err := compileEntry(&list[i], env)
		if err != nil {
			return nil, errors.Join(inside(strconv.Itoa(i), err), c.Close())
		}
		c.links = append(c.links, l)
	}
	return c, nil
}

func compileEntry(e *Entry, env Env) (link, error) {
	if e.options == nil {
		s, err := compileBranch(e, env)
		return link{kind: "if", step: s}, err
	}
	l := link{kind: e.kind}
	if c, ok := e.options.(conditional); ok {
		var err error
		if l.when, err = c.condition().compile(); err != nil {
			return link{}, inside(e.kind+".when", err)
		}
	}
	var err error
	if l.step, err = e.options.compile(env); err != nil {
		return link{}, inside(e.kind, err)
	}
	return l, nil
}

// branch is an if; an error ends its list, as in Filebeat.
type branch struct {
	test    *condition
	yes, no *Chain
}

func compileBranch(e *Entry, env Env) (s *branch, err error) {
	s = &branch{}
	if e.If == nil {
		return nil, fault("", "each processor must have exactly one action; name one, for example add_tags, or if")
	}
	if s.test, err = e.If.compile(); err != nil {
		return nil, inside("if", err)
	}
	if s.yes, err = compileList(e.Then, env, true); err != nil {
		return nil, inside("then", err)
	}
	if s.no, err = compileList(e.Else, env, true); err != nil {
		return nil, errors.Join(inside("else", err), s.yes.Close())
	}
	return s, nil
}

func (b *branch) run(e *event.Event) (drop bool, err error) {
	if b.test.holds(e) {
		return b.yes.run(e)
	}
	return b.no.run(e)
}

// Close ends both branches.
func (b *branch) Close() error { return errors.Join(b.yes.Close(), b.no.Close()) }

// Empty says that events pass the chain unchanged.
func (c *Chain) Empty() bool { return c == nil || len(c.links) == 0 }

// Run changes the event; false means that it is dropped.
func (c *Chain) Run(e *event.Event) bool {
	if c == nil {
		return true
	}
	if e.Fields == nil {
		e.Fields = make(map[string]any)
	}
	drop, _ := c.run(e) // it has logged the error
	return !drop
}

// errEnded says that a list ended at an error, which is logged.
var errEnded = errors.New("an error ended the list")

// run logs all errors, and returns errEnded if one of them ended the chain.
func (c *Chain) run(e *event.Event) (drop bool, err error) {
	if c == nil {
		return false, nil
	}
	for i := range c.links {
		l := &c.links[i]
		if l.when != nil && !l.when.holds(e) {
			continue
		}
		drop, err := l.step.run(e)
		if drop {
			return true, nil
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, errEnded) {
			c.log.Debug().Err(err).Str("processor", l.kind).Msg("Fail to apply processor")
		}
		if c.ends && !isIgnored(err) {
			return false, errEnded
		}
	}
	return false, nil
}

// Close ends what the chain's processors hold, such as files.
func (c *Chain) Close() error {
	if c == nil {
		return nil
	}
	var errs []error
	for _, l := range c.links {
		if held, ok := l.step.(closer); ok {
			if err := held.Close(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", l.kind, err))
			}
		}
	}
	return errors.Join(errs...)
}
