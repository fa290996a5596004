package esp8266

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"sluice/firmware/sketch"
)

// user and password are the sensor's at the broker.
const (
	user     = "sensor0"
	password = `s3cret "word?\`
)

// authority is a CA.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{t: t, key: key, cert: cert, pem: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

// issue makes a certificate for 127.0.0.1, good since two days ago until days
// from now, and returns it with its key in PEM, and its SHA-1.
func (a *authority) issue(days int) (cert, key []byte, fingerprint string) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(a.t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "broker"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().AddDate(0, 0, days),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	must(a.t, err)
	keyDER, err := x509.MarshalECPrivateKey(k)
	must(a.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), fmt.Sprintf("% X", sha1.Sum(der))
}

// output is a buffer that several goroutines may use.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// broker is a real Mosquitto with TLS, passwords, an ACL and a store.
type broker struct {
	t           *testing.T
	ca          *authority
	dir         string
	port        int
	fingerprint string
	expired     bool // its certificate is
	cmd         *exec.Cmd
	ended       chan struct{}
	log         *output
	sub         *subscriber
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{t: t, ca: newAuthority(t), dir: t.TempDir(), port: freePort(t), log: &output{}}
	b.renew(825)
	passwords := filepath.Join(b.dir, "passwords")
	b.run("mosquitto_passwd", "-b", "-c", passwords, user, password)
	b.run("mosquitto_passwd", "-b", passwords, "recorder", "r3corder")
	acl := filepath.Join(b.dir, "acl")
	must(t, os.WriteFile(acl, []byte(`user sensor0
topic write sensor0/feeds/0/+
topic write sensor0/status
topic write sensor0/health
user recorder
topic read #
`), 0o600))
	must(t, os.WriteFile(filepath.Join(b.dir, "mosquitto.conf"), fmt.Appendf(nil, `user root
per_listener_settings false
log_dest stderr
log_type all
listener %d 127.0.0.1
allow_anonymous false
password_file %s
acl_file %s
certfile %[4]s/broker.crt
keyfile %[4]s/broker.key
tls_version tlsv1.2
persistence true
persistence_location %[4]s/
`, b.port, passwords, acl, b.dir), 0o644))
	b.start()
	t.Cleanup(func() {
		b.kill()
		if t.Failed() {
			log := b.log.String()
			t.Logf("broker:\n%s", log[max(0, len(log)-3000):])
		}
	})
	return b
}

func (b *broker) run(name string, args ...string) {
	b.t.Helper()
	path, err := sketch.Find(name)
	must(b.t, err)
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		b.t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// renew puts a new certificate where the broker finds it when it starts.
func (b *broker) renew(days int) {
	cert, key, fingerprint := b.ca.issue(days)
	must(b.t, os.WriteFile(filepath.Join(b.dir, "broker.crt"), cert, 0o644))
	must(b.t, os.WriteFile(filepath.Join(b.dir, "broker.key"), key, 0o600))
	b.fingerprint, b.expired = fingerprint, days < 0
}

func (b *broker) start() {
	b.t.Helper()
	path, err := sketch.Find("mosquitto")
	must(b.t, err)
	b.cmd = exec.Command(path, "-c", filepath.Join(b.dir, "mosquitto.conf"))
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	must(b.t, b.cmd.Start())
	b.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { _ = cmd.Wait(); close(ended) }(b.cmd, b.ended)
	eventually(b.t, "Mosquitto listens", func() bool {
		select {
		case <-b.ended:
			b.t.Fatalf("Mosquitto ended: %s", b.log)
		default:
		}
		c, err := net.Dial("tcp", b.address())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if b.sub != nil {
		b.sub.connect(b)
	}
}

func (b *broker) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }

// save makes the broker write its sessions to disk, so that the subscriber's
// outlives kill.
func (b *broker) save() {
	store := filepath.Join(b.dir, "mosquitto.db")
	must(b.t, os.RemoveAll(store))
	b.signal(syscall.SIGUSR1)
	eventually(b.t, "the broker saves", func() bool {
		_, err := os.Stat(store)
		return err == nil
	})
}

func (b *broker) signal(sig syscall.Signal) { must(b.t, b.cmd.Process.Signal(sig)) }

// kill ends the broker without giving it a chance to save anything.
func (b *broker) kill() {
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Kill()
	<-b.ended
	b.cmd = nil
}

func (b *broker) config() Config {
	return Config{Host: "127.0.0.1", Port: b.port, User: user, Password: password, CA: b.ca.pem}
}

// message is one that a subscriber has received.
type message struct {
	topic, payload string
	qos            byte
	retained       bool
}

// subscriber collects all messages, as a recorder would.
type subscriber struct {
	t      *testing.T
	client mqtt.Client
	mu     sync.Mutex
	got    []message
}

// subscribe starts the subscriber. It comes back whenever the broker starts anew,
// and the broker keeps for it what arrives before.
func (b *broker) subscribe() *subscriber {
	b.t.Helper()
	s := &subscriber{t: b.t}
	s.connect(b)
	wait(b.t, s.client.Subscribe("#", 1, nil))
	b.save()
	b.sub = s
	b.t.Cleanup(func() {
		s.client.Disconnect(0)
		if b.t.Failed() {
			b.t.Logf("received: %v", s.all())
		}
	})
	return s
}

func (s *subscriber) connect(b *broker) {
	s.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(b.ca.pem))
	options := mqtt.NewClientOptions().AddBroker("ssl://" + b.address()).SetClientID("recorder").
		SetUsername("recorder").SetPassword("r3corder").SetTLSConfig(&tls.Config{RootCAs: pool, InsecureSkipVerify: b.expired}).
		SetCleanSession(false).SetAutoReconnect(false)
	options.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, message{m.Topic(), string(m.Payload()), m.Qos(), m.Retained()})
	})
	s.client = mqtt.NewClient(options)
	wait(s.t, s.client.Connect())
}

func wait(t *testing.T, k mqtt.Token) {
	t.Helper()
	if !k.WaitTimeout(time.Minute) || k.Error() != nil {
		t.Fatalf("the subscriber failed: %v", k.Error())
	}
}

func (s *subscriber) all() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]message(nil), s.got...)
}

// payloads are those of a topic below sensor0/.
func (s *subscriber) payloads(topic string) (all []string) {
	for _, m := range s.all() {
		if m.topic == user+"/"+topic {
			all = append(all, m.payload)
		}
	}
	return all
}

// last is the newest payload of a topic, or "".
func (s *subscriber) last(topic string) string {
	if all := s.payloads(topic); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

func (s *subscriber) await(topic, payload string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%s is %s", topic, payload), func() bool { return s.last(topic) == payload })
}

// workshop is the folder that all tests build in.
var workshop = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "esp8266") })

// needTools skips a test where the tools are missing, and fails it in CI.
func needTools(t *testing.T) {
	t.Helper()
	sketch.Need(t, Missing(), Packages)
}

// boot builds a sketch and starts it.
func boot(t *testing.T, c Config, o Options) *Sensor {
	t.Helper()
	dir, err := workshop()
	must(t, err)
	program, err := Build(dir, c)
	must(t, err)
	s, err := Start(program, o)
	must(t, err)
	t.Cleanup(func() {
		select {
		case <-s.ended:
		default:
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		}
		for _, secret := range []string{c.Password, "its password"} {
			if strings.Contains(s.Output(), secret) {
				t.Errorf("the sketch has printed the secret %q", secret)
			}
		}
		if strings.Contains(s.Output(), "dht asked too early") {
			t.Error("the sensor was not given its two seconds")
		}
		if t.Failed() {
			out := s.Output()
			t.Logf("sketch:\n%s", out[max(0, len(out)-3000):])
		}
	})
	return s
}

// prints waits until the sketch has printed text n times.
func prints(t *testing.T, s *Sensor, text string, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the sketch prints %q %d times", text, n), func() bool {
		select {
		case <-s.ended:
			t.Fatalf("the sketch has ended: %v", s.err)
		default:
		}
		return strings.Count(s.Output(), text) >= n
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// eventually polls until ok; the deadline only ends a broken test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited a minute in vain: %s", what)
		}
	}
}
