package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// levels are logging.level's values.
var levels = map[string]zerolog.Level{
	"debug": zerolog.DebugLevel, "info": zerolog.InfoLevel, "warning": zerolog.WarnLevel, "error": zerolog.ErrorLevel,
}

func init() { zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00" }

// newLogger returns a log to w: lines with a priority when w is the journal
// (stream is JOURNAL_STREAM), text on a terminal, else one JSON object a line.
// asJSON, when given, chooses between JSON and text.
func newLogger(w io.Writer, asJSON *bool, stream string) zerolog.Logger {
	terminal := isTerminal(w)
	var out io.Writer
	switch {
	case asJSON != nil && *asJSON:
		out = w
	case isJournal(w, stream):
		out = newJournal(w)
	case terminal || asJSON != nil:
		out = zerolog.ConsoleWriter{Out: w, NoColor: !terminal || os.Getenv("NO_COLOR") != "", TimeFormat: time.TimeOnly}
	default:
		out = w
	}
	return zerolog.New(zerolog.SyncWriter(out)).With().Timestamp().Logger()
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

// journal writes log lines as the journal reads them: "<6>component: text
// field=value", without time, since the journal has its own.
type journal struct {
	mu   sync.Mutex
	w    io.Writer
	line bytes.Buffer
	text zerolog.ConsoleWriter
}

func newJournal(w io.Writer) *journal {
	j := &journal{w: w}
	j.text = zerolog.ConsoleWriter{
		Out: &j.line, NoColor: true,
		PartsExclude:  []string{zerolog.TimestampFieldName, zerolog.LevelFieldName},
		PartsOrder:    []string{"component", zerolog.MessageFieldName},
		FieldsExclude: []string{"component"},
		FormatPartValueByName: func(v any, name string) string {
			if v == nil {
				return ""
			}
			return fmt.Sprintf("%v:", v)
		},
	}
	return j
}

// Write writes a line without a level.
func (j *journal) Write(p []byte) (int, error) { return j.WriteLevel(zerolog.InfoLevel, p) }

// WriteLevel writes a line with the level's syslog priority.
func (j *journal) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.line.Reset()
	if _, err := j.text.Write(p); err != nil {
		return 0, fmt.Errorf("format a log line: %w", err)
	}
	line := strings.ReplaceAll(strings.TrimSpace(j.line.String()), "\n", " ")
	if _, err := fmt.Fprintf(j.w, "<%d>%s\n", priority(level), line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// priority is the syslog priority of a level.
func priority(level zerolog.Level) int {
	switch level {
	case zerolog.TraceLevel, zerolog.DebugLevel:
		return 7
	case zerolog.WarnLevel:
		return 4
	case zerolog.ErrorLevel:
		return 3
	case zerolog.FatalLevel, zerolog.PanicLevel:
		return 2
	default:
		return 6
	}
}
