package config

import (
	"errors"
	"path/filepath"
	"reflect"

	"sluice/elasticsearch"
	"sluice/internal/localout"
	lines "sluice/internal/parser"
	"sluice/internal/processor"
	"sluice/internal/tlsconfig"
	"sluice/logstash"
	"sluice/recorder"
	"sluice/tailer"
)

// LoadOptions say how a configuration is read.
type LoadOptions struct {
	// Brand is the name that the program was called by; it decides where files
	// are when no option says so.
	Brand Brand
	// Home is path.home where no setting gives one. As filebeat this is the
	// program's folder.
	Home string
	// LaxPerms accepts included files that others may write
	// (--strict.perms=false). Whoever calls Load checks its own files.
	LaxPerms bool
	// Sections are those that the caller uses, such as "filebeat.registry"; path
	// and keystore count always. A reference in any other that leads nowhere is
	// no fault: its section is not checked any more, and its values are not to be
	// used, nor are filebeat.config's files read. So who looks at a registry needs
	// no password. Default: all sections.
	Sections []string
}

// Load reads the files in order, then the overrides ("name=value"), and
// returns the merged, checked configuration. An error is of type Errors: all
// faults at once. Without any path, the overrides alone count.
func Load(paths, overrides []string) (*Config, error) { return LoadOptions{}.Load(paths, overrides) }

// Load is the function Load with these options.
func (o LoadOptions) Load(paths, overrides []string) (*Config, error) {
	return o.load(source{paths: paths, overrides: overrides, env: hostEnvironment, read: readFile})
}

// Parse reads a configuration from memory; name stands for its file.
func Parse(name string, data []byte) (*Config, error) { return LoadOptions{}.Parse(name, data) }

// Parse is the function Parse with these options.
func (o LoadOptions) Parse(name string, data []byte) (*Config, error) {
	return o.load(source{paths: []string{name}, env: hostEnvironment, read: func(string) ([]byte, error) { return data, nil }})
}

func (o LoadOptions) load(s source) (*Config, error) {
	var f faults
	s.vault, s.sections = &vault{}, o.Sections
	root := s.tree(o.pathFallback, &f)
	if len(f.list) == 0 && root == nil {
		f.add(position{file: firstOf(s.paths)}, "", "holds no setting; \"sluice export reference\" prints all options with their defaults")
	}
	cfg := DefaultConfig()
	cfg.options, cfg.source = o, s
	if len(f.list) == 0 {
		cfg.build(root, &f)
	} else {
		cfg.root = root
	}
	hideSecrets(f.list, cfg.secrets())
	if err := f.err(); err != nil {
		return nil, err
	}
	cfg.Warnings = f.warnings
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
	reflect.TypeFor[tailer.InputConfig]():    func() any { return tailer.DefaultInput() },
	reflect.TypeFor[logstash.Config]():       func() any { return logstash.DefaultConfig() },
	reflect.TypeFor[elasticsearch.Config]():  func() any { return elasticsearch.DefaultConfig() },
	reflect.TypeFor[recorder.Config]():       func() any { return recorder.DefaultConfig() },
	reflect.TypeFor[tlsconfig.Config]():      func() any { return tlsconfig.DefaultConfig() },
	reflect.TypeFor[recorder.MQTTConfig]():   func() any { return recorder.DefaultMQTTConfig() },
	reflect.TypeFor[recorder.SerialConfig](): func() any { return recorder.DefaultSerialConfig() },
	reflect.TypeFor[IncludeInputs]():         func() any { return DefaultInclude() },
	reflect.TypeFor[DiskConfig]():            func() any { return DefaultDisk() },

	reflect.TypeFor[lines.MultilineConfig](): func() any { return lines.DefaultMultiline() },

	reflect.TypeFor[localout.FileConfig]():    func() any { return localout.DefaultFile() },
	reflect.TypeFor[localout.ConsoleConfig](): func() any { return localout.DefaultConsole() },
}

// unsupportedKinds are the kinds of sections that Filebeat has and we don't.
var unsupportedKinds = map[reflect.Type]map[string]string{
	reflect.TypeFor[processor.Entry](): processor.Unsupported,
}

// newDecoder returns a decoder of the whole configuration or a part.
func newDecoder(f *faults) *decoder {
	return &decoder{faults: f, defaults: elementDefaults, names: allNames, unsupported: unsupportedKinds}
}

// build decodes and checks the merged tree.
func (c *Config) build(root *node, f *faults) {
	c.root = root
	presentOutputs(root)
	v := reflect.ValueOf(c).Elem()
	newDecoder(f).decode(root, v, "", false)
	c.Path.fill(root, c.options)
	c.Keystore.Path = keystoreFile(c.Keystore.Path, c.Path.Data)
	c.Logging.normalise()
	c.modules(root, f)
	oneOutput(root, f)
	oneQueue(root, f)
	c.dropDisabledOutputs(root)
	if es := c.Output.Elasticsearch; es != nil {
		es.UsePreset()
	}
	if c.Recorder != nil {
		c.spool(root)
	}
	validate(root, v, "", f)
	checkMQTT(c.Filebeat.Inputs, root, f)
	c.checkSeries(f)
	c.checkRecorderHTTP(f)
	if c.MaxProcs < 0 {
		f.add(root.locate("max_procs"), "max_procs", "must not be negative; 0 uses all CPUs")
	}
	c.warnings(f)
	uniqueIDs(c.Filebeat.Inputs, root, f)
	c.checkIncluded(f)
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

// pathFallback gives references to path.* their defaults.
func (o LoadOptions) pathFallback(x *expander, name string) (string, bool) {
	switch name {
	case "path.home", "path.config", "path.data", "path.logs":
		home, err := x.lookupSetting("path.home")
		if err != nil && !errors.Is(err, errMissing) {
			return "", false
		}
		path := o.defaultPath(name[len("path."):], home)
		return path, path != ""
	}
	return "", false
}
