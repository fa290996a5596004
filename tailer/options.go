package tailer

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/parser"
)

// Values of ignore_inactive.
const (
	sinceFirstStart = "since_first_start"
	sinceLastStart  = "since_last_start"
)

// options are an input's options under one name for all types.
type options struct {
	typ                                  string
	includeFiles, excludeFiles           []string
	recursiveGlob, symlinks              bool
	scanFrequency                        time.Duration
	maxBytes                             int
	closeInactive, closeTimeout          time.Duration
	closeRenamed, closeRemoved, closeEOF bool
	tail                                 bool // new files are begun at their end
	backoffInit, backoffMax              time.Duration
	backoffFactor                        int
}

// maxBytesName is the name of the option that maxBytes has.
func (o *options) maxBytesName() string {
	if o.typ == TypeFilestream {
		return "message_max_bytes"
	}
	return "max_bytes"
}

func (c *InputConfig) options() options {
	if c.kind() == TypeFilestream {
		s, st, r := c.Prospector.Scanner, c.Close.OnStateChange, c.Close.Reader
		return options{TypeFilestream, s.IncludeFiles, s.ExcludeFiles, s.RecursiveGlob, s.Symlinks, s.CheckInterval, c.MessageMaxBytes,
			st.Inactive, r.AfterInterval, st.Renamed, st.Removed, r.OnEOF, c.SeekToTail,
			cmp.Or(c.Backoff.Init, 2*time.Second), cmp.Or(c.Backoff.Max, 10*time.Second), 2}
	}
	o := options{c.kind(), nil, c.ExcludeFiles, c.RecursiveGlob.Enabled, c.Symlinks, c.ScanFrequency, c.MaxBytes,
		c.CloseInactive, c.CloseTimeout, c.CloseRenamed, c.CloseRemoved, c.CloseEOF, c.TailFiles,
		cmp.Or(c.Backoff.Init, time.Second), c.MaxBackoff, c.BackoffFactor}
	if c.IsMQTT() {
		o.maxBytes = maxRecord
	}
	return o
}

// SetScalar takes backoff as a plain duration, as the log input has it.
func (b *Backoff) SetScalar(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		if seconds, numErr := time.ParseDuration(text + "s"); numErr == nil {
			d = seconds
		} else {
			return fmt.Errorf("%q is no duration; write 1s or 500ms", text)
		}
	}
	b.Init, b.scalar = d, true
	return nil
}

// program compiles what is done to lines; nil if nothing is.
func (c *InputConfig) program(log zerolog.Logger) (*parser.Program, error) {
	o := c.options()
	if c.kind() == TypeFilestream {
		if len(c.Parsers) == 0 {
			return nil, nil
		}
		return parser.CompileFilestream(c.Parsers, o.maxBytes, log)
	}
	var container *parser.ContainerConfig
	if c.kind() == TypeContainer {
		container = &parser.ContainerConfig{Stream: c.Stream, Format: c.Format}
	}
	if c.JSON == nil && c.Multiline == nil && container == nil {
		return nil, nil
	}
	return parser.CompileLog(c.JSON, c.Multiline, container, o.maxBytes, log)
}
