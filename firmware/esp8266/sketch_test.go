package esp8266

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := workshop(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// The chip's compiler, the unit tests here and under sanitisers, and the same on
// the chip's processor.
func TestCore(t *testing.T) {
	needTools(t)
	t.Parallel()
	dir := t.TempDir()
	must(t, unpack(dir))
	for _, target := range []string{"chip", "test", "test-san", "test-chip"} {
		t.Run(target, func(t *testing.T) {
			out, err := tools.Make(dir, target)
			must(t, err)
			if target != "chip" && !strings.Contains(out, " 0 failed: PASS") {
				t.Errorf("the tests did not pass:\n%s", out)
			}
			if target == "test-chip" && !strings.Contains(out, "lx106: ") {
				t.Errorf("the tests did not run on the chip's processor:\n%s", out)
			}
		})
	}
}

// A setting that can't be ends the compilation with a word about it.
func TestBadSettings(t *testing.T) {
	needTools(t)
	t.Parallel()
	for _, k := range []struct {
		settings map[string]string
		want     []string
	}{
		{
			map[string]string{
				"HUM_DELTA": "0", "SLEEP_TIME": "1999", "DHT_PIN": "16", "KEEPALIVE": "65536", "PREFIX": `"barn/#"`,
				"FEED_HUM": `"/` + strings.Repeat("x", 95) + `"`,
			},
			[]string{"HUM_DELTA and TEM_DELTA", "SLEEP_TIME is 2000", "GPIO16", "KEEPALIVE is", "no # and +", "a topic is 100"},
		},
		{
			map[string]string{"DEEP_SLEEP": "1", "SLEEP_TIME": "14400000", "CLOCK_WAIT": "30000", "TEM_DELTA": "0.04"},
			[]string{"10800000 (3 h)", "CLOCK_WAIT is less", "HUM_DELTA and TEM_DELTA"},
		},
	} {
		dir, err := workshop()
		must(t, err)
		_, err = Build(dir, Config{Host: "127.0.0.1", Port: 8883, User: user, Password: password, CA: "none", Settings: k.settings})
		for _, want := range k.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: nothing about %q: %v", k.settings, want, err)
			}
		}
	}
}

// A CA or fingerprint that is none is told at the start, not only as a failed
// handshake. And secrets.h is nothing that git takes.
func TestBadSecrets(t *testing.T) {
	needTools(t)
	t.Parallel()
	for want, c := range map[string]Config{
		"tls: CA_CERT holds no certificate in PEM": {CA: "none"},
		"tls: FINGERPRINT is not 20 bytes in hex":  {Fingerprint: "12 34"},
	} {
		c.Host, c.Port, c.User, c.Password = "127.0.0.1", 9, user, password
		prints(t, boot(t, c, Options{Speed: 10}), want, 1)
	}
	ignored, err := os.ReadFile(".gitignore")
	must(t, err)
	if !slices.Contains(strings.Split(string(ignored), "\n"), "/sensor/secrets.h") {
		t.Error(".gitignore lacks sensor/secrets.h")
	}
}

// A connection that fails in the very call that opens it waits as any other does.
func TestCredentialsTooLong(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	c := b.config()
	c.Password = strings.Repeat("x", 480)
	s := boot(t, c, Options{Speed: 100})
	prints(t, s, "link: lost (too long), next try in", 3)
	doubling(t, waits(s)[:3])
}

// health is what the sketch tells about itself.
type health struct {
	Up       int
	Reset    string
	Heap     int
	RSSI     int
	Sensor   string
	OK       int
	Timeout  int
	Short    int
	Checksum int
	Range    int
	WiFi     int
	MQTT     int
	Resent   int
	Failure  string
	TLS      int
}

func lastHealth(t *testing.T, s *subscriber) health {
	t.Helper()
	var h health
	text := s.last("health")
	if text == "" {
		return h
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		t.Fatalf("health %s: %v", text, err)
	}
	return h
}

func awaitHealth(t *testing.T, s *subscriber, what string, ok func(health) bool) health {
	t.Helper()
	var h health
	eventually(t, "health tells "+what, func() bool {
		h = lastHealth(t, s)
		return ok(h)
	})
	return h
}

// Values, birth and health arrive with QoS 1, and the right topics and only those.
func TestPublishes(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Sanitize = true
	s := boot(t, c, Options{Speed: 50, Reading: "55.3 21.4"})
	sub.await("feeds/0/humid", "55.3")
	sub.await("feeds/0/temp", "21.4")
	h := awaitHealth(t, sub, "that all is well", func(h health) bool { return h.OK > 0 })
	if h.Sensor != "ok" || h.Reset != "power on" || h.RSSI != -61 || h.Heap != 40000 || h.WiFi != 1 || h.MQTT != 1 || h.Failure != "none" {
		t.Errorf("health is %+v", h)
	}
	must(t, s.SetReading(55.3, -0.4))
	sub.await("feeds/0/temp", "-0.4")
	if got := sub.payloads("feeds/0/humid"); len(got) != 1 {
		t.Errorf("the humidity did not change, but was sent %v", got)
	}
	for _, m := range sub.all() {
		if m.qos != 1 {
			t.Errorf("%s came with QoS %d", m.topic, m.qos)
		}
		if !slices.Contains([]string{"feeds/0/humid", "feeds/0/temp", "status", "health"}, strings.TrimPrefix(m.topic, user+"/")) {
			t.Errorf("unexpected topic %s", m.topic)
		}
	}
	if got := sub.all(); got[0].topic != user+"/status" || got[0].payload != "online" {
		t.Errorf("the first message is %v, want the birth", got[0])
	}
	// The birth is retained: a later subscriber sees it.
	sub.client.Disconnect(0)
	if log := b.log.String(); !strings.Contains(log, "(d0, q1, r1, m1, 'sensor0/status'") {
		t.Error("the birth was not retained")
	}
}

// Each 0.1 °C counts, up and down; humidity waits for a whole percent.
func TestDeltas(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	// One line for each reading. Half of such steps are lost by floats.
	var lines, want []string
	for i := range 60 {
		temperature := fmt.Sprintf("%d.%d", 20+i/10, i%10)
		lines = append(lines, fmt.Sprintf("%.1f %s", 50+0.1*float64(i), temperature))
		want = append(want, temperature)
	}
	readings := filepath.Join(t.TempDir(), "readings")
	must(t, os.WriteFile(readings, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	c := b.config()
	c.Settings = map[string]string{"SLEEP_TIME": "2000", "MAX_AGE": "0"}
	boot(t, c, Options{Speed: 20, Readings: readings})
	sub.await("feeds/0/temp", "25.9")
	if got := sub.payloads("feeds/0/temp"); !slices.Equal(got, want) {
		t.Errorf("temperatures are %v, want %v", got, want)
	}
	wantHumidity := []string{"50.0", "51.0", "52.0", "53.0", "54.0", "55.0"}
	if got := sub.payloads("feeds/0/humid"); !slices.Equal(got, wantHumidity) {
		t.Errorf("humidities are %v, want %v", got, wantHumidity)
	}
}

// A value that does not change is sent when it is MAX_AGE old, through the wrap
// of millis() as well.
func TestMaxAgeAndWrapOfMillis(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"MAX_AGE": "120000", "HEALTH_TIME": "60000"}
	start := time.Now()
	s := boot(t, c, Options{Speed: 200, Millis: 1<<32 - 100_000, Reading: "55.3 21.4"})
	eventually(t, "five times the same value", func() bool { return len(sub.payloads("feeds/0/temp")) >= 5 })
	h := awaitHealth(t, sub, "an uptime beyond the wrap", func(h health) bool { return h.Up > 480 })
	elapsed := time.Since(start).Seconds() * 200
	if float64(h.Up) > elapsed+60 {
		t.Errorf("up %d s after %.0f s of the chip's time", h.Up, elapsed)
	}
	if h.MQTT != 1 || h.Resent != 0 {
		t.Errorf("the wrap has disturbed the connection: %+v", h)
	}
	// A change is sent after the wrap.
	must(t, s.SetReading(55.3, 21.5))
	sub.await("feeds/0/temp", "21.5")
	// Only when due: the first, one in MAX_AGE, and the change.
	if n, most := len(sub.payloads("feeds/0/temp")), int(time.Since(start).Seconds()*200/120)+2; n > most {
		t.Errorf("%d values, at most %d were due", n, most)
	}
}

// A dead sensor is told by health at once, and its old value is not sent as if it
// were a new one.
func TestSensorFaults(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"SLEEP_TIME": "20000", "MAX_AGE": "30000", "HEALTH_TIME": "30000"}
	c.Sanitize = true
	s := boot(t, c, Options{Speed: 100, Reading: "55.3 21.4"})
	sub.await("feeds/0/temp", "21.4")
	for _, k := range []struct {
		word, name string
		count      func(health) int
	}{
		{"dead", "timeout", func(h health) int { return h.Timeout }},
		{"short", "short", func(h health) int { return h.Short }},
		{"checksum", "checksum", func(h health) int { return h.Checksum }},
		{"range", "range", func(h health) int { return h.Range }},
		{"noise", "checksum", func(h health) int { return h.Checksum - 3 }},
	} {
		must(t, s.SetFault(k.word))
		first := awaitHealth(t, sub, k.word, func(h health) bool { return h.Sensor == k.name && k.count(h) >= 3 })
		values := len(sub.payloads("feeds/0/temp"))
		awaitHealth(t, sub, "more of "+k.word, func(h health) bool { return h.Up > first.Up+60 })
		if n := len(sub.payloads("feeds/0/temp")); n != values {
			t.Errorf("%s: %d values were sent without a sensor", k.word, n-values)
		}
	}
	must(t, s.SetReading(55.3, 21.4))
	h := awaitHealth(t, sub, "that the sensor is back", func(h health) bool { return h.Sensor == "ok" })
	values := len(sub.payloads("feeds/0/temp"))
	eventually(t, "a value again", func() bool { return len(sub.payloads("feeds/0/temp")) > values })
	if h.Timeout < 3 || h.Short < 3 || h.Checksum < 3 || h.Range < 3 {
		t.Errorf("counts were lost: %+v", h)
	}
}

// Health does not wait for its time when the sensor falls silent or speaks again.
func TestSensorFallsSilent(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"SLEEP_TIME": "20000", "HEALTH_TIME": "1000000000"}
	s := boot(t, c, Options{Speed: 100})
	awaitHealth(t, sub, "a good sensor", func(h health) bool { return h.Sensor == "ok" })
	must(t, s.SetFault("dead"))
	awaitHealth(t, sub, "a dead one", func(h health) bool { return h.Sensor == "timeout" })
	must(t, s.SetReading(50, 20))
	awaitHealth(t, sub, "a good one", func(h health) bool { return h.Sensor == "ok" && h.Timeout >= 3 })
	if n := len(sub.payloads("health")); n != 3 {
		t.Errorf("%d health messages, want 3", n)
	}
}

// One bad reading is read again and disturbs nobody.
func TestOneBadReading(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	readings := filepath.Join(t.TempDir(), "readings")
	must(t, os.WriteFile(readings, []byte("50.0 20.0\nchecksum\n50.0 21.0\ndead\nshort\n50.0 22.0\n"), 0o644))
	c := b.config()
	c.Settings = map[string]string{"HEALTH_TIME": "100000"}
	boot(t, c, Options{Speed: 100, Readings: readings})
	sub.await("feeds/0/temp", "22.0")
	awaitHealth(t, sub, "the faults", func(h health) bool { return h.Checksum == 1 && h.Timeout == 1 && h.Short == 1 })
	for _, text := range sub.payloads("health") {
		if !strings.Contains(text, `"sensor":"ok"`) {
			t.Errorf("one bad reading made the sensor bad: %s", text)
		}
	}
	if got := sub.payloads("feeds/0/temp"); !slices.Equal(got, []string{"20.0", "21.0", "22.0"}) {
		t.Errorf("temperatures are %v", got)
	}
}
