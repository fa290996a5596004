package main

import (
	"bytes"
	"fmt"
	"io"
	"log/syslog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"sluice/config"
	"sluice/internal/logfile"
)

// levels are logging.level's values.
var levels = map[string]zerolog.Level{
	"debug": zerolog.DebugLevel, "info": zerolog.InfoLevel, "warning": zerolog.WarnLevel, "error": zerolog.ErrorLevel,
}

func init() { zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00" }

// The places that a log can go to.
const (
	toStderr = iota
	toFiles
	toSyslog
)

// destination is where the log goes: -e wins, then comes what the
// configuration switches on, in the order of Filebeat; else files when called
// filebeat, and standard error otherwise, in a container, under systemd (as
// --environment says), or with to_files: false.
func (a *app) destination(c config.LoggingConfig) int {
	on := func(b *bool) bool { return b != nil && *b }
	environment := a.compat.environment
	switch {
	case a.toStderr, on(c.ToStderr):
		return toStderr
	case c.ToSyslog:
		return toSyslog
	case on(c.ToFiles):
		return toFiles
	case a.brand != config.Filebeat, environment == "systemd", environment == "container", c.ToFiles != nil:
		return toStderr
	}
	return toFiles
}

// logs is a log with the place that it goes to.
type logs struct {
	zerolog.Logger
	place int
	close func() error
}

// openLog opens the log that flags and configuration ask for.
func (a *app) openLog(cfg *config.Config) (*logs, error) {
	level, err := a.level(cfg.Logging.Level)
	if err != nil {
		return nil, err
	}
	l := &logs{place: a.destination(cfg.Logging), close: func() error { return nil }}
	out := stderrWriter(a.stderr, cfg.Logging.JSON, os.Getenv("JOURNAL_STREAM"))
	switch l.place {
	case toFiles:
		out, l.close, err = a.fileWriter(cfg)
	case toSyslog:
		out, l.close, err = syslogWriter(a.brand.String(), cfg.Logging.JSON)
	}
	if err != nil {
		return nil, err
	}
	if s := selectorsOf(cfg.Logging.Selectors, a.debug); s != nil {
		out = &selective{out: out, chosen: s}
	}
	l.Logger = zerolog.New(out).With().Timestamp().Logger().Level(level)
	return l, nil
}

// level is the least level that is logged.
func (a *app) level(configured string) (zerolog.Level, error) {
	level := configured
	switch {
	case a.logLevel != "":
		level = a.logLevel
	case len(a.debug) > 0:
		level = "debug"
	case a.verbose && (level == "warning" || level == "error"):
		level = "info"
	}
	if err := (&config.LoggingConfig{Level: level}).Validate(); err != nil {
		return zerolog.NoLevel, fmt.Errorf("--log-level: %s", strings.TrimPrefix(err.Error(), "level: "))
	}
	return levels[level], nil
}

// fileWriter writes to logging.files. What it can't write is told on standard
// error.
func (a *app) fileWriter(cfg *config.Config) (zerolog.LevelWriter, func() error, error) {
	files, asJSON := cfg.Logging.Files, cfg.Logging.JSON == nil || *cfg.Logging.JSON
	if files.Path != "" && !filepath.IsAbs(files.Path) {
		files.Path = filepath.Join(cfg.Path.Home, files.Path)
	}
	f, err := logfile.Open(files, cfg.Path.Logs, logfile.Notify{
		Failed: func(err error) {
			fmt.Fprintf(a.stderr, "%s: the log can't be written, lines are lost until it can: %s\n", a.brand, err)
		},
		Lost: func(lines int, cause error) []byte {
			var line bytes.Buffer
			log := zerolog.New(formatted(&line, asJSON)).With().Timestamp().Logger()
			log.Warn().AnErr("cause", cause).Msgf("%d lines of the log are missing here: it could not be written", lines)
			return line.Bytes()
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("logging.files: %w (-e logs to standard error)", err)
	}
	return formatted(f, asJSON), f.Close, nil
}

// formatted writes lines to w: JSON, or Filebeat's older text.
func formatted(w io.Writer, asJSON bool) zerolog.LevelWriter {
	if asJSON {
		return &jsonLines{w: w}
	}
	return &textLines{w: w}
}

// syslogWriter writes to the local syslog: text, unless JSON is asked for.
func syslogWriter(name string, asJSON *bool) (zerolog.LevelWriter, func() error, error) {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, name)
	if err != nil {
		return nil, nil, fmt.Errorf("logging.to_syslog: %w (-e logs to standard error)", err)
	}
	return &syslogLines{w: w, json: asJSON != nil && *asJSON}, w.Close, nil
}

// stderrWriter writes to standard error: lines with a priority when w is the
// journal (stream is JOURNAL_STREAM), text on a terminal, else one JSON object
// a line. asJSON, when given, chooses between JSON and text.
func stderrWriter(w io.Writer, asJSON *bool, stream string) zerolog.LevelWriter {
	terminal := isTerminal(w)
	switch {
	case asJSON != nil && *asJSON:
		return &jsonLines{w: w}
	case isJournal(w, stream):
		return newJournal(w)
	case terminal || asJSON != nil:
		return zerolog.LevelWriterAdapter{Writer: zerolog.SyncWriter(zerolog.ConsoleWriter{
			Out: w, NoColor: !terminal || os.Getenv("NO_COLOR") != "", TimeFormat: time.TimeOnly,
		})}
	}
	return &jsonLines{w: w}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// isJournal tells whether w is the stream that systemd connected to its
// journal, which JOURNAL_STREAM names as device:inode.
func isJournal(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", uint64(stat.Dev), uint64(stat.Ino))
}
