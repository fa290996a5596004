package tailer

import (
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/parser"
	"sluice/internal/processor"
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
	compression  string // "", gzip or auto
	identity     string
	marker       string                                                         // of identity inode_marker
	meta         map[string]string                                              // of the States: a container's stream
	logKey       func(identity string, meta map[string]string) (key, id string) // with meta; else nil
	program      *parser.Program                                                // nil: lines are taken as they are
	processors   *processor.Chain
	index        indexFormat
	suffix       *regexp.Regexp // of copies (copytruncate); nil: any
	// slow says that lines go through parsers or processors, direct that there
	// are only parsers.
	slow, direct bool

	set  *fileSet
	t    *Tailer
	reg  *registry.Registry
	log  zerolog.Logger
	open atomic.Int64 // harvesters
	// limited is set once the harvester limit was reached and reported.
	limited atomic.Bool
	next    time.Time // of the next scan
	looked  time.Time // when the last one began
	scanned bool      // at least once
	novel   bool      // there were no States under its id when it began
	stats   inputStats
	copies  map[inode]possibleCopy
}

func (t *Tailer) newInput(c *InputConfig) (*input, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	in := &input{cfg: c, options: c.options(), t: t, reg: t.reg, log: t.log.With().Str("input", c.kind()).Logger(), copies: make(map[inode]possibleCopy)}
	if c.ID != "" {
		in.log = in.log.With().Str("id", c.ID).Logger()
	}
	in.dec, _ = newDecoding(c.Encoding) // Validate has tried it
	_ = in.dec.terminate(c.LineTerminator)
	if in.dec.hopeless {
		in.log.Warn().Str("encoding", c.Encoding).Msg("text in this encoding can't be decoded, so no line of these files is sent; Filebeat sends none either. Convert the files, or use gbk or gb18030 if that is what they hold")
	}
	in.include, in.exclude = compileAll(c.IncludeLines), compileAll(c.ExcludeLines)
	in.includePaths, in.excludePaths = compileAll(in.includeFiles), compileAll(in.excludeFiles)
	in.index, _ = newIndexFormat(c.Index)
	if in.compression = c.Compression; in.compression == "" && c.GzipExperimental {
		in.compression = "auto"
	}
	if ct := c.Rotation.External.Strategy.Copytruncate; ct != nil {
		in.suffix = regexp.MustCompile(ct.SuffixRegex)
	}
	in.novel = !slices.ContainsFunc(t.reg.States(), func(s registry.State) bool { return strings.HasPrefix(s.Key, keySpace(c)) })
	if stream := c.stream(); c.kind() == TypeContainer && stream != "" {
		in.meta = map[string]string{"stream": stream}
		in.logKey = registry.LogKey
		if slices.ContainsFunc(t.reg.States(), func(s registry.State) bool { return s.HasNewerKey() }) {
			in.logKey = registry.NewerLogKey // as the Filebeat before us, and perhaps after
		}
	}
	if !in.recursiveGlob {
		in.log.Debug().Msg("recursive glob disabled")
	}
	for _, p := range c.Paths {
		if _, err := filepath.Match(p, ""); err != nil {
			in.log.Error().Str("path", p).Msg("the path is a malformed glob pattern (a [ needs its ]) and finds nothing")
			continue
		}
		in.globs = append(in.globs, expandGlob(p, in.recursiveGlob)...)
	}
	if c.IsMQTT() {
		in.globs = []string{segmentGlob(t.cfg.SpoolPath, c.Series())}
	}
	in.identity = identityOf(c, t.cfg.Version)
	var err error
	if in.marker, err = in.readMarker(); err != nil {
		return nil, err
	}
	return in, in.compile()
}

// compile makes what is done to the input's lines.
func (in *input) compile() (err error) {
	if in.program, err = in.cfg.program(in.log); err != nil {
		return err
	}
	in.processors, err = processor.CompileForInput(in.cfg.Processors, in.t.processorEnv(in.log))
	if err != nil {
		return prefixed(err, "processors")
	}
	trees := in.cfg.IsMQTT() || !in.processors.Empty() || !in.t.processors.Empty() || in.index.dated()
	in.slow, in.direct = trees || in.program != nil, !trees
	return nil
}

// compileAll compiles patterns that Validate has tried.
func compileAll(patterns []string) (rs []*regexp.Regexp) {
	for _, p := range patterns {
		rs = append(rs, regexp.MustCompile(p))
	}
	return rs
}

// wants says whether a line becomes an event: include_lines first, then
// exclude_lines.
func (in *input) wants(line []byte) bool {
	return (len(in.include) == 0 || matchAny(in.include, line)) &&
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

// wantsPath says whether the name filters admit a path. The segments of mqtt
// inputs are theirs alone.
func (in *input) wantsPath(path string) bool {
	if in.typ != TypeMQTT && in.t.cfg.SpoolPath != "" {
		if name, below := strings.CutPrefix(path, in.t.cfg.SpoolPath); below && strings.HasPrefix(name, "/"+SeriesPrefix) {
			return false
		}
	}
	p := []byte(path)
	return (len(in.includePaths) == 0 || matchAny(in.includePaths, p)) && !matchAny(in.excludePaths, p)
}

// parsersRoom is how many bytes of a line parsers get at least: JSON of that
// size is decoded however small max_bytes is, as Filebeat decodes what its
// buffer of 16 KiB holds.
const parsersRoom = 16 << 10

// lineLimit is how much of a line is taken. Parsers get more than max_bytes:
// they decode and join before the result is cut.
func (in *input) lineLimit() int {
	if in.program != nil {
		return max(parsersRoom, 4*min(in.maxBytes, math.MaxInt32/32))
	}
	return in.maxBytes
}

// rawLimit is how many bytes of a line are looked at: those of its text, of
// twice as many where four bytes may become two, as in GB 18030, or two one, as
// in UTF-16, and of a byte order mark and a carriage return.
func (in *input) rawLimit(d *decoding) int {
	n := min(in.lineLimit(), math.MaxInt32/8) + 8
	if d.enc != nil {
		n *= 2
	}
	return n
}

// ttl is the time after which the State may be forgotten; -1: never.
func (in *input) ttl() time.Duration {
	if in.cfg.CleanInactive > 0 {
		return in.cfg.CleanInactive
	}
	return -1
}

// keyOf returns the registry's key of a file; fp is its fingerprint, empty if
// it has none.
func (in *input) keyOf(id inode, path, fp string) string {
	identity := in.idOf(id, path, fp)
	if in.typ == TypeFilestream {
		if in.set.stream != "" {
			identity += "-" + in.set.stream
		}
		return in.set.space + identity
	}
	if in.logKey == nil {
		return in.set.space + identity
	}
	key, _ := in.logKey(identity, in.meta)
	return key
}

// admit counts one more open file, if it may be opened (harvester_limit).
func (in *input) admit() bool {
	limit := in.cfg.HarvesterLimit
	if n := in.open.Add(1); limit > 0 && n > int64(limit) {
		in.open.Add(-1)
		in.t.stats.skipped.Add(1)
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
	in.stats.opened.Add(1)
}

func (in *input) closed(f *file) {
	in.open.Add(-1)
	in.t.stats.filesOpen.Add(-1)
	in.stats.closed.Add(1)
	in.t.idle.remove(f)
}
