package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sluice/internal/pki"
)

// Bundle writes a name's certificate, its private key and the authority's
// certificate to one file of mode 600.
func (p PKI) Bundle(ctx context.Context, s *Session, name, file string) error {
	a, err := p.Open(s)
	if err != nil {
		return err
	}
	pair, err := pki.Read(s.Path(p.Dir), name)
	if err != nil {
		return err
	}
	certFile := pki.CertFile(p.Dir, name)
	if err := pki.CheckSigned(certFile, pair.Cert, a.Cert); err != nil {
		return err
	}
	switch {
	case a.Revoked(pair.Cert):
		return fmt.Errorf("%s is revoked: renew it with \"sluice setup pki renew --new-key %s\" first", certFile, name)
	case pki.Left(pair.Cert, p.now()) < 0:
		return fmt.Errorf("%s has ended: renew it with \"sluice setup pki renew %s\" first", certFile, name)
	}
	content, err := (&pki.Bundle{Pair: *pair, CA: a.Cert, CRL: a.CRL}).Encode()
	if err != nil {
		return err
	}
	return s.Apply(ctx,
		File{Path: file, Content: content, Mode: pkiKeyMode, Secret: true, NoBackup: true},
		Note("it has a private key: carry it over a safe way (scp), and delete it then"))
}

// Unpack writes what a bundle has into a folder: ca.crt, NAME.crt, NAME.key, and
// ca.crl if it has one. The bundle is not below Root.
func (s *Session) Unpack(ctx context.Context, bundle, dir string, owner Owner) error {
	data, err := os.ReadFile(bundle)
	if err != nil {
		return err
	}
	b, err := pki.ParseBundle(bundle, data)
	if err != nil {
		return err
	}
	key, err := b.KeyPEM()
	if err != nil {
		return err
	}
	steps := []Step{
		File{Path: filepath.Join(dir, pki.CACert), Content: b.CAPEM(), Mode: pkiCertMode, Owner: owner},
		File{Path: pki.KeyFile(dir, b.Name), Content: key, Mode: pkiCAKeyMode, Owner: owner, Secret: true},
		File{Path: pki.CertFile(dir, b.Name), Content: b.CertPEM(), Mode: pkiCertMode, Owner: owner},
	}
	if crl := b.CRLPEM(); crl != nil {
		steps = append(steps, File{Path: filepath.Join(dir, pki.CACRL), Content: crl, Mode: pkiCertMode, Owner: owner})
	}
	return s.Apply(ctx, steps...)
}
