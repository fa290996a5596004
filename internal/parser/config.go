package parser

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The types of multiline.
const (
	typePattern = "pattern"
	typeCount   = "count"
	typeWhile   = "while_pattern"
)

// MultilineConfig is multiline of the inputs log, container and stdin, and the
// parser multiline of filestream: it joins lines to one event.
type MultilineConfig struct {
	// Type says what belongs together: lines that a pattern marks (pattern), a
	// fixed number of lines (count), or lines in a row that match
	// (while_pattern). Default: pattern.
	Type string `config:"type"`
	// Pattern is a regular expression (RE2). Required but for type count.
	Pattern string `config:"pattern"`
	// Negate turns the pattern round: lines that don't match it count as
	// matching. Default: false.
	Negate bool `config:"negate"`
	// Match says where lines in a row that match belong to, type pattern:
	// after the line that comes before them, or before the line that follows
	// them. Default: after.
	Match string `config:"match"`
	// FlushPattern is a regular expression; a further line of a group that
	// matches it ends the group. Type pattern. Default: none.
	FlushPattern string `config:"flush_pattern"`
	// MaxLines is how many lines are joined; those over it are left out, and
	// log.flags says truncated. 0 or less: all. Default: 500.
	MaxLines int `config:"max_lines"`
	// Timeout is how long a group waits for a further line before it is sent;
	// 0 waits for ever. Type count knows no timeout. Default: 5s.
	Timeout time.Duration `config:"timeout"`
	// CountLines is the number of lines of type count. Required there.
	CountLines int `config:"count_lines"`
	// LinesCount is another name of count_lines. Default: 0.
	LinesCount int `config:"lines_count"`
	// SkipNewline joins lines without a line feed between them. Default: false.
	SkipNewline bool `config:"skip_newline"`
}

// DefaultMultiline returns the defaults of multiline.
func DefaultMultiline() MultilineConfig {
	return MultilineConfig{Type: typePattern, Match: "after", MaxLines: 500, Timeout: 5 * time.Second}
}

// Validate reports the first fault.
func (c *MultilineConfig) Validate() error {
	if !slices.Contains([]string{typePattern, typeCount, typeWhile}, c.Type) {
		return &OptionError{"type", fmt.Sprintf("unknown multiline type %q; use pattern, count or while_pattern", c.Type)}
	}
	if c.Type == typeCount {
		switch {
		case c.lines() <= 0:
			return &OptionError{"count_lines", "multiline.count_lines cannot be zero when count based is selected; write how many lines make one event"}
		case c.CountLines != 0 && c.LinesCount != 0 && c.CountLines != c.LinesCount:
			return &OptionError{"lines_count", fmt.Sprintf("is another name of count_lines, which says %d", c.CountLines)}
		}
	} else if c.Pattern == "" {
		return &OptionError{"pattern", "multiline.pattern cannot be empty when " + c.Type + " based matching is selected; write a regular expression such as '^\\['"}
	}
	if c.Type == typePattern && c.Match != "after" && c.Match != "before" {
		return &OptionError{"match", fmt.Sprintf("unknown matcher type: %q; use after or before", c.Match)}
	}
	if c.Timeout < 0 {
		return &OptionError{"timeout", "must not be negative; 0 waits for ever"}
	}
	if _, err := compilePattern("pattern", c.Pattern); err != nil {
		return err
	}
	_, err := compilePattern("flush_pattern", c.FlushPattern)
	return err
}

func (c *MultilineConfig) lines() int { return max(c.CountLines, c.LinesCount) }

// compilePattern compiles a regular expression; an empty one gives nil.
func compilePattern(option, pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	r, err := regexp.Compile(pattern)
	if err != nil {
		return nil, &OptionError{option, fmt.Sprintf("%q is no regular expression (RE2): %s", pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "))}
	}
	return r, nil
}

// JSONConfig is json of the inputs log, container and stdin: each line is
// decoded as a JSON object.
type JSONConfig struct {
	// KeysUnderRoot puts the object's fields at the top level of the event and
	// not below json. Default: false.
	KeysUnderRoot bool `config:"keys_under_root"`
	// OverwriteKeys lets the object's fields win over those that the event
	// has, and takes over @timestamp (RFC 3339), with keys_under_root.
	// Default: false.
	OverwriteKeys bool `config:"overwrite_keys"`
	// ExpandKeys makes levels of dotted names, with keys_under_root. Default: false.
	ExpandKeys bool `config:"expand_keys"`
	// AddErrorKey adds error.message and error.type: json to the event of a
	// line that can't be decoded, or whose message_key is of no use.
	// Default: false.
	AddErrorKey bool `config:"add_error_key"`
	// MessageKey is the field of the object that line filters and multiline
	// look at; it must hold a text. Required with either. Default: none.
	MessageKey string `config:"message_key"`
	// DocumentID is the field whose text becomes @metadata._id; it is taken
	// out of the object. Default: none.
	DocumentID string `config:"document_id"`
	// IgnoreDecodingError logs no error for lines that can't be decoded.
	// Default: false.
	IgnoreDecodingError bool `config:"ignore_decoding_error"`
}

// NDJSONConfig is the parser ndjson of filestream: each line is decoded as a
// JSON object.
type NDJSONConfig struct {
	// Target is the field that gets the object; empty: its fields go to the
	// top level of the event. Default: none.
	Target string `config:"target"`
	// KeysUnderRoot is the name that Filebeat had for an empty target. With a
	// target it has no effect. Default: false.
	KeysUnderRoot bool `config:"keys_under_root"`
	// OverwriteKeys: as json.overwrite_keys, with an empty target. Default: false.
	OverwriteKeys bool `config:"overwrite_keys"`
	// ExpandKeys: as json.expand_keys, with an empty target. Default: false.
	ExpandKeys bool `config:"expand_keys"`
	// AddErrorKey: as json.add_error_key; the error goes to the target.
	// Default: false.
	AddErrorKey bool `config:"add_error_key"`
	// MessageKey is the field whose text is also the event's message, at which
	// line filters and further parsers look. Default: none.
	MessageKey string `config:"message_key"`
	// DocumentID: as json.document_id. Default: none.
	DocumentID string `config:"document_id"`
	// IgnoreDecodingError: as json.ignore_decoding_error. Default: false.
	IgnoreDecodingError bool `config:"ignore_decoding_error"`
}

// ContainerConfig is the parser container of filestream, and the options stream
// and format of the container input: lines are read as Docker (JSON) or CRI
// runtimes write them.
type ContainerConfig struct {
	// Stream takes the lines of one stream only: all, stdout or stderr.
	// Default: all.
	Stream string `config:"stream"`
	// Format of the lines: docker, cri, or auto, which looks at each line.
	// Default: auto.
	Format string `config:"format"`
}

// DefaultContainer returns the defaults of the parser container.
func DefaultContainer() ContainerConfig { return ContainerConfig{Stream: "all", Format: "auto"} }

// Validate reports the first fault.
func (c *ContainerConfig) Validate() error {
	if !slices.Contains([]string{"all", "stdout", "stderr"}, c.Stream) {
		return &OptionError{"stream", fmt.Sprintf("%q is not known; use all, stdout or stderr", c.Stream)}
	}
	if !slices.Contains([]string{"auto", "docker", "cri"}, c.Format) {
		return &OptionError{"format", fmt.Sprintf("%q is not known; use auto, docker or cri", c.Format)}
	}
	return nil
}

// SyslogConfig is the parser syslog of filestream: lines are read as syslog
// messages. What is found goes to log.syslog, which takes the place of all
// else in log, as in Filebeat.
type SyslogConfig struct {
	// Format of the messages: rfc3164, rfc5424 or auto. Default: auto.
	Format string `config:"format"`
	// Timezone of times that name none: Local, an IANA name such as
	// Europe/Berlin, or an offset such as +02:00. Default: Local.
	Timezone string `config:"timezone"`
	// LogErrors logs lines that can't be read. Default: false.
	LogErrors bool `config:"log_errors"`
	// AddErrorKey adds error.message to the event of such a line. Default: true.
	AddErrorKey bool `config:"add_error_key"`
}

// DefaultSyslog returns the defaults of the parser syslog.
func DefaultSyslog() SyslogConfig {
	return SyslogConfig{Format: "auto", Timezone: "Local", AddErrorKey: true}
}

// IncludeConfig is the parser include_message of filestream: it drops lines
// that match none of the patterns.
type IncludeConfig struct {
	// Patterns are regular expressions (RE2). Required.
	Patterns []string `config:"patterns"`
}

// Validate reports the first fault.
func (c *IncludeConfig) Validate() error {
	if len(c.Patterns) == 0 {
		return &OptionError{"patterns", "at least one regular expression is needed, else no line would be left"}
	}
	for _, p := range c.Patterns {
		if _, err := compilePattern("patterns", p); err != nil {
			return err
		}
	}
	return nil
}
