package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Config is the option group filebeat.registry.
type Config struct {
	// Path is the registry's root folder; relative to path.data unless it
	// starts with a slash. The store is its sub-folder "filebeat". Default:
	// registry. Filebeat: registry.path.
	Path string `config:"path"`

	// FilePermissions of the registry's files, existing ones included. Default:
	// 0600. Filebeat: registry.file_permissions.
	FilePermissions int `config:"file_permissions"`

	// Flush is how long an acknowledged offset may wait in memory before it is
	// made durable together with all others; 0 makes each one durable at once.
	// After a power cut the lines of that time are sent again (under the same
	// ids). Default: 5s. Filebeat: registry.flush (there 1s, and not durable).
	Flush time.Duration `config:"flush"`

	// SnapshotBudget is how many bytes a second data.json, the readable
	// snapshot, may cost on average: a large one is rewritten less often. 0
	// writes it only at a stop and on demand. Default: 4096. Not in Filebeat.
	SnapshotBudget int64 `config:"snapshot_budget,bytes"`

	// MigrateFile is the registry file of a Filebeat 6 that had its
	// registry_file elsewhere than Path says now; relative to path.data. It is
	// read once, while there is no registry at Path yet, and stays as it is.
	// Default: empty (a file at Path itself is taken over anyway). Filebeat:
	// registry.migrate_file (7.x).
	MigrateFile string `config:"migrate_file"`

	// CleanupInterval is how often the states of filestream inputs that no
	// input holds any more are looked at, to remove those that have outlived
	// their clean_inactive. 0 means the default. Default: 5m. Filebeat:
	// registry.cleanup_interval.
	CleanupInterval time.Duration `config:"cleanup_interval"`

	// Backend names the store's format: memlog, which doc.go describes, is the
	// only one. Default: memlog. Filebeat: registry.backend (9.5).
	Backend string `config:"backend"`
}

// memlog is the name that Filebeat gives its format of 7.9 and later.
const memlog = "memlog"

// DefaultConfig returns the defaults of every option.
func DefaultConfig() Config {
	return Config{
		Path:            "registry",
		FilePermissions: 0o600,
		Flush:           5 * time.Second,
		SnapshotBudget:  4096,
		CleanupInterval: 5 * time.Minute,
		Backend:         memlog,
	}
}

// Validate reports every option that has an unusable value.
func (c *Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Name: field, Reason: fmt.Sprintf(format, args...)})
	}
	if c.Path == "" {
		bad("path", "is empty: give a folder name, for example registry")
	}
	if c.FilePermissions&^0o777 != 0 || c.FilePermissions&0o600 != 0o600 {
		bad("file_permissions", "%#o: give permissions that let the owner read and write, for example 0600", c.FilePermissions)
	}
	if c.Flush < 0 {
		bad("flush", "%v is negative: give a time, or 0 to make each offset durable at once", c.Flush)
	}
	if c.SnapshotBudget < 0 {
		bad("snapshot_budget", "%d is negative: give bytes a second, or 0 for a snapshot only at a stop", c.SnapshotBudget)
	}
	if c.CleanupInterval < 0 {
		bad("cleanup_interval", "%v is negative: give a time, for example 5m", c.CleanupInterval)
	}
	if c.Backend != memlog {
		bad("backend", "%q is not known here: write %s, or leave it out", c.Backend, memlog)
	}
	return errors.Join(errs...)
}

func (c *Config) perm() fs.FileMode { return fs.FileMode(c.FilePermissions) & fs.ModePerm }

// FieldError names an option with an unusable value.
type FieldError struct {
	Name   string // dotted, relative to Config
	Reason string
}

// Field is the option's dotted name relative to Config.
func (e *FieldError) Field() string { return e.Name }

func (e *FieldError) Error() string { return e.Name + ": " + e.Reason }
