package recorder

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// device is what is plugged into a serial port: the master of a
// pseudo-terminal. Tests write what the device says.
type device struct {
	*os.File
	t    testing.TB
	path string // of the port
}

// plug makes a device.
func plug(t testing.TB) *device {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	must(t, err)
	d := &device{File: f, t: t}
	t.Cleanup(d.unplug)
	raw, err := f.SyscallConn()
	must(t, err)
	var number int
	must(t, raw.Control(func(fd uintptr) {
		err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		if err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	must(t, err)
	d.path = fmt.Sprintf("/dev/pts/%d", number)
	return d
}

// plugAt makes a device behind a link, as udev makes them.
func plugAt(t testing.TB, link string) *device {
	t.Helper()
	d := plug(t)
	must(t, os.Symlink(d.path, link+".new"))
	must(t, os.Rename(link+".new", link))
	return d
}

// unplug pulls it out.
func (d *device) unplug() { _ = d.Close() }

// say lets the device speak.
func (d *device) say(text string) {
	d.t.Helper()
	must(d.t, d.SetWriteDeadline(time.Now().Add(time.Minute)))
	if _, err := d.WriteString(text); err != nil {
		d.t.Fatalf("the device speaks: %v", err)
	}
}

// heard waits for text that is sent to the device.
func (d *device) heard(text string) {
	d.t.Helper()
	var all []byte
	must(d.t, d.SetReadDeadline(time.Now().Add(time.Minute)))
	for buf := make([]byte, 256); !strings.Contains(string(all), text); {
		n, err := d.Read(buf)
		all = append(all, buf[:n]...)
		if errors.Is(err, syscall.EIO) { // nobody has opened the port yet
			time.Sleep(2 * time.Millisecond)
			continue
		}
		if err != nil {
			d.t.Fatalf("the device was sent %q, not %q: %v", all, text, err)
		}
	}
}

// serialConfig is a recorder's configuration for tests: one port.
func serialConfig(dir, port string) Config {
	c := DefaultConfig()
	c.Spool.Path = filepath.Join(dir, "spool")
	s := DefaultSerialConfig()
	s.Port = port
	s.Backoff = BackoffConfig{Init: 5 * time.Millisecond, Max: 50 * time.Millisecond}
	c.Serial = []SerialConfig{s}
	return c
}

// serialLine is a line of a serial port in the default format.
type serialLine struct {
	Time      time.Time `json:"time"`
	Source    string    `json:"source"`
	Port      string    `json:"port"`
	Device    string    `json:"device"`
	Line      string    `json:"line"`
	Encoding  string    `json:"encoding"`
	Partial   bool      `json:"partial"`
	Truncated bool      `json:"truncated"`
	Size      int       `json:"size"`

	Event   string    `json:"event"`
	Series  string    `json:"series"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	Seconds *float64  `json:"seconds"`

	Boot      string  `json:"boot"`
	Monotonic float64 `json:"monotonic"`
	Synced    *bool   `json:"synced"`
}

// short is a line in one word or two: what tests compare.
func (l serialLine) short() string {
	text := l.Line
	if l.Event != "" {
		text = strings.TrimSpace("<" + l.Event + "> " + text)
	}
	if l.Partial {
		text += " (partial)"
	}
	if l.Truncated {
		text += fmt.Sprintf(" (of %d)", l.Size)
	}
	return text
}

func serialLines(t testing.TB, dir string) (list []serialLine) {
	t.Helper()
	for _, line := range spoolLines(t, dir) {
		var l serialLine
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if l.Encoding == "base64" {
			b, err := base64.StdEncoding.DecodeString(l.Line)
			must(t, err)
			l.Line = string(b)
		}
		list = append(list, l)
	}
	return list
}

// shortLines are the lines of a spool, as short has them.
func shortLines(t testing.TB, dir string) (list []string) {
	t.Helper()
	for _, l := range serialLines(t, dir) {
		list = append(list, l.short())
	}
	return list
}

// has waits for a line with text in the spool.
func (x *running) has(text string) {
	x.t.Helper()
	eventually(x.t, fmt.Sprintf("%q is recorded", text), func() bool {
		return strings.Contains(string(segmentsBytes(x.t, x.cfg.Spool.Path)), text)
	})
}

// quietRecorder makes a recorder that is not started.
func quietRecorder(t *testing.T, c Config) (*Recorder, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	r, err := New(c, zerolog.New(log).Level(zerolog.InfoLevel))
	must(t, err)
	return r, log
}
