package config

import (
	_ "embed"
	"io"

	"sluice/config/internal/render"
)

//go:embed sluice.reference.yml
var reference string

// Reference returns a commented configuration file: every option with its
// meaning and default, all commented out.
func Reference() string { return reference }

// Write writes the configuration with all its defaults as YAML that Load
// reads back. Secrets are replaced by "<hidden>".
func (c *Config) Write(w io.Writer) error {
	r := render.Writer{Shown: shown}
	return r.Write(w, c)
}
