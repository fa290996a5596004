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
			f.add(root.locate(name), name, "filestream input with ID '%s' already exists; give each its own", id)
			continue
		}
		seen = append(seen, id)
	}
	checkClashes(inputs, nil, root.locate, f)
}

// checkIDs refuses inputs of an included file whose ids, or sessions at a
// broker, others have.
func checkIDs(inputs, others []tailer.InputConfig, path string, f *faults) {
	checkClashes(inputs, others, func(string) position { return position{file: path} }, f)
	taken := idsOf(others)
	for i := range inputs {
		id := inputID(&inputs[i])
		if id == "" {
			continue
		}
		if slices.Contains(taken, id) {
			f.add(position{file: path}, fmt.Sprintf("filebeat.inputs.%d.id", i), "filestream input with ID '%s' already exists; give each its own", id)
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

// inputsBeside are the inputs of the main configuration and of files.
func (c *Config) inputsBeside(files ...InputFile) []tailer.InputConfig {
	list := slices.Clone(c.Filebeat.Inputs)
	for _, file := range files {
		list = append(list, file.Inputs...)
	}
	return list
}

func idsOf(inputs []tailer.InputConfig) (ids []string) {
	for i := range inputs {
		if id := inputID(&inputs[i]); id != "" {
			ids = append(ids, id)
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
		for _, w := range slices.Concat(inputs[i].MQTTWarnings(), inputs[i].Warnings()) {
			name := fmt.Sprintf("filebeat.inputs.%d.%s", i, w.Option)
			f.warn(root.locate(name), name, "%s", w.Fault)
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
