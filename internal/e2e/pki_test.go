package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"sluice/internal/tlsconfig/tlstest"
)

// pki is a CA with one server certificate for this machine.
type pki struct {
	caFile, certFile, keyFile string
	pool                      *x509.CertPool
	server                    tls.Certificate
	renew                     func() *x509.Certificate // puts another in place of the files
}

func newPKI(t *testing.T) *pki { return makePKI(t, nil) }

// expired is one whose server certificate ended an hour ago.
func expired(t *testing.T) *pki {
	return makePKI(t, func(c *x509.Certificate) {
		c.Subject.CommonName = "old"
		c.NotBefore, c.NotAfter = time.Now().Add(-9*time.Hour), time.Now().Add(-time.Hour)
	})
}

func makePKI(t *testing.T, change func(*x509.Certificate)) *pki {
	t.Helper()
	ca := tlstest.NewCA(t, "e2e CA")
	pair := ca.Issue(change, "localhost", "127.0.0.1")
	p := &pki{caFile: ca.File(), pool: ca.Pool(), server: pair.TLS}
	p.certFile, p.keyFile = pair.Files()
	p.renew = func() *x509.Certificate {
		t.Helper()
		pair := ca.Issue(change, "localhost", "127.0.0.1")
		tlstest.File(t, p.keyFile, pair.KeyPEM)
		tlstest.File(t, p.certFile, pair.CertPEM)
		return pair.Cert
	}
	return p
}
