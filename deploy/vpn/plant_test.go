package vpn_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"testing"

	"sluice/internal/setup"
)

// plant has the certificates that "sluice setup pki" makes.
type plant struct {
	t   *testing.T
	pki setup.PKI
	s   *setup.Session
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	p := &plant{t: t, pki: setup.PKI{Dir: filepath.Join(t.TempDir(), "pki")}, s: &setup.Session{Out: io.Discard}}
	p.issue("vpn-server")
	p.issue("gateway1")
	p.issue("logstash", host)
	p.issue("broker", "localhost", "127.0.0.1")
	return p
}

func (p *plant) issue(name string, hosts ...string) {
	p.t.Helper()
	must(p.t, p.pki.Issue(p.t.Context(), p.s, setup.Issue{Name: name, Hosts: hosts}))
}

func (p *plant) file(name string) string { return filepath.Join(p.pki.Dir, name) }

func (p *plant) read(name string) []byte {
	p.t.Helper()
	text, err := os.ReadFile(p.file(name))
	must(p.t, err)
	return text
}

// bundle is the file that is carried to another machine.
func (p *plant) bundle(name string) string {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), name+".bundle.pem")
	must(p.t, p.pki.Bundle(p.t.Context(), p.s, name, file))
	return file
}

func (p *plant) revoke(name string) {
	p.t.Helper()
	must(p.t, p.pki.Revoke(p.t.Context(), p.s, []string{name}))
}

func (p *plant) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.read("ca.crt"))
	return pool
}

func (p *plant) pair(name string) tls.Certificate {
	p.t.Helper()
	pair, err := tls.X509KeyPair(p.read(name+".crt"), p.read(name+".key"))
	must(p.t, err)
	return pair
}
