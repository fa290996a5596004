package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	user     = "gateway"
	password = "s3cret-word"
)

// broker is a real Mosquitto with TLS and a password, and with persistence,
// so that a restart keeps the recorder's session.
type broker struct {
	t    *testing.T
	pki  *pki
	port int
	conf string
	cmd  *exec.Cmd
}

func newBroker(t *testing.T, p *pki) *broker {
	t.Helper()
	dir := t.TempDir()
	b := &broker{t: t, pki: p, port: freePort(t), conf: filepath.Join(dir, "mosquitto.conf")}
	passwords := filepath.Join(dir, "passwords")
	run(t, "mosquitto_passwd", "-b", "-c", passwords, user, password)
	text := fmt.Sprintf(`user root
per_listener_settings false
listener %d 127.0.0.1
allow_anonymous false
password_file %s
certfile %s
keyfile %s
tls_version tlsv1.2
persistence true
persistence_location %s/
max_queued_messages 0
`, b.port, passwords, p.certFile, p.keyFile, dir)
	if err := os.WriteFile(b.conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *broker) url() string { return fmt.Sprintf("mqtts://127.0.0.1:%d", b.port) }

func (b *broker) start() {
	b.t.Helper()
	b.cmd = exec.Command(lookPath(b.t, "mosquitto"), "-c", b.conf)
	b.cmd.Stdout, b.cmd.Stderr = os.Stderr, os.Stderr
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	eventually(b.t, "Mosquitto listens", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// stop ends the broker in good order: it saves its sessions.
func (b *broker) stop() {
	if b.cmd != nil {
		interrupt(b.cmd)
		b.cmd = nil
	}
}

// interrupt ends a Mosquitto. One that has only just begun to listen forgets the
// signal when it enters its loop: so it is sent until the process has ended.
func interrupt(cmd *exec.Cmd) {
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	for {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
			return
		case <-time.After(time.Second):
		}
	}
}

// publish sends readings "topic number:reading number" with QoS 1 over TLS and
// returns when the broker has acknowledged all of them.
func (b *broker) publish(from, to, topics int, sent *atomic.Int64) {
	b.t.Helper()
	const sensors = 4
	var wg sync.WaitGroup
	for s := range sensors {
		wg.Go(func() {
			c := mqtt.NewClient(mqtt.NewClientOptions().
				AddBroker(fmt.Sprintf("ssl://127.0.0.1:%d", b.port)).SetClientID(fmt.Sprintf("sensor-%d-%d", s, from)).
				SetUsername(user).SetPassword(password).SetAutoReconnect(false).
				SetTLSConfig(&tls.Config{RootCAs: b.pki.pool}))
			if k := c.Connect(); k.Wait() && k.Error() != nil {
				b.t.Error(k.Error())
				return
			}
			defer c.Disconnect(250)
			var pending []mqtt.Token
			for i := from + s; i < to; i += sensors {
				pending = append(pending, c.Publish(fmt.Sprintf("plant/%02d/temp", i%topics), 1, false, payload(i)))
				if len(pending) >= 50 {
					b.settle(pending[:25], sent)
					pending = pending[25:]
				}
			}
			b.settle(pending, sent)
		})
	}
	wg.Wait()
}

func (b *broker) settle(tokens []mqtt.Token, sent *atomic.Int64) {
	for _, k := range tokens {
		if !k.WaitTimeout(3*time.Minute) || k.Error() != nil {
			b.t.Errorf("publish: %v", k.Error())
			return
		}
		sent.Add(1)
	}
}

// payload is a reading that occurs once.
func payload(i int) string { return fmt.Sprintf("%d.%03d", 20+i%7, i) + fmt.Sprintf("#%d", i) }

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func lookPath(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		if p := filepath.Join(dir, name); isExecutable(p) {
			return p
		}
	}
	t.Fatalf("%s is not installed; install it with: apt-get install mosquitto mosquitto-clients", name)
	return ""
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0 && !info.IsDir()
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(lookPath(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
