package tailer

import (
	"time"

	"sluice/internal/parser"
	"sluice/internal/processor"
)

// InputConfig is one entry of filebeat.inputs. It holds the options of all
// inputs: log, filestream, container, stdin and mqtt; Validate refuses an option
// that belongs to another type and names its counterpart.
type InputConfig struct {
	// Type of the input: log, filestream, container, stdin or mqtt. Without it
	// the input is a log whose events have no input.type, as in Filebeat.
	// Default: log.
	Type string `config:"type"`
	// InputType is the old name of type.
	InputType string `config:"input_type"`
	// Enabled switches the input on. Default: true.
	Enabled bool `config:"enabled"`
	// ID of the input; a part of the registry's keys for filestream, of the
	// names of its segments for mqtt, a mere label otherwise. Default: none.
	ID string `config:"id"`
	// Paths are the globs of the files to follow. A ** stands for up to eight
	// folder levels (recursive_glob). Required, but for stdin and mqtt.
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
	// Processors change the events of this input, before the general ones do.
	// Default: none.
	Processors processor.List `config:"processors"`
	// KeepNull keeps fields without a value in the events. Default: false.
	KeepNull bool `config:"keep_null"`
	// Pipeline is the ingest pipeline that @metadata.pipeline asks for. Default: none.
	Pipeline string `config:"pipeline"`
	// Index is the index that @metadata.raw_index asks for; %{[agent.version]}
	// and %{+yyyy.MM.dd} are filled in. Default: none.
	Index string `config:"index"`
	// PublisherPipeline holds publisher_pipeline.disable_host.
	PublisherPipeline PublisherPipeline `config:"publisher_pipeline"`

	// Encoding of the files: plain, utf-8, utf-16-bom, iso8859-1, windows1252
	// and the other names of Filebeat or the WHATWG encoding list. Default: plain.
	Encoding string `config:"encoding"`
	// LineTerminator is what ends a line: auto (a line feed, and a carriage
	// return before it goes too), line_feed, vertical_tab, form_feed,
	// carriage_return, carriage_return_line_feed, next_line, line_separator,
	// paragraph_separator or null_terminator. Default: auto.
	LineTerminator string `config:"line_terminator"`
	// PartialLineTimeout sends a last line that has no end when nothing was
	// added to it for this long; what is added later is an event of its own.
	// Our own option; 0 waits for the end, as Filebeat does. Default: 0.
	PartialLineTimeout time.Duration `config:"partial_line_timeout"`
	// IgnoreOlder leaves out files that were last changed longer ago than
	// this when they are found: of one that is new, only what is added later is
	// read; one that is known is read on when it changes. 0 takes all. Default: 0.
	IgnoreOlder time.Duration `config:"ignore_older"`
	// CleanInactive forgets the state of a file that was not changed for this
	// long; it must be greater than ignore_older plus the scan interval. Without
	// ignore_older, which only filestream allows, the state of a file that is
	// still there is kept. 0 or negative: never. Default: 0.
	CleanInactive time.Duration `config:"clean_inactive"`
	// CleanRemoved forgets the state of a file that is gone. Default: true.
	CleanRemoved bool `config:"clean_removed"`
	// HarvesterLimit bounds the files of this input that are open at once;
	// 0 is no limit. Default: 0.
	HarvesterLimit int `config:"harvester_limit"`
	// FileIdentity says by what a file's state is found again: native (device
	// and inode), fingerprint (a hash of its first bytes; filestream only),
	// path or inode_marker. Default: native for log; for filestream
	// fingerprint, as in Filebeat 9, or native if compatibility.version is
	// below 9 or prospector.scanner.fingerprint.enabled is false.
	FileIdentity FileIdentity `config:"file_identity"`
	// Backoff is how long to wait before looking again at a file that was read
	// to its end, where the system gives no notice of changes: a duration with
	// log, init and max with filestream. With notices there is no wait.
	// Default: 1s with log; init 2s and max 10s with filestream.
	Backoff Backoff `config:"backoff"`

	LogOptions        `config:",squash"`
	FilestreamOptions `config:",squash"`
	MQTTOptions       `config:",squash"`
}

// LogOptions are the options of the inputs log and container (and, those about
// lines, of stdin) that filestream spells otherwise or lacks.
type LogOptions struct {
	// MaxBytes cuts longer lines and flags them log.flags: [truncated]; the
	// rest of the line is skipped. Input log. Default: 10 MiB.
	MaxBytes int `config:"max_bytes,bytes"`
	// HarvesterBufferSize is how much is read at once. It is accepted without
	// effect: a connection's files share one buffer. Input log. Default: 16384.
	HarvesterBufferSize int `config:"harvester_buffer_size,bytes"`
	// JSON decodes each line as a JSON object. Input log. Default: off.
	JSON *parser.JSONConfig `config:"json"`
	// Multiline joins lines to events. Input log; filestream has it as a
	// parser. Default: off.
	Multiline *parser.MultilineConfig `config:"multiline"`
	// Stream takes the lines of one stream only: all, stdout or stderr. Input
	// container. Default: all.
	Stream string `config:"stream"`
	// Format of the container's log file: auto, docker or cri. Input
	// container. Default: auto.
	Format string `config:"format"`
	// RecursiveGlob switches ** in paths. Input log.
	RecursiveGlob RecursiveGlob `config:"recursive_glob"`
	// TailFiles begins at their end those new files that the first scan after
	// a start finds; later ones are read from their start. Input log. Default: false.
	TailFiles bool `config:"tail_files"`
	// Scan says in which order found files are begun. Input log.
	Scan ScanOrder `config:"scan"`
	// MaxBackoff bounds backoff, which grows by backoff_factor. Input log.
	// Default: 10s.
	MaxBackoff time.Duration `config:"max_backoff"`
	// BackoffFactor is what backoff is multiplied with at each look that finds
	// nothing. Input log. Default: 2.
	BackoffFactor int `config:"backoff_factor"`
	// CloseInactive closes a file that had no new line for this long; it is
	// opened again when it grows. 0: never. Input log. Default: 5m.
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
}

// FilestreamOptions are the options of the filestream input alone.
type FilestreamOptions struct {
	// Parsers change the lines in turn: multiline, ndjson, container, syslog,
	// include_message. Input filestream. Default: none.
	Parsers parser.List `config:"parsers"`
	// MessageMaxBytes is max_bytes of filestream. Default: 10 MiB.
	MessageMaxBytes int `config:"message_max_bytes,bytes"`
	// BufferSize: as harvester_buffer_size of the log input. Default: 16384.
	BufferSize int `config:"buffer_size,bytes"`
	// Prospector holds prospector.scanner.*. Input filestream.
	Prospector Prospector `config:"prospector"`
	// Close holds close.on_state_change.* and close.reader.*. Input filestream.
	Close CloseConfig `config:"close"`
	// IgnoreInactive leaves out what was not changed since_first_start of this
	// installation or since_last_start, as ignore_older does. Input filestream.
	// Default: none.
	IgnoreInactive string `config:"ignore_inactive"`
	// SeekToTail: as tail_files of the log input. Input filestream. Default: false.
	SeekToTail bool `config:"seek_to_tail"`
	// Compression says which files are compressed: none of them (empty), all
	// (gzip), or those that begin as gzip files do (auto). Offsets count
	// decompressed bytes. Input filestream. Default: none.
	Compression string `config:"compression"`
	// GzipExperimental is compression: auto under its name of Filebeat 9.2.
	// Input filestream. Default: false.
	GzipExperimental bool `config:"gzip_experimental"`
	// Rotation says how files are rotated by another program. Input
	// filestream. Copies that copytruncate makes are recognised without it.
	Rotation Rotation `config:"rotation"`
	// Delete removes files that are shipped. Input filestream.
	Delete DeleteConfig `config:"delete"`
}

// RecursiveGlob is recursive_glob of the log input.
type RecursiveGlob struct {
	// Enabled expands ** to eight folder levels. Default: true.
	Enabled bool `config:"enabled"`
}

// ScanOrder is scan of the log input.
type ScanOrder struct {
	// Sort begins found files by modtime or filename. Default: as they come.
	Sort string `config:"sort"`
	// Order of sort: asc or desc. Default: asc.
	Order string `config:"order"`
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
	// ResendOnTouch sends a file again from its beginning when its time has
	// changed and its size has not. Default: false.
	ResendOnTouch bool `config:"resend_on_touch"`
	// CheckInterval: as scan_frequency of the log input. Default: 10s.
	CheckInterval time.Duration `config:"check_interval"`
	// Fingerprint says which bytes identify a file.
	Fingerprint Fingerprint `config:"fingerprint"`
}

// Fingerprint is prospector.scanner.fingerprint of the filestream input.
type Fingerprint struct {
	// Enabled makes fingerprints. Default: true, as in Filebeat 9.
	Enabled bool `config:"enabled"`
	// Offset of the first byte. Default: 0.
	Offset int64 `config:"offset,bytes"`
	// Length in bytes, at least 64. A smaller file is identified by device and
	// inode until it has grown, and shipped at once. Default: 1024.
	Length int64 `config:"length,bytes"`
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

// Rotation is rotation of the filestream input.
type Rotation struct {
	// External is rotation by another program.
	External RotationExternal `config:"external"`
}

// RotationExternal is rotation.external.
type RotationExternal struct {
	// Strategy of the other program.
	Strategy RotationStrategy `config:"strategy"`
}

// RotationStrategy is rotation.external.strategy.
type RotationStrategy struct {
	// Copytruncate: the file is copied and then truncated.
	Copytruncate *Copytruncate `config:"copytruncate"`
}

// Copytruncate is rotation.external.strategy.copytruncate.
type Copytruncate struct {
	// SuffixRegex matches what the name of a copy has behind the file's own
	// name. Default: none.
	SuffixRegex string `config:"suffix_regex"`
	// DateFormat is Go's layout of the date in that suffix. It is accepted
	// without effect: a copy is told by its first bytes, whatever its age.
	// Default: none.
	DateFormat string `config:"dateformat"`
}

// DeleteConfig is delete of the filestream input.
type DeleteConfig struct {
	// Enabled removes a file that is read to its end, and acknowledged to its
	// last byte, once grace_period has passed without a change. Default: false.
	Enabled bool `config:"enabled"`
	// GracePeriod: see enabled. Default: 30m.
	GracePeriod time.Duration `config:"grace_period"`
}

// Backoff is backoff of either input.
type Backoff struct {
	// Init is the first wait. Default: 1s with log, 2s with filestream.
	Init time.Duration `config:"init"`
	// Max bounds the wait. Default: 10s.
	Max time.Duration `config:"max"`

	scalar bool // given as a plain duration: log
}

// The types of input.
const (
	TypeLog        = "log"
	TypeFilestream = "filestream"
	TypeContainer  = "container"
	TypeStdin      = "stdin"
	TypeMQTT       = "mqtt"
)

// DefaultInput returns the defaults of an input of any type.
func DefaultInput() InputConfig {
	return InputConfig{
		Enabled: true, Encoding: "plain", LineTerminator: "auto", CleanRemoved: true,
		LogOptions: LogOptions{
			MaxBytes: 10 << 20, HarvesterBufferSize: 16384, Stream: "all", Format: "auto",
			RecursiveGlob: RecursiveGlob{Enabled: true}, MaxBackoff: 10 * time.Second, BackoffFactor: 2,
			CloseInactive: 5 * time.Minute, CloseRemoved: true, ScanFrequency: 10 * time.Second,
			AllowDeprecatedUse: true,
		},
		FilestreamOptions: FilestreamOptions{
			MessageMaxBytes: 10 << 20, BufferSize: 16384,
			Prospector: Prospector{Scanner{RecursiveGlob: true, CheckInterval: 10 * time.Second,
				Fingerprint: Fingerprint{Enabled: true, Length: 1024}}},
			Close:  CloseConfig{OnStateChange: CloseOnStateChange{Inactive: 5 * time.Minute, Removed: true}},
			Delete: DeleteConfig{GracePeriod: 30 * time.Minute},
		},
		MQTTOptions: defaultMQTT(),
	}
}
