package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"sluice/config"
)

func TestLogIsJSONWhereNobodyLooks(t *testing.T) {
	var b bytes.Buffer
	log := logTo(&b, nil, "8:1234")
	log.Warn().Str("component", "tailer").Msg("x")
	var line struct{ Time, Level, Component, Message string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line.Level != "warn" || line.Component != "tailer" || line.Message != "x" || line.Time == "" {
		t.Errorf("line %q: %v", b.String(), err)
	}
	b.Reset()
	asText := false
	log = logTo(&b, &asText, "")
	log.Warn().Msg("x")
	if !strings.Contains(b.String(), "WRN x") || strings.Contains(b.String(), "{") {
		t.Errorf("text %q", b.String())
	}
}

func logTo(w io.Writer, asJSON *bool, stream string) zerolog.Logger {
	return zerolog.New(stderrWriter(w, asJSON, stream)).With().Timestamp().Logger()
}

// stream returns a file and the JOURNAL_STREAM that names it.
func stream(t *testing.T) (*os.File, string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	return f, fmt.Sprintf("%d:%d", uint64(stat.Dev), stat.Ino)
}

func TestJournalLinesHaveAPriorityAndNoTime(t *testing.T) {
	f, name := stream(t)
	log := logTo(f, nil, name).Level(zerolog.DebugLevel)
	with := log.With().Str("component", "tailer").Logger()
	with.Debug().Msg("debug")
	with.Info().Str("file", "/a b").Int("n", 3).Msg("Harvester started for /a b")
	log.Warn().Msg("no component")
	with.Error().Err(errors.New("two\nlines")).Msg("failed\nbadly")
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := "<7>tailer: debug\n" +
		"<6>tailer: Harvester started for /a b file=\"/a b\" n=3\n" +
		"<4>no component\n" +
		"<3>tailer: failed badly error=\"two\\nlines\"\n"
	if string(text) != want {
		t.Errorf("journal\n%s\nwant\n%s", text, want)
	}
}

func TestOtherStreamThanTheJournalGetsJSON(t *testing.T) {
	f, _ := stream(t)
	log := logTo(f, nil, "1:1")
	log.Info().Msg("x")
	text, err := os.ReadFile(f.Name())
	if err != nil || !json.Valid(text) {
		t.Errorf("line %q, %v", text, err)
	}
	f, name := stream(t)
	asJSON := true
	log = logTo(f, &asJSON, name)
	log.Info().Msg("x")
	if text, err := os.ReadFile(f.Name()); err != nil || !json.Valid(text) {
		t.Errorf("with logging.json: line %q, %v", text, err)
	}
}

func TestLevelOfTheLog(t *testing.T) {
	for _, c := range []struct {
		a     app
		level string
		want  zerolog.Level
	}{
		{app{}, "warning", zerolog.WarnLevel},
		{app{verbose: true}, "warning", zerolog.InfoLevel},
		{app{verbose: true}, "debug", zerolog.DebugLevel},
		{app{debug: []string{"*"}}, "error", zerolog.DebugLevel},
		{app{logLevel: "error", debug: []string{"*"}}, "info", zerolog.ErrorLevel},
	} {
		if level, err := c.a.level(c.level); err != nil || level != c.want {
			t.Errorf("%+v with %s: level %s, %v; want %s", c.a, c.level, level, err, c.want)
		}
	}
	a := app{logLevel: "chatty"}
	if _, err := a.level("info"); err == nil || err.Error() != `--log-level: "chatty" is no level; use debug, info, warning, error` {
		t.Errorf("error %v", err)
	}
}

func TestPlaceOfTheLog(t *testing.T) {
	yes, no := new(bool), new(bool)
	*yes = true
	filebeat := func(environment string) app {
		return app{brand: config.Filebeat, compat: compatFlags{environment: environment}}
	}
	for _, c := range []struct {
		name string
		a    app
		cfg  config.LoggingConfig
		want int
	}{
		{"sluice", app{}, config.LoggingConfig{}, toStderr},
		{"sluice with files", app{}, config.LoggingConfig{ToFiles: yes}, toFiles},
		{"sluice with files, -e", app{toStderr: true}, config.LoggingConfig{ToFiles: yes}, toStderr},
		{"sluice with syslog and files", app{}, config.LoggingConfig{ToFiles: yes, ToSyslog: true}, toSyslog},
		{"sluice without standard error alone", app{}, config.LoggingConfig{ToStderr: no}, toStderr},
		{"filebeat", filebeat(""), config.LoggingConfig{}, toFiles},
		{"filebeat -e", app{brand: config.Filebeat, toStderr: true}, config.LoggingConfig{ToFiles: yes, ToSyslog: true}, toStderr},
		{"filebeat with standard error", filebeat(""), config.LoggingConfig{ToStderr: yes, ToFiles: yes}, toStderr},
		{"filebeat without files", filebeat(""), config.LoggingConfig{ToFiles: no}, toStderr},
		{"filebeat under systemd", filebeat("systemd"), config.LoggingConfig{}, toStderr},
		{"filebeat in a container", filebeat("container"), config.LoggingConfig{}, toStderr},
		{"filebeat under systemd with files", filebeat("systemd"), config.LoggingConfig{ToFiles: yes}, toFiles},
		{"filebeat elsewhere", filebeat("windows_service"), config.LoggingConfig{}, toFiles},
	} {
		if got := c.a.destination(c.cfg); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// fileLog returns a log to files in a folder of the test, and that folder.
func fileLog(t *testing.T, a *app, change func(*config.Config)) (*logs, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "logs")
	cfg := config.DefaultConfig()
	yes := true
	cfg.Logging.ToFiles, cfg.Path.Logs = &yes, dir
	change(&cfg)
	l, err := a.openLog(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l, dir
}

func TestFilesOfTheLogRotate(t *testing.T) {
	var errs bytes.Buffer
	l, dir := fileLog(t, &app{stderr: &errs}, func(c *config.Config) {
		c.Logging.Files.RotateEveryBytes, c.Logging.Files.KeepFiles, c.Logging.Files.Permissions = 2000, 2, 0o640
	})
	const lines = 100
	for i := range lines {
		l.Info().Int("n", i).Msg(strings.Repeat("x", 100))
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "filebeat-*.ndjson"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v; want the written one and two more", files, err)
	}
	last := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil || len(data) > 2000 {
			t.Errorf("%s has %d bytes, %v", file, len(data), err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
		for _, text := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
			var line struct{ N int }
			if err := json.Unmarshal(text, &line); err != nil {
				t.Errorf("line %q: %v", text, err)
			}
			last = max(last, line.N)
		}
	}
	if last != lines-1 || errs.Len() > 0 {
		t.Errorf("the last line is %d of %d; standard error %q", last, lines, errs.String())
	}
}

func TestTextLinesAreThoseOfFilebeat7(t *testing.T) {
	no := false
	l, dir := fileLog(t, &app{}, func(c *config.Config) { c.Logging.JSON = &no })
	with := l.With().Str("component", "tailer").Logger()
	with.Warn().Str("file", "/a b").Msg("two\nlines")
	l.Info().Msg("plain")
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	want := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d{4})\tWARN\t\[tailer\]\ttwo lines file="/a b"\n[^\t]*\tINFO\tplain\n$`)
	if err != nil || !want.Match(data) {
		t.Errorf("text %q, %v; want %s", data, err, want)
	}
}

func TestLogThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.DefaultConfig()
	yes := true
	cfg.Logging.ToFiles, cfg.Path.Home, cfg.Logging.Files.Path = &yes, dir, "file/logs"
	_, err := (&app{}).openLog(&cfg)
	if err == nil || !strings.HasPrefix(err.Error(), "logging.files: ") || !strings.Contains(err.Error(), filepath.Join(dir, "file")) {
		t.Errorf("error %v", err)
	}
}

func TestSelectorsOfDebugLines(t *testing.T) {
	for _, c := range []struct {
		configured, flags []string
		want              string
	}{
		{nil, nil, "tailer registry logstash none info"},
		{nil, []string{"*"}, "tailer registry logstash none info"},
		{[]string{"registrar"}, []string{"*"}, "tailer registry logstash none info"},
		{nil, []string{"registrar"}, "registry info"},
		{nil, []string{"logstash"}, "logstash info"},
		{nil, []string{"input.filestream"}, "tailer info"},
		{nil, []string{"harvester", " registry"}, "tailer registry info"},
		{[]string{"publisher"}, nil, "tailer logstash info"},
		{[]string{"registrar"}, []string{"logstash"}, "registry logstash info"},
		{nil, []string{"unheard"}, "info"},
	} {
		var b bytes.Buffer
		a := &app{stderr: &b, debug: c.flags}
		cfg := config.DefaultConfig()
		cfg.Logging.Level, cfg.Logging.Selectors = "debug", c.configured
		l, err := a.openLog(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"tailer", "registry", "logstash"} {
			with := l.With().Str("component", name).Logger()
			with.Debug().Msg(name)
		}
		l.Debug().Msg("none")
		with := l.With().Str("component", "tailer").Logger()
		with.Info().Msg("info")
		var got []string
		for dec := json.NewDecoder(&b); ; {
			var line struct{ Message string }
			if dec.Decode(&line) != nil {
				break
			}
			got = append(got, line.Message)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("logging.selectors %v and -d %v: %v, want %s", c.configured, c.flags, got, c.want)
		}
	}
}

func TestSyslogLinesHaveASeverity(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w, err := syslog.Dial("unixgram", socket, syslog.LOG_DAEMON|syslog.LOG_INFO, "filebeat")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	log := zerolog.New(&syslogLines{w: w})
	with := log.With().Str("component", "tailer").Logger()
	for _, c := range []struct {
		level zerolog.Level
		want  string
	}{
		{zerolog.DebugLevel, "<31>"}, {zerolog.InfoLevel, "<30>"}, {zerolog.WarnLevel, "<28>"}, {zerolog.ErrorLevel, "<27>"},
	} {
		with.WithLevel(c.level).Str("file", "x").Msg("text")
		buf := make([]byte, 1000)
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := conn.ReadFrom(buf)
		if line := string(buf[:n]); err != nil || !strings.HasPrefix(line, c.want) || !strings.HasSuffix(strings.TrimSpace(line), ": tailer: text file=x") {
			t.Errorf("%s: line %q, %v", c.level, line, err)
		}
	}
}
