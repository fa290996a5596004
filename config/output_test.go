package config

import (
	"strings"
	"testing"
)

func TestLocalOutputs(t *testing.T) {
	c := mustParse(t, `
filebeat.inputs: [{paths: /x}]
output.file:
  path: /out
  filename: events
  rotate_every_kb: 5
  number_of_files: 3
  permissions: 0640
  rotate_on_startup: false
  codec.format.string: '%{[message]}'
`)
	f := c.Output.File
	if c.Output.Kind() != "file" || f.Path != "/out" || f.Filename != "events" || f.RotateEveryKB != 5 || f.NumberOfFiles != 3 ||
		f.Permissions != 0o640 || f.RotateOnStartup || f.Codec.Format.String != "%{[message]}" {
		t.Errorf("output.file %+v", f)
	}
	c = mustParse(t, "filebeat.inputs: [{paths: /x}]\noutput.console: {pretty: true, bulk_max_size: 10, codec.json: {escape_html: true}, queue.mem.events: 7}\n")
	o := c.Output.Console
	if c.Output.Kind() != "console" || !o.Pretty || o.BulkMaxSize != 10 || !o.Codec.EscapeHTML() || len(c.Warnings) != 1 {
		t.Errorf("output.console %+v, warnings %q", o, c.Warnings)
	}
	if d := mustParse(t, "output.console:\n").Output.Console; d == nil || d.BulkMaxSize != 2048 {
		t.Errorf("output.console without options: %+v", d)
	}
}

func TestLocalOutputFaults(t *testing.T) {
	for text, want := range map[string]string{
		"output.file:":                                                              "1:8: output.file.path: is missing",
		"output.file: {filename: a}":                                                "1:8: output.file.path: is missing",
		"output.file:\n path: /x\n filename: ''":                                    "", // an empty value is none
		"output.file:\n path: /x\n filename: a/b":                                   "3:2: output.file.filename: \"a/b\" begins no file name",
		"output.file:\n path: /x\n rotate_every_kb: 0":                              "3:2: output.file.rotate_every_kb: 0 is no size",
		"output.file:\n path: /x\n rotate_every_kb: 10MB":                           "3:19: output.file.rotate_every_kb: wants a whole number",
		"output.file:\n path: /x\n number_of_files: 1":                              "3:2: output.file.number_of_files: 1 is not between",
		"output.file:\n path: /x\n permissions: 0444":                               "3:2: output.file.permissions: 0444: give",
		"output.file:\n path: /x\n rotate_on_startup: maybe":                        "3:21: output.file.rotate_on_startup: wants true or false",
		"output.file:\n path: '%{[a]}'":                                             "2:2: output.file.path: the event has no field a",
		"output.file:\n path: /x\n hosts: a":                                        "3:2: output.file.hosts: unknown option",
		"output.console:\n codec.json.pretty: true\n codec.format.string: '%{[m]}'": "output.console.codec: more than one codec is given",
		"output.console:\n codec.format: {}":                                        "output.console.codec.format.string: is missing",
		"output.console:\n codec.format.string: '%{[m]'":                            "2:15: output.console.codec.format.string: \"%{[m]\": a %{ has no closing }",
		"output.console:\n codec.xml: {}":                                           "output.console.codec.xml: unknown option",
		"output.console:\noutput.file.path: /x":                                     "more than one output is enabled",
	} {
		if want == "" {
			mustParse(t, text)
			continue
		}
		if got := faultsOf(t, text); !strings.Contains(got, want) {
			t.Errorf("%q: %s\nwant %q", text, got, want)
		}
	}
}
