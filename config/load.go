package config

import (
	"errors"
	"path/filepath"
	"reflect"

	"sluice/internal/tlsconfig"
	"sluice/logstash"
	"sluice/recorder"
	"sluice/tailer"
)

// Load reads the files in order, then the overrides ("name=value"), and
// returns the merged, checked configuration. An error is of type Errors: all
// faults at once. Without any path, the overrides alone count.
func Load(paths, overrides []string) (*Config, error) {
	return load(source{paths: paths, overrides: overrides, env: hostEnvironment, read: readFile})
}

// Parse reads a configuration from memory; name stands for its file.
func Parse(name string, data []byte) (*Config, error) {
	return load(source{paths: []string{name}, env: hostEnvironment, read: func(string) ([]byte, error) { return data, nil }})
}

func load(s source) (*Config, error) {
	var f faults
	root := s.tree(pathFallback, &f)
	if len(f.list) == 0 && root == nil {
		f.add(position{file: firstOf(s.paths)}, "", "holds no setting; \"sluice export reference\" prints all options with their defaults")
	}
	cfg := DefaultConfig()
	if len(f.list) == 0 {
		cfg.build(root, &f)
	}
	hideSecrets(f.list, secretsOf(root))
	if err := f.err(); err != nil {
		return nil, err
	}
	return &cfg, nil
}

func firstOf(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	return paths[0]
}

// elementDefaults are the defaults of list entries and optional sections.
var elementDefaults = map[reflect.Type]func() any{
	reflect.TypeFor[tailer.InputConfig]():  func() any { return tailer.DefaultInput() },
	reflect.TypeFor[logstash.Config]():     func() any { return logstash.DefaultConfig() },
	reflect.TypeFor[recorder.Config]():     func() any { return recorder.DefaultConfig() },
	reflect.TypeFor[tlsconfig.Config]():    func() any { return tlsconfig.DefaultConfig() },
	reflect.TypeFor[recorder.MQTTConfig](): func() any { return recorder.DefaultMQTTConfig() },
}

// build decodes and checks the merged tree.
func (c *Config) build(root *node, f *faults) {
	c.root = root
	presentOutputs(root)
	d := &decoder{faults: f, defaults: elementDefaults, names: allNames}
	v := reflect.ValueOf(c).Elem()
	d.decode(root, v, "", false)
	c.Warnings = d.warnings
	c.Path.fill(root)
	oneOutput(root, f)
	oneQueue(root, f)
	if isDisabled(root.find("output.logstash")) {
		c.Output.Logstash = nil
	}
	if c.Recorder != nil {
		c.spool(root)
	}
	validate(root, v, "", f)
	if c.MaxProcs < 0 {
		f.add(root.locate("max_procs"), "max_procs", "must not be negative; 0 uses all CPUs")
	}
}

// spool places the segments' folder, and follows the segments when no inputs
// are configured.
func (c *Config) spool(root *node) {
	path := &c.Recorder.Spool.Path
	switch {
	case root.find("recorder.spool.path").isNull():
		*path = filepath.Join(c.Path.Data, "spool")
	case !filepath.IsAbs(*path):
		*path = filepath.Join(c.Path.Data, *path)
	}
	if root.find("filebeat.inputs").isNull() {
		c.Filebeat.Inputs = []tailer.InputConfig{segmentInput(*path)}
	}
}

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

// pathFallback gives references to path.* their defaults.
func pathFallback(x *expander, name string) (string, bool) {
	switch name {
	case "path.config", "path.data", "path.logs":
		home, err := x.lookupSetting("path.home")
		if err != nil && !errors.Is(err, errMissing) {
			return "", false
		}
		return defaultPath(name[len("path."):], home), true
	}
	return "", false
}
