package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"sluice/registry"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sluice": main, "filebeat": main}) // two links to the program
}

// TestScripts runs the real commands of testdata/script. Beside testscript's
// own, the scripts have the commands below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			syscall.Umask(0o022) // the files of an archive must not be writable by others
			env.Setenv("JOURNAL_STREAM", "")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"commit":   commitState,
			"array":    writeArray,
			"hold":     holdRegistry,
			"exit":     exitStatus("sluice"),
			"fbexit":   exitStatus("filebeat"),
			"await":    awaitText,
			"truncate": truncateFile,
		},
	})
}

func stateOf(ts *testscript.TestScript, file, offset string) registry.State {
	path := ts.MkAbs(file)
	var stat syscall.Stat_t
	ts.Check(syscall.Stat(path, &stat))
	n, err := strconv.ParseInt(offset, 10, 64)
	ts.Check(err)
	id := fmt.Sprintf("native::%d-%d", stat.Ino, uint64(stat.Dev))
	key, _ := registry.LogKey(id, nil)
	return registry.State{
		Key: key, Source: path, Offset: n, Timestamp: time.Now(), TTL: -1, Type: "log",
		Inode: stat.Ino, Device: uint64(stat.Dev), ID: id, IdentifierName: "native",
	}
}

// commitState: commit DATADIR FILE OFFSET puts a durable state in the registry.
func commitState(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o755))
	reg, err := registry.Open(ts.MkAbs(args[0]), registry.DefaultConfig(), zerolog.Nop())
	ts.Check(err)
	_, err = registry.AgentID(ts.MkAbs(args[0]))
	ts.Check(err)
	reg.Commit(stateOf(ts, args[1], args[2]))
	ts.Check(reg.Close())
}

// holdRegistry: hold DATADIR keeps the registry open, as a tailer does, until
// the script ends; hold DATADIR FILE OFFSET then makes a state durable.
func holdRegistry(ts *testscript.TestScript, _ bool, args []string) {
	cfg := registry.DefaultConfig()
	cfg.SnapshotBudget = 0 // data.json stays as it is
	reg, err := registry.Open(ts.MkAbs(args[0]), cfg, zerolog.Nop())
	ts.Check(err)
	ts.Defer(func() { ts.Check(reg.Close()) })
	if len(args) > 1 {
		reg.Commit(stateOf(ts, args[1], args[2]))
		ts.Check(reg.Sync())
	}
}

// writeArray: array DATA.JSON FILE OFFSET writes a registry of Filebeat 7.6.
func writeArray(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	s := stateOf(ts, args[1], args[2])
	ts.Check(os.WriteFile(filepath.Join(filepath.Dir(path), "meta.json"), []byte(`{"version": "0"}`), 0o600))
	text := fmt.Sprintf(`[{"source":%q,"offset":%d,"timestamp":"2020-03-27T19:42:35.390931912Z","ttl":-1,"type":"log","meta":null,"FileStateOS":{"inode":%d,"device":%d}}]`,
		s.Source, s.Offset, s.Inode, s.Device)
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
}

// exitStatus: exit STATUS ARG… runs sluice (fbexit: filebeat) and wants that
// exit status.
func exitStatus(program string) func(ts *testscript.TestScript, _ bool, args []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		err := ts.Exec(program, args[1:]...)
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			ts.Fatalf("%v", err)
		}
		if strconv.Itoa(code) != args[0] {
			ts.Fatalf("exit status %d, want %s", code, args[0])
		}
	}
}

// awaitText: await GLOB REGEXP waits until the files hold a match.
func awaitText(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[1])
	var text []byte
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text = nil
		files, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				ts.Fatalf("%v", err)
			}
			text = append(text, data...)
		}
		if pattern.Match(text) {
			return
		}
	}
	ts.Fatalf("%s never had %s:\n%s", args[0], args[1], text)
}

// truncateFile: truncate FILE SIZE.
func truncateFile(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

func TestInterruptEndsATaskWith130(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	file := filepath.Join(dir, "data.json")
	if err := os.WriteFile(file, []byte(`[{"source":"/x","offset":1,"timestamp":"2020-03-27T19:42:35Z","ttl":-1,"type":"log","meta":null,"FileStateOS":{"inode":1,"device":1}}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	if code := run(ctx, []string{"sluice", "cleaner", file}, strings.NewReader(""), &out, &errs); code != exitInterrupted {
		t.Errorf("exit status %d, stdout %q, stderr %q", code, out.String(), errs.String())
	}
	if errs.String() != "sluice: interrupted\n" {
		t.Errorf("stderr %q", errs.String())
	}
}
