package elasticsearch

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/internal/event"
	"sluice/internal/formatstring"
	"sluice/internal/processor"
)

// selector finds a document's index or pipeline.
type selector struct {
	rules []rule
	lower bool // names of indices are in lower case
	// agentVersion is what %{[agent.version]} gives, so that the usual index
	// needs no look at the document.
	agentVersion string
	// The last answer, for documents of the same minute, where nothing else counts.
	steady bool
	minute string
	last   string
}

type rule struct {
	format   *formatstring.Format
	mappings map[string]string
	fallback string
	holds    func(*event.Event) bool // nil: always
}

// source is a rule as it is configured.
type source struct {
	option, text string
	mappings     map[string]string
	fallback     string
	when         *processor.Condition
}

// errNoRule says that no rule fits a document.
var errNoRule = errors.New("no rule gives it an index")

// newSelector compiles rules; what is empty is left out.
func newSelector(sources []source, lower bool, agentVersion string) (*selector, error) {
	s := &selector{lower: lower, agentVersion: agentVersion, steady: true}
	var errs []error
	for _, src := range sources {
		r, err := src.compile()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.rules = append(s.rules, r)
		s.steady = s.steady && r.holds == nil && len(r.mappings) == 0 && r.steady()
	}
	return s, errors.Join(errs...)
}

func (src source) compile() (rule, error) {
	r := rule{mappings: src.mappings, fallback: src.fallback}
	var err error
	if r.format, err = formatstring.Parse(src.text); err != nil {
		return rule{}, fieldErrorf(src.option, "%w", err)
	}
	if src.when == nil {
		return r, nil
	}
	if r.holds, err = src.when.Compile(); err != nil {
		section := src.option[:strings.LastIndexByte(src.option, '.')]
		return rule{}, fieldErrorf(section+".when", "%w", err)
	}
	return r, nil
}

// errField stands for a field of the document.
var errField = errors.New("of the document")

// steady tells whether the rule gives the same to all documents of a minute.
func (r rule) steady() bool {
	fields := false
	get := func(field string) (any, error) {
		if field == agentVersionField {
			return "", nil
		}
		fields = true
		return nil, errField
	}
	minute := time.Date(2026, 11, 25, 10, 53, 0, 0, time.UTC)
	first, _ := r.format.Append(nil, minute, get)
	second, _ := r.format.Append(nil, minute.Add(35*time.Second+123456789), get)
	return !fields && string(first) == string(second)
}

const agentVersionField = "agent.version"

// selectFor returns the name for a document; "" when there are no rules.
func (s *selector) selectFor(d *document) (string, error) {
	if len(s.rules) == 0 {
		return "", nil
	}
	if !s.steady {
		return s.find(d)
	}
	if minute := d.minute(); string(minute) != s.minute {
		name, err := s.find(d)
		if err != nil {
			return "", err
		}
		s.minute, s.last = string(minute), name
	}
	return s.last, nil
}

func (s *selector) find(d *document) (string, error) {
	at, err := d.time()
	if err != nil {
		return "", err
	}
	for i := range s.rules {
		name, err := s.rules[i].name(d, at, s.agentVersion)
		if err != nil {
			return "", err
		}
		if name == "" {
			continue
		}
		if s.lower {
			name = strings.ToLower(name)
		}
		return name, nil
	}
	return "", errNoRule
}

// name returns "" if the rule is not for the document.
func (r *rule) name(d *document, at time.Time, agentVersion string) (string, error) {
	if r.holds != nil {
		e, err := d.event()
		if err != nil {
			return "", err
		}
		if !r.holds(e) {
			return "", nil
		}
	}
	var broken error
	text, err := r.format.Append(nil, at, func(field string) (any, error) {
		if field == agentVersionField {
			return agentVersion, nil
		}
		e, err := d.event()
		if err != nil {
			broken = err
			return nil, err
		}
		return e.Get(field)
	})
	switch {
	case broken != nil:
		return "", broken
	case err != nil:
		return "", nil // a field is missing: the next rule
	}
	name := string(text)
	if r.mappings == nil {
		return name, nil
	}
	if mapped, ok := r.mappings[name]; ok {
		return mapped, nil
	}
	return r.fallback, nil
}

// indexSources lists the rules of the index, the last of which is index.
func (c *Config) indexSources() []source {
	var list []source
	for i, r := range c.Indices {
		list = append(list, source{fmt.Sprintf("indices.%d.index", i), r.Index, r.Mappings, r.Default, r.When})
	}
	return append(list, source{option: "index", text: c.Index})
}

func (c *Config) pipelineSources() []source {
	var list []source
	for i, r := range c.Pipelines {
		list = append(list, source{fmt.Sprintf("pipelines.%d.pipeline", i), r.Pipeline, r.Mappings, r.Default, r.When})
	}
	if c.Pipeline != "" {
		list = append(list, source{option: "pipeline", text: c.Pipeline})
	}
	return list
}

// validateRules checks indices and pipelines.
func (c *Config) validateRules() error {
	var errs []error
	for _, src := range append(c.indexSources(), c.pipelineSources()...) {
		if src.text == "" {
			errs = append(errs, fieldErrorf(src.option, "is missing; give for example mqtt-%%{+yyyy.MM.dd}"))
			continue
		}
		if _, err := src.compile(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
