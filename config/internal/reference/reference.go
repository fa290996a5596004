// Package reference makes the reference file of all options from the defaults
// and the doc comments in the sources. It is no part of the program.
package reference

import (
	"fmt"
	"io"
	"reflect"

	"sluice/config"
	"sluice/config/internal/render"
	"sluice/config/internal/schema"
	"sluice/elasticsearch"
	"sluice/internal/localout"
	"sluice/internal/parser"
	"sluice/internal/processor"
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
	port := recorder.DefaultSerialConfig()
	port.Poll = []recorder.PollConfig{{}}
	rec.Serial = []recorder.SerialConfig{port}
	c.Filebeat.Inputs = []tailer.InputConfig{everyInput()}
	c.Output.Logstash = &out
	bulk := elasticsearch.DefaultConfig()
	bulk.SSL = &ssl
	bulk.Indices = []elasticsearch.IndexRule{{}}
	bulk.Pipelines = []elasticsearch.PipelineRule{{}}
	c.Output.Elasticsearch = &bulk
	codec := localout.CodecConfig{JSON: &localout.JSONCodec{}, Format: &localout.FormatCodec{}}
	file, console := localout.DefaultFile(), localout.DefaultConsole()
	file.Codec, console.Codec = codec, codec
	c.Output.File, c.Output.Console = &file, &console
	c.Recorder = &rec
	c.Processors = everyProcessor()
	return c
}

// everyInput is an input with every section and one parser of each kind.
func everyInput() tailer.InputConfig {
	in := tailer.DefaultInput()
	multiline := parser.DefaultMultiline()
	in.JSON, in.Multiline = &parser.JSONConfig{}, &multiline
	for _, kind := range new(parser.Entry).Kinds() {
		var e parser.Entry
		e.Choose(kind)
		in.Parsers = append(in.Parsers, e)
	}
	return in
}

// everyProcessor is one processor of each kind, and an if.
func everyProcessor() (list processor.List) {
	for _, kind := range new(processor.Entry).Kinds() {
		var e processor.Entry
		addEntries(reflect.ValueOf(e.Choose(kind)).Elem())
		list = append(list, e)
	}
	var then processor.Entry
	then.Choose("drop_event")
	return append(list, processor.Entry{
		If: &processor.Condition{Not: &processor.Condition{}}, Then: processor.List{then}, Else: processor.List{then},
	})
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

// addEntries gives the lists of sections in a struct one entry each.
func addEntries(v reflect.Value) {
	for _, o := range schema.Of(v.Type()) {
		if list := v.FieldByIndex(o.Index); o.Type.Kind() == reflect.Slice && list.Len() == 0 && schema.IsSection(o.Type.Elem()) {
			list.Set(reflect.MakeSlice(o.Type, 1, 1))
		}
	}
}
