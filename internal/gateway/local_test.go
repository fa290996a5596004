package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
)

const input = "filebeat.inputs: [{type: log, paths: [$DIR/*.log], scan_frequency: 50ms}]\n"

// addLines appends the lines from..to-1 to a file in the folder.
func addLines(t *testing.T, dir, name string, from, to int) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	if _, err := f.WriteString(b.String()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// messages returns how often each message is in the files of a folder, and
// fails for a damaged event.
func messages(t *testing.T, dir string) map[string]int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]int)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for d := json.NewDecoder(bytes.NewReader(text)); ; {
			var e struct{ Message string }
			if err := d.Decode(&e); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v at %d", name, err, d.InputOffset())
			}
			found[e.Message]++
		}
	}
	return found
}

func wantLines(t *testing.T, found map[string]int, n int) {
	t.Helper()
	if len(found) != n {
		t.Errorf("%d different messages, want %d", len(found), n)
	}
	for i := range n {
		if found[fmt.Sprintf("line %d", i)] == 0 {
			t.Fatalf("line %d is lost", i)
		}
	}
}

// TestKillsLoseNothing kills the process that writes output.file, again and
// again, while its input grows.
func TestKillsLoseNothing(t *testing.T) {
	for name, options := range map[string]string{
		"new file":   "",
		"same file":  "rotate_on_startup: false, ",
		"pretty":     "rotate_on_startup: false, codec.json.pretty: true, ",
		"escapeHTML": "codec.json.escape_html: true, ",
	} {
		t.Run(name, func(t *testing.T) {
			dir := place(t, input+"output.file: {"+options+"path: $DIR/out, rotate_every_kb: 1000, number_of_files: 1000}\n")
			lines := 0
			for range 6 {
				p := command(t, dir, false)
				p.start(t)
				stop := time.Now().Add(time.Duration(100+rand.IntN(150)) * time.Millisecond)
				for time.Now().Before(stop) {
					addLines(t, dir, "a.log", lines, lines+30)
					lines += 30
					time.Sleep(time.Millisecond) // a writer's pace, not a wait
				}
				if err := p.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := p.end(t); err == nil {
					t.Error("ended well")
				}
			}
			p := command(t, dir, true)
			p.start(t)
			if err := p.end(t); err != nil {
				t.Fatalf("%v\n%s", err, p.stderr.String())
			}
			wantLines(t, messages(t, filepath.Join(dir, "out")), lines)
		})
	}
}

// TestAStopSendsNothingTwice: what was written before a stop is acknowledged.
func TestAStopSendsNothingTwice(t *testing.T) {
	dir := place(t, input+"output.file.path: $DIR/out\n")
	out := filepath.Join(dir, "out")
	for i := range 3 {
		addLines(t, dir, "a.log", i*10, i*10+10)
		p := command(t, dir, false)
		p.start(t)
		until(t, "all lines", func() bool { return len(messages(t, out)) == i*10+10 })
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := p.end(t); err != nil {
			t.Fatalf("%v\n%s", err, p.stderr.String())
		}
	}
	found := messages(t, out)
	wantLines(t, found, 30)
	for m, n := range found {
		if n != 1 {
			t.Errorf("%s is there %d times", m, n)
		}
	}
}

func TestConsole(t *testing.T) {
	for options, want := range map[string]string{
		"{pretty: true}": "  \"message\": \"line 1\"",
		"{codec.format.string: '%{[log.offset]} %{[message]}'}": "7 line 1",
		"": `"message":"line 1"`,
	} {
		dir := place(t, input+"output.console: "+options+"\n")
		addLines(t, dir, "a.log", 0, 3)
		p := command(t, dir, true)
		var out bytes.Buffer
		p.Stdout = &out
		p.start(t)
		if err := p.end(t); err != nil {
			t.Fatalf("%v\n%s", err, p.stderr.String())
		}
		if !strings.Contains(out.String(), want) || strings.Count(out.String(), "line ") != 3 || !strings.HasSuffix(out.String(), "\n") {
			t.Errorf("%s: output %s\nwant %s", options, out.String(), want)
		}
	}
}

// TestAConsoleWhoseReaderLeaves: the process ends, and what was not read is
// shipped by the next one.
func TestAConsoleWhoseReaderLeaves(t *testing.T) {
	dir := place(t, input+"output.console: ~\n")
	const lines = 20000 // more than a pipe holds
	addLines(t, dir, "a.log", 0, lines)
	found := make(map[string]int)
	collect := func(r io.Reader, most int) {
		for s := bufio.NewScanner(r); most != 0 && s.Scan(); most-- {
			var e struct{ Message string }
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				t.Fatalf("%s: %v", s.Bytes(), err)
			}
			found[e.Message]++
		}
	}
	p := command(t, dir, false)
	r, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.start(t)
	collect(r, 10)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.end(t); err == nil {
		t.Error("ended well without a reader")
	}
	p = command(t, dir, true)
	if r, err = p.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	collect(r, -1)
	if err := p.end(t); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr.String())
	}
	wantLines(t, found, lines)
}

// running starts a Tailer in this process; its end is waited for.
func running(t *testing.T, dir string, said io.Writer) *Tailer {
	t.Helper()
	cfg, err := config.Load([]string{filepath.Join(dir, "c.yml")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := OpenTailer(cfg, zerolog.New(said))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return g
}

func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestIncludedInputsComeAndGo(t *testing.T) {
	dir := place(t, "filebeat.config.inputs: {path: $DIR/conf/*.yml, reload: {enabled: true, period: 20ms}}\noutput.file.path: $DIR/out\n")
	conf, out := filepath.Join(dir, "conf"), filepath.Join(dir, "out")
	if err := os.Mkdir(conf, 0o700); err != nil {
		t.Fatal(err)
	}
	one := "- {type: log, paths: [" + dir + "/%s.log], scan_frequency: 50ms}\n"
	var said logText
	addLines(t, dir, "a.log", 0, 5)
	addLines(t, dir, "b.log", 5, 10)
	g := running(t, dir, &said)

	replaceFile(t, filepath.Join(conf, "a.yml"), fmt.Sprintf(one, "a"))
	until(t, "a.log", func() bool { return len(messages(t, out)) == 5 })

	replaceFile(t, filepath.Join(conf, "b.yml"), "- {type: nosuch, paths: [/x]}\n")
	until(t, "the fault", func() bool { return strings.Contains(said.String(), "Error loading configuration files") })
	replaceFile(t, filepath.Join(conf, "b.yml"), fmt.Sprintf(one, "b"))
	until(t, "b.log", func() bool { return len(messages(t, out)) == 10 })

	if err := os.Remove(filepath.Join(conf, "a.yml")); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of a.log's input", func() bool { return strings.Contains(said.String(), "Runner: 'input [type=log]' has stopped") })
	addLines(t, dir, "a.log", 100, 101)
	addLines(t, dir, "b.log", 10, 11)
	until(t, "b.log", func() bool { return len(messages(t, out)) == 11 })
	wantLines(t, messages(t, out), 11)
	for _, words := range []string{"Config reloader started", "Loading of config files completed.", "Starting runner:"} {
		if !strings.Contains(said.String(), words) {
			t.Errorf("the log lacks %q", words)
		}
	}
	if s := g.Reload(); s.Scans < 4 || s.Reloads != 3 || s.Running != 1 {
		t.Errorf("reloads %+v", s)
	}
}

func TestAFileThatCanNotBeOpenedIsNamed(t *testing.T) {
	dir := place(t, input+"output.file.path: $DIR/c.yml/out\n")
	cfg, err := config.Load([]string{filepath.Join(dir, "c.yml")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenTailer(cfg, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), "c.yml:4:13: output.file.path: ") || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("error %v", err)
	}
}

func TestLocalOutputsCanNotBeTested(t *testing.T) {
	for kind, text := range map[string]string{"file": "output.file.path: /nonexistent/x\n", "console": "output.console: ~\n"} {
		cfg, err := config.Parse("f.yml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := TestOutput(t.Context(), cfg, io.Discard); err == nil || err.Error() != "the "+kind+" output doesn't support testing" {
			t.Errorf("%s: %v", kind, err)
		}
	}
	cfg, err := config.Parse("f.yml", []byte("name: x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := TestOutput(t.Context(), cfg, io.Discard); err == nil || !strings.Contains(err.Error(), "no output is enabled") {
		t.Errorf("no output: %v", err)
	}
}

func TestFirstStartIsKept(t *testing.T) {
	dir := place(t, input+"output.file.path: $DIR/out\n")
	starts := make(map[string]bool)
	for range 2 {
		p := command(t, dir, true)
		p.start(t)
		if err := p.end(t); err != nil {
			t.Fatalf("%v\n%s", err, p.stderr.String())
		}
		text, err := os.ReadFile(filepath.Join(dir, "data", "meta.json"))
		if err != nil {
			t.Fatal(err)
		}
		starts[string(text)] = true
	}
	if len(starts) != 1 {
		t.Errorf("meta.json is %v", starts)
	}
}
