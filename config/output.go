package config

import (
	"slices"

	"sluice/tailer"
)

// presentOutputs makes an output without any option a section: it counts.
func presentOutputs(root *node) {
	out := root.get("output")
	if out == nil || out.kind != mapKind {
		return
	}
	for _, m := range out.members {
		if m.value.isNull() {
			*m.value = *newMap(m.at)
		}
	}
}

// oneOutput refuses more than one enabled output.
func oneOutput(root *node, f *faults) {
	out := root.get("output")
	if out == nil || out.kind != mapKind {
		return
	}
	enabled := 0
	for _, m := range out.members {
		if isDisabled(m.value) {
			continue
		}
		if enabled++; enabled == 2 {
			f.add(m.at, "output", "more than one output is enabled; keep one and set enabled: false for the others")
		}
	}
}

// oneQueue refuses queue.mem beside queue.disk, as Filebeat does.
func oneQueue(root *node, f *faults) {
	disk := root.find("queue.disk")
	if !disk.isNull() && !isDisabled(disk) && !root.find("queue.mem").isNull() {
		f.add(root.locate("queue.disk"), "queue", "more than one queue is configured; keep queue.mem and remove queue.disk")
	}
}

// dropDisabledOutputs removes the outputs with enabled: false.
func (c *Config) dropDisabledOutputs(root *node) {
	if isDisabled(root.find("output.logstash")) {
		c.Output.Logstash = nil
	}
	if isDisabled(root.find("output.elasticsearch")) {
		c.Output.Elasticsearch = nil
	}
	if isDisabled(root.find("output.file")) {
		c.Output.File = nil
	}
	if isDisabled(root.find("output.console")) {
		c.Output.Console = nil
	}
}

// Kind is the name of the enabled output: logstash, elasticsearch, file or
// console; empty if none is enabled.
func (c *OutputConfig) Kind() string {
	switch {
	case c.Logstash != nil:
		return "logstash"
	case c.Elasticsearch != nil:
		return "elasticsearch"
	case c.File != nil:
		return "file"
	case c.Console != nil:
		return "console"
	}
	return ""
}

// NoOutput says that no output is enabled; nil if one is.
func (c *Config) NoOutput() error {
	if c.Output.Kind() == "" {
		return &OptionError{"output", "no output is enabled; add output.logstash with its hosts"}
	}
	return nil
}

// warnings says what was accepted without effect or is odd.
func (c *Config) warnings(f *faults) {
	disk := c.Queue.Disk
	if disk != nil && (disk.Enabled == nil || *disk.Enabled) {
		f.warn(c.root.locate("queue.disk"), "queue.disk", "has no effect: the followed files themselves are the queue; what is not acknowledged stays in them, and memory holds no more than queue.mem.events")
	}
	c.warnMonitor(f)
	warnInputs(c.Filebeat.Inputs, c.root, f)
	warnProcessors(c.Processors, "processors", c.root, f)
}

// NothingToShip says why the tailer can't run with this configuration; nil if
// it can.
func (c *Config) NothingToShip() error {
	enabled := slices.ContainsFunc(c.Filebeat.Inputs, func(in tailer.InputConfig) bool { return in.Enabled })
	if !enabled && c.InputFiles() == nil {
		return &OptionError{"filebeat.inputs", "no modules or inputs enabled; list at least one input, or configure the recorder"}
	}
	return c.NoOutput()
}
