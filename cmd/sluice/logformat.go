package main

import (
	"bytes"
	"fmt"
	"io"
	"log/syslog"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

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

// useFilebeatNames gives the fields of JSON lines the names that Filebeat 8
// and later write: those of the Elastic Common Schema. It is for the start of
// the program.
func useFilebeatNames() {
	zerolog.TimestampFieldName, zerolog.LevelFieldName, zerolog.ErrorFieldName = "@timestamp", "log.level", "error.message"
}

// filebeatNames tells whether useFilebeatNames was called.
func filebeatNames() bool { return zerolog.LevelFieldName == "log.level" }

var componentKey = []byte(`"component":"`)

// componentOf returns where the value of a line's component is; 0, 0 if it has
// none.
func componentOf(line []byte) (begin, end int) {
	at := bytes.Index(line, componentKey)
	if at < 0 {
		return 0, 0
	}
	begin = at + len(componentKey)
	n := bytes.IndexByte(line[begin:], '"')
	if n < 0 {
		return 0, 0
	}
	return begin, begin + n
}

// jsonLines writes one JSON object a line, as zerolog makes it; with
// Filebeat's names the component becomes log.logger.
type jsonLines struct {
	mu   sync.Mutex
	w    io.Writer
	line []byte
}

// Write writes a line without a level.
func (j *jsonLines) Write(p []byte) (int, error) { return j.WriteLevel(zerolog.NoLevel, p) }

// WriteLevel writes a line.
func (j *jsonLines) WriteLevel(_ zerolog.Level, p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.line = append(j.line[:0], p...)
	if filebeatNames() {
		if begin, end := componentOf(p); end > 0 {
			j.line = append(j.line[:0], p[:begin-len(componentKey)]...)
			j.line = append(append(j.line, `"log.logger":"`...), p[begin:]...)
		}
		end := bytes.LastIndexByte(j.line, '}')
		if end > 0 {
			j.line = append(j.line[:end], `,"service.name":"filebeat","ecs.version":"1.6.0"}`+"\n"...)
		}
	}
	if _, err := j.w.Write(j.line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// textLines writes lines as Filebeat 7 does: time, level, component in
// brackets and text, with tabs between, and the fields behind.
type textLines struct {
	mu   sync.Mutex
	w    io.Writer
	text textPart
}

// Write writes a line without a level.
func (t *textLines) Write(p []byte) (int, error) { return t.WriteLevel(zerolog.InfoLevel, p) }

// WriteLevel writes a line.
func (t *textLines) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err := t.text.of(p)
	if err != nil {
		return 0, err
	}
	component := ""
	if begin, end := componentOf(p); end > 0 {
		component = "\t[" + string(p[begin:end]) + "]"
	}
	line := fmt.Sprintf("%s\t%s%s\t%s\n", time.Now().Format("2006-01-02T15:04:05.000Z0700"), strings.ToUpper(level.String()), component, text)
	if _, err := io.WriteString(t.w, line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// syslogLines writes lines with their severity to syslog, which has a time of
// its own.
type syslogLines struct {
	mu   sync.Mutex
	w    *syslog.Writer
	json bool
	text textPart
}

// Write writes a line without a level.
func (s *syslogLines) Write(p []byte) (int, error) { return s.WriteLevel(zerolog.InfoLevel, p) }

// WriteLevel writes a line. One that syslog doesn't take is lost: a log must
// not stop what it tells about.
func (s *syslogLines) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := strings.TrimSpace(string(p))
	if !s.json {
		text, err := s.text.of(p)
		if err != nil {
			return 0, err
		}
		line = text
		if begin, end := componentOf(p); end > 0 {
			line = string(p[begin:end]) + ": " + text
		}
	}
	write := s.w.Info
	switch priority(level) {
	case 7:
		write = s.w.Debug
	case 4:
		write = s.w.Warning
	case 3:
		write = s.w.Err
	case 2:
		write = s.w.Crit
	}
	_ = write(line)
	return len(p), nil
}

// textPart writes the message and the fields of a line as text.
type textPart struct {
	out     bytes.Buffer
	console *zerolog.ConsoleWriter
}

func (t *textPart) of(p []byte) (string, error) {
	if t.console == nil {
		t.console = &zerolog.ConsoleWriter{
			Out: &t.out, NoColor: true, PartsOrder: []string{zerolog.MessageFieldName}, FieldsExclude: []string{"component"},
		}
	}
	t.out.Reset()
	if _, err := t.console.Write(p); err != nil {
		return "", fmt.Errorf("format a log line: %w", err)
	}
	return strings.ReplaceAll(strings.TrimSpace(t.out.String()), "\n", " "), nil
}
