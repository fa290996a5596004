package config

import "path/filepath"

// Brand is a name that the program can be called by.
type Brand uint8

// The brands: sluice with the system's folders, and filebeat with all folders
// below its own, as an unpacked Filebeat has them.
const (
	Sluice Brand = iota
	Filebeat
)

// String returns the brand's name, that of the program.
func (b Brand) String() string {
	if b == Filebeat {
		return "filebeat"
	}
	return "sluice"
}

// FileName is the configuration's file name when no -c gives one.
func (b Brand) FileName() string { return b.String() + ".yml" }

// Paths returns the folders of a configuration that names none.
func (o LoadOptions) Paths() PathConfig {
	return PathConfig{Home: o.Home, Config: o.defaultPath("config", ""), Data: o.defaultPath("data", ""), Logs: o.defaultPath("logs", "")}
}

// defaultPath returns a folder that is not configured; home is path.home, or
// empty if that isn't either.
func (o LoadOptions) defaultPath(name, home string) string {
	if home == "" {
		home = o.Home
	}
	if name == "home" {
		return home
	}
	if home != "" {
		if name == "config" {
			return home
		}
		return filepath.Join(home, name)
	}
	d := DefaultConfig().Path
	return map[string]string{"config": d.Config, "data": d.Data, "logs": d.Logs}[name]
}

// fill sets the folders that follow from others.
func (p *PathConfig) fill(root *node, o LoadOptions) {
	for name, field := range map[string]*string{"config": &p.Config, "data": &p.Data, "logs": &p.Logs} {
		if root.find("path." + name).isNull() {
			*field = o.defaultPath(name, p.Home)
		}
	}
	if p.Home == "" {
		p.Home = o.Home
	}
}
