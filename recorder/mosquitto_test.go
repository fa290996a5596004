package recorder

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// mosquitto is a real broker on a port of its own.
type mosquitto struct {
	t    *testing.T
	dir  string
	port int
	cmd  *exec.Cmd
	out  *logBuffer
	done chan struct{}
}

// logBuffer is a bytes.Buffer that several goroutines may use.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// program finds a program of Mosquitto's or fails the test.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		path := filepath.Join(dir, name)
		if fi, err := os.Stat(path); err == nil && fi.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("%s is missing; run: apt-get install mosquitto mosquitto-clients", name)
	return ""
}

// tempDir is a folder that a broker which drops root can use, too.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "recorder")
	must(t, err)
	must(t, os.Chmod(dir, 0o777))
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startMosquitto starts a broker with a persistent store. config is added to
// its listener; without any, anonymous clients are allowed.
func startMosquitto(t *testing.T, config ...string) *mosquitto {
	t.Helper()
	m := &mosquitto{t: t, dir: tempDir(t), port: freePort(t)}
	if len(config) == 0 {
		config = []string{"allow_anonymous true"}
	}
	text := fmt.Sprintf("listener %d 127.0.0.1\n%s\n", m.port, strings.Join(config, "\n"))
	text += "user root\npersistence true\npersistence_location " + m.dir + "/\n"
	if !slices.ContainsFunc(config, func(c string) bool { return strings.Contains(c, "max_queued_messages") }) {
		text += "max_queued_messages 0\n"
	}
	must(t, os.WriteFile(filepath.Join(m.dir, "mosquitto.conf"), []byte(text), 0o644))
	t.Cleanup(func() { m.stop(syscall.SIGKILL) })
	m.start()
	return m
}

func (m *mosquitto) start() {
	m.t.Helper()
	m.out = &logBuffer{}
	m.cmd = exec.Command(program(m.t, "mosquitto"), "-c", filepath.Join(m.dir, "mosquitto.conf"))
	m.cmd.Stdout, m.cmd.Stderr = m.out, m.out
	must(m.t, m.cmd.Start())
	m.done = make(chan struct{})
	go func() { _ = m.cmd.Wait(); close(m.done) }()
	eventually(m.t, "mosquitto accepts connections", func() bool {
		select {
		case <-m.done:
			m.t.Fatalf("mosquitto ended: %s", m.out)
		default:
		}
		c, err := net.Dial("tcp", m.addr())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (m *mosquitto) stop(sig syscall.Signal) {
	if m.cmd == nil {
		return
	}
	// One that has only just begun to listen forgets the signal when it enters its
	// loop: so it is sent until the process has ended.
	for ended := false; !ended; {
		_ = m.cmd.Process.Signal(sig)
		select {
		case <-m.done:
			ended = true
		case <-time.After(time.Second):
		}
	}
	m.cmd = nil
}

func (m *mosquitto) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port)) }

// publish publishes each line of input as a message, in one connection.
func (m *mosquitto) publish(args []string, lines ...string) {
	m.t.Helper()
	cmd := exec.Command(program(m.t, "mosquitto_pub"), append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(m.port), "-l"}, args...)...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("mosquitto_pub %v: %v: %s", args, err, out)
	}
}

// publishBytes publishes one message of any bytes.
func (m *mosquitto) publishBytes(payload []byte, args ...string) {
	m.t.Helper()
	args = append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(m.port)}, args...)
	if len(payload) == 0 {
		args = append(args, "-n")
	} else {
		args = append(args, "-s")
	}
	cmd := exec.Command(program(m.t, "mosquitto_pub"), args...)
	cmd.Stdin = bytes.NewReader(payload)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("mosquitto_pub %v: %v: %s", args, err, out)
	}
}

// eventually polls until ok; a generous deadline only ends a broken test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited 3 minutes in vain: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// config is a recorder's configuration for tests.
func config(dir string, hosts ...string) Config {
	c := DefaultConfig()
	c.Spool.Path = filepath.Join(dir, "spool")
	m := DefaultMQTTConfig()
	m.Hosts = hosts
	m.ClientID = "recorder-under-test"
	if strings.Contains(dir+"/", "/"+folder5+"/") {
		m.Version = version5
	}
	m.Backoff = BackoffConfig{Init: 5 * time.Millisecond, Max: 50 * time.Millisecond}
	c.MQTT = []MQTTConfig{m}
	return c
}

// running is a recorder that runs in this process.
type running struct {
	*Recorder
	t    *testing.T
	log  *logBuffer
	stop context.CancelFunc
	end  chan error
}

func run(t *testing.T, c Config) *running {
	t.Helper()
	log := &logBuffer{}
	r, err := New(c, zerolog.New(log).Level(zerolog.InfoLevel))
	must(t, err)
	return launch(t, r, log)
}

func launch(t *testing.T, r *Recorder, log *logBuffer) *running {
	ctx, cancel := context.WithCancel(context.Background())
	x := &running{Recorder: r, t: t, log: log, stop: cancel, end: make(chan error, 1)}
	go func() { x.end <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-x.end
		if t.Failed() {
			t.Logf("recorder's log:\n%s", log)
		}
	})
	return x
}

// halt stops the recorder and returns what Run returned.
func (x *running) halt() error {
	x.stop()
	err := <-x.end
	x.end <- err
	return err
}

func (x *running) status() SeriesStatus { return x.Status().Series[0] }

func (x *running) connected() *running {
	x.t.Helper()
	eventually(x.t, "the recorder is connected", func() bool { return x.status().Connected })
	return x
}

func (x *running) recorded(n int64) {
	x.t.Helper()
	eventually(x.t, fmt.Sprintf("%d messages are recorded", n), func() bool { return x.status().Recorded >= n })
}

// jsonLine is a line of the default format.
type jsonLine struct {
	Time      time.Time `json:"time"`
	Topic     string    `json:"topic"`
	QoS       int       `json:"qos"`
	Retained  bool      `json:"retained"`
	Duplicate bool      `json:"duplicate"`
	ID        int       `json:"id"`
	Payload   string    `json:"payload"`
	Encoding  string    `json:"encoding"`
	Truncated bool      `json:"truncated"`
	Size      int       `json:"size"`
	Boot      string    `json:"boot"`
	Monotonic float64   `json:"monotonic"`
	Synced    *bool     `json:"synced"`

	ContentType         *string     `json:"content_type"`
	ResponseTopic       *string     `json:"response_topic"`
	CorrelationData     *string     `json:"correlation_data"`
	CorrelationEncoding string      `json:"correlation_encoding"`
	PropertiesEncoding  string      `json:"properties_encoding"`
	PropertiesTruncated bool        `json:"properties_truncated"`
	PayloadFormat       *int        `json:"payload_format"`
	Expiry              *uint32     `json:"expiry"`
	Subscriptions       []int       `json:"subscriptions"`
	UserProperties      [][2]string `json:"user_properties"`
}

// spoolLines reads all lines of all segments in order, and checks that every
// segment ends in a newline.
func spoolLines(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	must(t, err)
	var lines []string
	for _, p := range paths {
		b, err := os.ReadFile(p)
		must(t, err)
		if len(b) == 0 {
			t.Errorf("%s is empty", p)
			continue
		}
		if b[len(b)-1] != '\n' {
			t.Errorf("%s does not end in a newline", p)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")...)
	}
	return lines
}

// spoolRecords decodes the lines of the default format.
func spoolRecords(t testing.TB, dir string) []jsonLine {
	t.Helper()
	var records []jsonLine
	for _, line := range spoolLines(t, dir) {
		var l jsonLine
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if l.Encoding == "base64" {
			b, err := base64.StdEncoding.DecodeString(l.Payload)
			must(t, err)
			l.Payload = string(b)
		}
		records = append(records, l)
	}
	return records
}

// payloads counts the payloads of lines.
func payloads(records []jsonLine) map[string]int {
	count := map[string]int{}
	for _, r := range records {
		count[r.Payload]++
	}
	return count
}

// numbered makes n different payloads.
func numbered(prefix string, n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("%s%06d", prefix, i)
	}
	return lines
}

// onceEach checks that every payload was recorded exactly once.
func onceEach(t testing.TB, records []jsonLine, want []string) {
	t.Helper()
	count := payloads(records)
	lost, doubled := 0, 0
	for _, w := range want {
		switch n := count[w]; {
		case n == 0:
			lost++
		case n > 1:
			doubled += n - 1
		}
	}
	if lost != 0 || doubled != 0 || len(records) != len(want) {
		t.Errorf("of %d messages %d are lost and %d doubled; %d lines", len(want), lost, doubled, len(records))
	}
}

// childRecorder is the recorder as a process of its own, to be killed: the test
// binary started again.
func childRecorder(dir string) {
	var c Config
	b, err := os.ReadFile(filepath.Join(dir, "child.json"))
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err == nil {
		var r *Recorder
		if r, err = New(c, zerolog.New(os.Stderr)); err == nil {
			err = r.Run(context.Background())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// startChild starts the recorder as a process.
func startChild(t *testing.T, dir string, c Config) *exec.Cmd {
	t.Helper()
	b, err := json.Marshal(c)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "child.json"), b, 0o644))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RECORDER_TEST_CHILD="+dir)
	cmd.Stderr = &logBuffer{}
	must(t, cmd.Start())
	return cmd
}
