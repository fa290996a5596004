package setup

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/internal/pki"
)

// realBroker is a Mosquitto on what setup writes, moved into a folder.
type realBroker struct {
	dir  string
	port int
	view *brokerView
}

const (
	realPassword = "recorder-password"
	realDevice   = "device-password"
)

// newRealBroker lays the files out, and starts nothing. change may edit the
// configuration.
func newRealBroker(t *testing.T, config mosquittoConfig, change func(conf string) string) *realBroker {
	t.Helper()
	b := &realBroker{dir: t.TempDir(), port: unusedPort(t)}
	certificates(t, b.dir+"/pki", "192.168.0.4")
	authority, err := pki.Open(b.dir + "/pki")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.Read(b.dir+"/pki", brokerName)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := pair.KeyPEM()
	passwd := []byte(nil)
	for user, password := range map[string]string{RecorderUser: realPassword, "sensor0": realDevice} {
		hash, err := hashPassword(password)
		if err != nil {
			t.Fatal(err)
		}
		passwd = withUser(passwd, user, hash)
	}
	acl := withRights([]byte(checkPattern+"\n"), RecorderUser, "the recorder", []right{{"read", "#"}})
	acl = withRights(acl, "sensor0", "device sensor0", deviceTopics("sensor0"))
	config.port, config.bind, config.location = b.port, "127.0.0.1", true
	text := strings.NewReplacer(brokerFolder, b.dir, mosquittoState, b.dir+"/").Replace(string(config.text())) + "user root\nlog_dest stderr\n"
	if change != nil {
		text = change(text)
	}
	for name, content := range map[string][]byte{
		"ca.crt": authority.CertPEM(), "broker.crt": pair.CertPEM(), "broker.key": key, "passwd": passwd, "acl": acl, "m.conf": []byte(text),
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.Cert)
	b.view = &brokerView{port: b.port, bind: "127.0.0.1", host: "192.168.0.4", roots: roots, cert: pair.Cert.Raw, password: realPassword, wantCert: config.clientCerts}
	return b
}

func (b *realBroker) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(needs(t, "mosquitto", "mosquitto"), "-c", b.dir+"/m.conf")
	out, err := os.Create(b.dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(b.dir + "/log")
			t.Logf("Mosquitto said:\n%s", text)
		}
	})
	if !b.view.listens(t.Context(), startTime) {
		text, _ := os.ReadFile(b.dir + "/log")
		t.Fatalf("Mosquitto does not listen: %s", text)
	}
}

func unusedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Each hole of a broker is found, and no other.
func TestChecksFindWhatIsWrong(t *testing.T) {
	add := func(lines string) func(string) string { return func(conf string) string { return conf + lines } }
	for name, c := range map[string]struct {
		config mosquittoConfig
		conf   func(string) string
		view   func(t *testing.T, b *realBroker)
		wrong  []string // how the lines that are wrong begin; none: all is well
	}{
		"as written": {},
		"client certificates": {config: mosquittoConfig{clientCerts: true}, view: func(_ *testing.T, b *realBroker) {
			b.view.clients = checkCertificate(b.dir + "/pki")
		}},
		// Little can be tried without a certificate.
		"client certificates, and none": {config: mosquittoConfig{clientCerts: true}},
		"plain": {
			conf: func(conf string) string {
				return regexp.MustCompile(`(?m)^(certfile|keyfile|tls_version).*$`).ReplaceAllString(conf, "")
			},
			view:  func(_ *testing.T, b *realBroker) { b.view.roots = nil },
			wrong: []string{"a client without a password: TLS: ", "a wrong password: TLS: "},
		},
		"anonymous clients": {conf: add("allow_anonymous true\n"), wrong: []string{"a client without a password: is let in"}},
		"no rights": {
			conf:  func(conf string) string { return regexp.MustCompile(`(?m)^acl_file.*$`).ReplaceAllString(conf, "") },
			wrong: []string{"a topic that the recorder may not write: is accepted"},
		},
		"no passwords": {
			conf: func(conf string) string {
				return regexp.MustCompile(`(?m)^password_file.*$`).ReplaceAllString(conf, "") + "allow_anonymous true\n"
			},
			wrong: []string{"a client without a password: is let in", "a wrong password: is let in"},
		},
		"TLS 1.1": {
			conf: func(conf string) string {
				return strings.Replace(conf, "tls_version tlsv1.2", "tls_version tlsv1.1\nciphers DEFAULT@SECLEVEL=0", 1)
			},
			wrong: []string{"TLS 1.1: is accepted"},
		},
		"another authority's certificate": {
			view:  func(t *testing.T, b *realBroker) { b.view.roots = x509.NewCertPool() },
			wrong: []string{"the certificate on"},
		},
		"another name":            {view: func(_ *testing.T, b *realBroker) { b.view.host = "192.168.0.5" }, wrong: []string{"the certificate on"}},
		"an old certificate":      {view: func(_ *testing.T, b *realBroker) { b.view.cert = []byte("new") }, wrong: []string{"the certificate on 127.0.0.1"}},
		"another password":        {view: func(_ *testing.T, b *realBroker) { b.view.password = "old" }, wrong: []string{"the recorder's password"}},
		"no check topic":          {view: func(t *testing.T, b *realBroker) { b.edit(t, "acl", checkPattern, "") }, wrong: []string{"the recorder's password"}},
		"certificates not wanted": {view: func(_ *testing.T, b *realBroker) { b.view.wantCert = true }, wrong: []string{"a client without a certificate: may talk"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newRealBroker(t, c.config, c.conf)
			if c.view != nil {
				c.view(t, b)
			}
			b.start(t)
			var out bytes.Buffer
			s := &Session{Out: &out}
			err := s.attempts(t.Context(), b.view.list())
			var wrong []string
			for line := range strings.Lines(out.String()) {
				if text, ok := strings.CutPrefix(line, "WRONG  "); ok {
					wrong = append(wrong, text)
				}
			}
			good := len(wrong) == len(c.wrong) && (err == nil) == (len(wrong) == 0)
			for i := range min(len(wrong), len(c.wrong)) {
				good = good && strings.HasPrefix(wrong[i], c.wrong[i])
			}
			if !good {
				t.Errorf("%v; want as wrong: %q\n%s", err, c.wrong, &out)
			}
			if strings.Contains(out.String(), realPassword) {
				t.Errorf("the password is printed:\n%s", &out)
			}
		})
	}
}

func (b *realBroker) edit(t *testing.T, name, old, text string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, name), bytes.Replace(content, []byte(old), []byte(text), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A device may write its own topics, and no others.
func TestRightsOfADevice(t *testing.T) {
	b := newRealBroker(t, mosquittoConfig{}, nil)
	b.start(t)
	d := &device{o: &DeviceOptions{Name: "sensor0"}, view: b.view, password: realDevice}
	var out bytes.Buffer
	s := &Session{Out: &out}
	if err := s.attempts(t.Context(), d.attempts()); err != nil || strings.Count(out.String(), "check  ") != 3 {
		t.Fatalf("%v\n%s", err, &out)
	}
	recorder, err := b.view.strict().connect(t.Context(), RecorderUser, realPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.close()
	if err := recorder.subscribe("#"); err != nil {
		t.Fatal(err)
	}
	c, err := b.view.strict().connect(t.Context(), "sensor0", realDevice)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for topic, may := range map[string]bool{
		"sensor0/feeds/0/temp": true, "sensor0/health": true, "sensor0/status": true,
		"sensor0/x": false, "sensor0/feeds/0": false, "sensor1/feeds/0/temp": false, "$sluice/check/recorder/echo": false,
	} {
		if err := c.publish(topic, topic); (err == nil) != may {
			t.Errorf("%s: %v", topic, err)
		}
		if may {
			if err := recorder.receive(topic, topic); err != nil {
				t.Errorf("the recorder does not get %s: %v", topic, err)
			}
		}
	}
}

func TestOtherPorts(t *testing.T) {
	plain := func(settings string) string {
		b := newRealBroker(t, mosquittoConfig{}, func(conf string) string {
			cut := regexp.MustCompile(`(?m)^(certfile|keyfile|tls_version).*$`).ReplaceAllString(conf, "")
			return cut + settings
		})
		b.start(t)
		return b.view.address()
	}
	secure := func(settings string) string {
		b := newRealBroker(t, mosquittoConfig{}, func(conf string) string { return conf + settings })
		b.start(t)
		return b.view.address()
	}
	for name, c := range map[string]struct{ address, said, wrong string }{
		"plain, anonymous":    {plain("allow_anonymous true\n"), "", "accepts anonymous clients, without TLS"},
		"plain, passwords":    {plain(""), "", "has no TLS"},
		"TLS, anonymous":      {secure("allow_anonymous true\n"), "", "accepts anonymous clients, over TLS"},
		"TLS, passwords":      {secure(""), "TLS; anonymous clients are refused", ""},
		"closed":              {fmt.Sprintf("127.0.0.1:%d", unusedPort(t)), "", ""},
		"another protocol":    {speaker(t, "SSH-2.0-OpenSSH_9.2\r\n"), "open, and does not speak MQTT", ""},
		"a flood":             {speaker(t, strings.Repeat("\xff", 1<<20)), "open, and does not speak MQTT", ""},
		"a connection closed": {speaker(t, ""), "open, and does not speak MQTT", ""},
	} {
		said, err := tryAddress(t.Context(), c.address)
		if said != c.said || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %q, %v", name, said, err)
		}
	}
}

// speaker is a server that says something, whatever it is told, and closes.
func speaker(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(text))
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestNobodyListens(t *testing.T) {
	var out bytes.Buffer
	v := &brokerView{port: unusedPort(t)}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := checkView(ctx, &Session{Out: &out}, v)
	if err == nil || !strings.Contains(out.String(), "nobody listens there") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%v\n%s", err, &out)
	}
}

func FuzzPacket(f *testing.F) {
	f.Add([]byte{0x20, 3, 0, 0x87, 0})
	f.Add([]byte{0x30, 0x80, 0x80, 0x80, 0x80, 1})
	f.Add([]byte("SSH-2.0-OpenSSH\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = readPacket(bytes.NewReader(data))
	})
}
