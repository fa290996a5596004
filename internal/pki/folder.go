package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Pair is a certificate with its private key.
type Pair struct {
	Name string
	Cert *x509.Certificate
	Key  crypto.Signer
}

// CertPEM is the content of NAME.crt.
func (p *Pair) CertPEM() []byte { return encodeCert(p.Cert) }

// KeyPEM is the content of NAME.key in PKCS#8, whatever form it was read from: a
// secret.
func (p *Pair) KeyPEM() ([]byte, error) { return EncodeKey(p.Key) }

// CertFile and KeyFile are the paths of a name's files.
func CertFile(dir, name string) string { return filepath.Join(dir, name+".crt") }

// KeyFile is the path of the private key of a name.
func KeyFile(dir, name string) string { return filepath.Join(dir, name+".key") }

// Read reads a pair. Its error wraps fs.ErrNotExist when neither file is there,
// else ErrNoCertificate, ErrNoKey or ErrMismatch; the Pair then has what could be
// read, and nil for the rest.
func Read(dir, name string) (*Pair, error) {
	p := &Pair{Name: name}
	if err := CheckName(name); err != nil {
		return p, err
	}
	certFile, keyFile := CertFile(dir, name), KeyFile(dir, name)
	cert, certErr := readFile(certFile)
	key, keyErr := readFile(keyFile)
	noCert, noKey := errors.Is(certErr, fs.ErrNotExist), errors.Is(keyErr, fs.ErrNotExist)
	if noCert && noKey {
		return p, fmt.Errorf("%w: make it with \"sluice setup pki issue %s\"", certErr, name)
	}
	if err := p.parse(certFile, cert, certErr, keyFile, key, keyErr); err != nil && !noCert && !noKey {
		return p, err
	}
	switch {
	case noCert:
		return p, fmt.Errorf("%s: %w for %s: make it with \"sluice setup pki issue %s\"", certFile, ErrNoCertificate, keyFile, name)
	case noKey:
		return p, fmt.Errorf("%s: %w for %s: put it back, or make both anew with \"sluice setup pki renew --new-key %s\"", keyFile, ErrNoKey, certFile, name)
	case !Matches(p.Key, p.Cert):
		return p, fmt.Errorf("%s: %w: make a certificate for this key with \"sluice setup pki renew %s\"", keyFile, ErrMismatch, name)
	}
	return p, nil
}

// parse fills what can be read, and returns the first fault.
func (p *Pair) parse(certFile string, cert []byte, certErr error, keyFile string, key []byte, keyErr error) error {
	if certErr == nil {
		p.Cert, certErr = ParseCertificate(certFile, cert)
	}
	if keyErr == nil {
		p.Key, keyErr = ParseKey(keyFile, key)
	}
	return errors.Join(certErr, keyErr)
}

// Names lists the names that have a certificate or a private key in a folder,
// sorted, without the authority.
func Names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".crt")
		if !ok {
			name, ok = strings.CutSuffix(e.Name(), ".key")
		}
		if ok && !e.IsDir() && CheckName(name) == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
