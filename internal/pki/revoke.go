package pki

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"slices"
)

func (a *Authority) openCRL(path string) error {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	crl, err := ParseCRL(path, data)
	if err != nil {
		return err
	}
	if err := crl.CheckSignatureFrom(a.issuer()); err != nil {
		return fmt.Errorf("%s: it is not signed by the authority of %s (%w): move it away", path, CACert, err)
	}
	a.CRL = crl
	return nil
}

// issuer is the authority's certificate; without any key usage it may sign
// lists, too (RFC 5280, 4.2.1.3), which crypto/x509 does not know.
func (a *Authority) issuer() *x509.Certificate {
	c := *a.Cert
	if c.KeyUsage == 0 {
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	return &c
}

// ParseCRL reads the first list of revoked certificates of a PEM file; file is
// its name for errors.
func ParseCRL(file string, data []byte) (*x509.RevocationList, error) {
	list, err := blocks(file, data)
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		if b.Type == "X509 CRL" {
			return parseCRL(file, b)
		}
	}
	return nil, fmt.Errorf("%s: there is no list of revoked certificates in it (-----BEGIN X509 CRL-----)", file)
}

func parseCRL(file string, b *pem.Block) (*x509.RevocationList, error) {
	crl, err := x509.ParseRevocationList(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: the list of revoked certificates can't be read (%w): copy the file again", file, err)
	}
	return crl, nil
}

func encodeCRL(crl *x509.RevocationList) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl.Raw})
}

// Revoked tells whether a certificate is in the authority's list.
func (a *Authority) Revoked(cert *x509.Certificate) bool {
	return a.CRL != nil && slices.ContainsFunc(a.CRL.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return e.SerialNumber.Cmp(cert.SerialNumber) == 0
	})
}

// Revoke adds certificates to the list and returns the content of ca.crl. The
// list begins at Begin and ends with the authority. One that is in it already
// stays as it is.
func (a *Authority) Revoke(certs ...*x509.Certificate) ([]byte, error) {
	if err := a.CanIssue(); err != nil {
		return nil, err
	}
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: Begin, NextUpdate: a.Cert.NotAfter}
	if template.ThisUpdate.Before(a.Cert.NotBefore) {
		template.ThisUpdate = a.Cert.NotBefore
	}
	if a.CRL != nil {
		template.RevokedCertificateEntries = slices.Clone(a.CRL.RevokedCertificateEntries)
		if a.CRL.Number != nil {
			template.Number.Add(a.CRL.Number, template.Number)
		}
	}
	for _, cert := range certs {
		if err := CheckSigned("revoke", cert, a.Cert); err != nil {
			return nil, err
		}
		if !a.Revoked(cert) {
			template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: a.now()})
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.issuer(), a.key)
	if err != nil {
		return nil, fmt.Errorf("make the list of revoked certificates: %w", err)
	}
	if a.CRL, err = x509.ParseRevocationList(der); err != nil {
		return nil, fmt.Errorf("read the list of revoked certificates: %w", err)
	}
	return encodeCRL(a.CRL), nil
}
