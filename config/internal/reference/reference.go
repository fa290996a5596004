// Package reference makes the reference file of all options from the defaults
// and the doc comments in the sources. It is no part of the program.
package reference

import (
	"fmt"
	"io"

	"sluice/config"
	"sluice/config/internal/render"
	"sluice/internal/tlsconfig"
	"sluice/logstash"
	"sluice/recorder"
	"sluice/tailer"
)

const head = `# All options of sluice with their defaults. An option that is not given, or
# has no value, has its default. Names may also be written with dots
# (output.logstash.worker: 2). "sluice test config" checks a configuration.
#
# ${NAME}, ${NAME:default} and ${NAME:?message} in values stand for a setting
# or an environment variable. Durations: 250ms, 30s, 48h, or a plain number of
# seconds; sizes: 10MiB, 10MB, or a plain number of bytes.
`

// Example is a configuration in which every section and one entry of each
// list is there, with its defaults.
func Example() config.Config {
	c := config.DefaultConfig()
	ssl := tlsconfig.DefaultConfig()
	out := logstash.DefaultConfig()
	out.SSL = &ssl
	rec := recorder.DefaultConfig()
	rec.MQTT = []recorder.MQTTConfig{recorder.DefaultMQTTConfig()}
	c.Filebeat.Inputs = []tailer.InputConfig{tailer.DefaultInput()}
	c.Output.Logstash = &out
	c.Recorder = &rec
	return c
}

// Write writes the reference file; root is the module's folder.
func Write(w io.Writer, root string) error {
	comments := &Comments{Root: root, Module: "sluice"}
	r := render.Writer{Describe: comments.Describe, DescribeType: comments.DescribeType, Shown: func(_, text string) string { return text }}
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	c := Example()
	if err := r.Write(w, &c); err != nil {
		return err
	}
	if err := comments.Err(); err != nil {
		return fmt.Errorf("read the doc comments: %w", err)
	}
	return nil
}
