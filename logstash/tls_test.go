package logstash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	lumber "github.com/elastic/go-lumber/server/v2"
	"github.com/rs/zerolog"

	"sluice/internal/tlsconfig"
	"sluice/internal/tlsconfig/tlstest"
)

// tryOnce makes one connection and sends one window; it returns the first error
// of all that, as a user finds it in the log.
func tryOnce(t *testing.T, c *Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, _, err := c.dial(ctx, c.hosts[0].host)
	if err != nil {
		return err
	}
	conn.Close()
	lc := connect(t, c)
	buf, ends := documents(3)
	if _, err := lc.Send(ctx, buf, ends); err != nil {
		return err
	}
	acked := 0
	for acked < 3 {
		n, ok := <-lc.Acks()
		if !ok {
			return lc.Err()
		}
		acked += n
	}
	return nil
}

func ackAll(p *peer) {
	for {
		docs, err := p.window()
		if err != nil {
			return
		}
		p.ack(uint32(len(docs)))
	}
}

func TestTLSMisunderstandings(t *testing.T) {
	ca, other := tlstest.NewCA(t, "Plant CA"), tlstest.NewCA(t, "Other CA")
	server := ca.Issue(nil, "localhost", "127.0.0.1")
	named := ca.Issue(nil, "logstash.plant")
	expired := ca.Issue(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 2, 3, 4, 5, 0, 0, time.UTC)
	}, "127.0.0.1")
	good, stranger := ca.Issue(nil, "gateway"), other.Issue(nil, "gateway")
	plain := &tls.Config{Certificates: []tls.Certificate{server.TLS}}
	mutual := func(version uint16) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{server.TLS}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: version, MaxVersion: version}
	}
	trust := tlsconfig.Config{CertificateAuthorities: []string{ca.File()}}
	with := func(p *tlstest.Pair) *tlsconfig.Config {
		c := trust
		c.Certificate, c.Key = p.Files()
		return &c
	}
	sum := sha256.Sum256(ca.Cert.RawSubjectPublicKeyInfo)
	otherSum := sha256.Sum256(other.Cert.RawSubjectPublicKeyInfo)
	pinned := func(sum [32]byte) *tlsconfig.Config {
		c := trust
		c.CASha256 = []string{base64.StdEncoding.EncodeToString(sum[:])}
		return &c
	}
	fingerprint := sha256.Sum256(ca.Cert.Raw)
	for _, tc := range []struct {
		name, want string
		server     *tls.Config
		ssl        *tlsconfig.Config
	}{
		{"all is well", "", plain, &trust},
		{"wrong CA", "is signed by an unknown authority (CN=Plant CA); set ssl.certificate_authorities", plain, &tlsconfig.Config{CertificateAuthorities: []string{other.File()}}},
		{"wrong name", "the server's certificate is for logstash.plant, not for 127.0.0.1", &tls.Config{Certificates: []tls.Certificate{named.TLS}}, &trust},
		{"expired", "the certificate CN=127.0.0.1 expired on 2021-02-03 04:05 UTC", &tls.Config{Certificates: []tls.Certificate{expired.TLS}}, &trust},
		{"ca_sha256", "", plain, pinned(sum)},
		{"wrong ca_sha256", "no certificate of the server's chain has a key of ssl.ca_sha256", plain, pinned(otherSum)},
		{"ca_trusted_fingerprint", "", &tls.Config{Certificates: []tls.Certificate{server.WithCA(ca)}}, &tlsconfig.Config{CATrustedFingerprint: fmt.Sprintf("%x", fingerprint)}},
		{"wrong ca_trusted_fingerprint", "not ssl.ca_trusted_fingerprint", &tls.Config{Certificates: []tls.Certificate{server.WithCA(ca)}}, &tlsconfig.Config{CATrustedFingerprint: strings.Repeat("ab", 32)}},
		{"mutual TLS 1.2", "", mutual(tls.VersionTLS12), with(good)},
		{"mutual TLS 1.3", "", mutual(tls.VersionTLS13), with(good)},
		{"no client certificate, TLS 1.2", "the server requires a client certificate; check ssl.certificate", mutual(tls.VersionTLS12), &trust},
		{"no client certificate, TLS 1.3", "the server requires a client certificate; set ssl.certificate and ssl.key (tls: certificate required)", mutual(tls.VersionTLS13), &trust},
		{"client certificate of another CA, TLS 1.2", "the server refuses our client certificate", mutual(tls.VersionTLS12), with(stranger)},
		{"client certificate of another CA, TLS 1.3", "the server refuses our client certificate", mutual(tls.VersionTLS13), with(stranger)},
		{"TLS client, plain server", "the server closed the connection during the TLS handshake (", nil, &trust},
		{"plain client, Logstash with TLS", "the server speaks TLS on this port; set ssl.enabled: true", nil, nil},
		{"plain client, TLS server without a word", "the server closed the connection (EOF); look into its log, and that ssl.enabled and the port fit the server's", plain, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play := ackAll
			switch {
			case tc.server == nil && tc.ssl == nil:
				play = answerTLSAlert
			case tc.server == nil:
				play = func(p *peer) { // as Logstash: RST on a bad frame
					_, _ = p.Read(make([]byte, 100))
					p.reset()
				}
			}
			addr := serve(t, tc.server, play)
			c, _ := newClient(t, func(cfg *Config) { cfg.SSL = tc.ssl }, addr)
			err := tryOnce(t, c)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkText(t, err, tc.want)
			if err != nil && !strings.HasPrefix(err.Error(), addr+": ") {
				t.Errorf("the line does not begin with the address: %v", err)
			}
		})
	}
}

// answerTLSAlert is Logstash with TLS that gets plain text.
func answerTLSAlert(p *peer) {
	_, _ = p.Read(make([]byte, 5))
	p.send([]byte{0x15, 3, 3, 0, 2, 2, 80})
}

func TestSwitchedOffSSLIsPlainText(t *testing.T) {
	off := false
	addr := serve(t, nil, ackAll)
	c, _ := newClient(t, func(cfg *Config) {
		cfg.SSL = &tlsconfig.Config{Enabled: &off, CertificateAuthorities: []string{"/nonexistent"}}
	}, addr)
	if err := tryOnce(t, c); err != nil {
		t.Error(err)
	}
}

func TestOwnCertificateRotatedBetweenConnections(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	server, first, second := ca.Issue(nil, "127.0.0.1"), ca.Issue(nil, "gateway-1"), ca.Issue(nil, "gateway-2")
	peers := make(chan string, 10)
	addr := serve(t, &tls.Config{
		Certificates: []tls.Certificate{server.TLS}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
		VerifyConnection: func(cs tls.ConnectionState) error {
			peers <- cs.PeerCertificates[0].Subject.CommonName
			return nil
		},
	}, ackAll)
	ssl := &tlsconfig.Config{CertificateAuthorities: []string{ca.File()}}
	ssl.Certificate, ssl.Key = first.Files()
	c, log := newClient(t, func(cfg *Config) { cfg.SSL = ssl }, addr)
	use := func(want string) {
		t.Helper()
		conn := connect(t, c)
		mustSend(t, conn, 2)
		awaitAcks(t, conn, 2)
		conn.Close()
		if got := <-peers; got != want {
			t.Errorf("connected as %s, want %s", got, want)
		}
	}
	use("gateway-1")
	tlstest.File(t, ssl.Certificate, []byte("being written, longer or shorter than before"))
	use("gateway-1")
	tlstest.File(t, ssl.Key, append(second.KeyPEM, '\n'))
	tlstest.File(t, ssl.Certificate, append(second.CertPEM, '\n'))
	use("gateway-2")
	if lines := log.lines("warn", "certificate files changed but can't be used, the old ones stay in use: ssl.certificate: "); len(lines) != 1 {
		t.Errorf("%q", lines)
	}
}

func TestExpiredOwnCertificateIsWarnedAboutAtStart(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	pair := ca.Issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "gateway-1")
	ssl := &tlsconfig.Config{}
	ssl.Certificate, ssl.Key = pair.Files()
	_, log := newClient(t, func(cfg *Config) { cfg.SSL = ssl }, "127.0.0.1")
	if lines := log.lines("warn", "CN=gateway-1 expired on "); len(lines) != 1 {
		t.Errorf("%q", lines)
	}
}

// go-lumber's server is the other implementation of the protocol in Go.
func TestGoLumberServerOverTLSAtEveryLevel(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	pair := ca.Issue(nil, "127.0.0.1")
	for level := range 10 {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server, err := lumber.NewWithListener(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair.TLS}}), lumber.Keepalive(time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			const total = 5000
			received := make(chan []string)
			go func() {
				var lines []string
				for len(lines) < total {
					batch := server.Receive()
					if batch == nil {
						break
					}
					for _, event := range batch.Events {
						lines = append(lines, event.(map[string]any)["message"].(string))
					}
					batch.ACK()
				}
				received <- lines
			}()
			c, _ := newClient(t, func(cfg *Config) {
				cfg.CompressionLevel = level
				cfg.SSL = &tlsconfig.Config{CertificateAuthorities: []string{ca.File()}}
			}, l.Addr().String())
			sendAll(t, connect(t, c), total)
			for i, line := range <-received {
				if want := fmt.Sprintf("line %d", i); line != want {
					t.Fatalf("document %d is %q", i, line)
				}
			}
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// sendAll sends n documents in as many windows as it takes and waits for their
// acks, as the tailer does.
func sendAll(t *testing.T, conn *Conn, n int) {
	t.Helper()
	buf, ends := documents(n)
	sent, acked := 0, 0
	for acked < n {
		for sent < n && conn.Room() > 0 {
			start := 0
			if sent > 0 {
				start = ends[sent-1]
			}
			rest := make([]int, 0, n-sent)
			for _, end := range ends[sent:] {
				rest = append(rest, end-start)
			}
			took, err := conn.Send(t.Context(), buf[start:], rest)
			if err != nil {
				t.Fatal(err)
			}
			sent += took
		}
		count, ok := <-conn.Acks()
		if !ok {
			t.Fatalf("%d of %d acknowledged: %v", acked, n, conn.Err())
		}
		acked += count
	}
	if acked != n {
		t.Errorf("%d acks for %d documents", acked, n)
	}
}

func TestTestOutput(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	pair := ca.Issue(nil, "127.0.0.1")
	server := &tls.Config{Certificates: []tls.Certificate{pair.TLS}}
	mutual := &tls.Config{Certificates: []tls.Certificate{pair.TLS}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}
	trust := &tlsconfig.Config{CertificateAuthorities: []string{ca.File()}}
	head := "logstash: ADDR...\n  connection...\n    parse host... OK\n    dns lookup... OK\n    addresses: 127.0.0.1\n    dial up... "
	secure := head + "OK\n  TLS...\n    security: server's certificate chain verification is enabled\n    handshake... "
	for _, tc := range []struct {
		name, want, wantErr string
		server              *tls.Config
		ssl                 *tlsconfig.Config
		closed              bool
	}{
		{"refused", head + "ERROR dial tcp ADDR: connect: connection refused\n", "ADDR: connection refused: nothing listens there", nil, nil, true},
		{"plain", head + "OK\n  TLS... WARN secure connection disabled\n  talk to server... OK\n", "", nil, nil, false},
		{"TLS", secure + "OK\n    TLS version: TLSv1.3\n    dial up... OK\n  talk to server... OK\n", "", server, trust, false},
		{"not verified", strings.Replace(secure, "security: server's certificate chain verification is enabled", "security... WARN server's certificate chain verification is disabled", 1) +
			"OK\n    TLS version: TLSv1.3\n    dial up... OK\n  talk to server... OK\n", "", server, &tlsconfig.Config{VerificationMode: "none"}, false},
		{"unknown CA", secure + "ERROR TLS handshake: ", "set ssl.certificate_authorities", server, &tlsconfig.Config{}, false},
		{"plain client, TLS server", head + "OK\n  TLS... WARN secure connection disabled\n  talk to server... ERROR the server speaks TLS on this port; ", "ADDR: the server speaks TLS on this port; set ssl.enabled: true", nil, nil, false},
		{"client certificate required", secure + "OK\n    TLS version: TLSv1.3\n    dial up... OK\n  talk to server... ERROR ADDR: the server requires a client certificate; ", "ADDR: the server requires a client certificate; set ssl.certificate and ssl.key", mutual, trust, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			if tc.closed {
				l.Close()
			} else if strings.HasPrefix(tc.name, "plain client") {
				serveOn(t, l, nil, answerTLSAlert)
			} else {
				serveOn(t, l, tc.server, ackAll)
			}
			c, _ := newClient(t, func(cfg *Config) { cfg.SSL = tc.ssl }, addr)
			var out bytes.Buffer
			err = c.TestOutput(t.Context(), &out)
			want := strings.ReplaceAll(tc.want, "ADDR", addr)
			if got := out.String(); got != want && !(tc.wantErr != "" && strings.HasPrefix(got, want) && strings.HasSuffix(got, "\n")) {
				t.Errorf("\n got: %s\nwant: %s", got, want)
			}
			if tc.wantErr == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkText(t, err, strings.ReplaceAll(tc.wantErr, "ADDR", addr))
		})
	}
}

func TestTestOutputTriesEveryHostUntilOneFails(t *testing.T) {
	good := serve(t, nil, ackAll)
	c, _ := newClient(t, nil, good, "no-such-host.invalid", good)
	c.dialer.lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	var out bytes.Buffer
	err := c.TestOutput(t.Context(), &out)
	checkText(t, err, `no-such-host.invalid:5044: no host has the name "no-such-host.invalid"; correct the address, or look at DNS and /etc/hosts`)
	if n := strings.Count(out.String(), "logstash: "); n != 2 {
		t.Errorf("%d hosts tried:\n%s", n, out.String())
	}
}

func TestSSLErrorsNameTheOption(t *testing.T) {
	cfg := DefaultConfig()
	cfg.SSL = &tlsconfig.Config{VerificationMode: "ful", Renegotiation: "x"}
	err := cfg.Validate()
	for _, want := range []string{`ssl.verification_mode: unknown mode "ful"; use full, strict, certificate or none`, `ssl.renegotiation: unknown value "x"; use never, once or freely`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
	cfg.SSL = &tlsconfig.Config{CertificateAuthorities: []string{"/nonexistent/ca.pem"}}
	_, err = New(cfg, zerolog.Nop())
	checkText(t, err, "ssl.certificate_authorities: /nonexistent/ca.pem does not exist; correct the path: ")
	var field interface{ Field() string }
	if !errors.As(err, &field) || field.Field() != "ssl.certificate_authorities" {
		t.Errorf("%T", err)
	}
}
