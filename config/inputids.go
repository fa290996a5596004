package config

import (
	"cmp"
	"fmt"
	"slices"

	"sluice/internal/processor"
	"sluice/tailer"
)

// uniqueIDs refuses two filestream inputs of one id: their states would be
// the same.
func uniqueIDs(inputs []tailer.InputConfig, root *node, f *faults) {
	var seen []string
	for i := range inputs {
		id := inputID(&inputs[i])
		if id == "" {
			continue
		}
		if slices.Contains(seen, id) {
			name := fmt.Sprintf("filebeat.inputs.%d.id", i)
			f.add(root.locate(name), name, "two filestream inputs have the same id %q; give each its own", id)
			continue
		}
		seen = append(seen, id)
	}
}

// checkIDs refuses inputs of an included file whose ids others have.
func checkIDs(inputs []tailer.InputConfig, taken []string, path string, f *faults) {
	for i := range inputs {
		id := inputID(&inputs[i])
		if id == "" {
			continue
		}
		if slices.Contains(taken, id) {
			f.add(position{file: path}, fmt.Sprintf("filebeat.inputs.%d.id", i), "two filestream inputs have the same id %q; give each its own", id)
		}
		taken = append(taken, id)
	}
}

// inputID is the id that must be unique; empty if it need not be.
func inputID(in *tailer.InputConfig) string {
	if in.Enabled && isFilestream(in) {
		return in.ID
	}
	return ""
}

func isFilestream(in *tailer.InputConfig) bool {
	return cmp.Or(in.Type, in.InputType) == tailer.TypeFilestream
}

// otherIDs are the ids of the main configuration.
func (c *Config) otherIDs() []string {
	return idsOf([]InputFile{{Inputs: c.Filebeat.Inputs}})
}

func idsOf(files []InputFile) []string {
	var ids []string
	for _, file := range files {
		for i := range file.Inputs {
			if id := inputID(&file.Inputs[i]); id != "" {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// warnInputs says what is odd about inputs.
func warnInputs(inputs []tailer.InputConfig, root *node, f *faults) {
	for i := range inputs {
		if in := &inputs[i]; in.Enabled && isFilestream(in) && in.ID == "" {
			name := fmt.Sprintf("filebeat.inputs.%d", i)
			f.warn(root.locate(name), name, "filestream input without ID: it works as long as there is one such input; better add an id of its own, such as id: my-logs")
		}
		if inputs[i].Enabled {
			warnProcessors(inputs[i].Processors, fmt.Sprintf("filebeat.inputs.%d.processors", i), root, f)
		}
	}
}

// warnProcessors says what is odd about processors.
func warnProcessors(list processor.List, name string, root *node, f *faults) {
	for _, w := range list.Warnings() {
		full := join(name, w.Option)
		f.warn(root.locate(full), full, "%s", w.Fault)
	}
}
