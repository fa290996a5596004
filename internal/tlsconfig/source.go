package tlsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// maxSource bounds the size of a certificate or key file in bytes; the largest
// CA bundles have about 250 kB.
const maxSource = 8 << 20

// inline tells whether an option's value is the PEM text itself.
func inline(value string) bool { return strings.Contains(value, "-----BEGIN") }

// place is how messages call a source: the file's name, or "inline PEM".
func place(value string) string {
	if inline(value) {
		return "inline PEM"
	}
	return value
}

// readSource returns the bytes of the file that value names, or value itself.
func readSource(field, value string) ([]byte, error) {
	if inline(value) {
		return []byte(value), nil
	}
	info, err := os.Stat(value)
	switch {
	case err != nil:
		return nil, classifyUnreadable(field, value, err)
	case info.IsDir():
		return nil, fieldErrorf(field, "%s is a directory; name a PEM file in it", value)
	case info.Size() > maxSource:
		return nil, fieldErrorf(field, "%s has %d bytes, more than any PEM file of certificates; correct the path", value, info.Size())
	}
	data, err := os.ReadFile(value)
	if err != nil {
		return nil, classifyUnreadable(field, value, err)
	}
	return data, nil
}

func classifyUnreadable(field, file string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // the file is named already
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fieldErrorf(field, "%s does not exist; correct the path: %w", file, err)
	case errors.Is(err, fs.ErrPermission):
		return fieldErrorf(field, "%s may not be read by this user; let its group read it or change its owner: %w", file, err)
	}
	return fieldErrorf(field, "%s can't be read: %w", file, err)
}

// parseCertificates returns all CERTIFICATE blocks of data.
func parseCertificates(field, value string, data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	seen := ""
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" {
			seen = block.Type
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fieldErrorf(field, "%s: certificate %d can't be parsed; make the file anew: %w", place(value), len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	switch {
	case len(certs) > 0:
		return certs, nil
	case seen != "":
		return nil, fieldErrorf(field, "%s holds the block %s and no CERTIFICATE; are certificate and key mixed up?", place(value), seen)
	case len(data) > 0 && data[0] == 0x30:
		return nil, fieldErrorf(field, "%s is in DER form, not PEM; convert it with: openssl x509 -inform der -in FILE -out FILE.pem", place(value))
	}
	return nil, fieldErrorf(field, "%s holds no PEM certificate (-----BEGIN CERTIFICATE-----); correct the path or make the file anew", place(value))
}

// loadCAs reads certificate_authorities. Without any it returns nil, nil: the
// system's.
func loadCAs(values []string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, v := range values {
		data, err := readSource("certificate_authorities", v)
		if err != nil {
			return nil, err
		}
		certs, err := parseCertificates("certificate_authorities", v, data)
		if err != nil {
			return nil, err
		}
		all = append(all, certs...)
	}
	return all, nil
}

// loadPair reads our own certificate chain and its key; nil without one.
func loadPair(c *Config) (*tls.Certificate, error) {
	if c.Certificate == "" {
		return nil, nil
	}
	data, err := readSource("certificate", c.Certificate)
	if err != nil {
		return nil, err
	}
	chain, err := parseCertificates("certificate", c.Certificate, data)
	if err != nil {
		return nil, err
	}
	key, err := loadKey(c)
	if err != nil {
		return nil, err
	}
	if !publicEqual(key, chain[0]) {
		return nil, mismatch(c, chain)
	}
	pair := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, cert := range chain {
		pair.Certificate = append(pair.Certificate, cert.Raw)
	}
	return pair, nil
}

func mismatch(c *Config, chain []*x509.Certificate) error {
	return fieldErrorf("key", "%s is not the key of certificate %s (%s); name the two files that were made together",
		place(c.Key), place(c.Certificate), subject(chain[0]))
}

// subject names a certificate for people.
func subject(cert *x509.Certificate) string {
	if s := cert.Subject.String(); s != "" {
		return s
	}
	return fmt.Sprintf("serial number %x", cert.SerialNumber)
}
