package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/logfile"
	"sluice/internal/monitor"
)

// LoggingConfig is logging.*.
type LoggingConfig struct {
	// Level is the least level that is logged: debug, info, warning or error.
	// (critical counts as error.) Default: info. Filebeat: logging.level.
	Level string `config:"level"`
	// Selectors are the components whose debug lines are written at level
	// debug: tailer, registry, logstash and so on, or Filebeat's names (input,
	// harvester, publisher, registrar); none or * stands for all. Default:
	// none. Filebeat: logging.selectors.
	Selectors []string `config:"selectors"`
	// ToStderr writes the log to standard error, as -e does; it wins over the
	// other two. Default: true, unless one of them is; called as filebeat,
	// false. Filebeat: logging.to_stderr.
	ToStderr *bool `config:"to_stderr"`
	// ToSyslog writes the log to syslog; it wins over to_files. Default: false.
	// Filebeat: logging.to_syslog.
	ToSyslog bool `config:"to_syslog"`
	// ToFiles writes the log to the files of logging.files. With all three
	// false it goes to standard error. Default: false; called as filebeat,
	// true, unless --environment is systemd or container. Filebeat:
	// logging.to_files.
	ToFiles *bool `config:"to_files"`
	// JSON writes one JSON object per line, also on a terminal; false writes
	// plain text. Default: text on a terminal, under systemd and in syslog,
	// JSON otherwise. Filebeat: logging.json.
	JSON *bool `config:"json"`
	// Metrics says when the log tells what was done.
	Metrics LogMetrics `config:"metrics"`
	// Files are the log files of to_files.
	Files logfile.Config `config:"files"`
}

// LogMetrics is logging.metrics.*.
type LogMetrics struct {
	// Enabled logs what has changed of the internal numbers. Default: true.
	// Filebeat: logging.metrics.enabled.
	Enabled bool `config:"enabled"`
	// Period is the time between two such lines. Default: 30s. Filebeat:
	// logging.metrics.period.
	Period time.Duration `config:"period"`
	// Namespaces are the groups of numbers: stats, and dataset or inputs, which
	// are those of each input. Default: [stats]. Filebeat:
	// logging.metrics.namespaces.
	Namespaces []string `config:"namespaces"`
}

// Log returns what a monitor logs.
func (c *LogMetrics) Log() monitor.Log {
	if !c.Enabled {
		return monitor.Log{}
	}
	return monitor.Log{Period: c.Period, Namespaces: c.Namespaces}
}

// warnMonitor says which options of http and logging.metrics have no effect.
func (c *Config) warnMonitor(f *faults) {
	if c.HTTP.NamedPipe != (monitor.NamedPipe{}) {
		f.warn(c.root.locate("http.named_pipe"), "http.named_pipe", "has no effect: named pipes are for Windows; a unix socket is http.host: unix:///path")
	}
	for i, name := range c.Logging.Metrics.Namespaces {
		if !slices.Contains([]string{"stats", "dataset", "inputs"}, name) {
			full := "logging.metrics.namespaces." + strconv.Itoa(i)
			f.warn(c.root.locate(full), full, "has no effect: there are stats, dataset and inputs")
		}
	}
}

// Levels are the values of logging.level.
var Levels = []string{"debug", "info", "warning", "error"}

func defaultLogging() LoggingConfig {
	return LoggingConfig{
		Level:   "info",
		Metrics: LogMetrics{Enabled: true, Period: 30 * time.Second, Namespaces: []string{"stats"}},
		Files:   logfile.DefaultConfig(),
	}
}

// normalise gives other spellings of a level the one that we use.
func (c *LoggingConfig) normalise() {
	lower := strings.ToLower(c.Level)
	if lower == "critical" {
		lower = "error"
	}
	if slices.Contains(Levels, lower) {
		c.Level = lower
	}
}

// Validate checks logging.*.
func (c *LoggingConfig) Validate() error {
	var errs []error
	if !slices.Contains(Levels, c.Level) {
		errs = append(errs, &OptionError{"level", fmt.Sprintf("%q is no level; use %s", c.Level, strings.Join(Levels, ", "))})
	}
	if c.Metrics.Enabled && c.Metrics.Period <= 0 {
		errs = append(errs, &OptionError{"metrics.period", "must be greater than 0, for example 30s; metrics.enabled: false switches the lines off"})
	}
	if c.Files != (logfile.Config{}) { // without any file, the level alone is asked about
		errs = append(errs, within("files", c.Files.Validate())...)
	}
	return errors.Join(errs...)
}

// within puts a section's name before the options that its faults name.
func within(section string, err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, one := range many.Unwrap() {
			errs = append(errs, within(section, one)...)
		}
		return errs
	}
	field, text := fieldOf(err)
	return []error{&OptionError{join(section, field), text}}
}

// KeystoreConfig is keystore.*.
type KeystoreConfig struct {
	// Path is the file with the secrets that ${NAME} can name; a relative one
	// is below path.data. Default: filebeat.keystore. Filebeat: keystore.path.
	Path string `config:"path"`
}
