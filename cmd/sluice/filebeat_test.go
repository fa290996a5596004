package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sluice/config"
)

// keepNames undoes useFilebeatNames, which is for a whole process.
func keepNames(t *testing.T) {
	t.Helper()
	timestamp, level, errorName := zerolog.TimestampFieldName, zerolog.LevelFieldName, zerolog.ErrorFieldName
	t.Cleanup(func() {
		zerolog.TimestampFieldName, zerolog.LevelFieldName, zerolog.ErrorFieldName = timestamp, level, errorName
	})
}

// runAs runs a command line and returns what it printed.
func runAs(t *testing.T, argv ...string) (code int, stdout, stderr string) {
	t.Helper()
	keepNames(t)
	var out, errs strings.Builder
	code = run(context.Background(), argv, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestHomeIsTheFolderOfTheLink(t *testing.T) {
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(home, "filebeat")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"filebeat.yml": "name: usual", "other.yml": "name: other"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("PATH", home)
	for _, c := range []struct {
		argv []string
		name string
	}{
		{[]string{"filebeat"}, "usual"},
		{[]string{"home/filebeat"}, "usual"},
		{[]string{filepath.Join(home, "filebeat"), "-c", "other.yml"}, "other"},
		{[]string{"home/sluice", "filebeat", "--c=other.yml"}, "other"},
	} {
		code, out, errs := runAs(t, append(c.argv, "export", "config")...)
		if code != 0 || errs != "" || !strings.Contains(out, "name: "+c.name) || !strings.Contains(out, "data: "+filepath.Join(home, "data")+"\n") {
			t.Errorf("%v: status %d, %q, %q", c.argv, code, out, errs)
		}
	}
}

func TestLongFlagsAfterOneDash(t *testing.T) {
	a := &app{brand: config.Filebeat}
	for _, c := range []struct{ args, want string }{
		{"-path.data /d -once", "--path.data /d --once"},
		{"-path.data=/d run -cpuprofile=f", "--path.data=/d run --cpuprofile=f"},
		{"-strict.perms=false -environment systemd -modules a -plugin p", "--strict.perms=false --environment systemd --modules a --plugin p"},
		{"-e -v -N -d x -c y --E a=b", "-e -v -N -d x -c y --E a=b"},
		{"-ev -ec -once -once", "-ev -ec -once --once"}, // the value of -c
		{"-cx -once", "-cx --once"},
		{"-E -path.data=x", "-E -path.data=x"},
		{"--path.home -once", "--path.home -once"},
		{"-unknown -once - x", "-unknown --once - x"},
		{"-- -once", "-- -once"},
	} {
		if got := strings.Join(longFlags(a.filebeatRoot(), strings.Fields(c.args)), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.args, got, c.want)
		}
	}
}

func TestLongFlagsTakeAnything(t *testing.T) {
	root := (&app{brand: config.Filebeat}).filebeatRoot()
	for _, args := range [][]string{{""}, {"-"}, {"-="}, {"--="}, {"-c"}, {"---"}, {"-é", "-éc", "x"}, {"-\xff", "\x00"}} {
		if got := longFlags(root, args); !slices.Equal(got, args) {
			t.Errorf("%q became %q", args, got)
		}
	}
}

func TestFilebeatLinesHaveFilebeatNames(t *testing.T) {
	keepNames(t)
	useFilebeatNames()
	var b strings.Builder
	log := zerolog.New(&jsonLines{w: &b}).With().Timestamp().Logger()
	with := log.With().Str("component", "registry").Logger()
	with.Info().Err(os.ErrClosed).Msg(`a "component":"x"`)
	line := b.String()
	for _, part := range []string{
		`{"log.level":"info","log.logger":"registry",`, `"error.message":"file already closed"`, `"@timestamp":"2`,
		`"message":"a \"component\":\"x\""`, `,"service.name":"filebeat","ecs.version":"1.6.0"}` + "\n",
	} {
		if !strings.Contains(line, part) {
			t.Errorf("line %q lacks %q", line, part)
		}
	}
}
