package localout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// logText gathers what is logged.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), words)
}

func openFile(t *testing.T, change func(*FileConfig)) (*Output, *logText) {
	t.Helper()
	cfg := DefaultFile()
	cfg.Path = filepath.Join(t.TempDir(), "out")
	if change != nil {
		change(&cfg)
	}
	said := &logText{}
	o, err := NewFile(cfg, zerolog.New(said))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o, said
}

func connect(t *testing.T, o *Output) *Conn {
	t.Helper()
	c, err := o.Connect(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// window joins documents.
func window(docs ...string) (buf []byte, ends []int) {
	for _, d := range docs {
		buf = append(buf, d...)
		ends = append(ends, len(buf))
	}
	return buf, ends
}

// send sends a window and takes its ack.
func send(t *testing.T, c *Conn, docs ...string) {
	t.Helper()
	buf, ends := window(docs...)
	for len(ends) > 0 {
		n, err := c.Send(t.Context(), buf, ends)
		if err != nil || n < 1 {
			t.Fatalf("Send = %d, %v", n, err)
		}
		if acked := <-c.Acks(); acked != n || c.Room() == 0 {
			t.Fatalf("%d acknowledged of %d, room %d", acked, n, c.Room())
		}
		from := ends[n-1]
		buf, ends = buf[from:], ends[n:]
		for i := range ends {
			ends[i] -= from
		}
	}
}

// written returns all that is in a folder's files, in the order of their names.
func written(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func TestFileNamesPermissionsAndRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dir string
		o, _ := openFile(t, func(c *FileConfig) {
			c.RotateEveryKB, c.NumberOfFiles, c.Permissions, c.Filename = 1, 2, 0o640, "events"
			c.Path += "-%{+yyyy.MM.dd}"
			dir = strings.Replace(c.Path, "%{+yyyy.MM.dd}", "2000.01.01", 1)
		})
		c := connect(t, o)
		for i := range 5 {
			send(t, c, fmt.Sprintf(`{"i":%d,"text":"%s"}`, i, strings.Repeat("x", 600)))
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
			if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("%s: mode %v, %v", e.Name(), info.Mode(), err)
			}
		}
		if got := strings.Join(names, " "); got != "events-20000101-2.ndjson events-20000101-3.ndjson events-20000101-4.ndjson" {
			t.Errorf("files %s", got)
		}
		if s := o.Status(); s.Documents != 5 || s.Windows != 5 || s.BytesWritten < 3000 || s.LastAck.IsZero() || s.LastError != "" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestOpenNamesThePath(t *testing.T) {
	cfg := DefaultFile()
	cfg.Path = filepath.Join(t.TempDir(), "file", "below")
	if err := os.WriteFile(filepath.Dir(cfg.Path), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := NewFile(cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	var field *FieldError
	if err := o.Open(); !errors.As(err, &field) || field.Name != "path" || !strings.Contains(err.Error(), filepath.Dir(cfg.Path)) {
		t.Errorf("error %v", err)
	}
}

// A full disk holds the window back, is logged once, and loses nothing.
func TestAFullDiskBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dir string
		o, said := openFile(t, func(c *FileConfig) {
			dir, c.RotateOnStartup = c.Path, false
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("/dev/full", filepath.Join(dir, "filebeat-20000101.ndjson")); err != nil {
				t.Fatal(err)
			}
		})
		c := connect(t, o)
		done := make(chan struct{})
		go func() {
			defer close(done)
			send(t, c, `{"a":1}`, `{"a":2}`)
		}()
		time.Sleep(10 * time.Minute)
		select {
		case <-done:
			t.Error("acknowledged on a full disk")
		default:
		}
		if s := o.Status(); s.WriteErrors < 10 || s.WriteErrors > 30 || !strings.Contains(s.LastError, "no space left") {
			t.Errorf("status %+v", s)
		}
		if err := os.Remove(filepath.Join(dir, "filebeat-20000101.ndjson")); err != nil {
			t.Fatal(err)
		}
		<-done
		if got := written(t, dir); got != "{\"a\":1}\n{\"a\":2}\n" {
			t.Errorf("written %q", got)
		}
		if said.count("can't be written") != 1 || said.count("can be written again") != 1 {
			t.Errorf("log %s", said.buf.String())
		}
	})
}

// A disk fills up while documents are written, is made room on again and
// again, and in the end every document is there once, whole.
func TestADiskThatFillsUpAgainAndAgain(t *testing.T) {
	dir := smallDisk(t, 64<<10)
	o, _ := openFile(t, func(c *FileConfig) { c.Path = dir })
	c := connect(t, o)
	line := `{"i":%04d,"text":"` + strings.Repeat("x", 900) + `"}`
	var got strings.Builder
	stop := make(chan struct{})
	var emptying sync.WaitGroup
	emptying.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if o.Status().LastError == "" {
				continue
			}
			o.mu.Lock()
			text, err := os.ReadFile(onlyFile(t, dir))
			if err == nil {
				err = os.Truncate(onlyFile(t, dir), 0)
			}
			got.Write(text)
			o.mu.Unlock()
			if err != nil {
				t.Error(err)
			}
		}
	})
	const docs = 200
	for i := 0; i < docs; i += 20 {
		var list []string
		for k := range 20 {
			list = append(list, fmt.Sprintf(line, i+k))
		}
		send(t, c, list...)
	}
	close(stop)
	emptying.Wait()
	got.WriteString(written(t, dir))
	var want strings.Builder
	for i := range docs {
		fmt.Fprintf(&want, line+"\n", i)
	}
	if got.String() != want.String() {
		t.Errorf("%d bytes with %d lines, want %d lines in order", got.Len(), strings.Count(got.String(), "\n"), docs)
	}
	if o.Status().WriteErrors == 0 {
		t.Error("the disk was never full")
	}
}

func onlyFile(t *testing.T, dir string) string {
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil || len(names) != 1 {
		t.Errorf("files %v, %v", names, err)
		return dir
	}
	return names[0]
}

func TestAnEndOfTheRunEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := openFile(t, func(c *FileConfig) {
			c.RotateOnStartup = false
			if err := os.MkdirAll(c.Path, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("/dev/full", filepath.Join(c.Path, "filebeat-20000101.ndjson")); err != nil {
				t.Fatal(err)
			}
		})
		c := connect(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		buf, ends := window(`{}`)
		if n, err := c.Send(ctx, buf, ends); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send = %d, %v", n, err)
		}
		if err := c.Close(); err != nil || c.Close() != nil {
			t.Error(err)
		}
		if _, open := <-c.Acks(); open || c.Err() == nil {
			t.Errorf("acks open %v, error %v", open, c.Err())
		}
	})
}

func TestDocumentsWithoutTheFieldsAreLeftOut(t *testing.T) {
	var dir string
	o, said := openFile(t, func(c *FileConfig) {
		dir, c.Codec.Format = c.Path, &FormatCodec{"%{[m]}"}
	})
	c := connect(t, o)
	send(t, c, `{"m":"a"}`, `{}`, `{"m":"b"}`)
	send(t, c, `{}`, `{}`)
	send(t, c, `{}`, `{"m":"c"}`)
	if got := written(t, dir); got != "a\nb\nc\n" {
		t.Errorf("written %q", got)
	}
	if said.count("Failed to serialize the event") != 1 || o.Status().Unformatted != 4 {
		t.Errorf("status %+v, log %s", o.Status(), said.buf.String())
	}
}

// halting takes so many bytes at each write, then fails.
type halting struct {
	text  bytes.Buffer
	takes []int
	fault error
}

func (h *halting) Write(p []byte) (int, error) {
	if len(h.takes) == 0 {
		return h.text.Write(p)
	}
	n := min(h.takes[0], len(p))
	h.takes = h.takes[1:]
	h.text.Write(p[:n])
	return n, h.fault
}

func TestAHalfLineOnTheConsoleIsCompleted(t *testing.T) {
	for _, takes := range [][]int{nil, {0}, {1}, {8}, {9}, {3, 4, 1, 0, 2}, {8, 8, 8}, {1000}, {20, 0, 3}} {
		synctest.Test(t, func(t *testing.T) {
			w := &halting{takes: takes, fault: syscall.ENOSPC}
			o := openConsole(t, DefaultConsole(), w)
			c := connect(t, o)
			send(t, c, `{"a":1}`, `{"a":2}`, `{"a":3}`)
			send(t, c, `{"a":4}`)
			if got := w.text.String(); got != "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n" {
				t.Errorf("takes %v: written %q", takes, got)
			}
		})
	}
}

func openConsole(t *testing.T, cfg ConsoleConfig, w interface{ Write([]byte) (int, error) }) *Output {
	t.Helper()
	o, err := NewConsole(cfg, w, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Open(); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAClosedPipeIsToldAndNeverAcknowledged(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	o := openConsole(t, DefaultConsole(), w)
	c := connect(t, o)
	send(t, c, `{"a":1}`)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	buf, ends := window(`{"a":2}`)
	if n, err := c.Send(ctx, buf, ends); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Send = %d, %v", n, err)
	}
	cancel()
	if _, err := o.Connect(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Connect: %v", err)
	}
	if err := <-o.Broken(); !errors.Is(err, syscall.EPIPE) || !strings.HasPrefix(err.Error(), "output.console: nobody reads it any more") {
		t.Errorf("told %v", err)
	}
}

func TestValidate(t *testing.T) {
	on := filepath.Join(t.TempDir(), "x")
	for wanted, change := range map[string]func(*FileConfig){
		"":                       func(*FileConfig) {},
		"path: is missing":       func(c *FileConfig) { c.Path = "" },
		"path: the event has no": func(c *FileConfig) { c.Path = "/x/%{[agent.name]}" },
		"path: \"%{+QQ}\"":       func(c *FileConfig) { c.Path = "%{+QQ}" },
		"filename: \"a/b\"":      func(c *FileConfig) { c.Filename = "a/b" },
		"rotate_every_kb: 0 is":  func(c *FileConfig) { c.RotateEveryKB = 0 },
		"number_of_files: 1 is":  func(c *FileConfig) { c.NumberOfFiles = 1 },
		"number_of_files: 1025":  func(c *FileConfig) { c.NumberOfFiles = 1025 },
		"permissions: 0400":      func(c *FileConfig) { c.Permissions = 0o400 },
		"codec: more than one":   func(c *FileConfig) { c.Codec = CodecConfig{&JSONCodec{}, &FormatCodec{"x"}} },
		"codec.format.string: is missing; give a text with fields, such as '%{[@timestamp]} %{[message]}'": func(c *FileConfig) { c.Codec.Format = &FormatCodec{} },
		"codec.format.string: \"%{m}\"": func(c *FileConfig) { c.Codec.Format = &FormatCodec{"%{m}"} },
	} {
		cfg := DefaultFile()
		cfg.Path = on
		change(&cfg)
		err := cfg.Validate()
		if wanted == "" && err != nil || wanted != "" && (err == nil || !strings.HasPrefix(err.Error(), wanted)) {
			t.Errorf("error %v, want %q", err, wanted)
		}
		if _, newErr := NewFile(cfg, zerolog.Nop()); (newErr != nil) != (err != nil) {
			t.Errorf("NewFile: %v, Validate: %v", newErr, err)
		}
	}
	if _, err := os.Stat(on); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the checks touched the disk: %v", err)
	}
	bad := ConsoleConfig{Codec: CodecConfig{Format: &FormatCodec{}}}
	if _, err := NewConsole(bad, os.Stdout, zerolog.Nop()); err == nil {
		t.Error("a format codec without a string is taken")
	}
}
