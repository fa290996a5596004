package config

import _ "embed"

//go:embed sluice.reference.yml
var reference string

// Reference returns a commented configuration file: every option with its
// meaning and default, all commented out.
func Reference() string { return reference }
