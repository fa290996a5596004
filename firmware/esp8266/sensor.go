package esp8266

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options are how the sketch's world is when it starts.
type Options struct {
	// Speed is how often the chip's clock is faster than ours; 0 means 1. While the
	// sketch waits for an answer of the broker it runs at ours, so that a busy
	// machine breaks no deadline.
	Speed float64
	// Millis is what millis() begins with: near 1<<32 it wraps soon.
	Millis uint32
	// ClockShift is by how much NTP is wrong, in whole seconds. With NoNTP it does
	// not answer.
	ClockShift time.Duration
	NoNTP      bool
	// Reading is what the sensor measures, "HUMIDITY TEMPERATURE" in percent and °C,
	// or how it fails; see SetFault. The default is "50.0 20.0".
	Reading string
	// Readings is a file with such a line for each reading; the last one stays.
	Readings string
}

// Sensor is a running sketch.
type Sensor struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	ended chan struct{}
	err   error // of the process, once ended is closed

	mu     sync.Mutex
	output strings.Builder
}

// commandTimeout is how long the sketch may take to obey: it does not while it
// opens a connection.
const commandTimeout = 30 * time.Second

// Start starts a program that Build has made.
func Start(program string, o Options) (*Sensor, error) {
	args := []string{}
	option := func(set bool, name, value string) {
		if set {
			args = append(args, "--"+name, value)
		}
	}
	option(o.Speed != 0, "speed", formatFloat(o.Speed))
	option(o.Millis != 0, "millis", strconv.FormatUint(uint64(o.Millis), 10))
	option(o.ClockShift != 0, "shift", seconds(o.ClockShift))
	option(o.NoNTP, "ntp", "off")
	option(o.Reading != "", "dht", o.Reading)
	option(o.Readings != "", "readings", o.Readings)
	s := &Sensor{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s, s
	// The leak checker stops the program by ptrace, which not every machine allows.
	s.cmd.Env = append(os.Environ(), "ASAN_OPTIONS=detect_leaks=0")
	var err error
	if s.input, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	return s, nil
}

// Write takes what the program prints.
func (s *Sensor) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.Write(p)
}

// Output is all that the sketch has printed.
func (s *Sensor) Output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.String()
}

// SetReading sets what the sensor measures, in percent and °C; a DHT22 gives one
// digit after the point.
func (s *Sensor) SetReading(humidity, temperature float64) error {
	return s.command("dht %.1f %.1f", humidity, temperature)
}

// SetFault makes the sensor fail: "dead" (no answer), "short" (it breaks off),
// "checksum", "range" (120 % humidity) or "noise" (edges without end on its wire).
func (s *Sensor) SetFault(word string) error { return s.command("dht %s", word) }

// SetClock sets by how much NTP is wrong, in whole seconds.
func (s *Sensor) SetClock(shift time.Duration) error { return s.command("shift %s", seconds(shift)) }

// SetNTP sets whether NTP answers.
func (s *Sensor) SetNTP(on bool) error { return s.command("ntp %s", onOff(on)) }

// SetWiFi sets whether there is a WLAN.
func (s *Sensor) SetWiFi(on bool) error { return s.command("wifi %s", onOff(on)) }

// StickWiFi loses the WLAN in a way that the chip's own code does not mend: only
// beginning again does.
func (s *Sensor) StickWiFi() error { return s.command("wifi stuck") }

// SetSpeed sets how often the chip's clock is faster than ours.
func (s *Sensor) SetSpeed(speed float64) error { return s.command("speed %s", formatFloat(speed)) }

// Reset resets the chip. reason is what the chip will say of it: 1 the hardware's
// watchdog, 2 an exception, 6 the button.
func (s *Sensor) Reset(reason int) error { return s.command("reboot %d", reason) }

// command sends a line and waits until it is obeyed.
func (s *Sensor) command(format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	before := len(s.Output())
	if _, err := io.WriteString(s.input, line+"\n"); err != nil {
		return fmt.Errorf("sketch: %s: %w", line, err)
	}
	ended := false
	for end := time.Now().Add(commandTimeout); time.Now().Before(end); {
		out := s.Output()[before:]
		switch {
		case strings.Contains(out, "host: done "+line+"\n"):
			return nil
		case strings.Contains(out, "host: unknown "+line+"\n"):
			return fmt.Errorf("sketch: %s: no such command", line)
		case ended:
			return errors.Join(fmt.Errorf("sketch: %s: it has ended", line), s.err)
		}
		select {
		case <-s.ended:
			ended = true
		case <-time.After(2 * time.Millisecond):
		}
	}
	return fmt.Errorf("sketch: %s: not obeyed within %s", line, commandTimeout)
}

// Stop ends the sketch as pulling its plug would and returns an error when it had
// ended by itself or a sanitiser has found something.
func (s *Sensor) Stop() error {
	select {
	case <-s.ended:
	default:
		if err := s.command("quit"); err != nil {
			s.Kill()
			return err
		}
		<-s.ended
	}
	if s.err != nil {
		return fmt.Errorf("sketch: %w\n%s", s.err, s.Output())
	}
	return nil
}

// Kill ends the sketch at once.
func (s *Sensor) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
