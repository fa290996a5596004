package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hosts are what the tests' server is reached by.
var hosts = []string{"broker.local", "192.168.1.5", "127.0.0.1", "fd00::5"}

// openssl runs openssl, which CI must have.
func openssl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("openssl is missing: apt-get install openssl")
	}
	if err != nil {
		t.Skip("NOT TESTED: openssl is missing; on Debian: apt-get install openssl")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}

func TestOpenSSLAcceptsAndRefuses(t *testing.T) {
	a := folder(t)
	issue(t, a, Request{Name: "broker", Use: Server, Hosts: hosts})
	gone := issue(t, a, Request{Name: "gone", Use: Client})
	issue(t, a, Request{Name: "gw", Use: Client})
	list, err := a.Revoke(gone.Cert)
	must(t, err)
	write(t, filepath.Join(a.Dir, CACRL), list)
	ca, crl := filepath.Join(a.Dir, CACert), filepath.Join(a.Dir, CACRL)
	for _, c := range []struct {
		name, options, refused string
	}{
		{"broker", "-x509_strict -purpose sslserver -verify_hostname broker.local", ""},
		{"broker", "-verify_hostname 192.168.1.5", ""}, // as BearSSL does
		{"broker", "-verify_ip 192.168.1.5", ""},
		{"broker", "-verify_ip fd00::5", ""},
		{"broker", "-attime 1580000000", ""}, // a Pi whose clock stands in January 2020
		{"broker", "-crl_check -CRLfile " + crl, ""},
		{"gw", "-x509_strict -purpose sslclient -crl_check -CRLfile " + crl, ""},
		{"broker", "-verify_ip 192.168.1.6", "mismatch"},
		{"broker", "-verify_hostname other.local", "mismatch"},
		{"broker", "-purpose sslclient", "purpose"},
		{"gw", "-purpose sslserver", "purpose"},
		{"gone", "-crl_check -CRLfile " + crl, "revoked"},
	} {
		args := append([]string{"verify", "-CAfile", ca}, strings.Fields(c.options)...)
		out, err := openssl(t, append(args, CertFile(a.Dir, c.name))...)
		if (err == nil) != (c.refused == "") || !strings.Contains(out, c.refused) {
			t.Errorf("%s with %q: %v\n%s", c.name, c.options, err, out)
		}
	}
	other := folder(t)
	if out, err := openssl(t, "verify", "-CAfile", filepath.Join(other.Dir, CACert), CertFile(a.Dir, "gw")); err == nil {
		t.Errorf("another authority verifies it: %s", out)
	}
}

func TestFingerprintsAreThoseOfOpenSSL(t *testing.T) {
	a := folder(t)
	for option, ours := range map[string]string{"-sha256": SHA256(a.Cert), "-sha1": SHA1(a.Cert)} {
		out, err := openssl(t, "x509", "-in", filepath.Join(a.Dir, CACert), "-noout", "-fingerprint", option)
		must(t, err)
		if _, theirs, _ := strings.Cut(strings.TrimSpace(out), "="); theirs != ours {
			t.Errorf("%s: %s, openssl says %s", option, ours, theirs)
		}
	}
}

// shake does a handshake, and a byte each way: TLS 1.3's client learns only by
// reading that its certificate was refused.
func shake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	done := make(chan error, 1)
	go func() { done <- serve(l, server) }()
	conn, err := net.DialTimeout("tcp", l.Addr().String(), time.Minute)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	c := tls.Client(conn, client)
	if err = c.Handshake(); err == nil {
		if _, err = c.Write([]byte{1}); err == nil {
			_, err = c.Read(make([]byte, 1))
		}
	}
	conn.Close()
	if fault := <-done; err == nil {
		err = fault
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return err
}

func serve(l net.Listener, config *tls.Config) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	c := tls.Server(conn, config)
	if _, err := c.Read(make([]byte, 1)); err != nil {
		return err
	}
	_, err = c.Write([]byte{1})
	return err
}

func TestHandshakes(t *testing.T) {
	a, other := folder(t), folder(t)
	pool := func(a *Authority) *x509.CertPool {
		p := x509.NewCertPool()
		p.AddCert(a.Cert)
		return p
	}
	pair := func(p *Pair) []tls.Certificate {
		return []tls.Certificate{{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key}}
	}
	broker := pair(issue(t, a, Request{Name: "broker", Use: Server, Hosts: hosts}))
	gw := pair(issue(t, a, Request{Name: "gw", Use: Client}))
	both := pair(issue(t, a, Request{Name: "both", Use: Both, Hosts: hosts}))
	stranger := pair(issue(t, other, Request{Name: "gw", Use: Client}))
	for i, c := range []struct {
		server, client []tls.Certificate
		ca             *Authority
		host           string
		ok             bool
	}{
		{broker, gw, a, "broker.local", true},
		{broker, gw, a, "192.168.1.5", true},
		{broker, gw, a, "fd00::5", true},
		{both, both, a, "127.0.0.1", true},
		{broker, gw, a, "192.168.1.6", false},
		{broker, gw, a, "other.local", false},
		{broker, gw, other, "broker.local", false},
		{gw, gw, a, "broker.local", false},
		{broker, broker, a, "broker.local", false},
		{broker, stranger, a, "broker.local", false},
		{broker, nil, a, "broker.local", false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprint(i, "/", tls.VersionName(version)), func(t *testing.T) {
				err := shake(t,
					&tls.Config{Certificates: c.server, ClientCAs: pool(a), ClientAuth: tls.RequireAndVerifyClientCert, MaxVersion: version, SessionTicketsDisabled: true},
					&tls.Config{Certificates: c.client, RootCAs: pool(c.ca), ServerName: c.host, MaxVersion: version})
				if (err == nil) != c.ok {
					t.Errorf("handshake: %v, want ok %v", err, c.ok)
				}
			})
		}
	}
}
