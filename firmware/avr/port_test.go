package avr

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.bug.st/serial"
)

// A program that hangs starts again after the watchdog's two seconds.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{})
	r := open(t, b, 115200)
	r.until("health")
	before := stat(t, b)
	must(t, b.Hang())
	if m := r.until("hello"); m.fields["rst"] != "watchdog" || m.fields["seq"] != "1" {
		t.Errorf("hello is %s", m.raw)
	}
	after := stat(t, b)
	if after.Resets != before.Resets+1 || after.Hung < 1900*time.Millisecond || after.Hung > 2200*time.Millisecond {
		t.Errorf("%d resets, and it hung for %s", after.Resets-before.Resets, after.Hung)
	}
	if m := r.until("health"); m.fields["rst"] != "watchdog" {
		t.Errorf("health is %s", m.raw)
	}
	must(t, b.Reset())
	if m := r.until("hello"); m.fields["rst"] != "external" {
		t.Errorf("after the button: %s", m.raw)
	}
}

// Behind a boot loader that hides the cause only power-on can be told from the rest.
func TestHiddenCause(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{BootLoader: true, KeepOnOpen: true})
	r := openLate(t, b)
	if m := r.until("health"); m.fields["rst"] != "power" {
		t.Errorf("health is %s", m.raw)
	}
	must(t, b.Hang())
	if m := r.until("hello"); m.fields["rst"] != "warm" {
		t.Errorf("after a hang: %s", m.raw)
	}
	must(t, b.Reset())
	if m := r.until("hello"); m.fields["rst"] != "warm" {
		t.Errorf("after the button: %s", m.raw)
	}
}

func TestUnplugReplug(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{KeepOnOpen: true})
	r := openLate(t, b)
	must(t, b.DHT(Dead))
	r.reading("err=timeout")
	must(t, b.DHT(OK))
	r.reading("hum=55.3")
	must(t, b.Unplug())
	// It is "port has been closed" or EIO, as the moment has it.
	r.await("the end of reading", func(_ *bytes.Buffer, err error) bool { return err != nil })
	if _, err := serial.Open(b.Port(), &serial.Mode{BaudRate: 115200}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opened the port of an unplugged board: %v", err)
	}
	first := stat(t, b)
	must(t, b.Replug())
	r = openLate(t, b)
	// Nothing of what was counted is left after a loss of power. The first line is
	// only heard by who opens the port in time.
	m := r.until("health")
	if m.fields["rst"] != "power" || m.number(t, "dht_timeout") != 0 || m.number(t, "dht_ok") < 1 {
		t.Errorf("health is %s", m.raw)
	}
	if s := stat(t, b); s.Resets != first.Resets+1 {
		t.Errorf("%d resets", s.Resets-first.Resets)
	}
}

// While nobody has the port open the lines are lost; the number of the next tells how
// many.
func TestSequence(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{KeepOnOpen: true})
	r := openLate(t, b)
	last := r.next().number(t, "seq")
	for range 20 {
		n := r.next().number(t, "seq")
		if n != last+1 {
			t.Fatalf("%d after %d", n, last)
		}
		last = n
	}
	r.close()
	asked := stat(t, b).Asked
	eventually(t, b, "three readings while the port is closed", func(s Stat) bool { return s.Asked >= asked+3 })
	r = openLate(t, b)
	if n := r.next().number(t, "seq"); n < last+6 || n > last+200 {
		t.Errorf("%d after %d and three readings unheard", n, last)
	}
}

// At any other rate than the sketch's there are bytes, but no line.
func TestWrongBaud(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{KeepOnOpen: true})
	garbage := func(r *reader) {
		t.Helper()
		r.await("garbage", func(raw *bytes.Buffer, _ error) bool {
			for line := range bytes.Lines(raw.Bytes()) {
				if m, err := parse(strings.TrimSuffix(string(line), "\n")); err == nil {
					t.Fatalf("a whole line: %s", m.raw)
				}
			}
			return raw.Len() >= 100
		})
	}
	for _, baud := range []int{9600, 57600, 230400} {
		r := open(t, b, baud)
		garbage(r)
		r.close()
	}
	// The chip's clock may be the wrong one, too.
	r := open(t, b, 115200)
	must(t, b.Baud(38400))
	garbage(r)
	must(t, b.Baud(0))
	r.close()
	// What the chip heard is the beginning of a command.
	r = openLate(t, b)
	r.write("\nid\n")
	r.until("hello")
	r.reading("hum=55.3 tem=21.4")
}

// A reader that falls asleep costs lines, not the device.
func TestReaderThatDoesNotRead(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{Speed: 100, KeepOnOpen: true})
	port := openPort(t, b, 115200)
	eventually(t, b, "byte that is dropped", func(s Stat) bool {
		// It has much to say about itself.
		_, err := port.Write([]byte("help\n"))
		must(t, err)
		return s.Dropped > 0
	})
	must(t, port.Close())
	closed := stat(t, b).Clock
	eventually(t, b, "look at the closed port", func(s Stat) bool { return s.Clock > closed+5*time.Millisecond })
	if m := openLate(t, b).until("health"); m.fields["rst"] != "power" {
		t.Errorf("health is %s", m.raw)
	}
}

// The board tells what it can't do.
func TestBoardRefuses(t *testing.T) {
	t.Parallel()
	b := boot(t, nil, Options{})
	if err := b.DHT("sleepy"); err == nil || !strings.Contains(err.Error(), "no such mode") {
		t.Errorf("an unknown mode: %v", err)
	}
	if err := b.do("dance"); err == nil || !strings.Contains(err.Error(), "no such command") {
		t.Errorf("an unknown command: %v", err)
	}
	if err := b.poke("nothing", 1); err == nil || !strings.Contains(err.Error(), "no variable") {
		t.Errorf("an unknown variable: %v", err)
	}
	f := b.firmware
	dir := t.TempDir()
	for _, f.ELF = range []string{dir, dir + "/absent", "/proc/self/cmdline"} {
		if _, err := Start(f, Options{Port: dir + "/tty"}); err == nil || !strings.Contains(err.Error(), "no firmware") {
			t.Errorf("%s as firmware: %v", f.ELF, err)
		}
	}
	if _, err := Build(workshop, Settings{"DEVICE_ID": `"two words"`}); err == nil || !strings.Contains(err.Error(), "DEVICE_ID is one word") {
		t.Errorf("a name that breaks lines: %v", err)
	}
	if _, err := Build(workshop, Settings{"PERIOD_MS": "1999"}); err == nil || !strings.Contains(err.Error(), "PERIOD_MS is 2000") {
		t.Errorf("a period too short for the sensor: %v", err)
	}
}
