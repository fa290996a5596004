package avr

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/firmware/sketch"
)

// The core's unit tests, plain and under sanitisers.
func TestUnits(t *testing.T) {
	t.Parallel()
	needTools(t)
	building.Lock()
	defer building.Unlock()
	must(t, sketch.Unpack(sources, workshop))
	out, err := runMake(workshop, "check")
	must(t, err)
	if n := strings.Count(out, " checks, 0 failed"); n != 2 {
		t.Errorf("%d of 2 runs passed:\n%s", n, out)
	}
}

// The Uno's 32,256 bytes of flash and 2,048 of RAM need room for what a user adds.
func TestSizes(t *testing.T) {
	t.Parallel()
	needTools(t)
	firmware, err := Build(workshop, nil)
	must(t, err)
	file, err := elf.Open(firmware.ELF)
	must(t, err)
	defer file.Close()
	size := func(names ...string) (n uint64) {
		for _, s := range file.Sections {
			if slices.Contains(names, s.Name) {
				n += s.Size
			}
		}
		return n
	}
	flash, ram := size(".text", ".data"), size(".data", ".bss", ".noinit")
	t.Logf("flash %d bytes, RAM %d bytes", flash, ram)
	if flash < 1000 || flash > 16000 || ram < 100 || ram > 1000 {
		t.Errorf("flash %d bytes, RAM %d bytes: want 16,000 and 1,000 at most", flash, ram)
	}
}

// What a reader sees that opens the port of a board that has just been plugged in.
func TestHelloSensorHealth(t *testing.T) {
	t.Parallel()
	b := boot(t, Settings{"DEVICE_ID": `"barn-7"`}, Options{})
	r := open(t, b, 115200)
	hello := r.next()
	want := map[string]string{
		"t": "hello", "seq": "1", "id": "barn-7", "fw": hello.fields["fw"], "proto": "1", "rst": "external", "period_ms": "10000",
	}
	if fmt.Sprint(hello.fields) != fmt.Sprint(want) || !hello.json {
		t.Errorf("hello is %s", hello.raw)
	}
	// The very bytes, once, so that no mistake of parse can hide one of the sketch.
	if got, want := r.next().raw, `{"t":"sensor","seq":2,"hum":55.3,"tem":21.4}*15`; got != want {
		t.Errorf("first reading is %s, want %s", got, want)
	}
	health := r.next()
	if health.kind() != "health" {
		t.Fatalf("third line is %s", health.raw)
	}
	for _, f := range []struct {
		name     string
		min, max int
	}{
		{"seq", 3, 3}, {"up_s", 2, 2}, {"ram_free", 1000, 1600}, {"vcc_mv", 4950, 5050}, {"dht_ok", 1, 1},
		{"dht_timeout", 0, 0}, {"dht_checksum", 0, 0}, {"dht_range", 0, 0}, {"loop_us", 3000, 8000},
	} {
		if n := health.number(t, f.name); n < f.min || n > f.max {
			t.Errorf("%s is %d, want %d to %d", f.name, n, f.min, f.max)
		}
	}
	if s := stat(t, b); s.Asleep < s.Clock*9/10 {
		t.Errorf("slept %s of %s", s.Asleep, s.Clock)
	}
}

// The Mega has other pins, and its reference is on another channel.
func TestMega(t *testing.T) {
	t.Parallel()
	b := bootFor(t, Mega, every, Options{})
	r := open(t, b, 115200)
	must(t, b.Env(40.5, -12.7))
	r.reading("hum=40.5 tem=-12.7")
	m := r.until("health")
	if mv, ram := m.number(t, "vcc_mv"), m.number(t, "ram_free"); mv < 4950 || mv > 5050 || ram < 7000 || ram > 8000 {
		t.Errorf("health is %s", m.raw)
	}
	must(t, b.Hang())
	if m := r.until("hello"); m.fields["rst"] != "watchdog" {
		t.Errorf("after a hang: %s", m.raw)
	}
}

func TestSupply(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{})
	r := open(t, b, 115200)
	for _, mv := range []int{5000, 3300, 4700} {
		must(t, b.Supply(mv))
		// One step of the converter is 0.5 % at 5 V.
		for end := time.Now().Add(deadline); ; {
			got := r.until("health").number(t, "vcc_mv")
			if got > mv*99/100 && got < mv*101/100 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("vcc_mv is %d, want %d", got, mv)
			}
		}
	}
}

// Every tenth matters, and so does the sign of −0.3.
func TestValues(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{})
	r := open(t, b, 115200)
	for _, v := range []struct {
		humidity, temperature float64
		want                  string
	}{
		{70.2, -3.4, "hum=70.2 tem=-3.4"},
		{70.3, -0.3, "hum=70.3 tem=-0.3"},
		{0, 0.1, "hum=0.0 tem=0.1"},
		{100, 80, "hum=100.0 tem=80.0"},
		{99.9, -40, "hum=99.9 tem=-40.0"},
		{25.6, 25.5, "hum=25.6 tem=25.5"},
		{100.1, 20, "err=range"},
		{50, -40.1, "err=range"},
		{55.3, 21.4, "hum=55.3 tem=21.4"},
	} {
		must(t, b.Env(v.humidity, v.temperature))
		r.reading(v.want)
	}
	m := r.until("health")
	if n := m.number(t, "dht_timeout"); n != 0 {
		t.Errorf("%d readings timed out", n)
	}
	// A health line takes 17 ms to go out. The loop does not wait for it.
	if n := m.number(t, "loop_us"); n < 3000 || n > 8000 {
		t.Errorf("loop_us is %d", n)
	}
}

func TestKeyValue(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{})
	r := open(t, b, 115200)
	r.until("health")
	r.write("format kv\n")
	if m := r.until("answer"); m.json || m.fields["cmd"] != "format" || m.fields["format"] != "kv" {
		t.Errorf("answer is %s", m.raw)
	}
	if m := r.reading("hum=55.3 tem=21.4"); m.json {
		t.Errorf("reading is %s", m.raw)
	}
	m := r.until("health")
	if m.json || m.number(t, "up_s") < 2 || m.number(t, "dht_ok") < 2 {
		t.Errorf("health is %s", m.raw)
	}
	r.write("id\nformat json\n")
	if m := r.until("hello"); m.json || m.fields["id"] != "avr-sensor" || m.fields["period_ms"] != "2000" {
		t.Errorf("hello is %s", m.raw)
	}
	if m := r.until("answer"); !m.json {
		t.Errorf("answer is %s", m.raw)
	}
	// The format that a device is built for needs no command.
	b = boot(t, Settings{"FORMAT": "KeyValue"}, Options{})
	if m := open(t, b, 115200).next(); m.json || m.kind() != "hello" {
		t.Errorf("first line is %s", m.raw)
	}
}

// Each fault has its word and its count, and none outlives its cause.
func TestFaults(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{})
	r := open(t, b, 115200)
	r.reading("hum=55.3")
	for _, f := range []struct{ mode, word, count string }{
		{Dead, "timeout", "dht_timeout"},
		{BadSum, "checksum", "dht_checksum"},
		{Short, "timeout", "dht_timeout"},
		{Zero, "range", "dht_range"},
	} {
		before := r.until("health")
		must(t, b.DHT(f.mode))
		m := r.reading("err=" + f.word)
		if _, ok := m.fields["hum"]; ok {
			t.Errorf("%s: a fault with a value: %s", f.mode, m.raw)
		}
		after := r.until("health")
		if after.number(t, f.count) <= before.number(t, f.count) {
			t.Errorf("%s: %s stayed %s", f.mode, f.count, after.fields[f.count])
		}
		// loop_us is since the last health line: a sensor that is silent costs less
		// than one that answers.
		if n := after.number(t, "loop_us"); f.mode == Dead && n > 3000 {
			t.Errorf("%s: loop_us is %d", f.mode, n)
		}
		must(t, b.DHT(OK))
		r.reading("hum=55.3 tem=21.4")
	}
	// Every reading is in one count.
	m := r.until("health")
	sum := 0
	for _, name := range []string{"dht_ok", "dht_timeout", "dht_checksum", "dht_range"} {
		sum += m.number(t, name)
	}
	sensors := 0
	for _, m := range r.seen {
		if m.kind() == "sensor" {
			sensors++
		}
	}
	if sum != sensors {
		t.Errorf("the counts add up to %d after %d readings", sum, sensors)
	}
}

// Sensors differ, and the chip's timer interrupts the reading of their pulses. Each of
// these is within the data sheet, so each is read, every time.
func TestPulsesOfTheDataSheet(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{})
	r := open(t, b, 115200)
	for i, mode := range []string{Quick, Slow, OK} {
		must(t, b.DHT(mode))
		must(t, b.Env(51.1, 20+float64(i)))
		r.reading(fmt.Sprintf("hum=51.1 tem=%d.0", 20+i))
		must(t, b.Env(85.3, -17.1))
		for range 8 {
			r.until("sensor")
		}
		r.reading("hum=85.3 tem=-17.1")
	}
	m := r.until("health")
	for _, name := range []string{"dht_timeout", "dht_checksum", "dht_range"} {
		if n := m.number(t, name); n != 0 {
			t.Errorf("%s is %d: %s", name, n, r.history())
		}
	}
}

func TestPeriod(t *testing.T) {
	t.Parallel()
	b := boot(t, Settings{"PERIOD_MS": "5000"}, Options{Speed: 10})
	r := open(t, b, 115200)
	apart := func(seconds int) {
		t.Helper()
		last := r.until("health").number(t, "up_s")
		for range 3 {
			now := r.until("health").number(t, "up_s")
			// The second may have been about to change.
			if d := now - last; d < seconds-1 || d > seconds+1 {
				t.Fatalf("%d s apart, want %d\n%s", d, seconds, r.history())
			}
			last = now
		}
	}
	r.until("health")
	apart(5)
	r.write("period 3000\n")
	if m := r.until("answer"); m.fields["period_ms"] != "3000" {
		t.Errorf("answer is %s", m.raw)
	}
	r.until("health")
	apart(3)
	asked := r.until("health").number(t, "up_s")
	r.write("period 60000\nperiod\n")
	r.until("answer")
	if m := r.until("answer"); m.fields["period_ms"] != "60000" {
		t.Errorf("answer is %s", m.raw)
	}
	// now starts the period anew.
	r.write("now\n")
	if m := r.until("answer"); m.fields["cmd"] != "now" {
		t.Errorf("answer is %s", m.raw)
	}
	// The period alone would give one after 60 s.
	if now := r.until("health").number(t, "up_s"); now > asked+50 {
		t.Errorf("a reading was asked for at %d s and came at %d s", asked, now)
	}
}

// However often a reading is asked for, the sensor gets its rest.
func TestNowKeepsTheSensorsRest(t *testing.T) {
	t.Parallel()
	b := boot(t, nil, Options{})
	r := open(t, b, 115200)
	r.until("health")
	before := stat(t, b)
	for range 4 {
		r.write("now\n")
		r.until("answer")
		r.write("now\n")
		r.until("sensor")
	}
	after := stat(t, b)
	if after.Asked < before.Asked+4 || after.Early != before.Early {
		t.Errorf("asked %d times, %d too early", after.Asked-before.Asked, after.Early-before.Early)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	b := boot(t, nil, Options{})
	r := open(t, b, 115200)
	r.until("hello")
	r.write("help\r\n")
	var help []string
	for len(help) < 5 {
		m := r.until("help")
		help = append(help, strings.TrimSpace(m.fields["cmd"]+" "+m.fields["arg"]))
	}
	if got, want := strings.Join(help, ", "), "help, format json|kv, period 2000..86400000, now, id"; got != want {
		t.Errorf("help is %s, want %s", got, want)
	}
	for _, c := range []struct{ text, cmd, err string }{
		{"hepl\n", "hepl", "unknown"},
		{"AT+CGMI\r", "AT+CGMI", "unknown"},
		{"period 1999\n", "period", "value"},
		{"format\txml\n", "format?xml", "unknown"},
		{"format xml\n", "format", "value"},
		{"a\"b\\c*d=e\x00\x01\xff\n", "a?b?c?d?e???", "unknown"},
		{strings.Repeat("x", 40) + "\n", strings.Repeat("x", 24), "long"},
	} {
		r.write(c.text)
		if m := r.until("error"); m.fields["cmd"] != c.cmd || m.fields["err"] != c.err {
			t.Errorf("%q: %s, want %s %s", c.text, m.raw, c.cmd, c.err)
		}
	}
	r.write("\n\r\n\nid\n")
	if m := r.next(); m.kind() != "hello" && m.kind() != "sensor" {
		t.Errorf("after blank lines: %s", m.raw)
	}
}

// millis() wraps after 49.7 days and micros() after 71.6 minutes: readings come at
// their times, and uptime goes on.
func TestClockWraps(t *testing.T) {
	t.Parallel()
	b := boot(t, every, Options{})
	r := open(t, b, 115200)
	r.until("health")
	const wrap = 1 << 32
	must(t, b.SetMillis(wrap-7000))
	must(t, b.SetMicros(wrap-5_000_000))
	// The clock has jumped by 49.7 days.
	m := r.until("health")
	for m.number(t, "up_s") < 1000 {
		m = r.until("health")
	}
	first := m.number(t, "up_s")
	if first < wrap/1000-7 || first > wrap/1000+7 {
		t.Errorf("up_s is %d", first)
	}
	before := stat(t, b)
	last := first
	for range 8 {
		r.reading("hum=55.3 tem=21.4")
		n := r.until("health").number(t, "up_s")
		if d := n - last; d < 1 || d > 3 {
			t.Fatalf("%d s apart, want 2\n%s", d, r.history())
		}
		last = n
	}
	after := stat(t, b)
	if last-first < 14 || after.Resets != before.Resets || after.Early != before.Early {
		t.Errorf("%d s, %d resets, %d early", last-first, after.Resets-before.Resets, after.Early-before.Early)
	}
	for _, m := range r.seen {
		if m.kind() == "health" && m.number(t, "loop_us") > 20000 {
			t.Errorf("a turn of the loop took %s µs", m.fields["loop_us"])
		}
	}
}
