package tailer

import (
	"fmt"

	"sluice/internal/parser"
)

// Warnings names the options that are set and have no effect, one fault each.
func (c *InputConfig) Warnings() (list []*OptionError) {
	warn := func(set bool, option, why string) {
		if set {
			list = append(list, &OptionError{Option: option, Fault: "has no effect: " + why})
		}
	}
	d := DefaultInput()
	const shared = "files are read in pieces of 64 KiB into one buffer for all files of a connection"
	warn(c.HarvesterBufferSize != d.HarvesterBufferSize, "harvester_buffer_size", shared)
	warn(c.BufferSize != d.BufferSize, "buffer_size", shared)
	if ct := c.Rotation.External.Strategy.Copytruncate; ct != nil {
		warn(ct.DateFormat != "", "rotation.external.strategy.copytruncate.dateformat", "a copy is told by its first bytes, whatever its age")
	}
	for i := range c.Parsers {
		if nd, ok := c.Parsers[i].Options().(*parser.NDJSONConfig); ok && nd.KeysUnderRoot {
			warn(nd.Target != "", fmt.Sprintf("parsers.%d.ndjson.keys_under_root", i), "the fields go to the target "+nd.Target)
		}
	}
	return list
}
