package tailer

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// OptionError is a fault of one option; Field is its name relative to the
// struct that was validated.
type OptionError struct {
	Option string
	Fault  string
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Fault }

// Field returns the option's dotted name.
func (e *OptionError) Field() string { return e.Option }

func fault(option, format string, args ...any) error {
	return &OptionError{Option: option, Fault: fmt.Sprintf(format, args...)}
}

// Validate reports every fault of the input's options at once.
func (c *InputConfig) Validate() error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	switch {
	case c.InputType != "" && c.Type != "" && c.InputType != c.Type:
		add(fault("input_type", "is the old name of type, which says %q", c.Type))
	case !slices.Contains([]string{TypeLog, TypeFilestream, TypeContainer, TypeStdin, TypeMQTT}, c.kind()):
		add(fault("type", "%q is no input of sluice; use log, filestream, container, stdin or mqtt", c.kind()))
		return errors.Join(errs...)
	}
	errs = append(errs, c.misplaced()...)
	switch {
	case c.IsMQTT():
		errs = append(errs, c.validateMQTT()...)
	case c.kind() != TypeStdin && len(c.Paths) == 0:
		add(fault("paths", "No paths were defined for input: list at least one file or glob"))
	}
	dec, err := newDecoding(c.Encoding)
	if add(err); err == nil {
		add(dec.terminate(c.LineTerminator))
	}
	errs = append(errs, c.validatePatterns()...)
	errs = append(errs, c.validateTimes()...)
	errs = append(errs, c.validateFiles()...)
	errs = append(errs, c.validateParsers()...)
	add(validateFields("fields", c.Fields, c.FieldsUnderRoot))
	if _, err := newIndexFormat(c.Index); err != nil {
		add(fault("index", "%v", err))
	}
	return errors.Join(errs...)
}

// kind is the input's type.
func (c *InputConfig) kind() string { return cmp.Or(c.Type, c.InputType, TypeLog) }

func (c *InputConfig) validatePatterns() (errs []error) {
	for _, list := range []struct {
		name     string
		patterns []string
	}{
		{"exclude_files", c.ExcludeFiles}, {"include_lines", c.IncludeLines}, {"exclude_lines", c.ExcludeLines},
		{"prospector.scanner.exclude_files", c.Prospector.Scanner.ExcludeFiles},
		{"prospector.scanner.include_files", c.Prospector.Scanner.IncludeFiles},
	} {
		for _, p := range list.patterns {
			if _, err := regexp.Compile(p); err != nil {
				errs = append(errs, fault(list.name, "%q is no regular expression (RE2): %s", p, strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
			}
		}
	}
	return errs
}

func (c *InputConfig) validateTimes() (errs []error) {
	o := c.options()
	scan := "scan_frequency"
	if c.kind() == TypeFilestream {
		scan = "prospector.scanner.check_interval"
	}
	if o.scanFrequency <= 0 {
		errs = append(errs, fault(scan, "must be greater than 0, for example 10s"))
	}
	if o.maxBytes <= 0 {
		errs = append(errs, fault(o.maxBytesName(), "must be greater than 0"))
	}
	if c.HarvesterLimit < 0 {
		errs = append(errs, fault("harvester_limit", "must not be negative; 0 is no limit"))
	}
	if c.CleanInactive > 0 && c.CleanInactive <= c.IgnoreOlder+o.scanFrequency {
		errs = append(errs, fault("clean_inactive", "must be greater than ignore_older + %s (%s), else a file's state would be forgotten while the file is still followed, and the file sent again", scan, c.IgnoreOlder+o.scanFrequency))
	}
	if c.CleanInactive > 0 && c.IgnoreOlder == 0 && c.kind() != TypeFilestream {
		errs = append(errs, fault("clean_inactive", "needs ignore_older; without it a file whose state was forgotten would be sent again"))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"ignore_older", c.IgnoreOlder}, {"partial_line_timeout", c.PartialLineTimeout}, {"backoff", c.Backoff.Init}, {"backoff.max", c.Backoff.Max},
		{"max_backoff", c.MaxBackoff}, {"close_inactive", c.CloseInactive}, {"close_timeout", c.CloseTimeout},
		{"close.on_state_change.inactive", c.Close.OnStateChange.Inactive}, {"close.reader.after_interval", c.Close.Reader.AfterInterval},
		{"delete.grace_period", c.Delete.GracePeriod},
	} {
		if d.value < 0 {
			errs = append(errs, fault(d.name, "must not be negative"))
		}
	}
	if c.BackoffFactor < 1 {
		errs = append(errs, fault("backoff_factor", "must be at least 1"))
	}
	return errs
}

// validateFiles checks how files are found, known again and removed.
func (c *InputConfig) validateFiles() (errs []error) {
	add := func(option, format string, args ...any) { errs = append(errs, fault(option, format, args...)) }
	if err := c.FileIdentity.validate(); err != nil {
		errs = append(errs, err)
	}
	fp := c.Prospector.Scanner.Fingerprint
	if c.FileIdentity.chosen == identityFingerprint {
		switch {
		case c.kind() != TypeFilestream:
			add("file_identity.fingerprint", "belongs to the filestream input; use native, path or inode_marker")
		case !fp.Enabled:
			add("file_identity.fingerprint", "needs prospector.scanner.fingerprint.enabled: true")
		}
	}
	if fp.Length < 64 {
		add("prospector.scanner.fingerprint.length", "fingerprint size %d bytes cannot be smaller than 64 bytes", fp.Length)
	}
	if fp.Offset < 0 {
		add("prospector.scanner.fingerprint.offset", "must not be negative")
	}
	oneOf := func(option, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			add(option, "%q is not known; use %s", value, strings.Trim(strings.Join(allowed, ", "), ", "))
		}
	}
	oneOf("ignore_inactive", c.IgnoreInactive, "", sinceFirstStart, sinceLastStart)
	oneOf("compression", c.Compression, "", "gzip", "auto")
	oneOf("scan.sort", c.Scan.Sort, "", "modtime", "filename")
	oneOf("scan.order", c.Scan.Order, "", "asc", "desc")
	if ct := c.Rotation.External.Strategy.Copytruncate; ct != nil {
		if _, err := regexp.Compile(ct.SuffixRegex); err != nil {
			add("rotation.external.strategy.copytruncate.suffix_regex", "%q is no regular expression (RE2)", ct.SuffixRegex)
		} else if ct.SuffixRegex == "" {
			add("rotation.external.strategy.copytruncate.suffix_regex", "is required: what the name of a copy has behind the file's own, for example \\.\\d$")
		}
	}
	return errs
}

// validateParsers checks what is done to lines.
func (c *InputConfig) validateParsers() (errs []error) {
	if _, err := c.program(zerolog.Nop()); err != nil {
		errs = append(errs, err)
	}
	if c.JSON != nil && c.JSON.MessageKey == "" && len(c.IncludeLines)+len(c.ExcludeLines) > 0 && c.kind() != TypeFilestream {
		errs = append(errs, fault("json.message_key", "When using the JSON decoder and line filtering together, you need to specify a message_key value"))
	}
	for i := range c.Processors {
		if err := c.Processors[i].Validate(); err != nil {
			errs = append(errs, prefixed(err, "processors."+strconv.Itoa(i)))
		}
	}
	return errs
}

// prefixed puts a section's name before the field of an error, or of each of
// several.
func prefixed(err error, section string) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, one := range many.Unwrap() {
			errs = append(errs, prefixed(one, section))
		}
		return errors.Join(errs...)
	}
	var named interface{ Field() string }
	if !errors.As(err, &named) {
		return fault(section, "%v", err)
	}
	if named.Field() == "" {
		return fault(section, "%v", err)
	}
	return fault(section+"."+named.Field(), "%s", strings.TrimPrefix(err.Error(), named.Field()+": "))
}

// misplaced finds options of another input type that were set.
func (c *InputConfig) misplaced() (errs []error) {
	d := DefaultInput()
	other := func(set bool, name, use string) {
		if set {
			errs = append(errs, fault(name, "is no option of type %s; use %s", c.kind(), use))
		}
	}
	if c.IsMQTT() {
		return c.misplacedMQTT()
	}
	for _, name := range changed(c.MQTTOptions, d.MQTTOptions) {
		other(true, name, "type mqtt")
	}
	switch c.kind() {
	case TypeFilestream:
		c.misplacedInFilestream(&d, other)
		return errs
	case TypeStdin:
		other(len(c.Paths) > 0, "paths", "type log")
	}
	s, ds := c.Prospector.Scanner, d.Prospector.Scanner
	other(len(c.Parsers) > 0, "parsers", "json and multiline")
	other(c.MessageMaxBytes != d.MessageMaxBytes, "message_max_bytes", "max_bytes")
	other(len(s.ExcludeFiles) > 0, "prospector.scanner.exclude_files", "exclude_files")
	other(len(s.IncludeFiles) > 0, "prospector.scanner.include_files", "paths or exclude_files")
	other(s.RecursiveGlob != ds.RecursiveGlob, "prospector.scanner.recursive_glob", "recursive_glob.enabled")
	other(s.Symlinks != ds.Symlinks, "prospector.scanner.symlinks", "symlinks")
	other(s.ResendOnTouch, "prospector.scanner.resend_on_touch", "type filestream")
	other(s.CheckInterval != ds.CheckInterval, "prospector.scanner.check_interval", "scan_frequency")
	other(s.Fingerprint != ds.Fingerprint, "prospector.scanner.fingerprint", "file_identity of type filestream")
	other(c.Close.OnStateChange != d.Close.OnStateChange, "close.on_state_change", "close_inactive, close_renamed, close_removed")
	other(c.Close.Reader != d.Close.Reader, "close.reader", "close_eof, close_timeout")
	other(c.IgnoreInactive != "", "ignore_inactive", "ignore_older")
	other(c.SeekToTail, "seek_to_tail", "tail_files")
	other(c.Compression != "" || c.GzipExperimental, "compression", "type filestream")
	other(c.Rotation != d.Rotation, "rotation", "type filestream (copies are recognised without it)")
	other(c.Delete != d.Delete, "delete", "type filestream, or the cleaner")
	other(c.Backoff.Max != 0 || c.Backoff.Init != 0 && !c.Backoff.scalar, "backoff", "a duration, and max_backoff")
	if c.kind() != TypeContainer {
		other(c.Stream != d.Stream, "stream", "type container")
		other(c.Format != d.Format, "format", "type container")
	}
	return errs
}

func (c *InputConfig) misplacedInFilestream(d *InputConfig, other func(set bool, name, use string)) {
	other(len(c.ExcludeFiles) > 0, "exclude_files", "prospector.scanner.exclude_files")
	other(c.JSON != nil, "json", "parsers: [{ndjson: …}]")
	other(c.Multiline != nil, "multiline", "parsers: [{multiline: …}]")
	other(c.Stream != d.Stream || c.Format != d.Format, "stream", "parsers: [{container: …}]")
	other(c.MaxBytes != d.MaxBytes, "max_bytes", "message_max_bytes")
	other(c.HarvesterBufferSize != d.HarvesterBufferSize, "harvester_buffer_size", "buffer_size")
	other(c.RecursiveGlob != d.RecursiveGlob, "recursive_glob", "prospector.scanner.recursive_glob")
	other(c.TailFiles, "tail_files", "seek_to_tail or ignore_inactive")
	other(c.Scan != d.Scan, "scan", "type log")
	other(c.MaxBackoff != d.MaxBackoff, "max_backoff", "backoff.max")
	other(c.BackoffFactor != d.BackoffFactor, "backoff_factor", "backoff.init and backoff.max")
	other(c.Backoff.scalar, "backoff", "backoff.init and backoff.max")
	other(c.CloseInactive != d.CloseInactive, "close_inactive", "close.on_state_change.inactive")
	other(c.CloseRenamed != d.CloseRenamed, "close_renamed", "close.on_state_change.renamed")
	other(c.CloseRemoved != d.CloseRemoved, "close_removed", "close.on_state_change.removed")
	other(c.CloseEOF != d.CloseEOF, "close_eof", "close.reader.on_eof")
	other(c.CloseTimeout != d.CloseTimeout, "close_timeout", "close.reader.after_interval")
	other(c.ScanFrequency != d.ScanFrequency, "scan_frequency", "prospector.scanner.check_interval")
	other(c.Symlinks != d.Symlinks, "symlinks", "prospector.scanner.symlinks")
}
