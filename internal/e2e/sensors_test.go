package e2e

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/firmware/avr"
	"sluice/firmware/esp8266"
)

// The sensors' own firmware, from the reading to the receiver.

// needs skips, loudly, where the tools for a firmware are missing; in CI that is
// a failure.
func needs(t *testing.T, missing []string, packages string) {
	t.Helper()
	if len(missing) == 0 {
		return
	}
	text := fmt.Sprintf("NOT TESTED: %s missing; run: apt-get install %s", strings.Join(missing, ", "), packages)
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// serialLine is what the test looks at of a line of the spool.
type serialLine struct {
	Event, Line, Port string
	Partial           bool
}

// TestArduinoToReceiver runs the Arduino sketch on a simulated board, whose
// serial port is recorded, shipped over TLS and received, while the board is
// unplugged and the gateway's processes are killed.
func TestArduinoToReceiver(t *testing.T) {
	needs(t, avr.Missing(), avr.Packages)
	t.Parallel()
	dir := t.TempDir()
	firmware, err := avr.Build(dir, avr.Settings{"PERIOD_MS": "2000"})
	if err != nil {
		t.Fatal(err)
	}
	port := filepath.Join(dir, "ttyUSB0")
	board, err := avr.Start(firmware, avr.Options{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := board.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := newPKI(t)
	r := newReceiver(t, p)
	r.plain = true
	spool := filepath.Join(dir, "spool")
	g := configured(t, dir, fmt.Sprintf(`
recorder:
  spool.path: %s
  serial:
  - port: %s
    baud_rate: 115200
    checksum: xor
    backoff: {init: 50ms, max: 200ms}
output.logstash:
  hosts: [%q]
  ssl.certificate_authorities: [%s]
  backoff: {init: 100ms, max: 500ms}
filebeat.registry.flush: 1s
`, spool, port, r.addr(), p.caFile))
	r.start()
	g.start("recorder")
	g.start("tailer")

	measured := func(humidity, temperature float64) {
		t.Helper()
		if err := board.Env(humidity, temperature); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`"hum":%.1f,"tem":%.1f}`, humidity, temperature)
		eventually(t, want+" is received", func() bool { return slices.ContainsFunc(serialLines(t, r), has(want)) })
	}
	measured(55.3, 21.4)
	measured(55.3, -3.4)
	g.kill("recorder")
	g.start("recorder")
	measured(70.2, 0)
	if err := board.Unplug(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gap is told", func() bool { return slices.ContainsFunc(serialLines(t, r), isEvent) })
	g.kill("tailer")
	if err := board.Replug(); err != nil {
		t.Fatal(err)
	}
	g.start("tailer")
	measured(99.9, 80)
	if err := board.DHT(avr.Dead); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sensor's failure is received", func() bool { return slices.ContainsFunc(serialLines(t, r), has(`"err":"`)) })
	g.stop("recorder")
	r.same(spool)
}

func has(text string) func(serialLine) bool {
	return func(l serialLine) bool { return strings.Contains(l.Line, text) }
}

func isEvent(l serialLine) bool { return l.Event != "" }

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

// TestESP8266ToReceiver runs the ESP8266 sketch, which publishes over TLS to a
// real Mosquitto, whose messages are recorded, shipped and received, while the
// broker is restarted and the gateway's processes are killed.
func TestESP8266ToReceiver(t *testing.T) {
	needs(t, esp8266.Missing(), esp8266.Packages)
	t.Parallel()
	p := makePKI(t, func(c *x509.Certificate) { c.DNSNames = []string{"localhost", "127.0.0.1"} })
	b := newBroker(t, p)
	r := newReceiver(t, p)
	r.plain = true
	dir := t.TempDir()
	spool := filepath.Join(dir, "spool")
	g := configured(t, dir, fmt.Sprintf(`
recorder:
  spool.path: %s
  mqtt:
  - hosts: [%q]
    client_id: e2e-recorder
    username: %s
    password: %s
    ssl.certificate_authorities: [%s]
    backoff: {init: 100ms, max: 500ms}
    format: "%%t %%q %%p"
output.logstash:
  hosts: [%q]
  ssl.certificate_authorities: [%s]
  backoff: {init: 100ms, max: 500ms}
filebeat.registry.flush: 1s
`, spool, b.url(), user, password, p.caFile, r.addr(), p.caFile))
	r.start()
	g.start("recorder")
	g.start("tailer")
	ca, err := os.ReadFile(p.caFile)
	if err != nil {
		t.Fatal(err)
	}
	program, err := esp8266.Build(dir, esp8266.Config{Host: "127.0.0.1", Port: b.port, User: user, Password: password, CA: string(ca)})
	if err != nil {
		t.Fatal(err)
	}
	sensor, err := esp8266.Start(program, esp8266.Options{Speed: 50, Reading: "55.3 21.4"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sensor.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the sensor said:\n%s", tail(sensor.Output(), 5000))
		}
	})
	came := func(line string) {
		t.Helper()
		eventually(t, line+" is received", func() bool { return r.has(line) })
	}
	came(user + "/feeds/0/humid 1 55.3")
	came(user + "/feeds/0/temp 1 21.4")
	g.kill("recorder")
	set := func(humidity, temperature float64) {
		t.Helper()
		if err := sensor.SetReading(humidity, temperature); err != nil {
			t.Fatal(err)
		}
	}
	set(55.3, 21.5) // a step of 0.1, while nobody records
	g.start("recorder")
	came(user + "/feeds/0/temp 1 21.5")
	b.stop()
	set(60, -3.4) // while there is no broker
	g.kill("tailer")
	b.start()
	g.start("tailer")
	came(user + "/feeds/0/humid 1 60.0")
	came(user + "/feeds/0/temp 1 -3.4")
	g.stop("recorder")
	r.same(spool)
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
