package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"sluice/config"
)

// plug makes a pseudo-terminal behind a link: the device on a serial port.
func plug(t *testing.T, link string) *os.File {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if e := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	if err := os.Symlink(fmt.Sprintf("/dev/pts/%d", number), link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	return f
}

// summed ends a line with its checksum.
func summed(line string) string {
	sum := byte(0)
	for i := range len(line) {
		sum ^= line[i]
	}
	return fmt.Sprintf("%s*%02X\r\n", line, sum)
}

// TestSerialPortToTheOutput goes the whole way: a device that is unplugged and
// plugged in again, its recorder with the endpoint, segments, and a tailer that
// ships meanwhile.
func TestSerialPortToTheOutput(t *testing.T) {
	dir := place(t, `
recorder:
  spool: {segment_bytes: 4KiB, commit_interval: 1ms}
  serial: [{port: $DIR/tty, checksum: xor, strip_checksum: true, backoff: {init: 5ms, max: 50ms}}]
  http: {enabled: true, host: "unix://$DIR/s"}
filebeat.inputs: [{type: log, paths: [$DIR/data/spool/*.log], scan_frequency: 50ms}]
output.file: {path: $DIR/out, rotate_on_startup: false}
`)
	link := filepath.Join(dir, "tty")
	cfg, err := config.Load([]string{filepath.Join(dir, "c.yml")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var said logText
	rec, err := NewRecorder(cfg, zerolog.New(&said))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- MonitorRecorder(rec, cfg, "1", "c", zerolog.New(&said)).Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Log(said.String())
		}
	})
	status := func() (received int64) { return rec.Status().Series[0].Received }
	tailer := command(t, dir, false)
	tailer.start(t)

	until(t, "the missing port is told", func() bool { return status() == 1 })
	if body := askSocket(t, filepath.Join(dir, "s"), "/readyz"); !strings.Contains(body, "not ready: source serial can't read "+link) {
		t.Errorf("without the port /readyz answers %q", body)
	}
	device := plug(t, link)
	var want []string
	say := func(from, to int) {
		for i := from; i < to; i++ {
			line := fmt.Sprintf(`{"t":"sensor","seq":%d,"hum":55.3}`, i)
			want = append(want, line)
			if _, err := device.WriteString(summed(line)); err != nil {
				t.Fatal(err)
			}
		}
	}
	until(t, "the port is open", func() bool { return rec.Status().Series[0].Connected })
	say(0, 200)
	if _, err := device.WriteString("garbled*00\r\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "lines and two events are received", func() bool { return status() == 203 })
	device.Close()
	until(t, "the loss is told", func() bool { return status() == 204 })
	device = plug(t, link)
	until(t, "the port is open again", func() bool { return rec.Status().Series[0].Connected })
	say(200, 400)
	until(t, "all is recorded", func() bool { return rec.Status().Series[0].Recorded == 405 })

	body := askSocket(t, filepath.Join(dir, "s"), "/metrics")
	for _, sample := range []string{
		`sluice_series_connected{series="serial",source="serial"} 1`, `sluice_series_recorded_total{series="serial",source="serial"} 405`,
		`sluice_series_checksum_failures_total{series="serial",source="serial"} 1`, `sluice_series_gaps_total{series="serial",source="serial"} 2`,
		`sluice_series_reopens_total{series="serial",source="serial"} 1`, "sluice_healthy 1", "sluice_ready 1",
	} {
		if !strings.Contains(body, sample+"\n") {
			t.Errorf("/metrics lacks %s", sample)
		}
	}
	if strings.Contains(body, "sluice_events_total") {
		t.Error("/metrics has numbers of a tailer")
	}

	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ended <- nil
	if err := tailer.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := tailer.end(t); err != nil {
		t.Fatalf("%v\n%s", err, tailer.stderr.String())
	}
	last := command(t, dir, true)
	last.start(t)
	if err := last.end(t); err != nil {
		t.Fatalf("%v\n%s", err, last.stderr.String())
	}
	lines, events := shippedLines(t, filepath.Join(dir, "out"))
	if !slices.Equal(lines, want) {
		t.Errorf("%d lines are shipped, want %d: %q", len(lines), len(want), lines)
	}
	if got := strings.Join(events, " "); got != "gap back checksum gap back gap" {
		t.Errorf("events: %s", got)
	}
}

// shippedLines are the lines of the serial port, in order, and the events.
func shippedLines(t *testing.T, dir string) (lines, events []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for event := range bytes.Lines(text) {
			var e struct{ Message string }
			var m struct{ Event, Line string }
			if err := json.Unmarshal(event, &e); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(e.Message), &m); err != nil {
				t.Fatal(err)
			}
			if m.Event != "" {
				events = append(events, m.Event)
			} else {
				lines = append(lines, m.Line)
			}
		}
	}
	return lines, events
}

func TestPortOfRecorderHTTPThatIsTaken(t *testing.T) {
	dir := place(t, "recorder: {serial: [{port: /dev/ttyNone}], http: {enabled: true, host: 'unix:///$DIR/none/s'}}\n")
	cfg, err := config.Load([]string{filepath.Join(dir, "c.yml")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := NewRecorder(cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	err = cfg.Place("recorder", MonitorRecorder(rec, cfg, "1", "c", zerolog.Nop()).Run(context.Background()))
	if err == nil || !strings.Contains(err.Error(), "recorder.http.host: ") {
		t.Errorf("%v", err)
	}
}
