package main

import (
	"strings"

	"github.com/rs/zerolog"
)

// selectors are the components whose debug lines are written. Lines of other
// levels always are.
type selectors map[string]bool

// parts are Filebeat's selectors of which one of our components does the work.
// A selector that is not here stands for the component of that name.
var parts = map[string][]string{
	"input":        {"tailer"},
	"log":          {"tailer"},
	"filestream":   {"tailer"},
	"stdin":        {"tailer"},
	"container":    {"tailer"},
	"mqtt":         {"tailer", "recorder"},
	"prospector":   {"tailer"},
	"crawler":      {"tailer"},
	"harvester":    {"tailer"},
	"scanner":      {"tailer"},
	"file_watcher": {"tailer"},
	"reader":       {"tailer"},
	"multiline":    {"tailer"},
	"processors":   {"tailer"},
	"conditions":   {"tailer"},
	"publish":      {"tailer", "logstash", "file", "console"},
	"publisher":    {"tailer", "logstash", "file", "console"},
	"output":       {"logstash", "file", "console"},
	"transport":    {"logstash"},
	"tls":          {"logstash"},
	"registrar":    {"registry"},
	"registry":     {"registry"},
	"store":        {"registry"},
	"api":          {"monitoring"},
	"cfgfile":      {"reload"},
}

// selectorsOf returns the components that the selectors of logging.selectors
// and -d name; nil stands for all.
func selectorsOf(lists ...[]string) selectors {
	chosen := selectors{}
	for _, list := range lists {
		for _, name := range list {
			name = strings.TrimSpace(name)
			if name == "*" {
				return nil
			}
			if name == "" {
				continue
			}
			chosen[name] = true
			first, _, _ := strings.Cut(name, ".") // input.filestream
			for _, component := range parts[first] {
				chosen[component] = true
			}
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	return chosen
}

// selective leaves out the debug lines of components that are not chosen.
type selective struct {
	out    zerolog.LevelWriter
	chosen selectors
}

// Write writes a line without a level.
func (s *selective) Write(p []byte) (int, error) { return s.out.Write(p) }

// WriteLevel writes a line, or leaves it out.
func (s *selective) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	if level <= zerolog.DebugLevel {
		if begin, end := componentOf(p); !s.chosen[string(p[begin:end])] {
			return len(p), nil
		}
	}
	return s.out.WriteLevel(level, p)
}
