package tlsconfig

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/tlsconfig/tlstest"
)

// listen starts a TLS server that echoes one byte per connection, and returns
// its address.
func listen(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serveOne(c, cfg)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func serveOne(c net.Conn, cfg *tls.Config) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second)) // under a minute: a test with a clock of its own prints it
	s := tls.Server(c, cfg)
	var b [1]byte
	if _, err := io.ReadFull(s, b[:]); err == nil {
		_, _ = s.Write(b[:])
		_, _ = io.Copy(io.Discard, s) // until the client closes
	}
}

// talk makes one connection, sends a byte and waits for its echo.
func talk(l *Loader, addr, host string) (tls.ConnectionState, error) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := l.Handshake(ctx, raw, host)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte("x")); err != nil {
		return c.ConnectionState(), err
	}
	_, err = io.ReadFull(c, make([]byte, 1))
	return c.ConnectionState(), err
}

func load(t *testing.T, c Config) *Loader {
	t.Helper()
	l, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func spki(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func hexSHA256(c *x509.Certificate) string { return hex.EncodeToString(fingerprint(c)) }

func colons(s string) string {
	var parts []string
	for i := 0; i < len(s); i += 2 {
		parts = append(parts, strings.ToUpper(s[i:i+2]))
	}
	return strings.Join(parts, ":")
}

func TestWhatIsTrusted(t *testing.T) {
	ca, other := tlstest.NewCA(t, "Plant CA"), tlstest.NewCA(t, "Other CA")
	pair := ca.Issue(nil, "logstash.plant", "10.0.0.5")
	onlyCN := ca.Issue(func(c *x509.Certificate) { c.DNSNames = nil }, "logstash.plant")
	expired := ca.Issue(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 2, 3, 4, 5, 0, 0, time.UTC)
	}, "logstash.plant")
	clientOnly := ca.Issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "logstash.plant")
	self := tlstest.NewCA(t, "logstash.plant")
	sha1sum := sha1.Sum(pair.Cert.Raw)
	trust := []string{ca.File()}
	pin := hexSHA256(pair.Cert)
	for _, tc := range []struct {
		name, host, want string
		server           tls.Certificate
		c                Config
	}{
		{"full", "logstash.plant", "", pair.TLS, Config{CertificateAuthorities: trust}},
		{"full by IP", "10.0.0.5", "", pair.TLS, Config{CertificateAuthorities: trust}},
		{"strict", "logstash.plant", "", pair.TLS, Config{CertificateAuthorities: trust, VerificationMode: "strict"}},
		{"wrong CA", "logstash.plant", "HOST: the server's certificate (CN=logstash.plant) is signed by an unknown authority (CN=Plant CA); set ssl.certificate_authorities to the CA that signed it",
			pair.TLS, Config{CertificateAuthorities: []string{other.File()}}},
		{"unknown to the system", "logstash.plant", "signed by an unknown authority (CN=Plant CA)", pair.TLS, Config{}},
		{"wrong name", "logstash.office", "HOST: the server's certificate is for logstash.plant, 10.0.0.5, not for logstash.office; use one of these names in the address, or set ssl.verification_mode: certificate to skip the comparison of names",
			pair.TLS, Config{CertificateAuthorities: trust}},
		{"wrong name, mode certificate", "logstash.office", "", pair.TLS, Config{CertificateAuthorities: trust, VerificationMode: "certificate"}},
		{"wrong CA, mode certificate", "logstash.office", "unknown authority", pair.TLS, Config{CertificateAuthorities: []string{other.File()}, VerificationMode: "certificate"}},
		{"wrong CA, mode none", "logstash.office", "", pair.TLS, Config{CertificateAuthorities: []string{other.File()}, VerificationMode: "none"}},
		{"common name, full", "logstash.plant", "", onlyCN.TLS, Config{CertificateAuthorities: trust}},
		{"common name, strict", "logstash.plant", "certificate is for logstash.plant, not for logstash.plant", onlyCN.TLS, Config{CertificateAuthorities: trust, VerificationMode: "strict"}},
		{"expired", "logstash.plant", "HOST: the certificate CN=logstash.plant expired on 2021-02-03 04:05 UTC; the server needs a new one", expired.TLS, Config{CertificateAuthorities: trust}},
		{"not for servers", "logstash.plant", "not made for servers", clientOnly.TLS, Config{CertificateAuthorities: trust}},
		{"ca_sha256", "logstash.plant", "", pair.TLS, Config{CertificateAuthorities: trust, CASha256: []string{spki(other.Cert), spki(ca.Cert)}}},
		{"ca_sha256 of another CA", "logstash.plant", "HOST: no certificate of the server's chain has a key of ssl.ca_sha256 (its CA is CN=Plant CA); add the CA's hash if the CA was replaced on purpose",
			pair.TLS, Config{CertificateAuthorities: trust, CASha256: []string{spki(other.Cert)}}},
		{"ca_sha256, strict", "logstash.plant", "has a key of ssl.ca_sha256", pair.TLS, Config{CertificateAuthorities: trust, CASha256: []string{spki(other.Cert)}, VerificationMode: "strict"}},
		{"ca_trusted_fingerprint", "logstash.plant", "", pair.WithCA(ca), Config{CATrustedFingerprint: hexSHA256(ca.Cert)}},
		{"ca_trusted_fingerprint beside CAs", "logstash.plant", "", pair.WithCA(ca), Config{CertificateAuthorities: []string{other.File()}, CATrustedFingerprint: colons(hexSHA256(ca.Cert))}},
		{"ca_trusted_fingerprint of another CA", "logstash.plant", "HOST: the server's CA (CN=Plant CA) has the fingerprint " + hexSHA256(ca.Cert) + ", not ssl.ca_trusted_fingerprint " + hexSHA256(other.Cert) + "; correct the option if the CA was replaced on purpose",
			pair.WithCA(ca), Config{CATrustedFingerprint: hexSHA256(other.Cert)}},
		{"ca_trusted_fingerprint, CA not sent", "logstash.plant", "the server sends no CA certificate", pair.TLS, Config{CATrustedFingerprint: hexSHA256(ca.Cert)}},
		{"ca_trusted_fingerprint of a leaf", "logstash.plant", "not ssl.ca_trusted_fingerprint", pair.WithCA(ca), Config{CATrustedFingerprint: pin}},
		{"ca_trusted_fingerprint, wrong name", "logstash.office", "not for logstash.office", pair.WithCA(ca), Config{CATrustedFingerprint: hexSHA256(ca.Cert)}},
		{"pin alone", "anything", "", pair.TLS, Config{CertificateFingerprint: colons(pin)}},
		{"SHA-1 pin", "anything", "", pair.TLS, Config{CertificateFingerprint: hex.EncodeToString(sha1sum[:])}},
		{"pin alone, expired", "anything", "", expired.TLS, Config{CertificateFingerprint: hexSHA256(expired.Cert)}},
		{"wrong pin", "logstash.plant", "HOST: the server's certificate (CN=logstash.plant) has the fingerprint " + pin + ", not ssl.certificate_fingerprint " + hexSHA256(ca.Cert) + "; correct the option if the server's certificate was replaced on purpose",
			pair.TLS, Config{CertificateAuthorities: trust, CertificateFingerprint: hexSHA256(ca.Cert)}},
		{"wrong pin, mode none", "logstash.plant", "not ssl.certificate_fingerprint", pair.TLS, Config{VerificationMode: "none", CertificateFingerprint: hexSHA256(ca.Cert)}},
		{"right pin, wrong CA", "logstash.plant", "unknown authority", pair.TLS, Config{CertificateAuthorities: []string{other.File()}, CertificateFingerprint: pin}},
		{"self-signed", "logstash.plant", "HOST: the server's certificate (CN=logstash.plant) is self-signed and not trusted; set ssl.certificate_authorities to that certificate, or ssl.certificate_fingerprint to its SHA-256", self.Issue(nil, "logstash.plant").TLS, Config{CertificateAuthorities: trust}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := listen(t, &tls.Config{Certificates: []tls.Certificate{tc.server}})
			_, err := talk(load(t, tc.c), addr, tc.host)
			checkExplained(t, err, addr, tc.want)
		})
	}
}

// checkExplained compares Explain's line. A want with HOST is the whole line,
// one without a part of it, an empty one no error.
func checkExplained(t *testing.T, err error, addr, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("got %v, want no error", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	got := Explain(err, addr).Error()
	if strings.Contains(got, "\n") {
		t.Errorf("several lines: %q", got)
	}
	if rest, whole := strings.CutPrefix(want, "HOST"); whole && got != addr+rest || !strings.Contains(got, strings.TrimPrefix(want, "HOST")) {
		t.Errorf("\n got: %s\nwant: %s", got, want)
	}
	if errors.Unwrap(Explain(err, addr)) == nil {
		t.Error("the cause is lost")
	}
	if again := Explain(Explain(err, addr), addr).Error(); again != got {
		t.Errorf("explained twice: %s", again)
	}
}

func TestClientCertificateRefused(t *testing.T) {
	ca, other := tlstest.NewCA(t, "Plant CA"), tlstest.NewCA(t, "Other CA")
	server := ca.Issue(nil, "logstash")
	stranger := other.Issue(nil, "gateway")
	expired := ca.Issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "gateway")
	good := ca.Issue(nil, "gateway")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		addr := listen(t, &tls.Config{
			Certificates: []tls.Certificate{server.TLS}, ClientCAs: ca.Pool(),
			ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: version, MaxVersion: version,
		})
		none := "HOST: the server requires a client certificate; set ssl.certificate and ssl.key (tls: certificate required)"
		if version == tls.VersionTLS12 {
			none = "or the server requires a client certificate; check ssl.certificate"
		}
		for _, tc := range []struct {
			name, want string
			pair       *tlstest.Pair
		}{
			{"none", none, nil},
			{"of another CA", "HOST: the server refuses our client certificate, or none was sent; set ssl.certificate and ssl.key to a pair signed by a CA that the server trusts (tls: unknown certificate authority)", stranger},
			{"expired", "HOST: the server says that our client certificate is expired; replace the file of ssl.certificate, or check both clocks (tls: expired certificate)", expired},
			{"good", "", good},
		} {
			t.Run(tc.name+"/"+VersionName(version), func(t *testing.T) {
				c := Config{CertificateAuthorities: []string{ca.File()}}
				if tc.pair != nil {
					c.Certificate, c.Key = tc.pair.Files()
				}
				_, err := talk(load(t, c), addr, "logstash")
				if tc.want != "" && (errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "reset")) {
					t.Fatalf("the alert was lost: %v", err)
				}
				checkExplained(t, err, addr, tc.want)
			})
		}
	}
}

func TestProtocolVersions(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	server := ca.Issue(nil, "logstash")
	addr := listen(t, &tls.Config{Certificates: []tls.Certificate{server.TLS}, MinVersion: tls.VersionTLS13})
	c := Config{CertificateAuthorities: []string{ca.File()}}
	cs, err := talk(load(t, c), addr, "logstash")
	if err != nil || VersionName(cs.Version) != "TLSv1.3" {
		t.Errorf("version %s, error %v", VersionName(cs.Version), err)
	}
	c.SupportedProtocols = []string{"TLSv1.1", "TLSv1.2"}
	_, err = talk(load(t, c), addr, "logstash")
	checkExplained(t, err, addr, "HOST: the server speaks no TLS version of ours; add its version to ssl.supported_protocols (tls: protocol version not supported)")

	old := listen(t, &tls.Config{Certificates: []tls.Certificate{server.TLS}, MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11})
	c.SupportedProtocols = nil
	_, err = talk(load(t, c), old, "logstash")
	checkExplained(t, err, old, "add its version to ssl.supported_protocols")
}

func TestCipherAndCurveAreUsed(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	server := ca.Issue(nil, "logstash")
	addr := listen(t, &tls.Config{Certificates: []tls.Certificate{server.TLS}, MaxVersion: tls.VersionTLS12})
	cs, err := talk(load(t, Config{
		CertificateAuthorities: []string{ca.File()},
		CipherSuites:           []string{"ECDHE-ECDSA-AES-256-GCM-SHA384"}, CurveTypes: []string{"P-384"},
	}), addr, "logstash")
	if err != nil || cs.CipherSuite != tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 || cs.CurveID != tls.CurveP384 {
		t.Errorf("suite %x, curve %v, error %v", cs.CipherSuite, cs.CurveID, err)
	}
}

// serverThat accepts one connection after the other and hands each to fn.
func serverThat(t *testing.T, fn func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			fn(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestServersThatSpeakNoTLS(t *testing.T) {
	l := load(t, Config{VerificationMode: "none"})
	read := func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }
	for _, tc := range []struct {
		name, want string
		fn         func(net.Conn)
	}{
		{"plain text", "HOST: the server does not speak TLS on this port; set ssl.enabled: false, correct the port, or switch TLS on at the server",
			func(c net.Conn) { read(c); fmt.Fprint(c, "220 hello, this is a mail server\r\n"); read(c) }},
		{"HTTP", "HOST: the server speaks plain HTTP here, not TLS; correct the port",
			func(c net.Conn) { read(c); fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); read(c) }},
		{"hangs up", "HOST: the server closed the connection during the TLS handshake (EOF); does it speak TLS on this port? Otherwise look into its log",
			func(c net.Conn) { read(c) }},
		{"resets", "the server closed the connection during the TLS handshake (connection reset by peer)",
			func(c net.Conn) { read(c); _ = c.(*net.TCPConn).SetLinger(0) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := serverThat(t, tc.fn)
			_, err := talk(l, addr, "logstash")
			checkExplained(t, err, addr, tc.want)
		})
	}
}

func TestDialErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = net.Dial("tcp", addr)
	checkExplained(t, err, addr, "HOST: connection refused: nothing listens there; start the server, or correct host and port")

	checkExplained(t, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "logstsh", IsNotFound: true}},
		"logstsh:5044", `HOST: no host has the name "logstsh"; correct the address, or look at DNS and /etc/hosts`)
	checkExplained(t, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: "logstash", IsTimeout: true}},
		"logstash:5044", `HOST: the DNS server did not answer for "logstash"; look at the network and /etc/resolv.conf`)
	checkExplained(t, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded},
		"10.9.9.9:5044", "HOST: no answer to the connection attempt (timeout): look at the network and the firewall, and that the host is up")
	checkExplained(t, &handshakeError{context.DeadlineExceeded},
		"10.9.9.9:5044", "HOST: the server did not answer in time (timeout): look at the network, and that the port is the right one")
	if err := Explain(context.Canceled, addr); err != context.Canceled {
		t.Errorf("a cancelled context is explained: %v", err)
	}
}

func TestSessionIsResumedUntilTheCertificateChanges(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	server, first, second := ca.Issue(nil, "logstash"), ca.Issue(nil, "gateway-1"), ca.Issue(nil, "gateway-2")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(VersionName(version), func(t *testing.T) {
			peer := make(chan string, 10)
			addr := listen(t, &tls.Config{
				Certificates: []tls.Certificate{server.TLS}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
				MaxVersion: version,
				VerifyConnection: func(cs tls.ConnectionState) error {
					peer <- cs.PeerCertificates[0].Subject.CommonName
					return nil
				},
			})
			c := Config{CertificateAuthorities: []string{ca.File()}}
			c.Certificate, c.Key = first.Files()
			l := load(t, c)
			connect := func(wantResumed bool, wantPeer string) {
				t.Helper()
				cs, err := talk(l, addr, "logstash")
				if err != nil {
					t.Fatal(err)
				}
				if got := <-peer; cs.DidResume != wantResumed || got != wantPeer {
					t.Errorf("resumed %v as %s, want %v as %s", cs.DidResume, got, wantResumed, wantPeer)
				}
			}
			connect(false, "gateway-1")
			connect(true, "gateway-1")
			tlstest.File(t, c.Certificate, second.CertPEM)
			tlstest.File(t, c.Key, second.KeyPEM)
			touch(t, c.Certificate, 1)
			connect(false, "gateway-2")
		})
	}
}

// touch moves a file's modification time by n hours, so that a change shows on
// file systems with coarse times too.
func touch(t *testing.T, name string, n int) {
	t.Helper()
	at := time.Now().Add(time.Duration(n) * time.Hour)
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestCertificateRotatedOnDisk(t *testing.T) {
	oldCA, newCA := tlstest.NewCA(t, "Old CA"), tlstest.NewCA(t, "New CA")
	before, after := oldCA.Issue(nil, "logstash"), newCA.Issue(nil, "logstash")
	oldAddr := listen(t, &tls.Config{Certificates: []tls.Certificate{before.TLS}})
	newAddr := listen(t, &tls.Config{Certificates: []tls.Certificate{after.TLS}})
	file := oldCA.File()
	l := load(t, Config{CertificateAuthorities: []string{file}})
	var warnings []string
	l.OnWarning(func(text string) { warnings = append(warnings, text) })
	mustTalk := func(addr string) {
		t.Helper()
		if _, err := talk(l, addr, "logstash"); err != nil {
			t.Fatal(err)
		}
	}
	mustTalk(oldAddr)
	tlstest.File(t, file, []byte("half written"))
	touch(t, file, 1)
	mustTalk(oldAddr)
	mustTalk(oldAddr)
	want := "certificate files changed but can't be used, the old ones stay in use: ssl.certificate_authorities: " + file +
		" holds no PEM certificate (-----BEGIN CERTIFICATE-----); correct the path or make the file anew"
	if len(warnings) != 1 || warnings[0] != want {
		t.Errorf("warnings %q, want once %q", warnings, want)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	mustTalk(oldAddr)
	if len(warnings) != 2 || !strings.Contains(warnings[1], "does not exist") {
		t.Errorf("warnings %q", warnings)
	}
	tlstest.File(t, file, newCA.PEM)
	mustTalk(newAddr)
	if _, err := talk(l, oldAddr, "logstash"); err == nil {
		t.Error("the old CA is still trusted")
	}
}

func TestReloadSwitchedOffOrSlowedDown(t *testing.T) {
	off := false
	oldCA, newCA := tlstest.NewCA(t, "Old CA"), tlstest.NewCA(t, "New CA")
	for _, tc := range []struct {
		name string
		c    Config
		want bool
	}{
		{"off", Config{CertificateReload: Reload{Enabled: &off}}, false},
		{"interval not over", Config{CertificateReload: Reload{ReloadInterval: time.Hour}}, false},
		{"restart_on_cert_change", Config{CertificateReload: Reload{Enabled: &off}, RestartOnCertChange: Restart{Enabled: true}}, true},
		{"restart period not over", Config{RestartOnCertChange: Restart{Enabled: true, Period: time.Hour}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := oldCA.File()
			tc.c.CertificateAuthorities = []string{file}
			l := load(t, tc.c)
			tlstest.File(t, file, newCA.PEM)
			touch(t, file, 1)
			if got := l.refresh().cas[0].Equal(newCA.Cert); got != tc.want {
				t.Errorf("reloaded %v, want %v", got, tc.want)
			}
		})
	}
}

// A gateway without a battery clock starts in the past.
func TestClockBeforeTheCertificate(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	server := ca.Issue(func(c *x509.Certificate) { c.NotBefore = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }, "logstash")
	synctest.Test(t, func(t *testing.T) {
		l, err := (&Config{CertificateAuthorities: []string{string(ca.PEM)}, Certificate: string(server.CertPEM), Key: string(server.KeyPEM)}).Load()
		if err != nil {
			t.Fatal(err)
		}
		if w := l.Warnings(); len(w) != 2 || !strings.Contains(w[0], "is valid only from 2026-01-01 00:00 UTC, now is 2000-01-01 00:00 UTC; check the clock (the clock of this machine says 2000-01-01 00:00 UTC: set it, or wait for NTP)") {
			t.Errorf("warnings %q", w)
		}
		a, b := net.Pipe()
		go serveOne(b, &tls.Config{Certificates: []tls.Certificate{server.TLS}})
		_, err = l.Handshake(t.Context(), a, "logstash")
		checkExplained(t, err, "logstash:5044", "but now is 2000-01-01 00:00 UTC; check the clock (the clock of this machine says 2000-01-01 00:00 UTC: set it, or wait for NTP)")
	})
}

func TestHandshakeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := load(t, Config{VerificationMode: "none"})
		a, b := net.Pipe()
		defer b.Close()
		go func() { _, _ = io.Copy(io.Discard, b) }()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := l.Handshake(ctx, a, "logstash")
		checkExplained(t, err, "logstash:5044", "HOST: the server did not answer in time (timeout): look at the network, and that the port is the right one")
	})
}
