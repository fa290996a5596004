package config

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"sluice/cleaner"
	"sluice/elasticsearch"
	"sluice/internal/localout"
	"sluice/internal/monitor"
	"sluice/internal/processor"
	"sluice/logstash"
	"sluice/recorder"
	"sluice/registry"
	"sluice/tailer"
)

// Config is the whole configuration.
type Config struct {
	// Path holds the folders that other options are relative to (path.*).
	Path PathConfig `config:"path"`

	// Name of this gateway in the events' agent.name and host.name. Default:
	// the host name. Filebeat: name.
	Name string `config:"name"`
	// Tags are added to every event. Default: none. Filebeat: tags.
	Tags []string `config:"tags"`
	// Fields are added to every event under "fields". Default: none.
	// Filebeat: fields.
	Fields map[string]any `config:"fields"`
	// FieldsUnderRoot puts the general fields at the top level of the events.
	// Default: false. Filebeat: fields_under_root.
	FieldsUnderRoot bool `config:"fields_under_root"`
	// Processors change every event, in their order and after the processors of
	// its input. All but lowercase and uppercase may have a condition, when;
	// what conditions there are stands at if. Default: none. Filebeat: processors.
	Processors processor.List `config:"processors"`

	// Recorder records MQTT messages and serial ports to the spool. Without
	// filebeat.inputs, the spool's segments are what is shipped.
	Recorder *recorder.Config `config:"recorder"`
	// Filebeat holds what is read and how far it was read.
	Filebeat FilebeatConfig `config:"filebeat"`
	// Output says where events go; exactly one must be enabled.
	Output OutputConfig `config:"output"`
	// Queue bounds what is read but not yet acknowledged.
	Queue QueueConfig `config:"queue"`
	// Cleaner deletes files that are acknowledged to their last byte.
	Cleaner cleaner.Config `config:"cleaner"`
	// DeadLetter takes events that the server refuses.
	DeadLetter DeadLetterConfig `config:"dead_letter"`
	// Compatibility says which Filebeat the events claim to come from.
	Compatibility CompatibilityConfig `config:"compatibility"`

	// Logging says what is logged, and where.
	Logging LoggingConfig `config:"logging"`
	// HTTP answers questions about the running program.
	HTTP monitor.Config `config:"http"`
	// Keystore holds secrets that references name.
	Keystore KeystoreConfig `config:"keystore"`
	// MaxProcs bounds the CPUs that are used at once; 0 is all. Default: 0.
	// Filebeat: max_procs.
	MaxProcs int `config:"max_procs"`

	// Warnings are one line each: options that were accepted but have no effect.
	Warnings []string

	root    *node // the merged settings, for the places of later faults
	options LoadOptions
	source  source // for files that are read later
}

// PathConfig is path.*: the program's folders, as in Filebeat.
type PathConfig struct {
	// Home is the folder that the others are below when they are not given.
	// Default: none; the others then have the system's places. Called as
	// filebeat, the program's folder. Filebeat: path.home.
	Home string `config:"home"`
	// Config is the folder of configuration files. Default: path.home, else
	// /etc/sluice. Filebeat: path.config.
	Config string `config:"config"`
	// Data is the folder of the registry and the agent's identity. Default:
	// ${path.home}/data, else /var/lib/sluice. Filebeat: path.data.
	Data string `config:"data"`
	// Logs is the folder of log files. Default: ${path.home}/logs, else
	// /var/log/sluice. Filebeat: path.logs.
	Logs string `config:"logs"`
}

// FilebeatConfig is filebeat.*.
type FilebeatConfig struct {
	// Inputs are the sets of files to follow. Default: the recorder's
	// segments, if there is a recorder. Filebeat: filebeat.inputs.
	Inputs []tailer.InputConfig `config:"inputs"`
	// Config holds the files with more inputs. Filebeat: filebeat.config.
	Config IncludeConfig `config:"config"`
	// Registry says where and how often acknowledged offsets are stored.
	Registry registry.Config `config:"registry"`
	// ShutdownTimeout is how long a stop waits for outstanding
	// acknowledgements; what is then unacknowledged is sent again after the
	// next start. Default: 5s. Filebeat: filebeat.shutdown_timeout (default 0).
	ShutdownTimeout time.Duration `config:"shutdown_timeout"`
}

// OutputConfig is output.*.
type OutputConfig struct {
	// Logstash sends events with the Lumberjack protocol, version 2.
	Logstash *logstash.Config `config:"logstash"`
	// Elasticsearch stores events with the _bulk API, in OpenSearch too.
	Elasticsearch *elasticsearch.Config `config:"elasticsearch"`
	// File writes events to rotating files on this machine.
	File *localout.FileConfig `config:"file"`
	// Console writes events to standard output.
	Console *localout.ConsoleConfig `config:"console"`
}

// QueueConfig is queue.*.
type QueueConfig struct {
	// Mem is what is held in memory.
	Mem MemConfig `config:"mem"`
	// Disk is Filebeat's queue on disk. It is accepted without effect: the
	// followed files themselves are the queue. Filebeat: queue.disk.
	Disk *DiskConfig `config:"disk"`
}

// DiskConfig is queue.disk.*: none of it has an effect.
type DiskConfig struct {
	// Enabled: false is the same as no queue.disk. Default: true.
	Enabled *bool `config:"enabled"`
	// MaxSize of the queue, at least 10MB; 0 is no limit. Required by
	// Filebeat. Default: none. Filebeat: queue.disk.max_size.
	MaxSize *int64 `config:"max_size,bytes"`
	// Path of the queue's files. Default: ${path.data}/diskqueue. Filebeat:
	// queue.disk.path.
	Path string `config:"path"`
	// SegmentSize is the size of a file. Default: a tenth of max_size.
	// Filebeat: queue.disk.segment_size.
	SegmentSize int64 `config:"segment_size,bytes"`
	// ReadAhead events are read before they are needed. Default: 512.
	// Filebeat: queue.disk.read_ahead.
	ReadAhead int `config:"read_ahead"`
	// WriteAhead events wait to be written. Default: 2048. Filebeat:
	// queue.disk.write_ahead.
	WriteAhead int `config:"write_ahead"`
	// RetryInterval is the first wait after a fault of the disk. Default: 1s.
	// Filebeat: queue.disk.retry_interval.
	RetryInterval time.Duration `config:"retry_interval"`
	// MaxRetryInterval bounds that wait. Default: 30s. Filebeat:
	// queue.disk.max_retry_interval.
	MaxRetryInterval time.Duration `config:"max_retry_interval"`
}

// DefaultDisk returns the defaults of queue.disk.
func DefaultDisk() DiskConfig {
	return DiskConfig{ReadAhead: 512, WriteAhead: 2048, RetryInterval: time.Second, MaxRetryInterval: 30 * time.Second}
}

// Validate checks queue.disk.* as Filebeat does.
func (c *DiskConfig) Validate() error {
	switch {
	case c.Enabled != nil && !*c.Enabled:
		return nil
	case c.MaxSize == nil:
		return &OptionError{"max_size", "is missing; give at least 10MB, or 0 for no limit"}
	case *c.MaxSize != 0 && *c.MaxSize < 10e6:
		return &OptionError{"max_size", "must be at least 10MB, or 0 for no limit"}
	}
	return nil
}

// MemConfig is queue.mem.*.
type MemConfig struct {
	// Events is the most events that are read but not acknowledged, over all
	// connections: bytes bound memory anyway. Default: 8192. Filebeat:
	// queue.mem.events (default 3200).
	Events int `config:"events"`
	// Flush says when a batch that is not full is sent.
	Flush FlushConfig `config:"flush"`
}

// FlushConfig is queue.mem.flush.*.
type FlushConfig struct {
	// MinEvents is the number of events that are worth a window of their own:
	// when there is nothing more to read, so many are sent without waiting for
	// the timeout. Default: 256. Filebeat: queue.mem.flush.min_events (default
	// 1600).
	MinEvents int `config:"min_events"`
	// Timeout is the longest wait of an event for more to come; the first
	// event after a pause leaves at once. Default: 1s. Filebeat:
	// queue.mem.flush.timeout (default 10s).
	Timeout time.Duration `config:"timeout"`
}

// DeadLetterConfig is dead_letter.*, our own.
type DeadLetterConfig struct {
	// Path is the file that takes events which the server will never take: those
	// that Elasticsearch refuses (400), and those for which it closes the connection,
	// however often and alone they are sent, while it takes others. "sluice reship"
	// sends them again. One JSON object a line, never deleted by sluice. A relative path is
	// below path.data. Default: dead_letter.ndjson.
	Path string `config:"path"`
}

// CompatibilityConfig is compatibility.*, our own.
type CompatibilityConfig struct {
	// Version is the version of Filebeat in @metadata.version and
	// agent.version, since index names and ingest pipelines use it. Default: 9.0.0.
	Version string `config:"version"`
}

// DefaultConfig returns the configuration of an empty file.
func DefaultConfig() Config {
	return Config{
		Path: PathConfig{Config: "/etc/sluice", Data: "/var/lib/sluice", Logs: "/var/log/sluice"},
		Filebeat: FilebeatConfig{
			Registry:        registry.DefaultConfig(),
			ShutdownTimeout: 5 * time.Second,
		},
		Queue:         QueueConfig{Mem: MemConfig{Events: 8192, Flush: FlushConfig{MinEvents: 256, Timeout: time.Second}}},
		Cleaner:       cleaner.DefaultConfig(),
		DeadLetter:    DeadLetterConfig{Path: "dead_letter.ndjson"},
		Compatibility: CompatibilityConfig{Version: "9.0.0"},
		Logging:       defaultLogging(),
		HTTP:          monitor.DefaultConfig(),
	}
}

// OptionError is a fault of one option of a section.
type OptionError struct{ Option, Fault string }

// Error returns "option: fault".
func (e *OptionError) Error() string { return e.Option + ": " + e.Fault }

// Field returns the option's dotted name relative to its section.
func (e *OptionError) Field() string { return e.Option }

// Validate checks queue.mem.*.
func (c *MemConfig) Validate() error {
	var errs []error
	if c.Events < 1 {
		errs = append(errs, &OptionError{"events", "must be at least 1"})
	}
	if c.Flush.MinEvents < 0 {
		errs = append(errs, &OptionError{"flush.min_events", "must not be negative"})
	}
	if c.Flush.Timeout < 0 {
		errs = append(errs, &OptionError{"flush.timeout", "must not be negative"})
	}
	return errors.Join(errs...)
}

// NothingToRecord says why the recorder can't run with this configuration;
// nil if it can.
func (c *Config) NothingToRecord() error {
	if c.Recorder == nil {
		return &OptionError{"recorder", "no source is configured; add recorder.mqtt with the broker's address, or recorder.serial with the port"}
	}
	return nil
}

// segmentInput is the input that follows the recorder's segments when
// filebeat.inputs is not given.
func segmentInput(spool string) tailer.InputConfig {
	in := tailer.DefaultInput()
	in.Paths = []string{filepath.Join(spool, "*.log")}
	return in
}

// hostEnvironment reads an environment variable.
func hostEnvironment(name string) (string, bool) { return os.LookupEnv(name) }
