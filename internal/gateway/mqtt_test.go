package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/config"
	"sluice/internal/tlsconfig/tlstest"
)

// mosquitto is a real broker with TLS and a password that keeps sessions.
type mosquitto struct {
	t    *testing.T
	port string
	ca   string
}

func find(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("%s is missing; run: apt-get install mosquitto mosquitto-clients", name)
	return ""
}

func newMosquitto(t *testing.T) *mosquitto {
	t.Helper()
	ca := tlstest.NewCA(t, "broker's authority")
	cert, key := ca.Issue(nil, "127.0.0.1").Files()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mosquitto{t: t, ca: ca.File()}
	_, m.port, _ = net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	dir := t.TempDir()
	passwords, conf := filepath.Join(dir, "passwords"), filepath.Join(dir, "mosquitto.conf")
	if out, err := exec.Command(find(t, "mosquitto_passwd"), "-b", "-c", passwords, "gateway", "s3cret").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := fmt.Sprintf("user root\nlistener %s 127.0.0.1\nallow_anonymous false\npassword_file %s\ncertfile %s\nkeyfile %s\nmax_queued_messages 0\n", m.port, passwords, cert, key)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said logText
	cmd := exec.Command(find(t, "mosquitto"), "-c", conf)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Mosquitto said:\n%s", said.String())
		}
	})
	until(t, "Mosquitto listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+m.port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return m
}

// input is an mqtt input's options, in flow style; $DIR/ca.pem is not needed.
func (m *mosquitto) input(more string) string {
	return fmt.Sprintf(`{type: mqtt, hosts: ["ssl://127.0.0.1:%s"], username: gateway, password: s3cret, ssl.certificate_authorities: [%s], %s}`, m.port, m.ca, more)
}

// publish publishes what r gives: one message of it, or with -l one per line.
func (m *mosquitto) publish(r io.Reader, args ...string) {
	m.t.Helper()
	args = append([]string{"-h", "127.0.0.1", "-p", m.port, "-u", "gateway", "-P", "s3cret", "--cafile", m.ca}, args...)
	cmd := exec.Command(find(m.t, "mosquitto_pub"), args...)
	cmd.Stdin = r
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Errorf("mosquitto_pub %v: %v: %s", args, err, out)
	}
}

// mqttEvent is what the tests look at.
type mqttEvent struct {
	Timestamp time.Time `json:"@timestamp"`
	Message   string
	Metadata  struct {
		ID string `json:"_id"`
	} `json:"@metadata"`
	Tags []string
	MQTT struct {
		Duplicate, Retained bool
		MessageID           int `json:"message_id"`
		QoS                 int
		Topic               string
	}
	Input struct{ Type string }
	Log   json.RawMessage
	Host  struct{ Name string }
	Agent struct{ Type string }
	ECS   struct{ Version string }
}

// mqttEvents reads the files of output.file.
func mqttEvents(t *testing.T, dir string) (list []mqttEvent) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for d := json.NewDecoder(bytes.NewReader(text)); ; {
			var e mqttEvent
			if err := d.Decode(&e); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break // half an event is still being written
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			list = append(list, e)
		}
	}
	return list
}

func idsOf(list []mqttEvent) map[string]map[string]bool {
	ids := make(map[string]map[string]bool)
	for _, e := range list {
		if ids[e.Message] == nil {
			ids[e.Message] = make(map[string]bool)
		}
		ids[e.Message][e.Metadata.ID] = true
	}
	return ids
}

// look makes the tailer look at everything at once, as a new folder beside the
// segments does.
func look(t *testing.T, spool string) {
	t.Helper()
	dir, err := os.MkdirTemp(spool, "look")
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(dir)
}

func (p *process) said(t *testing.T, text string) {
	t.Helper()
	until(t, "the process says "+text, func() bool {
		if p.ProcessState != nil {
			t.Fatalf("ended: %s", p.stderr.String())
		}
		return strings.Contains(p.stderr.String(), text)
	})
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.end(t); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr.String())
	}
}

// TestMQTTInputLosesAndDoublesNothing kills the process that records and
// ships, again and again, while messages of QoS 1 come.
func TestMQTTInputLosesAndDoublesNothing(t *testing.T) {
	m := newMosquitto(t)
	dir := place(t, "filebeat.inputs: ["+m.input("id: plant, topics: [plant/#], qos: 1, clean_session: false, client_id: gateway-under-test")+"]\n"+
		"output.file: {path: $DIR/out, rotate_on_startup: false, number_of_files: 1000}\n")
	out, spool := filepath.Join(dir, "out"), filepath.Join(dir, "data", "spool")
	const rounds, each = 5, 600
	p := command(t, dir, false)
	p.start(t)
	p.said(t, `"connected"`)
	for round := range rounds {
		published := make(chan struct{})
		go func() {
			defer close(published)
			var b strings.Builder
			for i := range each {
				fmt.Fprintf(&b, "reading %d\n", round*each+i)
			}
			m.publish(strings.NewReader(b.String()), "-l", "-q", "1", "-t", "plant/kiln")
		}()
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) // when the power fails
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.end(t)
		<-published
		p = command(t, dir, false)
		p.start(t)
	}
	until(t, "all readings", func() bool { return len(idsOf(mqttEvents(t, out))) == rounds*each })
	p.stop(t)
	for message, ids := range idsOf(mqttEvents(t, out)) {
		if len(ids) != 1 {
			t.Errorf("%q came as %d events: %v", message, len(ids), ids)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(spool, "mqtt-input-plant-*.log")); len(left) == 0 {
		t.Error("there are no segments to remove: the test tests nothing")
	}
	p = command(t, dir, false)
	p.start(t)
	p.said(t, `"connected"`)
	until(t, "the shipped segments are removed", func() bool {
		look(t, spool)
		left, _ := filepath.Glob(filepath.Join(spool, "*.log"))
		return len(left) == 0
	})
	p.stop(t)
	if n := len(idsOf(mqttEvents(t, out))); n != rounds*each {
		t.Errorf("%d messages at the end, want %d", n, rounds*each)
	}
}

// TestMQTTInputEvents: what is sent of all kinds of messages.
func TestMQTTInputEvents(t *testing.T) {
	m := newMosquitto(t)
	dir := place(t, `
filebeat.inputs:
- `+m.input(`topics: [kept, "kind/+"], qos: 1, client_id: "gate: 1", clean_session: false, tags: [mqtt], processors: [{drop_event.when.equals.message: drop me}]`)+`
- {type: log, paths: [$DIR/data/spool/*.log], tags: [segment]}
output.file.path: $DIR/out
`)
	out := filepath.Join(dir, "out")
	m.publish(strings.NewReader("old"), "-s", "-r", "-q", "1", "-t", "kept")
	began := time.Now()
	p := command(t, dir, false)
	p.start(t)
	p.said(t, `"connected"`)
	binary := "\x00\xff\xfe\nend"
	m.publish(strings.NewReader(binary), "-s", "-q", "1", "-t", "kind/binary")
	m.publish(strings.NewReader(`{"value": "21,5 °C", "n": 1}`), "-s", "-q", "0", "-t", "kind/json")
	m.publish(strings.NewReader("drop me"), "-s", "-q", "1", "-t", "kind/dropped")
	m.publish(nil, "-n", "-q", "1", "-t", "kind/empty")
	m.publish(strings.NewReader(strings.Repeat("\x01", 2<<20)), "-s", "-q", "1", "-t", "kind/large")
	until(t, "all events", func() bool { return len(mqttEvents(t, out)) >= 5 })
	p.stop(t)
	want := map[string]string{
		"kept": "old", "kind/binary": "\x00\ufffd\ufffd\nend", "kind/json": `{"value": "21,5 °C", "n": 1}`, "kind/empty": "", "kind/large": strings.Repeat("\x01", 2<<20),
	}
	events := mqttEvents(t, out)
	if len(events) != len(want) {
		t.Errorf("%d events came, want %d: another input read the segments, or one is missing", len(events), len(want))
	}
	for _, e := range events {
		q := 1
		if e.MQTT.Topic == "kind/json" {
			q = 0
		}
		if text, ok := want[e.MQTT.Topic]; !ok || text != e.Message {
			t.Errorf("topic %s has message %.60q", e.MQTT.Topic, e.Message)
		}
		if e.MQTT.QoS != q || e.MQTT.Duplicate || e.MQTT.Retained != (e.MQTT.Topic == "kept") || (e.MQTT.MessageID > 0) != (q > 0) {
			t.Errorf("mqtt is %+v", e.MQTT)
		}
		if e.Input.Type != "mqtt" || e.Log != nil || e.Host.Name == "" || e.Agent.Type != "filebeat" || e.ECS.Version == "" || e.Metadata.ID == "" || len(e.Tags) != 1 || e.Tags[0] != "mqtt" {
			t.Errorf("%s: event is %+v", e.MQTT.Topic, e)
		}
		if e.Timestamp.Before(began.Add(-time.Second)) || e.Timestamp.After(time.Now()) {
			t.Errorf("%s: @timestamp is %v", e.MQTT.Topic, e.Timestamp)
		}
	}
}

// TestMQTTInputsComeAndGo with the files of filebeat.config.inputs.
func TestMQTTInputsComeAndGo(t *testing.T) {
	m := newMosquitto(t)
	dir := place(t, "filebeat.config.inputs: {path: $DIR/inputs.d/*.yml, reload: {enabled: true, period: 50ms}}\noutput.file.path: $DIR/out\n")
	out, more := filepath.Join(dir, "out"), filepath.Join(dir, "inputs.d")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(more, "new"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(more, "new"), filepath.Join(more, "m.yml")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(more, 0o700); err != nil {
		t.Fatal(err)
	}
	options := "id: come and go, topics: [t], qos: 1, clean_session: false, client_id: reloaded"
	write("- " + strings.Replace(m.input(options), m.ca, filepath.Join(dir, "none.pem"), 1))
	p := command(t, dir, false)
	p.start(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.stderr.String())
		}
	})
	p.said(t, "an mqtt input can't be started")
	write("- " + m.input(options+", tags: [one]"))
	p.said(t, `"connected"`)
	m.publish(strings.NewReader("1"), "-s", "-q", "1", "-t", "t")
	until(t, "the first message", func() bool { return len(mqttEvents(t, out)) == 1 })
	write("- " + m.input(options+", tags: [two]"))
	until(t, "the change is taken", func() bool { return strings.Count(p.stderr.String(), "Starting runner: input [type=mqtt]") == 2 })
	m.publish(strings.NewReader("2"), "-s", "-q", "1", "-t", "t")
	until(t, "the second message", func() bool { return len(mqttEvents(t, out)) == 2 })
	if n := strings.Count(p.stderr.String(), `"connected"`); n != 1 {
		t.Errorf("connected %d times: other tags are no reason to connect anew", n)
	}
	if err := os.Remove(filepath.Join(more, "m.yml")); err != nil {
		t.Fatal(err)
	}
	p.said(t, "holds segments of an mqtt input that is not configured")
	m.publish(strings.NewReader("3"), "-s", "-q", "1", "-t", "t") // the broker keeps it
	write("- " + m.input(options+", tags: [three]"))
	until(t, "the third message", func() bool { return len(mqttEvents(t, out)) == 3 })
	p.stop(t)
	for i, tag := range []string{"one", "two", "three"} {
		if e := mqttEvents(t, out)[i]; e.Message != fmt.Sprint(i+1) || len(e.Tags) != 1 || e.Tags[0] != tag {
			t.Errorf("event %d is %q with tags %v", i, e.Message, e.Tags)
		}
	}
}

func TestMQTTInputWithABadCertificateEndsTheStart(t *testing.T) {
	dir := place(t, "filebeat.inputs: [{type: mqtt, id: a, hosts: ['ssl://127.0.0.1:1'], ssl.certificate_authorities: [$DIR/none.pem]}]\noutput.file.path: $DIR/out\n")
	cfg, err := config.Load([]string{filepath.Join(dir, "c.yml")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenTailer(cfg, zerolog.Nop())
	if err == nil || !strings.HasPrefix(err.Error(), "mqtt input a: ssl.certificate_authorities: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "spool")); err == nil {
		t.Error("a spool was made")
	}
}

func TestMQTTInputWithOnceShipsWhatIsThere(t *testing.T) {
	dir := place(t, "filebeat.inputs: [{type: mqtt, id: a, hosts: ['tcp://127.0.0.1:1']}]\noutput.file.path: $DIR/out\n")
	spool := filepath.Join(dir, "data", "spool")
	if err := os.MkdirAll(spool, 0o750); err != nil {
		t.Fatal(err)
	}
	line := `{"time":"2026-11-22T00:02:03.000000045Z","topic":"t","qos":1,"retained":false,"duplicate":true,"id":7,"payload":"aGn/","encoding":"base64"}` + "\n"
	if err := os.WriteFile(filepath.Join(spool, "mqtt-input-a-0000000001.log"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	p := command(t, dir, true)
	p.start(t)
	if err := p.end(t); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr.String())
	}
	events := mqttEvents(t, filepath.Join(dir, "out"))
	if len(events) != 1 || events[0].Message != "hi\ufffd" || !events[0].MQTT.Duplicate || events[0].MQTT.MessageID != 7 ||
		!events[0].Timestamp.Equal(time.Date(2026, 11, 22, 0, 2, 3, 0, time.UTC)) {
		t.Errorf("events are %+v", events)
	}
	if !strings.Contains(p.stderr.String(), "--once: mqtt inputs receive nothing") {
		t.Error("nothing is said of --once")
	}
}
