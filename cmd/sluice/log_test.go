package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"sluice/config"
)

func TestLogIsJSONWhereNobodyLooks(t *testing.T) {
	var b bytes.Buffer
	log := newLogger(&b, nil, "8:1234")
	log.Warn().Str("component", "tailer").Msg("x")
	var line struct{ Time, Level, Component, Message string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line.Level != "warn" || line.Component != "tailer" || line.Message != "x" || line.Time == "" {
		t.Errorf("line %q: %v", b.String(), err)
	}
	b.Reset()
	asText := false
	log = newLogger(&b, &asText, "")
	log.Warn().Msg("x")
	if !strings.Contains(b.String(), "WRN x") || strings.Contains(b.String(), "{") {
		t.Errorf("text %q", b.String())
	}
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
	log := newLogger(f, nil, name).Level(zerolog.DebugLevel)
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
	log := newLogger(f, nil, "1:1")
	log.Info().Msg("x")
	text, err := os.ReadFile(f.Name())
	if err != nil || !json.Valid(text) {
		t.Errorf("line %q, %v", text, err)
	}
	f, name := stream(t)
	asJSON := true
	log = newLogger(f, &asJSON, name)
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
		c.a.stderr = &bytes.Buffer{}
		log, err := c.a.logger(config.LoggingConfig{Level: c.level})
		if err != nil || log.GetLevel() != c.want {
			t.Errorf("%+v with %s: level %s, %v; want %s", c.a, c.level, log.GetLevel(), err, c.want)
		}
	}
	a := app{logLevel: "chatty", stderr: &bytes.Buffer{}}
	if _, err := a.logger(config.LoggingConfig{Level: "info"}); err == nil || err.Error() != `--log-level: "chatty" is no level; use debug, info, warning, error` {
		t.Errorf("error %v", err)
	}
}
