package recorder

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// differentialFormats are printed by the real mosquitto_sub and by us.
var differentialFormats = []string{
	"%t,%p", "%t %q %r %l %m", "%x", "%X", "[%20p]", "[%-20p]", "[%020p]", "[%-020p]", "[%3p]", "[%3.2p]", "[%1p]", "[%2.9p]",
	"[%12x]", "[%012x]", "[%5x]", "[%-12X]", "[%1x]", "[%15.4t]", "[%-15.4t]", "[%015t]", "[%0.3t]", "[%.t]", "[%5.t]",
	"[%10l]", "[%010l]", "[%-10l]", "[%00005l]", "[%.2l]", "[%5m]", "[%05m]", "[%-5m]", "[%10q]", "[%10r]",
	"[%A%C%D%E%F%P%R%S]", "[%5A|%5C|%-5E|%05E|%5R|%5S|%5F|%5P|%5D]", "%%|%5%|@@|@%", `\\|\a\e\r\t\v|\0|\n.`, "@t|@n|@x{",
	"plain text", "ä€ %p", "@F", "@FT@H:@M@z,%t,%p", "@a @A @b @B @h @C @d @D @e @F @g @G @H @I @j @k @l @m @p @P @r @R @u @U @V @w @W @x @y @Y @z @Z",
	"@E@O@f@i@o@q@v@J@K@L@Q@0@-@_@#@^@+", "%j{",
}

// TestFormatsAreMosquittoSubs prints the same retained messages with the real
// mosquitto_sub and with ours.
func TestFormatsAreMosquittoSubs(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	messages := map[string]string{
		"feeds/boiler/temp": "21.50", "feeds/e": "", "feeds/comma": `a,b;"c" \ d $ '`, "feeds/json": `{"a":1,"b":"x\"y"}`, "feeds/utf8/ä": "8.25 °C €",
	}
	for topic, payload := range messages {
		if payload != "" {
			m.publishBytes([]byte(payload), "-t", topic, "-q", "1", "-r")
		}
	}
	delete(messages, "feeds/e") // an empty payload is no retained message
	for _, zone := range []string{"UTC", "Europe/Madrid", "Asia/Kolkata"} {
		location, err := time.LoadLocation(zone)
		must(t, err)
		for _, text := range differentialFormats {
			if zone != "UTC" && !strings.Contains(text, "@") {
				continue
			}
			checkFormat(t, m, location, text, messages)
		}
	}
}

func checkFormat(t *testing.T, m *mosquitto, zone *time.Location, text string, messages map[string]string) {
	t.Helper()
	f, err := compileFormat(text)
	if err != nil {
		t.Errorf("%q: %v", text, err)
		return
	}
	f.zone = zone
	// All messages come in one run; the time may tick on between them: the
	// sought second is one of those around.
	args := []string{"-h", "127.0.0.1", "-p", strconv.Itoa(m.port), "-t", "feeds/#", "-q", "1", "-C", strconv.Itoa(len(messages)), "-W", "20", "-F", text + "\n%t"}
	cmd := exec.Command(program(t, "mosquitto_sub"), args...)
	cmd.Env = append(os.Environ(), "TZ="+zone.String(), "LC_ALL=C")
	before := time.Now()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("mosquitto_sub %q: %v", text, err)
	}
	for topic, payload := range messages {
		found := false
		for at := before; at.Before(time.Now().Add(time.Second)) && !found; at = at.Add(time.Second) {
			for id := range uint16(len(messages) + 1) {
				r := Record{Time: at, Topic: topic, Payload: []byte(payload), Size: len(payload), ID: id, QoS: 1, Retained: true}
				line := append(f.appendLine(nil, &r), "\n"+topic+"\n"...)
				if text == "%j{" {
					line = line[bytes.Index(line, []byte(`"topic"`)):]
				}
				found = found || bytes.Contains(out, line)
			}
		}
		if !found {
			r := Record{Time: before, Topic: topic, Payload: []byte(payload), Size: len(payload), ID: 1, QoS: 1, Retained: true}
			t.Errorf("format %q, %s: mosquitto_sub prints\n%q, we print\n%q", text, zone, out, f.appendLine(nil, &r))
		}
	}
}

func TestStrftimeThroughTheYears(t *testing.T) {
	t.Parallel()
	date := program(t, "date")
	const all = "%a %A %b %B %C %d %D %e %F %g %G %H %I %j %k %l %m %M %p %P %r %R %s %S %T %u %U %V %w %W %x %X %y %Y %c"
	var days []string
	for _, y := range []int{1999, 2000, 2004, 2008, 2016, 2020, 2021, 2026, 2032} {
		for _, d := range []string{"01-01 00:00:00", "01-02 12:00:00", "01-03 01:02:03", "01-04 13:59:59", "02-28 23:59:59", "06-15 11:30:00", "12-28 12:34:56", "12-29 00:30:00", "12-31 23:59:59"} {
			days = append(days, fmt.Sprintf("%d-%s", y, d))
		}
	}
	cmd := exec.Command(date, "-u", "-f", "-", "+"+all)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.Stdin = strings.NewReader(strings.Join(days, "\n") + "\n")
	out, err := cmd.Output()
	must(t, err)
	want := strings.Split(strings.TrimSpace(string(out)), "\n")
	f, err := compileFormat(strings.ReplaceAll(all, "%", "@"))
	must(t, err)
	f.zone = time.UTC
	for i, day := range days {
		at, err := time.Parse("2006-01-02 15:04:05", day)
		must(t, err)
		if got := string(f.appendLine(nil, &Record{Time: at})); got != want[i] {
			t.Errorf("%s:\n got %s\nwant %s", day, got, want[i])
		}
	}
}

func TestNanosecondsAndUnixTime(t *testing.T) {
	f, err := compileFormat("@N %U")
	must(t, err)
	at := time.Unix(1470818943, 6368637)
	if got := string(f.appendLine(nil, &Record{Time: at})); got != "006368637 1470818943.006368637" {
		t.Error(got)
	}
}

// A format is refused exactly when mosquitto_sub refuses it, and with the
// place of the mistake.
func TestBadFormatsNameThePlace(t *testing.T) {
	for text, want := range map[string]string{
		"abc%":     `"abc%", character 4: an incomplete % conversion; write %% for a percent sign`,
		"%5":       `character 1: an incomplete % conversion`,
		"%5.":      `character 1: an incomplete % conversion`,
		"%-":       `character 1: an incomplete % conversion`,
		"%t %y":    `"%t %y", character 4: unknown conversion "y"`,
		"%+p":      `character 1: unknown conversion "+"`,
		"%0-5l":    `character 1: unknown conversion "-"`,
		"%--5l":    `character 1: unknown conversion "-"`,
		"x@":       `character 2: an @ at the end`,
		`x\`:       `character 2: a backslash at the end`,
		`%p\q`:     `"%p\\q", character 3: unknown escape \q; there are \\ \0 \a \e \n \r \t \v`,
		"%999999p": `character 2: a width or precision above 10000`,
	} {
		if _, err := compileFormat(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestQuotedTextIsBashs(t *testing.T) {
	for text, want := range map[string]string{
		"21.5":         "21.5",
		"":             "",
		`{"a":"\""}`:   `{"a":"\""}`,
		`C:\new`:       `C:\new`,
		"tab\there":    "tab\there",
		"a\nb":         `$'a\nb'`,
		"it's\r\x00":   `$'it\'s\r\x00'`,
		"$'raw'":       `$'$\'raw\''`,
		"\xff\\":       `$'\xff\\'`,
		"é\x7f\u0085":  `$'é\x7f\xc2\x85'`,
		"\u2028":       `$'\xe2\x80\xa8'`,
		"$":            "$",
		"\x1b[31mred":  `$'\x1b[31mred'`,
		"ok\ufffdfine": "ok\ufffdfine",
	} {
		got := appendText(nil, text)
		if string(got) != want {
			t.Errorf("%q is written %s, want %s", text, got, want)
		}
		if back, err := Unquote(got); err != nil || string(back) != text {
			t.Errorf("%s is read as %q, %v", got, back, err)
		}
	}
	for _, bad := range []string{`$'`, `$'a`, `$'a'b'`, `$'\q'`, `$'\x1'`, `$'\xZZ'`, `$'\'`} {
		if b, err := Unquote([]byte(bad)); err == nil {
			t.Errorf("%s is read as %q", bad, b)
		}
	}
}

func TestJSONLineAsDocumented(t *testing.T) {
	r := Record{Time: time.Date(2026, 11, 22, 1, 2, 3, 45, time.FixedZone("", 3600)), Topic: "a/b", Payload: []byte("x\"\n"), Size: 3, QoS: 1, ID: 7, Retained: true}
	want := `{"time":"2026-11-22T00:02:03.000000045Z","topic":"a/b","qos":1,"retained":true,"duplicate":false,"id":7,"payload":"x\"\n","encoding":"text"}`
	if got := string(appendJSON(nil, &r)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.Payload, r.Size, r.Duplicate, r.Topic = []byte{0xff}, 9, true, "\xfe"
	want = `{"time":"2026-11-22T00:02:03.000000045Z","topic":"/g==","topic_encoding":"base64","qos":1,"retained":true,"duplicate":true,"id":7,"payload":"/w==","encoding":"base64","truncated":true,"size":9}`
	if got := string(appendJSON(nil, &r)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMosquittosJSONStaysALine(t *testing.T) {
	for format, cases := range map[string]map[string]string{
		"%j": {"a\x00\n": `"payload":"a\u0000\n"}`, "\xff": `"payload":"/w==","encoding":"base64"}`},
		"%J": {`{"a": 1.0}`: `"payload":{"a": 1.0}}`, "21.50": `"payload":21.50}`, "{\n}": `"payload":"{\n}"}`, "off": `"payload":"off"}`, "": `"payload":""}`},
	} {
		f, err := compileFormat(format)
		must(t, err)
		for payload, want := range cases {
			line := string(f.appendLine(nil, &Record{Payload: []byte(payload), Size: len(payload)}))
			if !strings.HasSuffix(line, want) || !json.Valid([]byte(line)) {
				t.Errorf("%s of %q: %s", format, payload, line)
			}
		}
	}
}

func TestLinesAllocateNothing(t *testing.T) {
	r := Record{Time: time.Now(), Topic: "feeds/boiler/temperature", Payload: []byte("21.5"), Size: 4, QoS: 1, ID: 7}
	for _, text := range []string{"json", "@FT@T@z,%t,%p", "%I %t %p"} {
		f, err := compileFormat(text)
		must(t, err)
		buf := make([]byte, 0, 1024)
		f.appendLine(buf, &r)
		if n := testing.AllocsPerRun(100, func() { f.appendLine(buf, &r) }); n != 0 {
			t.Errorf("%s: %v allocations a line", text, n)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, s := range differentialFormats {
		f.Add(s, "a/b", []byte("21.5"))
	}
	f.Add("%p", "x", []byte("a\nb\xff\x00'\\"))
	f.Fuzz(func(t *testing.T, text, topic string, payload []byte) {
		format, err := compileFormat(text)
		if err != nil {
			if !strings.Contains(err.Error(), "character ") {
				t.Fatal(err)
			}
			return
		}
		line := format.appendLine(nil, &Record{Time: time.Unix(1e9, 5), Topic: topic, Payload: payload, Size: len(payload), QoS: 1, ID: 3})
		if text != "json" && text != "" {
			if n := bytes.Count(line, []byte("\n")); n != format.lines {
				t.Fatalf("%q: %d line breaks in %q, the format has %d", text, n, line, format.lines)
			}
			if !format.nul && bytes.IndexByte(line, 0) >= 0 {
				t.Fatalf("%q: a NUL in %q", text, line)
			}
		}
		quoted := appendText(nil, payload)
		if bytes.ContainsAny(quoted, "\n\r\x00") || !utf8.Valid(quoted) {
			t.Fatalf("%q is written %q", payload, quoted)
		}
		if back, err := Unquote(quoted); err != nil || !bytes.Equal(back, payload) {
			t.Fatalf("%q is written %q, read %q, %v", payload, quoted, back, err)
		}
	})
}

func FuzzUnquote(f *testing.F) {
	f.Add([]byte(`$'a\n\x00'`))
	f.Fuzz(func(t *testing.T, text []byte) { _, _ = Unquote(text) })
}

func FuzzJSONLine(f *testing.F) {
	f.Add("a/b", []byte("21.5"), 3, true)
	f.Add("\xff", []byte("\xff\n\x00"), 0, false)
	f.Fuzz(func(t *testing.T, topic string, payload []byte, more int, flag bool) {
		r := Record{Time: time.Unix(1e9, 5), Topic: topic, Payload: payload, Size: len(payload) + max(more, 0)%1000, Retained: flag}
		line := appendJSON(nil, &r)
		var v struct {
			jsonLine
			TopicEncoding string `json:"topic_encoding"`
		}
		if err := json.Unmarshal(line, &v); err != nil || !utf8.Valid(line) || bytes.ContainsAny(line, "\n\r\x00") {
			t.Fatalf("%q: %v", line, err)
		}
		if v.Encoding == "base64" {
			b, err := base64.StdEncoding.DecodeString(v.Payload)
			must(t, err)
			v.Payload = string(b)
		}
		if v.TopicEncoding == "base64" {
			b, err := base64.StdEncoding.DecodeString(v.Topic)
			must(t, err)
			v.Topic = string(b)
		}
		if v.Payload != string(payload) || v.Topic != topic || v.Truncated != r.Truncated() || v.Retained != flag {
			t.Fatalf("%q of %q, %q", line, topic, payload)
		}
	})
}
