package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/firmware/avr"
	"sluice/firmware/esp8266"
	"sluice/firmware/sketch"
)

// The sensors' own firmware, from the reading to the receiver.

// serialLine is what the test looks at of a line of the spool.
type serialLine struct {
	Event, Line, Port, Reason string
	Partial                   bool
}

// sensorGateway starts recorder, tailer and receiver, with the given part of the
// recorder's configuration.
func sensorGateway(t *testing.T, dir string, p *pki, source string) (g *gateway, r *receiver, spool string) {
	t.Helper()
	r = newReceiver(t, p)
	r.plain = true
	spool = filepath.Join(dir, "spool")
	g = configured(t, dir, fmt.Sprintf(`
recorder:
  spool.path: %s
%s
output.logstash:
  hosts: [%q]
  ssl.certificate_authorities: [%s]
  backoff: {init: 100ms, max: 500ms}
filebeat.registry.flush: 1s
`, spool, source, r.addr(), p.caFile))
	r.start()
	g.start("recorder")
	g.start("tailer")
	return g, r, spool
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plugIn plugs a board with the Arduino sketch in, and records its port.
func plugIn(t *testing.T) (board *avr.Board, g *gateway, r *receiver, spool string) {
	t.Helper()
	dir := t.TempDir()
	firmware, err := avr.Build(dir, avr.Settings{"PERIOD_MS": "2000"})
	must(t, err)
	board, err = avr.Start(firmware, avr.Options{Port: filepath.Join(dir, "ttyUSB0")})
	must(t, err)
	t.Cleanup(func() {
		if err := board.Stop(); err != nil {
			t.Error(err)
		}
	})
	g, r, spool = sensorGateway(t, dir, newPKI(t), fmt.Sprintf(`
  serial:
  - port: %s
    baud_rate: 115200
    checksum: xor
    silence_timeout: 4s
    backoff: {init: 50ms, max: 200ms}
`, board.Port()))
	return board, g, r, spool
}

// TestArduinoToReceiver runs the Arduino sketch on a simulated board, whose
// serial port is recorded, shipped over TLS and received, while the board is
// unplugged, hangs, and falls silent, and the gateway's processes are killed.
func TestArduinoToReceiver(t *testing.T) {
	sketch.Need(t, avr.Missing(), avr.Packages)
	t.Parallel()
	board, g, r, spool := plugIn(t)
	received := func(what string, ok func(serialLine) bool) {
		t.Helper()
		eventually(t, what+" is received", func() bool { return slices.ContainsFunc(serialLines(t, r), ok) })
	}
	measured := func(humidity, temperature float64) {
		t.Helper()
		must(t, board.Env(humidity, temperature))
		want := fmt.Sprintf(`"hum":%.1f,"tem":%.1f}`, humidity, temperature)
		received(want, has(want))
	}
	gap := func(reason string) func(serialLine) bool {
		return func(l serialLine) bool { return l.Event == "gap" && strings.Contains(l.Reason, reason) }
	}
	measured(55.3, 21.4)
	measured(55.3, -3.4)
	g.kill("recorder")
	g.start("recorder")
	measured(70.2, 0)
	must(t, board.Unplug())
	received("the gap of an unplugged board", gap(""))
	g.kill("tailer")
	must(t, board.Replug())
	g.start("tailer")
	measured(99.9, 80)
	must(t, board.Freeze())
	received("the gap of a silent board", gap("silent"))
	must(t, board.Thaw())
	measured(40.5, -12.7)
	must(t, board.Hang())
	received("the watchdog's reset", has(`"rst":"watchdog"`))
	must(t, board.DHT(avr.Dead))
	received("the sensor's failure", has(`"err":"`))
	g.stop("recorder")
	r.same(spool)
	unbroken(t, spool)
}

// unbroken checks by the board's own numbers that between two events of the port no
// line is missing in the spool.
func unbroken(t *testing.T, spool string) {
	t.Helper()
	last, followed := -1, 0
	for _, path := range segments(t, spool) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var l serialLine
			var said struct{ Seq int }
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if body, _, whole := strings.Cut(l.Line, "*"); l.Event != "" || !whole || json.Unmarshal([]byte(body), &said) != nil {
				last = -1
				continue
			}
			// A reset, which the board tells itself, begins with 1.
			if last >= 0 && said.Seq != 1 {
				followed++
				if said.Seq != last+1 {
					t.Errorf("after number %d: %s", last, line)
				}
			}
			last = said.Seq
		}
	}
	if followed < 10 {
		t.Errorf("only %d lines follow another", followed)
	}
}

func has(text string) func(serialLine) bool {
	return func(l serialLine) bool { return strings.Contains(l.Line, text) }
}

// serialLines are the records that have come.
func serialLines(t *testing.T, r *receiver) (lines []serialLine) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, message := range r.byID {
		var l serialLine
		if err := json.Unmarshal([]byte(message), &l); err != nil {
			t.Fatalf("%s: %v", message, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// same checks that all lines of a spool that is written no more come, each
// under one id.
func (r *receiver) same(spool string) {
	r.t.Helper()
	var want []string
	for _, path := range segments(r.t, spool) {
		text, err := os.ReadFile(path)
		if err != nil {
			r.t.Fatal(err)
		}
		want = append(want, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
	}
	r.await(len(want))
	r.mu.Lock()
	defer r.mu.Unlock()
	var got []string
	for _, message := range r.byID {
		got = append(got, message)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		r.t.Errorf("received\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	r.t.Logf("%d lines, %d events received", len(want), r.events)
}

// switchOn starts the ESP8266 sketch near the wrap of millis(), with a clock that is
// ten years ahead.
func switchOn(t *testing.T, dir string, b *broker) *esp8266.Sensor {
	t.Helper()
	ca, err := os.ReadFile(b.pki.caFile)
	must(t, err)
	program, err := esp8266.Build(dir, esp8266.Config{Host: "127.0.0.1", Port: b.port, User: user, Password: password, CA: string(ca)})
	must(t, err)
	sensor, err := esp8266.Start(program, esp8266.Options{
		Speed: 50, Reading: "55.3 21.4", Millis: 1<<32 - 60_000, ClockShift: 10 * 365 * 24 * time.Hour,
	})
	must(t, err)
	t.Cleanup(func() {
		if err := sensor.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the sensor said:\n%s", tail(sensor.Output(), 5000))
		}
	})
	return sensor
}

// TestESP8266ToReceiver runs the ESP8266 sketch, which publishes over TLS to a
// real Mosquitto, whose messages are recorded, shipped and received, while the
// chip's clock is wrong and its millis() wraps, the broker's certificate is renewed,
// the broker is restarted and the gateway's processes are killed.
func TestESP8266ToReceiver(t *testing.T) {
	sketch.Need(t, esp8266.Missing(), esp8266.Packages)
	t.Parallel()
	dir := t.TempDir()
	p := makePKI(t, func(c *x509.Certificate) { c.DNSNames = []string{"localhost", "127.0.0.1"} })
	b := newBroker(t, p)
	g, r, spool := sensorGateway(t, dir, p, fmt.Sprintf(`
  mqtt:
  - hosts: [%q]
    client_id: e2e-recorder
    username: %s
    password: %s
    ssl.certificate_authorities: [%s]
    backoff: {init: 100ms, max: 500ms}
    format: "%%t %%q %%p"
`, b.url(), user, password, p.caFile))
	sensor := switchOn(t, dir, b)
	came := func(line string) {
		t.Helper()
		eventually(t, line+" is received", func() bool { return r.has(line) })
	}
	said := func(text string) {
		t.Helper()
		eventually(t, "the sensor says "+text, func() bool { return strings.Contains(sensor.Output(), text) })
	}
	said("error 54") // no certificate will be good in ten years
	must(t, sensor.SetClock(0))
	came(user + "/feeds/0/humid 1 55.3")
	came(user + "/feeds/0/temp 1 21.4")
	renewed := p.renew()
	must(t, b.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "the broker has the new certificate", func() bool { return b.shows(renewed) })
	must(t, sensor.SetWiFi(false))
	said("wifi: lost")
	must(t, sensor.SetWiFi(true))
	must(t, sensor.SetReading(55.3, 21.6))
	came(user + "/feeds/0/temp 1 21.6")
	g.kill("recorder")
	must(t, sensor.SetReading(55.3, 21.5)) // a step of 0.1, while nobody records
	g.start("recorder")
	came(user + "/feeds/0/temp 1 21.5")
	b.stop()
	must(t, sensor.SetReading(60, -3.4)) // while there is no broker
	g.kill("tailer")
	b.start()
	g.start("tailer")
	came(user + "/feeds/0/humid 1 60.0")
	came(user + "/feeds/0/temp 1 -3.4")
	g.stop("recorder")
	r.same(spool)
}

// shows tells whether the broker presents this certificate to who connects now.
func (b *broker) shows(cert *x509.Certificate) bool {
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.port), &tls.Config{RootCAs: b.pki.pool})
	if err != nil {
		return false
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Equal(cert)
}

func (r *receiver) has(message string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.byID {
		if m == message {
			return true
		}
	}
	return false
}
