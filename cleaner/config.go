package cleaner

import (
	"fmt"
	"time"
)

// Config is the option group cleaner.
type Config struct {
	// OlderThan is the least age of a file that is deleted, by the later of its
	// modification and change time. 0 deletes as soon as a file is sealed and
	// acknowledged. Default: 48h. Not in Filebeat.
	OlderThan time.Duration `config:"older_than"`
}

// DefaultConfig returns the defaults of every option.
func DefaultConfig() Config { return Config{OlderThan: 48 * time.Hour} }

// FieldError names an option with an unusable value.
type FieldError struct{ Name, Reason string }

// Field is the option's name relative to Config.
func (e *FieldError) Field() string { return e.Name }

func (e *FieldError) Error() string { return e.Name + ": " + e.Reason }

// Validate reports options that have an unusable value.
func (c *Config) Validate() error {
	if c.OlderThan < 0 {
		return &FieldError{"older_than", fmt.Sprintf("%v is negative; give an age such as 48h, or 0", c.OlderThan)}
	}
	return nil
}
