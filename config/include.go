package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"sluice/tailer"
)

// IncludeConfig is filebeat.config.*.
type IncludeConfig struct {
	// Inputs are files with more inputs: each holds a list, as
	// filebeat.inputs does. Filebeat: filebeat.config.inputs.
	Inputs *IncludeInputs `config:"inputs"`
}

// IncludeInputs is filebeat.config.inputs.*.
type IncludeInputs struct {
	// Enabled reads the files. Default: true, once the section is there.
	// Filebeat: filebeat.config.inputs.enabled.
	Enabled bool `config:"enabled"`
	// Path is a glob for the files; a relative one is below path.config.
	// Required. Filebeat: filebeat.config.inputs.path.
	Path string `config:"path"`
	// Reload reads them again when they change.
	Reload ReloadConfig `config:"reload"`
}

// ReloadConfig is filebeat.config.inputs.reload.*.
type ReloadConfig struct {
	// Enabled looks for changes while sluice runs. A file with a fault is then
	// reported, and its inputs stay as they were; without it a fault ends the
	// start. Default: false. Filebeat: filebeat.config.inputs.reload.enabled.
	Enabled bool `config:"enabled"`
	// Period is the time between two looks. Default: 10s. Filebeat:
	// filebeat.config.inputs.reload.period.
	Period time.Duration `config:"period"`
}

// DefaultInclude returns the defaults of filebeat.config.inputs.
func DefaultInclude() IncludeInputs {
	return IncludeInputs{Enabled: true, Reload: ReloadConfig{Period: 10 * time.Second}}
}

// Validate checks filebeat.config.inputs.*.
func (c *IncludeInputs) Validate() error {
	if !c.Enabled {
		return nil
	}
	if c.Path == "" {
		return &OptionError{"path", "is missing; give a glob such as ${path.config}/inputs.d/*.yml"}
	}
	if _, err := filepath.Match(c.Path, "x"); err != nil {
		return &OptionError{"path", fmt.Sprintf("%q is no glob: %s; write [ as \\[ if it belongs to a name", c.Path, err)}
	}
	if c.Reload.Enabled && c.Reload.Period <= 0 {
		return &OptionError{"reload.period", "must be greater than 0, for example 10s"}
	}
	return nil
}

// InputFile is one file of filebeat.config.inputs.
type InputFile struct {
	// Path of the file, absolute if the glob is.
	Path string
	// Inputs are what it holds, in order.
	Inputs []tailer.InputConfig
	// Warnings are one line each.
	Warnings []string
}

// LoadInputs reads all files of filebeat.config.inputs; none if that is
// switched off. An error is of type Errors: the faults of all files.
func LoadInputs(c *Config) ([]InputFile, error) {
	inc := c.Filebeat.Config.Inputs
	if inc == nil || !inc.Enabled {
		return nil, nil
	}
	var f faults
	var files []InputFile
	for i, path := range c.includedPaths() {
		file := c.readInputs(path, i, &f)
		checkIDs(file.Inputs, c.inputsBeside(files...), path, &f)
		files = append(files, file)
	}
	if err := c.hidden(&f); err != nil {
		return nil, err
	}
	return files, nil
}

// includedPaths lists the files of the glob in order.
func (c *Config) includedPaths() []string {
	pattern := c.Filebeat.Config.Inputs.Path
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(c.Path.Config, pattern)
	}
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil // Validate has refused it
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && !info.Mode().IsRegular()
	})
}

// readInputs reads one file; order sorts its faults among those of others.
func (c *Config) readInputs(path string, order int, f *faults) InputFile {
	file := InputFile{Path: path}
	whole := position{file: path, order: order}
	if fault := unsafePermissions(path); fault != "" && !c.options.LaxPerms {
		f.add(whole, "", "unsafe permissions: %s", fault)
		return file
	}
	data, err := readFile(path)
	if err != nil {
		f.add(whole, "", "%s", err)
		return file
	}
	had, warned := len(f.list), len(f.warnings)
	n := parseAny(path, order, data, f)
	switch {
	case n == nil || len(f.list) > had:
	case n.kind == mapKind:
		f.warn(whole, "", "holds a section, not a list of inputs, so it gives no input (nor does Filebeat take it); begin each input with \"- \" and write no filebeat.inputs above them")
	case n.kind != listKind:
		f.add(n.at, "", "the file must hold a list of inputs, found %s", n.describe(true))
	default:
		file.Inputs = c.decodeInputs(n, f)
	}
	file.Warnings = slices.Clone(f.warnings[warned:])
	return file
}

// decodeInputs reads a list of inputs as if it stood at filebeat.inputs.
func (c *Config) decodeInputs(list *node, f *faults) []tailer.InputConfig {
	root, section := newMap(list.at), newMap(list.at)
	section.set("inputs", list.at, list)
	root.set("filebeat", list.at, section)
	had := len(f.list)
	c.source.resolve(root, c.pathFallback, f)
	if len(f.list) > had {
		return nil
	}
	var inputs []tailer.InputConfig
	v := reflect.ValueOf(&inputs).Elem()
	newDecoder(f).decode(list, v, "filebeat.inputs", false)
	validate(root, v, "filebeat.inputs", f)
	checkMQTT(inputs, root, f)
	warnInputs(inputs, root, f)
	hideSecrets(f.list[had:], secretsOf(root))
	if len(f.list) > had {
		return nil
	}
	return inputs
}

// pathFallback gives references in an included file this configuration's
// folders.
func (c *Config) pathFallback(_ *expander, name string) (string, bool) {
	path := map[string]string{"path.home": c.Path.Home, "path.config": c.Path.Config, "path.data": c.Path.Data, "path.logs": c.Path.Logs,
		"keystore.path": c.Keystore.Path}[name]
	return path, path != ""
}

// checkIncluded reads the included files where a fault in them ends the start.
func (c *Config) checkIncluded(f *faults) {
	inc := c.Filebeat.Config.Inputs
	if inc == nil || !inc.Enabled || inc.Reload.Enabled || len(f.list) > 0 || !c.options.uses("filebeat.config") {
		return
	}
	files, err := LoadInputs(c)
	var faults Errors
	if errors.As(err, &faults) { // LoadInputs says so
		f.list = append(f.list, faults...)
	}
	for _, file := range files {
		f.warnings = append(f.warnings, file.Warnings...)
	}
}
