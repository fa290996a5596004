package avr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.bug.st/serial"

	"sluice/firmware/sketch"
)

// deadline is for a busy machine: nothing here takes more than a second or two.
const deadline = 30 * time.Second

// workshop is the folder that all tests build in.
var workshop string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if workshop, err = os.MkdirTemp("", "avr"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(workshop)
		return m.Run()
	}())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// needTools skips a test where the tools are missing, and fails it in CI.
func needTools(t *testing.T) {
	t.Helper()
	sketch.Need(t, Missing(), Packages)
}

// every is the shortest period, for tests that don't want to wait.
var every = Settings{"PERIOD_MS": "2000"}

// boot builds a sketch and plugs a board with it in.
func boot(t *testing.T, s Settings, o Options) *Board {
	t.Helper()
	return bootFor(t, Uno, s, o)
}

// bootFor is boot for any kind of board.
func bootFor(t *testing.T, kind string, s Settings, o Options) *Board {
	t.Helper()
	needTools(t)
	firmware, err := BuildFor(workshop, kind, s)
	must(t, err)
	if o.Speed == 0 {
		o.Speed = 25
	}
	o.Port = filepath.Join(t.TempDir(), "ttyUSB0")
	b, err := Start(firmware, o)
	must(t, err)
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func stat(t *testing.T, b *Board) Stat {
	t.Helper()
	s, err := b.Stat()
	must(t, err)
	return s
}

// eventually waits until the board has counted what ok wants.
func eventually(t *testing.T, b *Board, what string, ok func(Stat) bool) {
	t.Helper()
	for end := time.Now().Add(deadline); ; {
		s := stat(t, b)
		if ok(s) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no %s after %s: %+v", what, deadline, s)
		}
	}
}

// reader has a board's port open.
type reader struct {
	t    *testing.T
	port serial.Port
	late bool      // the first line may have begun before the port was open
	seen []message // every line so far, for the report of a failure

	mu   sync.Mutex
	raw  bytes.Buffer
	more chan struct{} // closed and replaced at each change
	err  error
}

// openPort opens a board's port so that no process that a test in parallel starts
// inherits it: the library leaves that flag out, and the port would stay open.
func openPort(t *testing.T, b *Board, baud int) serial.Port {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	port, err := serial.Open(b.Port(), &serial.Mode{BaudRate: baud})
	must(t, err)
	terminal, err := os.Readlink(b.Port())
	must(t, err)
	files, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, f := range files {
		if path, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && path == terminal {
			fd, err := strconv.Atoi(f.Name())
			must(t, err)
			syscall.CloseOnExec(fd)
		}
	}
	return port
}

func open(t *testing.T, b *Board, baud int) *reader {
	t.Helper()
	r := &reader{t: t, port: openPort(t, b, baud), more: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := r.port.Read(buf)
			r.mu.Lock()
			r.raw.Write(buf[:n])
			r.err = err
			close(r.more)
			r.more = make(chan struct{})
			r.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = r.port.Close()
		<-done
	})
	return r
}

func (r *reader) close() { must(r.t, r.port.Close()) }

func (r *reader) write(text string) {
	r.t.Helper()
	_, err := r.port.Write([]byte(text))
	must(r.t, err)
}

// await waits until ok, which is called with what was read and not taken, and the
// end of reading if it has ended.
func (r *reader) await(what string, ok func(raw *bytes.Buffer, err error) bool) {
	r.t.Helper()
	timeout := time.After(deadline)
	for {
		r.mu.Lock()
		done, more := ok(&r.raw, r.err), r.more
		if !done && r.err != nil {
			r.mu.Unlock()
			r.t.Fatalf("waiting for %s: %v\n%s", what, r.err, r.history())
		}
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-more:
		case <-timeout:
			r.t.Fatalf("no %s after %s\n%s", what, deadline, r.history())
		}
	}
}

func (r *reader) history() string {
	var b strings.Builder
	for _, m := range r.seen {
		b.WriteString(m.raw + "\n")
	}
	return b.String()
}

// message is a line.
type message struct {
	raw    string // without LF
	json   bool
	fields map[string]string
}

func (m message) kind() string { return m.fields["t"] }

// number is a field that must be one.
func (m message) number(t *testing.T, name string) int {
	t.Helper()
	n, err := strconv.Atoi(m.fields[name])
	if err != nil {
		t.Fatalf("%s of %s is no number", name, m.raw)
	}
	return n
}

// parse reads a line by the rules of README.md, independently of the sketch's code.
func parse(line string) (message, error) {
	m := message{raw: line, fields: map[string]string{}}
	body, sum, found := strings.Cut(line, "*")
	if !found {
		return m, fmt.Errorf("%q has no checksum", line)
	}
	var x byte
	for _, c := range []byte(body) {
		x ^= c
	}
	if want := fmt.Sprintf("%02X", x); sum != want {
		return m, fmt.Errorf("%q has the checksum %s, want %s", line, sum, want)
	}
	if m.json = strings.HasPrefix(body, "{"); m.json {
		var fields map[string]any
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&fields); err != nil {
			return m, fmt.Errorf("%q: %w", line, err)
		}
		for name, v := range fields {
			m.fields[name] = fmt.Sprint(v)
		}
		return m, nil
	}
	for _, field := range strings.Split(body, " ") {
		name, value, found := strings.Cut(field, "=")
		if !found {
			return m, fmt.Errorf("%q has a field without a value", line)
		}
		m.fields[name] = value
	}
	return m, nil
}

// next is the next line, which must be whole.
func (r *reader) next() message {
	r.t.Helper()
	var line string
	r.await("line", func(raw *bytes.Buffer, _ error) bool {
		i := bytes.IndexByte(raw.Bytes(), '\n')
		if i >= 0 {
			line = string(raw.Next(i + 1)[:i])
		}
		return i >= 0
	})
	m, err := parse(line)
	if err != nil && r.late {
		r.late = false
		return r.next()
	}
	r.late = false
	if err != nil {
		r.t.Fatalf("%v\n%s", err, r.history())
	}
	r.seen = append(r.seen, m)
	return m
}

// openLate opens the port of a board that does not begin anew with that.
func openLate(t *testing.T, b *Board) *reader {
	t.Helper()
	r := open(t, b, 115200)
	r.late = true
	return r
}

// until is the next line of a kind, whatever comes before it.
func (r *reader) until(kind string) message {
	r.t.Helper()
	for {
		if m := r.next(); m.kind() == kind {
			return m
		}
	}
}

// reading is the next sensor line with this, such as "hum=55.3 tem=21.4". Others, of
// the time before a change, may come first.
func (r *reader) reading(want string) message {
	r.t.Helper()
	for end := time.Now().Add(deadline); ; {
		m := r.until("sensor")
		ok := true
		for _, pair := range strings.Fields(want) {
			name, value, _ := strings.Cut(pair, "=")
			ok = ok && m.fields[name] == value
		}
		if ok {
			return m
		}
		if time.Now().After(end) {
			r.t.Fatalf("no reading with %s\n%s", want, r.history())
		}
	}
}
