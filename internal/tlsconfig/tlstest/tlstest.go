// Package tlstest makes certificate authorities and certificates for the tests
// of this module, valid around the current time (also inside a synctest bubble).
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA is a certificate authority.
type CA struct {
	Cert *x509.Certificate
	PEM  []byte
	key  *ecdsa.PrivateKey
	t    testing.TB
}

// Pair is a certificate with its key.
type Pair struct {
	Cert            *x509.Certificate
	CertPEM, KeyPEM []byte
	TLS             tls.Certificate
	t               testing.TB
}

// NewCA makes a self-signed authority.
func NewCA(t testing.TB, name string) *CA {
	t.Helper()
	template := template(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = nil
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatalf("create CA: %v", err)
	}
	return &CA{Cert: parse(t, der), PEM: encode("CERTIFICATE", der), key: key, t: t}
}

// Issue makes a certificate for servers and clients with the given DNS names
// and IP addresses; the first one is its common name too. change may alter the
// template.
func (ca *CA) Issue(change func(*x509.Certificate), names ...string) *Pair {
	ca.t.Helper()
	template := template(names[0])
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if change != nil {
		change(template)
	}
	key := newKey(ca.t)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Cert, &key.PublicKey, ca.key)
	if err != nil {
		ca.t.Fatalf("create certificate: %v", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		ca.t.Fatalf("marshal key: %v", err)
	}
	p := &Pair{Cert: parse(ca.t, der), CertPEM: encode("CERTIFICATE", der), KeyPEM: encode("PRIVATE KEY", keyDER), t: ca.t}
	p.TLS = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: p.Cert}
	return p
}

// WithCA returns the pair's certificate for a server that sends its CA too.
func (p *Pair) WithCA(ca *CA) tls.Certificate {
	c := p.TLS
	c.Certificate = [][]byte{p.Cert.Raw, ca.Cert.Raw}
	return c
}

// Files writes certificate and key into a new folder and returns their names.
func (p *Pair) Files() (cert, key string) {
	dir := p.t.TempDir()
	return File(p.t, filepath.Join(dir, "cert.pem"), p.CertPEM), File(p.t, filepath.Join(dir, "key.pem"), p.KeyPEM)
}

// File writes the CA's certificate into a new folder and returns its name.
func (ca *CA) File() string {
	return File(ca.t, filepath.Join(ca.t.TempDir(), "ca.pem"), ca.PEM)
}

// Pool returns a pool with only this CA.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

// File writes data to name and returns name.
func File(t testing.TB, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatalf("write test file: %v", err)
	}
	return name
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(240 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make key: %v", err)
	}
	return key
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("parse certificate: %v", err)
	}
	return cert
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
