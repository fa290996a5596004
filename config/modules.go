package config

import (
	"path/filepath"
	"strings"
)

// modules refuses modules that are enabled (filebeat.config.modules). The
// filebeat.yml that Filebeat ships names a folder in which none is: then there
// is nothing to read, and a warning is enough.
func (c *Config) modules(root *node, f *faults) {
	const name = "filebeat.config.modules"
	n := root.find(name)
	if n.isNull() || isDisabled(n) {
		return
	}
	pattern := "modules.d/*.yml"
	if p := n.get("path"); !p.isNull() {
		pattern, _ = textOf(p)
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(c.Path.Config, pattern)
	}
	if files, _ := filepath.Glob(pattern); len(files) > 0 {
		f.add(root.locate(name), name, "not supported by sluice: modules need the ingest pipelines of Elasticsearch; list their files under filebeat.inputs and disable %s", strings.Join(files, ", "))
		return
	}
	f.warn(root.locate(name), name, "has no effect: there are no modules, and none is enabled; remove it")
}
