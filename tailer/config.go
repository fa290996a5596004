package tailer

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Config is what a Tailer needs besides its inputs' own options.
//
// It is filled by the config package from several places of the
// configuration file; the comment of each field names the place.
type Config struct {
	// Inputs are the sets of paths to follow (filebeat.inputs).
	Inputs []InputConfig

	// Name is the name of this gateway in agent.name and host.name
	// (top-level name; default: the host name).
	Name string
	// AgentID is the stable identity of this installation (agent.id).
	AgentID string
	// EphemeralID is the identity of this run (agent.ephemeral_id).
	EphemeralID string
	// Version is the Filebeat version that events carry in @metadata.version
	// and agent.version (compatibility.version), since index names use it.
	Version string
	// Index is the @metadata.beat of every event (output.logstash.index).
	Index string
	// Tags and Fields are added to the events of every input (top-level tags,
	// fields, fields_under_root).
	Tags            []string
	Fields          map[string]any
	FieldsUnderRoot bool
	// EscapeHTML escapes <, > and & in JSON strings (output.logstash.escape_html).
	EscapeHTML bool

	// BatchEvents is the most events in one batch (output.*.bulk_max_size).
	BatchEvents int
	// BatchBytes is the most bytes in one batch, one event alone excepted; a
	// lane reserves as much for each of its batches.
	BatchBytes int
	// BatchesInFlight is how many batches a lane may hold unacknowledged
	// beside the one that it fills (output.logstash.pipelining).
	BatchesInFlight int
	// FlushTimeout bounds how often a lane sends batches that are not full
	// (queue.mem.flush.timeout). The first event after a pause leaves at once.
	FlushTimeout time.Duration
	// FlushEvents is the number of events that are worth a window of their own:
	// when there is nothing more to read, so many are sent without waiting for
	// FlushTimeout (queue.mem.flush.min_events).
	FlushEvents int
	// ShutdownTimeout is how long a stop waits for outstanding
	// acknowledgements (filebeat.shutdown_timeout).
	ShutdownTimeout time.Duration
	// DeadLetterPath is the file that takes documents which the server
	// refuses by closing the connection, however often and alone they are
	// sent (dead_letter.path). Empty: such a document blocks its lane.
	DeadLetterPath string
}

// DefaultConfig returns the defaults of everything but the inputs.
func DefaultConfig() Config {
	return Config{
		Version:         "9.0.0",
		Index:           "filebeat",
		BatchEvents:     2048,
		BatchBytes:      1 << 20,
		BatchesInFlight: 2,
		FlushTimeout:    time.Second,
		FlushEvents:     256,
		ShutdownTimeout: 5 * time.Second,
	}
}

// InputConfig is one entry of filebeat.inputs. It holds the options of both
// file inputs, log and filestream; Validate refuses an option that belongs to
// the other type and names its counterpart.
type InputConfig struct {
	// Type of the input: log or filestream. Default: log, as in Filebeat.
	Type string `config:"type"`
	// Enabled switches the input on. Default: true.
	Enabled bool `config:"enabled"`
	// ID of the input; a part of the registry's keys for filestream, a mere
	// label otherwise. Default: none.
	ID string `config:"id"`
	// Paths are the globs of the files to follow. A ** stands for up to eight
	// folder levels (recursive_glob). Required.
	Paths []string `config:"paths"`
	// ExcludeFiles are regular expressions; a file whose whole path matches
	// one is not followed. Default: none. With filestream write
	// prospector.scanner.exclude_files.
	ExcludeFiles []string `config:"exclude_files"`
	// IncludeLines are regular expressions; if any is given, only lines that
	// match one become events. Checked before exclude_lines. Default: none.
	IncludeLines []string `config:"include_lines"`
	// ExcludeLines are regular expressions; lines that match one are not
	// sent. Default: none.
	ExcludeLines []string `config:"exclude_lines"`
	// Tags are appended to the general tags of each event. Default: none.
	Tags []string `config:"tags"`
	// Fields are added to each event under "fields". Default: none.
	Fields map[string]any `config:"fields"`
	// FieldsUnderRoot puts the fields at the top level of the event. Default: false.
	FieldsUnderRoot bool `config:"fields_under_root"`
	// Encoding of the files: plain, utf-8, utf-16-bom, iso8859-1, windows1252
	// and the other names of Filebeat or the WHATWG encoding list. Default: plain.
	Encoding string `config:"encoding"`
	// IgnoreOlder leaves out files that were last changed longer ago than
	// this; 0 takes all. Default: 0.
	IgnoreOlder time.Duration `config:"ignore_older"`
	// CleanInactive forgets the state of a file that was not changed for this
	// long; it must be greater than ignore_older plus the scan interval.
	// 0 or negative: never. Default: 0.
	CleanInactive time.Duration `config:"clean_inactive"`
	// CleanRemoved forgets the state of a file that is gone. Default: true.
	CleanRemoved bool `config:"clean_removed"`
	// HarvesterLimit bounds the files of this input that are open at once;
	// 0 is no limit. Default: 0.
	HarvesterLimit int `config:"harvester_limit"`
	// PublisherPipeline holds publisher_pipeline.disable_host.
	PublisherPipeline PublisherPipeline `config:"publisher_pipeline"`

	// MaxBytes cuts longer lines and flags them log.flags: [truncated]; the
	// rest of the line is skipped. Input log. Default: 10 MiB.
	MaxBytes int `config:"max_bytes,bytes"`
	// RecursiveGlob switches ** in paths. Input log.
	RecursiveGlob RecursiveGlob `config:"recursive_glob"`
	// CloseInactive closes a file that had no new line for this long; it is
	// opened again when it grows. Input log. Default: 5m.
	CloseInactive time.Duration `config:"close_inactive"`
	// CloseRenamed closes a file when it was renamed and is read to its end.
	// Input log. Default: false.
	CloseRenamed bool `config:"close_renamed"`
	// CloseRemoved closes a file when it was removed and is read to its end.
	// Input log. Default: true.
	CloseRemoved bool `config:"close_removed"`
	// CloseEOF closes a file at its end; the next scan opens it again if it
	// has grown. Input log. Default: false.
	CloseEOF bool `config:"close_eof"`
	// CloseTimeout closes a file this long after it was opened, read to its
	// end or not; the next scan continues it. 0: never. Input log. Default: 0.
	CloseTimeout time.Duration `config:"close_timeout"`
	// ScanFrequency is the time between two looks for new files and changes;
	// notifications of the system come on top. Input log. Default: 10s.
	ScanFrequency time.Duration `config:"scan_frequency"`
	// Symlinks follows symbolic links to files. Input log. Default: false.
	Symlinks bool `config:"symlinks"`
	// AllowDeprecatedUse is Filebeat 9's switch for the log input; it has no
	// effect here. Default: true.
	AllowDeprecatedUse bool `config:"allow_deprecated_use"`

	// MessageMaxBytes is max_bytes of filestream. Default: 10 MiB.
	MessageMaxBytes int `config:"message_max_bytes,bytes"`
	// Prospector holds prospector.scanner.*. Input filestream.
	Prospector Prospector `config:"prospector"`
	// Close holds close.on_state_change.* and close.reader.*. Input filestream.
	Close CloseConfig `config:"close"`
}

// RecursiveGlob is recursive_glob of the log input.
type RecursiveGlob struct {
	// Enabled expands ** to eight folder levels. Default: true.
	Enabled bool `config:"enabled"`
}

// PublisherPipeline is publisher_pipeline of any input.
type PublisherPipeline struct {
	// DisableHost leaves host.name out of the events. Default: false.
	DisableHost bool `config:"disable_host"`
}

// Prospector is prospector of the filestream input.
type Prospector struct {
	// Scanner says which files are found, and when.
	Scanner Scanner `config:"scanner"`
}

// Scanner is prospector.scanner of the filestream input.
type Scanner struct {
	// RecursiveGlob expands ** to eight folder levels. Default: true.
	RecursiveGlob bool `config:"recursive_glob"`
	// ExcludeFiles: as exclude_files of the log input.
	ExcludeFiles []string `config:"exclude_files"`
	// IncludeFiles are regular expressions; if any is given, only files whose
	// whole path matches one are followed. Default: none.
	IncludeFiles []string `config:"include_files"`
	// Symlinks follows symbolic links to files. Default: false.
	Symlinks bool `config:"symlinks"`
	// CheckInterval: as scan_frequency of the log input. Default: 10s.
	CheckInterval time.Duration `config:"check_interval"`
}

// CloseConfig is close of the filestream input.
type CloseConfig struct {
	// OnStateChange closes files by what happens to them.
	OnStateChange CloseOnStateChange `config:"on_state_change"`
	// Reader closes files by how far they are read.
	Reader CloseReader `config:"reader"`
}

// CloseOnStateChange is close.on_state_change of the filestream input.
type CloseOnStateChange struct {
	// Inactive: as close_inactive of the log input. Default: 5m.
	Inactive time.Duration `config:"inactive"`
	// Renamed: as close_renamed of the log input. Default: false.
	Renamed bool `config:"renamed"`
	// Removed: as close_removed of the log input. Default: true.
	Removed bool `config:"removed"`
}

// CloseReader is close.reader of the filestream input.
type CloseReader struct {
	// OnEOF: as close_eof of the log input. Default: false.
	OnEOF bool `config:"on_eof"`
	// AfterInterval: as close_timeout of the log input. Default: 0.
	AfterInterval time.Duration `config:"after_interval"`
}

// The types of input that read files.
const (
	TypeLog        = "log"
	TypeFilestream = "filestream"
)

// DefaultInput returns the defaults of an input of either type.
func DefaultInput() InputConfig {
	return InputConfig{
		Type: TypeLog, Enabled: true, Encoding: "plain", CleanRemoved: true,
		MaxBytes: 10 << 20, RecursiveGlob: RecursiveGlob{Enabled: true},
		CloseInactive: 5 * time.Minute, CloseRemoved: true, ScanFrequency: 10 * time.Second,
		AllowDeprecatedUse: true,
		MessageMaxBytes:    10 << 20,
		Prospector:         Prospector{Scanner{RecursiveGlob: true, CheckInterval: 10 * time.Second}},
		Close:              CloseConfig{OnStateChange: CloseOnStateChange{Inactive: 5 * time.Minute, Removed: true}},
	}
}

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
	switch c.Type {
	case TypeLog, TypeFilestream:
		errs = append(errs, c.misplaced()...)
	default:
		add(fault("type", "%q is no input of sluice; use log or filestream", c.Type))
	}
	if len(c.Paths) == 0 {
		add(fault("paths", "no path is given; list at least one file or glob"))
	}
	for _, p := range c.Paths {
		if _, err := filepath.Match(p, ""); err != nil {
			add(fault("paths", "%q is a malformed glob; a [ needs its ]", p))
		}
	}
	if _, err := newDecoding(c.Encoding); err != nil {
		add(err)
	}
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
				add(fault(list.name, "%q is no regular expression (RE2): %s", p, strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
			}
		}
	}
	errs = append(errs, c.validateTimes()...)
	add(validateFields("fields", c.Fields, c.FieldsUnderRoot))
	return errors.Join(errs...)
}

func (c *InputConfig) validateTimes() (errs []error) {
	o := c.options()
	scan := "scan_frequency"
	if c.Type == TypeFilestream {
		scan = "prospector.scanner.check_interval"
	}
	if o.scanFrequency <= 0 {
		errs = append(errs, fault(scan, "must be greater than 0, for example 10s"))
	}
	if o.maxBytes <= 0 {
		errs = append(errs, fault("max_bytes", "must be greater than 0"))
	}
	if c.HarvesterLimit < 0 {
		errs = append(errs, fault("harvester_limit", "must not be negative; 0 is no limit"))
	}
	if c.CleanInactive > 0 && c.CleanInactive <= c.IgnoreOlder+o.scanFrequency {
		errs = append(errs, fault("clean_inactive", "must be greater than ignore_older + %s (%s), else a file's state would be forgotten while the file is still followed, and the file sent again", scan, c.IgnoreOlder+o.scanFrequency))
	}
	if c.CleanInactive > 0 && c.IgnoreOlder == 0 {
		errs = append(errs, fault("clean_inactive", "needs ignore_older; without it a file whose state was forgotten would be sent again"))
	}
	return errs
}

// misplaced finds options of the other input type that were set.
func (c *InputConfig) misplaced() (errs []error) {
	d := DefaultInput()
	other := func(set bool, name, use string) {
		if set {
			errs = append(errs, fault(name, "is no option of type %s; use %s", c.Type, use))
		}
	}
	if c.Type == TypeFilestream {
		other(len(c.ExcludeFiles) > 0, "exclude_files", "prospector.scanner.exclude_files")
		other(c.MaxBytes != d.MaxBytes, "max_bytes", "message_max_bytes")
		other(c.RecursiveGlob != d.RecursiveGlob, "recursive_glob", "prospector.scanner.recursive_glob")
		other(c.CloseInactive != d.CloseInactive, "close_inactive", "close.on_state_change.inactive")
		other(c.CloseRenamed != d.CloseRenamed, "close_renamed", "close.on_state_change.renamed")
		other(c.CloseRemoved != d.CloseRemoved, "close_removed", "close.on_state_change.removed")
		other(c.CloseEOF != d.CloseEOF, "close_eof", "close.reader.on_eof")
		other(c.CloseTimeout != d.CloseTimeout, "close_timeout", "close.reader.after_interval")
		other(c.ScanFrequency != d.ScanFrequency, "scan_frequency", "prospector.scanner.check_interval")
		other(c.Symlinks != d.Symlinks, "symlinks", "prospector.scanner.symlinks")
		return errs
	}
	s, ds := c.Prospector.Scanner, d.Prospector.Scanner
	other(c.MessageMaxBytes != d.MessageMaxBytes, "message_max_bytes", "max_bytes")
	other(len(s.ExcludeFiles) > 0, "prospector.scanner.exclude_files", "exclude_files")
	other(len(s.IncludeFiles) > 0, "prospector.scanner.include_files", "paths or exclude_files")
	other(s.RecursiveGlob != ds.RecursiveGlob, "prospector.scanner.recursive_glob", "recursive_glob.enabled")
	other(s.Symlinks != ds.Symlinks, "prospector.scanner.symlinks", "symlinks")
	other(s.CheckInterval != ds.CheckInterval, "prospector.scanner.check_interval", "scan_frequency")
	other(c.Close.OnStateChange != d.Close.OnStateChange, "close.on_state_change", "close_inactive, close_renamed, close_removed")
	other(c.Close.Reader != d.Close.Reader, "close.reader", "close_eof, close_timeout")
	return errs
}

// options are an input's options under one name for both types.
type options struct {
	typ                                  string
	includeFiles, excludeFiles           []string
	recursiveGlob, symlinks              bool
	scanFrequency                        time.Duration
	maxBytes                             int
	closeInactive, closeTimeout          time.Duration
	closeRenamed, closeRemoved, closeEOF bool
}

func (c *InputConfig) options() options {
	if c.Type == TypeFilestream {
		s, st, r := c.Prospector.Scanner, c.Close.OnStateChange, c.Close.Reader
		return options{c.Type, s.IncludeFiles, s.ExcludeFiles, s.RecursiveGlob, s.Symlinks, s.CheckInterval, c.MessageMaxBytes,
			st.Inactive, r.AfterInterval, st.Renamed, st.Removed, r.OnEOF}
	}
	return options{c.Type, nil, c.ExcludeFiles, c.RecursiveGlob.Enabled, c.Symlinks, c.ScanFrequency, c.MaxBytes,
		c.CloseInactive, c.CloseTimeout, c.CloseRenamed, c.CloseRemoved, c.CloseEOF}
}
