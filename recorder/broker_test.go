package recorder

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// authority makes a CA and a certificate for 127.0.0.1 in dir.
func authority(t *testing.T, dir, prefix string) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		return k
	}
	write := func(name, kind string, der []byte) {
		b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		must(t, os.WriteFile(filepath.Join(dir, prefix+name), b, 0o644))
	}
	caKey, serverKey := key(), key()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: prefix + "CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(t, err)
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, server, ca, &serverKey.PublicKey, caKey)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	must(t, err)
	write("ca.crt", "CERTIFICATE", caDER)
	write("server.crt", "CERTIFICATE", der)
	write("server.key", "PRIVATE KEY", keyDER)
}

// secureMosquitto is a broker with TLS and a user rec with password secret.
func secureMosquitto(t *testing.T, more ...string) (m *mosquitto, dir string) {
	t.Helper()
	dir = tempDir(t)
	authority(t, dir, "")
	passwords := filepath.Join(dir, "passwords")
	if out, err := exec.Command(program(t, "mosquitto_passwd"), "-b", "-c", passwords, "rec", "secret").CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
	must(t, os.Chmod(passwords, 0o644))
	return startMosquitto(t, append([]string{
		"allow_anonymous false", "password_file " + passwords,
		"certfile " + filepath.Join(dir, "server.crt"), "keyfile " + filepath.Join(dir, "server.key"),
	}, more...)...), dir
}

func TestTLSWithPassword(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		m, dir := secureMosquitto(t)
		c := config(base, "mqtts://"+m.addr())
		c.MQTT[0].Username, c.MQTT[0].Password = "rec", "secret"
		c.MQTT[0].SSL.CertificateAuthorities = []string{filepath.Join(dir, "ca.crt")}
		x := run(t, c).connected()
		want := numbered("t", 200)
		m.publish([]string{"-t", "a/b", "-q", "1", "-u", "rec", "-P", "secret", "--cafile", filepath.Join(dir, "ca.crt")}, want...)
		x.recorded(200)
		must(t, x.halt())
		onceEach(t, spoolRecords(t, c.Spool.Path), want)
	})
}

func TestWrongPasswordAndWrongCertificateAreExplained(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		m, dir := secureMosquitto(t)
		authority(t, dir, "other-")
		for name, c := range map[string]struct {
			scheme, password, ca, want string
		}{
			"wrong password": {"mqtts", "wrong", "ca.crt", `the broker refuses the login as user "rec": not authorised; check username, password`},
			"wrong CA":       {"mqtts", "secret", "other-ca.crt", "ssl.certificate_authorities"},
			"no TLS":         {"mqtt", "secret", "", ""},
		} {
			cfg := config(filepath.Join(base, name), c.scheme+"://"+m.addr())
			cfg.MQTT[0].Username, cfg.MQTT[0].Password = "rec", c.password
			if c.ca != "" {
				cfg.MQTT[0].SSL.CertificateAuthorities = []string{filepath.Join(dir, c.ca)}
			}
			x := run(t, cfg)
			eventually(t, name+" is reported", func() bool { return x.status().LastError != "" })
			err := x.status().LastError
			if !strings.Contains(err, c.want) || !strings.HasPrefix(err, m.addr()+": ") || strings.Contains(err, "\n") {
				t.Errorf("%s: %q, want %q", name, err, c.want)
			}
			must(t, x.halt())
		}
	})
}

func TestUnreachableBrokerIsNamed(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	c := config(tempDir(t), fmt.Sprintf("mqtt://127.0.0.1:%d", port))
	x := run(t, c)
	eventually(t, "the error is reported", func() bool { return x.status().LastError != "" })
	if err := x.status().LastError; !strings.Contains(err, "refused") || !strings.Contains(err, fmt.Sprint(port)) {
		t.Errorf("%q", err)
	}
	must(t, x.halt())
}

func TestTopicRefusedByTheBrokersAccessList(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		plugins, _ := filepath.Glob("/usr/lib/*/mosquitto_dynamic_security.so")
		if len(plugins) == 0 {
			t.Fatal("mosquitto_dynamic_security.so is missing; run: apt-get install mosquitto mosquitto-clients")
		}
		dir := tempDir(t)
		hash, err := pbkdf2.Key(sha512.New, "secret", []byte("saltsaltsalt"), 101, 64)
		must(t, err)
		rules := fmt.Sprintf(`{"clients":[{"username":"rec","password":%q,"salt":%q,"iterations":101,"roles":[{"rolename":"r"}]}],
 "roles":[{"rolename":"r","acls":[{"acltype":"subscribePattern","topic":"open/#","allow":true},{"acltype":"publishClientSend","topic":"#","allow":true}]}],
 "defaultACLAccess":{"publishClientSend":false,"publishClientReceive":true,"subscribe":false,"unsubscribe":true}}`,
			base64.StdEncoding.EncodeToString(hash), base64.StdEncoding.EncodeToString([]byte("saltsaltsalt")))
		must(t, os.WriteFile(filepath.Join(dir, "rules.json"), []byte(rules), 0o666))
		m := startMosquitto(t, "plugin "+plugins[0], "plugin_opt_config_file "+filepath.Join(dir, "rules.json"))
		c := config(base, "mqtt://"+m.addr())
		c.MQTT[0].Username, c.MQTT[0].Password = "rec", "secret"
		c.MQTT[0].Topics = []TopicConfig{{Topic: "open/#"}, {Topic: "closed/#"}}
		x := run(t, c).connected()
		x.logged(1, "the broker refuses the subscription", `"topic":"closed/#"`)
		m.publish([]string{"-t", "open/a", "-q", "1", "-u", "rec", "-P", "secret"}, "x")
		x.recorded(1)
		if st := x.status(); !slices.Equal(st.Refused, []string{"closed/#"}) {
			t.Errorf("%+v", st)
		}
	})
}

func TestPayloadsOfAnyBytesAreOneLineEach(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		m := startMosquitto(t)
		payloads := []string{"plain", "", "two\nlines\n", "a\x00b", "\xff\xfe\x80", "forged\"}\n{\"payload\":\"x", "tab\tcomma,;", "$'", "umlaut ä €", strings.Repeat("long", 70000), "\r", "\u2028", "\x1b[2J"}
		for _, format := range []string{"json", "%t %p"} {
			c := config(filepath.Join(base, format[:1]), "mqtt://"+m.addr())
			c.MQTT[0].ClientID, c.MQTT[0].Format = "any-bytes-"+format[:1], format
			x := run(t, c).connected()
			for _, p := range payloads {
				m.publishBytes([]byte(p), "-t", "a/b", "-q", "1")
			}
			x.recorded(int64(len(payloads)))
			must(t, x.halt())
			var got []string
			if format == "json" {
				for _, r := range spoolRecords(t, c.Spool.Path) {
					got = append(got, r.Payload)
				}
			} else {
				for _, line := range spoolLines(t, c.Spool.Path) {
					b, err := Unquote([]byte(strings.TrimPrefix(line, "a/b ")))
					must(t, err)
					got = append(got, string(b))
				}
			}
			if !slices.Equal(got, payloads) {
				t.Errorf("%s: got %q", format, got)
			}
		}
	})
}

func TestBrokerStoppedAndBack(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		m := startMosquitto(t)
		c := config(base, "mqtt://"+m.addr())
		x := run(t, c).connected()
		want := numbered("r", 3000)
		for i := range 3 {
			m.publish([]string{"-t", "feeds/r", "-q", "1"}, want[i*1000:(i+1)*1000]...)
			m.stop(syscall.SIGTERM)
			eventually(t, "the outage is seen", func() bool { return !x.status().Connected })
			m.start()
			x.connected()
		}
		x.recorded(3000)
		must(t, x.halt())
		onceEach(t, spoolRecords(t, c.Spool.Path), want)
		x.logged(3, "connected again")
	})
}

func TestMessagesOfTheAbsenceArrive(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		m := startMosquitto(t)
		c := config(base, "mqtt://"+m.addr())
		must(t, run(t, c).connected().halt())
		m.publish([]string{"-t", "a", "-q", "1"}, "one", "two", "two")
		x := run(t, c).connected()
		x.recorded(3)
		must(t, x.halt())
		if got := payloads(spoolRecords(t, c.Spool.Path)); got["one"] != 1 || got["two"] != 2 {
			t.Errorf("%v", got)
		}
	})
}

// The session outlives a change of the version, in both directions.
func TestChangedVersionKeepsTheSession(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := config(tempDir(t), "mqtt://"+m.addr())
	must(t, run(t, c).connected().halt())
	for i, version := range []string{version5, version3, version5, version5} {
		m.publish([]string{"-t", "a", "-q", "1"}, fmt.Sprint(i))
		c.MQTT[0].Version = version
		x := run(t, c).connected()
		x.recorded(1)
		must(t, x.halt())
	}
	onceEach(t, spoolRecords(t, c.Spool.Path), []string{"0", "1", "2", "3"})
}

func TestRetainedMessageOfARealBrokerIsRecordedOnce(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		m := startMosquitto(t)
		m.publishBytes([]byte("on"), "-t", "state", "-q", "1", "-r")
		c := config(base, "mqtt://"+m.addr())
		for i := range 3 {
			x := run(t, c).connected()
			m.publish([]string{"-t", "marker", "-q", "1"}, fmt.Sprint(i))
			eventually(t, "the marker came", func() bool { return x.status().Recorded >= 1 && (i > 0 || x.status().Recorded == 2) })
			must(t, x.halt())
			if repeats := x.status().Repeats; c.MQTT[0].Version == version5 && repeats != 0 {
				t.Errorf("start %d: the retained message came %d times although the session was kept", i, repeats)
			}
		}
		records := spoolRecords(t, c.Spool.Path)
		if len(records) != 4 || !records[0].Retained || records[0].Payload != "on" {
			t.Errorf("%+v", records)
		}
	})
}

// allowAll lets everybody into the embedded broker.
type allowAll struct{ mochi.HookBase }

func (*allowAll) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (*allowAll) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*allowAll) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

// The broker is an embedded one: Debian's Mosquitto has websockets only where
// its library finds an interface for them.
func TestWebsockets(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		dir := tempDir(t)
		authority(t, dir, "")
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
		must(t, err)
		for scheme, secure := range map[string]*tls.Config{"ws": nil, "wss": {Certificates: []tls.Certificate{pair}}} {
			addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			server := mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
			must(t, server.AddHook(new(allowAll), nil))
			must(t, server.AddListener(listeners.NewWebsocket(listeners.Config{ID: "w", Address: addr, TLSConfig: secure})))
			must(t, server.Serve())
			c := config(filepath.Join(base, scheme), scheme+"://"+addr)
			c.MQTT[0].SSL.CertificateAuthorities = []string{filepath.Join(dir, "ca.crt")}
			if secure == nil {
				c.MQTT[0].SSL.CertificateAuthorities = nil
			}
			x := run(t, c).connected()
			want := numbered("w", 100)
			for _, payload := range want {
				must(t, server.Publish("a", []byte(payload), false, 1))
			}
			x.recorded(100)
			must(t, x.halt())
			must(t, server.Close())
			onceEach(t, spoolRecords(t, c.Spool.Path), want)
		}
	})
}

// A real broker drops a client that is silent for 1.5 times its keepalive; the
// disk stalls for three times of it while more comes than the queue holds.
func TestRealBrokerKeepsAStalledRecorder(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, base string) {
		m := startMosquitto(t)
		c := config(base, "mqtt://"+m.addr())
		c.MQTT[0].KeepAlive, c.MQTT[0].QueueRecords, c.MQTT[0].QoS = time.Second, 50, new(0)
		x := run(t, c).connected()
		stall := make(chan struct{})
		x.lines[0].writer.series.fail = func(step string) error {
			select {
			case <-stall:
				return nil
			default:
				return errors.New("stalled")
			}
		}
		want := numbered("s", 2000)
		m.publish([]string{"-t", "a", "-q", "1"}, want...)
		<-time.After(3 * time.Second)
		if st := x.status(); st.Connects != 1 || st.QueueRecords > 60 || !st.Blocked {
			t.Errorf("while the disk stalls: %+v", st)
		}
		close(stall)
		x.recorded(2000)
		must(t, x.halt())
		onceEach(t, spoolRecords(t, c.Spool.Path), want)
		if st := x.status(); st.Connects != 1 {
			t.Errorf("%d connections", st.Connects)
		}
	})
}

func TestStoppedProcessLeavesASealedSpool(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := config(tempDir(t), "mqtt://"+m.addr())
	x := run(t, c).connected()
	m.publish([]string{"-t", "a", "-q", "1"}, numbered("p", 10)...)
	x.recorded(10)
	must(t, x.halt())
	for _, name := range segments(t, c) {
		if sealed, segment, err := Sealed(filepath.Join(c.Spool.Path, name)); !sealed || !segment || err != nil {
			t.Errorf("%s: sealed %v, segment %v, %v", name, sealed, segment, err)
		}
	}
}

// embedded starts the embedded broker, which gives the reasons for an end;
// Mosquitto 2.0.11 just closes the connection.
func embedded(t *testing.T) (server *mochi.Server, addr string) {
	t.Helper()
	addr = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	server = mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	must(t, server.AddHook(new(allowAll), nil))
	must(t, server.AddListener(listeners.NewTCP(listeners.Config{ID: "t", Address: addr})))
	must(t, server.Serve())
	return server, addr
}

func TestTakenOverSessionIsExplained(t *testing.T) {
	t.Parallel()
	server, addr := embedded(t)
	c := config(filepath.Join(tempDir(t), folder5), "mqtt://"+addr)
	x := run(t, c).connected()
	_, port, err := net.SplitHostPort(addr)
	must(t, err)
	other := exec.Command(program(t, "mosquitto_sub"), "-V", "5", "-h", "127.0.0.1", "-p", port, "-i", c.MQTT[0].ClientID, "-t", "x", "-W", "1")
	_ = other.Run() // it is thrown out in turn
	eventually(t, "the recorder is back", func() bool { st := x.status(); return st.Connected && st.Connects >= 2 })
	must(t, x.halt())
	must(t, server.Close()) // after the client has left: it may know no more of one that took over
	if text := "session taken over: another client uses the same client_id"; !strings.Contains(x.log.String(), text) {
		t.Errorf("no %q in the log", text)
	}
}

func TestBrokerThatShutsDownIsExplained(t *testing.T) {
	t.Parallel()
	server, addr := embedded(t)
	x := run(t, config(filepath.Join(tempDir(t), folder5), "mqtt://"+addr)).connected()
	must(t, server.Close())
	eventually(t, "the recorder sees the end", func() bool { return !x.status().Connected })
	must(t, x.halt())
	if text := "it shuts down; it is tried again (reason code 0x8b)"; !strings.Contains(x.log.String(), text) {
		t.Errorf("no %q in the log", text)
	}
}
