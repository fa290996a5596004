package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// Bundle is what a machine needs to show a certificate and to check others.
type Bundle struct {
	Pair
	CA *x509.Certificate
	// CRL is the list of revoked certificates; nil: there was none.
	CRL *x509.RevocationList
}

// CAPEM is the content of ca.crt.
func (b *Bundle) CAPEM() []byte { return encodeCert(b.CA) }

// CRLPEM is the content of ca.crl; nil without a list.
func (b *Bundle) CRLPEM() []byte {
	if b.CRL == nil {
		return nil
	}
	return encodeCRL(b.CRL)
}

// Encode returns the file of a bundle: PEM blocks, each below a line with the
// name of the file that it is. It has the private key: a secret.
func (b *Bundle) Encode() ([]byte, error) {
	key, err := b.KeyPEM()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `# sluice bundle of %q: the authority, a certificate, and its PRIVATE KEY.
# Read by: sluice setup gateway --bundle FILE, sluice setup pki unpack FILE FOLDER.
# Carry it over a safe way, and delete it then.
`, b.Name)
	fmt.Fprintf(&out, "\n# %s: %q, until %s\n%s", CACert, b.CA.Subject.String(), date(b.CA.NotAfter), b.CAPEM())
	fmt.Fprintf(&out, "\n# %s.crt: %s, until %s\n%s", b.Name, UseOf(b.Cert), date(b.Cert.NotAfter), b.CertPEM())
	fmt.Fprintf(&out, "\n# %s.key\n%s", b.Name, key)
	if b.CRL != nil {
		fmt.Fprintf(&out, "\n# %s\n%s", CACRL, b.CRLPEM())
	}
	return out.Bytes(), nil
}

// ParseBundle reads a bundle: one authority, one other certificate that it has
// signed, the private key of that, and perhaps a list of revoked certificates, in
// any order. The name is the certificate's common name. file is the name for
// errors.
func ParseBundle(file string, data []byte) (*Bundle, error) {
	list, err := blocks(file, data)
	if err != nil {
		return nil, err
	}
	b := &Bundle{}
	for _, block := range list {
		if err := b.add(file, block); err != nil {
			return nil, err
		}
	}
	const mend = "make it again with \"sluice setup pki bundle NAME FILE\""
	switch {
	case b.CA == nil:
		return nil, fmt.Errorf("%s: the bundle has no certificate of an authority: %s", file, mend)
	case b.Cert == nil:
		return nil, fmt.Errorf("%s: the bundle has no certificate beside the authority's: %s", file, mend)
	case b.Key == nil:
		return nil, fmt.Errorf("%s: the bundle has no private key: %s", file, mend)
	case !Matches(b.Key, b.Cert):
		return nil, fmt.Errorf("%s: %w: %s", file, ErrMismatch, mend)
	}
	if err := CheckSigned(file, b.Cert, b.CA); err != nil {
		return nil, err
	}
	if b.CRL != nil && b.CRL.CheckSignatureFrom(b.CA) != nil {
		return nil, fmt.Errorf("%s: the list of revoked certificates is not signed by the authority: %s", file, mend)
	}
	b.Name = b.Cert.Subject.CommonName
	if err := CheckName(b.Name); err != nil {
		return nil, fmt.Errorf("%s: the certificate's common name can't be used: %w", file, err)
	}
	return b, nil
}

// add takes a block; each kind may come once.
func (b *Bundle) add(file string, block *pem.Block) error {
	twice := fmt.Errorf("%s: a second %s is in the bundle: a bundle is of one authority and one certificate", file, block.Type)
	var err error
	switch {
	case block.Type == "CERTIFICATE":
		return b.addCert(file, block, twice)
	case block.Type == "X509 CRL" && b.CRL != nil, strings.HasSuffix(block.Type, "PRIVATE KEY") && b.Key != nil:
		return twice
	case block.Type == "X509 CRL":
		b.CRL, err = parseCRL(file, block)
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		b.Key, err = parseKey(file, block)
	default:
		err = fmt.Errorf("%s: %q has no place in a bundle: take it out", file, block.Type)
	}
	return err
}

func (b *Bundle) addCert(file string, block *pem.Block, twice error) error {
	cert, err := parseCert(file, block)
	if err != nil {
		return err
	}
	place := &b.Cert
	if cert.IsCA {
		place = &b.CA
	}
	if *place != nil {
		return twice
	}
	*place = cert
	return nil
}
