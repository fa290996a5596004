package localout

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/internal/formatstring"
	"sluice/internal/logfile"
)

// FileConfig holds Filebeat's output.file options.
type FileConfig struct {
	// Enabled: use this output. Default: true. Filebeat: output.file.enabled.
	Enabled *bool `config:"enabled"`
	// Path is the folder of the files; a relative one is below the working
	// directory. It may hold the time of the start: %{+yyyy.MM.dd}. Required.
	// Filebeat: output.file.path.
	Path string `config:"path"`
	// Filename begins the names of the files: FILENAME-YYYYMMDD.ndjson, then
	// FILENAME-YYYYMMDD-1.ndjson and so on, with the local date. Default, also
	// when it is empty: filebeat. Filebeat: output.file.filename.
	Filename string `config:"filename"`
	// RotateEveryKB is the size in KiB that a file does not exceed: the event
	// that would make it larger starts the next file. Default: 10240.
	// Filebeat: output.file.rotate_every_kb.
	RotateEveryKB int `config:"rotate_every_kb"`
	// NumberOfFiles is how many files are kept beside the one that is written,
	// 2 to 1024; older ones are deleted, read or not. Default: 7. Filebeat:
	// output.file.number_of_files.
	NumberOfFiles int `config:"number_of_files"`
	// Permissions of the files. Default: 0600. Filebeat: output.file.permissions.
	Permissions int `config:"permissions"`
	// RotateOnStartup starts a new file at each start instead of appending to
	// the newest. Default: true. Filebeat: output.file.rotate_on_startup.
	RotateOnStartup bool `config:"rotate_on_startup"`
	// Codec says how an event is written. Default: json. Filebeat:
	// output.file.codec.
	Codec CodecConfig `config:"codec"`
}

// ConsoleConfig holds Filebeat's output.console options.
type ConsoleConfig struct {
	// Enabled: use this output. Default: true. Filebeat: output.console.enabled.
	Enabled *bool `config:"enabled"`
	// Pretty indents the events; without effect when a codec is given.
	// Default: false. Filebeat: output.console.pretty.
	Pretty bool `config:"pretty"`
	// Codec says how an event is written. Default: json. Filebeat:
	// output.console.codec.
	Codec CodecConfig `config:"codec"`
	// BulkMaxSize is the most events that are written at once; 0 or less: as
	// many as queue.mem.events. Default: 2048. Filebeat:
	// output.console.bulk_max_size.
	BulkMaxSize int `config:"bulk_max_size"`
}

// CodecConfig chooses one form of the events.
type CodecConfig struct {
	// JSON writes each event as one JSON object. Filebeat: codec.json.
	JSON *JSONCodec `config:"json"`
	// Format writes each event as a text. Filebeat: codec.format.
	Format *FormatCodec `config:"format"`
}

// JSONCodec is codec.json.*.
type JSONCodec struct {
	// Pretty indents the events. Default: false. Filebeat: codec.json.pretty.
	Pretty bool `config:"pretty"`
	// EscapeHTML writes <, > and & as \u003c, \u003e and \u0026. Default:
	// false. Filebeat: codec.json.escape_html.
	EscapeHTML bool `config:"escape_html"`
}

// FormatCodec is codec.format.*.
type FormatCodec struct {
	// String is the text of an event, such as '%{[@timestamp]} %{[message]}';
	// %{[field]:default} is for fields that may be missing. Required.
	// Filebeat: codec.format.string.
	String string `config:"string"`
}

// DefaultFile returns the options of output.file as they are when none is given.
func DefaultFile() FileConfig {
	return FileConfig{Filename: "filebeat", RotateEveryKB: 10 << 10, NumberOfFiles: 7, Permissions: 0o600, RotateOnStartup: true}
}

// DefaultConsole returns those of output.console.
func DefaultConsole() ConsoleConfig { return ConsoleConfig{BulkMaxSize: 2048} }

// EscapeHTML says how the documents have to come: with <, > and & escaped or
// not.
func (c *CodecConfig) EscapeHTML() bool { return c.JSON != nil && c.JSON.EscapeHTML }

// FieldError is an error of one option. Its text begins with the option's name.
type FieldError struct{ Name, Reason string }

// Field returns the option's dotted name relative to its output.
func (e *FieldError) Field() string { return e.Name }

// Error returns "option: what is wrong; mend".
func (e *FieldError) Error() string { return e.Name + ": " + e.Reason }

// check gathers faults.
type check []error

func (c *check) that(ok bool, name, format string, args ...any) {
	if !ok {
		*c = append(*c, &FieldError{name, fmt.Sprintf(format, args...)})
	}
}

// maxKB keeps the size of a file an int64 of bytes, and within reason.
const maxKB = 1 << 30

// Validate checks output.file.* without touching the disk. Each part of the
// joined error is a *FieldError.
func (c *FileConfig) Validate() error {
	var v check
	switch _, err := c.folder(time.Now()); {
	case c.Path == "":
		v.that(false, "path", "is missing; give the folder of the files, such as /var/spool/events")
	case err != nil:
		v.that(false, "path", "%v; only the time of the start can be filled in", err)
	}
	v.that(!strings.ContainsAny(c.Filename, "/\x00"), "filename",
		"%q begins no file name: give one without a slash, for example filebeat; the folder is output.file.path", c.Filename)
	v.that(c.RotateEveryKB >= 1 && c.RotateEveryKB <= maxKB, "rotate_every_kb", "%d is no size of a file in KiB; give for example 10240", c.RotateEveryKB)
	v.that(c.NumberOfFiles >= 2 && c.NumberOfFiles <= 1024, "number_of_files", "%d is not between 2 and 1024", c.NumberOfFiles)
	v.that(c.Permissions&^0o777 == 0 && c.Permissions&0o200 != 0, "permissions",
		"%#o: give permissions that let the owner write, for example 0600", c.Permissions)
	c.Codec.validate(&v)
	return errors.Join(v...)
}

// Validate checks output.console.*. Each part of the joined error is a
// *FieldError.
func (c *ConsoleConfig) Validate() error {
	var v check
	c.Codec.validate(&v)
	return errors.Join(v...)
}

func (c *CodecConfig) validate(v *check) {
	v.that(c.JSON == nil || c.Format == nil, "codec", "more than one codec is given; keep json or format")
	if c.Format == nil {
		return
	}
	if c.Format.String == "" {
		v.that(false, "codec.format.string", "is missing; give a text with fields, such as '%%{[@timestamp]} %%{[message]}'")
		return
	}
	_, err := formatstring.Parse(c.Format.String)
	v.that(err == nil, "codec.format.string", "%v", err)
}

// folder is the path with the time filled in.
func (c *FileConfig) folder(start time.Time) (string, error) {
	f, err := formatstring.Parse(c.Path)
	if err != nil {
		return "", err
	}
	path, err := f.Append(nil, start, nil)
	return string(path), err
}

// files is the configuration of the rotating files.
func (c *FileConfig) files(folder string) logfile.Config {
	return logfile.Config{
		Path: folder, Name: cmp.Or(c.Filename, DefaultFile().Filename), RotateEveryBytes: int64(c.RotateEveryKB) << 10, KeepFiles: c.NumberOfFiles,
		Permissions: c.Permissions, RotateOnStartup: c.RotateOnStartup,
	}
}
