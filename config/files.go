package config

import (
	"fmt"
	"slices"

	"sluice/internal/tlsconfig"
)

// CheckFiles reads the certificates and keys that the configuration names, as
// a start would. The error is of type Errors: every section's fault with its
// line. Odd but usable files become Warnings.
func (c *Config) CheckFiles() error {
	var f faults
	for _, s := range slices.Concat(c.inputTLS(), c.outputTLS(), c.recorderTLS()) {
		c.Warnings = append(c.Warnings, c.checkTLS(s, &f)...)
	}
	return c.hidden(&f)
}

// CheckOutputFiles reads the files of the output alone: the recorder's may
// belong to another user. Warnings are left to the output.
func (c *Config) CheckOutputFiles() error { return c.checkSections(c.outputTLS()) }

// CheckTailerFiles reads the files of the output and of the inputs of type mqtt.
// Warnings are left to them.
func (c *Config) CheckTailerFiles() error {
	return c.checkSections(slices.Concat(c.inputTLS(), c.outputTLS()))
}

// CheckRecorderFiles reads the files of the recorder's brokers alone.
// Warnings are left to the recorder.
func (c *Config) CheckRecorderFiles() error { return c.checkSections(c.recorderTLS()) }

func (c *Config) checkSections(sections []tlsSection) error {
	var f faults
	for _, s := range sections {
		c.checkTLS(s, &f)
	}
	return c.hidden(&f)
}

func (c *Config) hidden(f *faults) error {
	hideSecrets(f.list, c.secrets())
	return f.err()
}

// tlsSection is an ssl.* section with its full name.
type tlsSection struct {
	name string
	ssl  *tlsconfig.Config
}

func (c *Config) outputTLS() []tlsSection {
	switch {
	case c.Output.Logstash != nil:
		return []tlsSection{{"output.logstash.ssl", c.Output.Logstash.SSL}}
	case c.Output.Elasticsearch != nil:
		return []tlsSection{{"output.elasticsearch.ssl", c.Output.Elasticsearch.SSL}}
	}
	return nil
}

func (c *Config) recorderTLS() []tlsSection {
	if c.Recorder == nil {
		return nil
	}
	var sections []tlsSection
	for i := range c.Recorder.MQTT {
		sections = append(sections, tlsSection{fmt.Sprintf("recorder.mqtt.%d.ssl", i), &c.Recorder.MQTT[i].SSL})
	}
	return sections
}

// checkTLS adds what is wrong with the files of a section, and returns what is
// odd about them.
func (c *Config) checkTLS(s tlsSection, f *faults) []string {
	if s.ssl == nil || s.ssl.Enabled != nil && !*s.ssl.Enabled {
		return nil
	}
	loader, err := s.ssl.Load()
	if err != nil {
		trace(c.root, err, s.name, f)
		return nil
	}
	var odd []string
	for _, w := range loader.Warnings() {
		odd = append(odd, (&Error{at: c.root.locate(s.name), Option: s.name, Fault: w}).Error())
	}
	return odd
}

// Place gives an error of a part, whose text or type names an option relative
// to the part's section, the option's full name and place: it is then of type
// Errors. Other errors come back as they are.
func (c *Config) Place(section string, err error) error {
	if err == nil {
		return nil
	}
	field, text := fieldOf(err)
	full := join(section, field)
	if field == "" || !isOption(full) {
		return err
	}
	var f faults
	f.add(c.root.locate(full), full, "%s", text)
	return c.hidden(&f)
}

// isOption tells whether there is an option of that full name.
func isOption(full string) bool { return slices.Contains(allNames(), generalName(full)) }

// secrets are what no message may show.
func (c *Config) secrets() []string {
	list := secretsOf(c.root)
	if c.source.vault != nil {
		list = append(list, c.source.vault.given...)
	}
	return list
}
