package tailer

import (
	"fmt"
	"math"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/registry"
)

// input is a configured set of paths, compiled.
type input struct {
	cfg *InputConfig
	options
	dec          decoding
	include      []*regexp.Regexp // lines
	exclude      []*regexp.Regexp
	includePaths []*regexp.Regexp
	excludePaths []*regexp.Regexp
	globs        []string

	set  *fileSet
	t    *Tailer
	reg  *registry.Registry
	log  zerolog.Logger
	open atomic.Int64 // harvesters
	// limited is set once the harvester limit was reached and reported.
	limited atomic.Bool
	next    time.Time // of the next scan
	scanned bool      // at least once
}

func (t *Tailer) newInput(c *InputConfig) (*input, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	in := &input{cfg: c, options: c.options(), t: t, reg: t.reg, log: t.log.With().Str("input", c.Type).Logger()}
	if c.ID != "" {
		in.log = in.log.With().Str("id", c.ID).Logger()
	}
	in.dec, _ = newDecoding(c.Encoding) // Validate has tried it
	in.include, in.exclude = compileAll(c.IncludeLines), compileAll(c.ExcludeLines)
	in.includePaths, in.excludePaths = compileAll(in.includeFiles), compileAll(in.excludeFiles)
	for _, p := range c.Paths {
		in.globs = append(in.globs, expandGlob(p, in.recursiveGlob)...)
	}
	return in, nil
}

// compileAll compiles patterns that Validate has tried.
func compileAll(patterns []string) (rs []*regexp.Regexp) {
	for _, p := range patterns {
		rs = append(rs, regexp.MustCompile(p))
	}
	return rs
}

// wants says whether a line becomes an event: include_lines first, then
// exclude_lines. Empty lines never do.
func (in *input) wants(line []byte) bool {
	return len(line) > 0 &&
		(len(in.include) == 0 || matchAny(in.include, line)) &&
		(len(in.exclude) == 0 || !matchAny(in.exclude, line))
}

func matchAny(rs []*regexp.Regexp, s []byte) bool {
	for _, r := range rs {
		if r.Match(s) {
			return true
		}
	}
	return false
}

// wantsPath says whether the name filters admit a path.
func (in *input) wantsPath(path string) bool {
	p := []byte(path)
	return (len(in.includePaths) == 0 || matchAny(in.includePaths, p)) && !matchAny(in.excludePaths, p)
}

// rawLimit is how many bytes of a line are looked at: those of max_bytes, of
// twice as many in UTF-16, and of a byte order mark and a carriage return.
func (in *input) rawLimit(d *decoding) int {
	return (min(in.maxBytes, math.MaxInt32/8) + 8) * d.unit
}

// ttl is the time after which the State may be forgotten; -1: never.
func (in *input) ttl() time.Duration {
	if in.cfg.CleanInactive > 0 {
		return in.cfg.CleanInactive
	}
	return -1
}

// stateID is the State's id in log.json; filestream has none.
func (in *input) stateID(id inode) string {
	if in.cfg.Type == TypeFilestream {
		return ""
	}
	return fmt.Sprintf("native::%d-%d", id.ino, id.dev)
}

// admit counts one more open file, if it may be opened (harvester_limit).
func (in *input) admit() bool {
	limit := in.cfg.HarvesterLimit
	if n := in.open.Add(1); limit > 0 && n > int64(limit) {
		in.open.Add(-1)
		if !in.limited.Swap(true) {
			in.log.Warn().Int("harvester_limit", limit).Msg("harvester limit reached: further files wait until one is closed")
		}
		return false
	}
	return true
}

// refused takes back what admit has counted.
func (in *input) refused() { in.open.Add(-1) }

func (in *input) opened() {
	in.t.stats.filesOpened.Add(1)
	in.t.stats.filesOpen.Add(1)
}

func (in *input) closed(f *file) {
	in.open.Add(-1)
	in.t.stats.filesOpen.Add(-1)
	in.t.idle.remove(f)
}
