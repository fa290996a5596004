package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Config is the option group logging.files.
type Config struct {
	// Path is the folder of the log files; a relative one is below path.home.
	// Default: path.logs. Filebeat: logging.files.path.
	Path string `config:"path"`

	// Name begins the names of the files: NAME-YYYYMMDD.ndjson, then
	// NAME-YYYYMMDD-1.ndjson and so on. Default: filebeat. Filebeat:
	// logging.files.name.
	Name string `config:"name"`

	// RotateEveryBytes is the size that a file does not exceed: the line that
	// would make it larger starts the next file. Default: 10MiB. Filebeat:
	// logging.files.rotateeverybytes.
	RotateEveryBytes int64 `config:"rotateeverybytes,bytes"`

	// KeepFiles is how many files are kept beside the one that is written, 2
	// to 1024; older ones are deleted. Default: 7. Filebeat:
	// logging.files.keepfiles.
	KeepFiles int `config:"keepfiles"`

	// Permissions of the files. Default: 0600. Filebeat: logging.files.permissions.
	Permissions int `config:"permissions"`

	// Interval starts a new file when so much time has passed, too; 0 doesn't.
	// 1m, 1h, 24h, 7*24h, 30*24h and 365*24h begin with the minutes, hours,
	// days, weeks, months and years of the local clock, all others count from
	// 1970. At least 1s. Default: 0. Filebeat: logging.files.interval.
	Interval time.Duration `config:"interval"`

	// RotateOnStartup starts a new file at each start instead of appending to
	// the newest. Default: true. Filebeat: logging.files.rotateonstartup.
	RotateOnStartup bool `config:"rotateonstartup"`

	// RedirectStderr sends to the file what else is written to standard
	// error, such as the trace of a crash. Default: false. Filebeat:
	// logging.files.redirect_stderr.
	RedirectStderr bool `config:"redirect_stderr"`
}

// DefaultConfig returns the defaults of every option.
func DefaultConfig() Config {
	return Config{
		Name:             "filebeat",
		RotateEveryBytes: 10 << 20,
		KeepFiles:        7,
		Permissions:      0o600,
		RotateOnStartup:  true,
	}
}

// The range of keepfiles.
const minKeep, maxKeep = 2, 1024

// Validate reports every option that has an unusable value.
func (c *Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Name: field, Reason: fmt.Sprintf(format, args...)})
	}
	if c.Name == "" || strings.ContainsAny(c.Name, "/\x00") {
		bad("name", "%q begins no file name: give one without a slash, for example filebeat; the folder is logging.files.path", c.Name)
	}
	if c.RotateEveryBytes < 1 {
		bad("rotateeverybytes", "%d is no size of a file: give at least 1, for example 10485760", c.RotateEveryBytes)
	}
	if c.KeepFiles < minKeep || c.KeepFiles > maxKeep {
		bad("keepfiles", "%d is not between %d and %d", c.KeepFiles, minKeep, maxKeep)
	}
	if c.Permissions&^0o777 != 0 || c.Permissions&0o200 == 0 {
		bad("permissions", "%#o: give permissions that let the owner write, for example 0600", c.Permissions)
	}
	if c.Interval != 0 && c.Interval < time.Second {
		bad("interval", "%v is under 1s: give at least 1s, for example 24h, or 0 to rotate by size alone", c.Interval)
	}
	return errors.Join(errs...)
}

// perm is the mode of the files.
func (c *Config) perm() fs.FileMode { return fs.FileMode(c.Permissions) & fs.ModePerm }

// FieldError names an option with an unusable value.
type FieldError struct {
	Name   string // relative to Config
	Reason string
}

// Field is the option's name relative to Config.
func (e *FieldError) Field() string { return e.Name }

func (e *FieldError) Error() string { return e.Name + ": " + e.Reason }
