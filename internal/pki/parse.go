package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the fingerprint that the ESP8266 pins
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// maxFile bounds a file of certificates or keys, in bytes.
const maxFile = 1 << 20

// What can be wrong with a certificate and its key; errors of this package wrap
// these.
var (
	ErrNoKey         = errors.New("there is no private key")
	ErrNoCertificate = errors.New("there is no certificate")
	ErrMismatch      = errors.New("private key and certificate do not belong together")
	ErrForeign       = errors.New("another authority has signed it")
)

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes: it is no file of certificates or keys", path, maxFile)
	}
	return data, nil
}

// blocks splits PEM into its blocks. Text between them is skipped; a block that
// is cut off or damaged is an error, where encoding/pem would skip it.
func blocks(file string, data []byte) ([]*pem.Block, error) {
	var list []*pem.Block
	for rest := data; ; {
		begin := bytes.Index(rest, []byte("-----BEGIN "))
		if begin < 0 {
			break
		}
		next := bytes.Index(rest[begin+1:], []byte("-----BEGIN "))
		end := len(rest)
		if next >= 0 {
			end = begin + 1 + next
		}
		block, _ := pem.Decode(rest[begin:end])
		if block == nil {
			return nil, fmt.Errorf("%s: PEM block %d is cut off or damaged: copy the file again", file, len(list)+1)
		}
		list = append(list, block)
		rest = rest[end:]
	}
	if len(list) == 0 && len(data) > 0 && data[0] == 0x30 {
		return nil, fmt.Errorf("%s is in DER form, not PEM: convert it with openssl x509 or openssl pkey, -inform der", file)
	}
	return list, nil
}

// ParseCertificate reads the first certificate of a PEM file; file is its name
// for errors.
func ParseCertificate(file string, data []byte) (*x509.Certificate, error) {
	list, err := blocks(file, data)
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		if b.Type == "CERTIFICATE" || b.Type == "TRUSTED CERTIFICATE" || b.Type == "X509 CERTIFICATE" {
			return parseCert(file, b)
		}
	}
	return nil, fmt.Errorf("%s: %w in it (-----BEGIN CERTIFICATE-----): are certificate and key mixed up?", file, ErrNoCertificate)
}

func parseCert(file string, b *pem.Block) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: the certificate can't be read (%w): copy the file again, or make it anew", file, err)
	}
	return cert, nil
}

// ParseKey reads the first private key of a PEM file: PKCS#8, PKCS#1 or SEC 1,
// not encrypted. file is its name for errors.
func ParseKey(file string, data []byte) (crypto.Signer, error) {
	list, err := blocks(file, data)
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		if strings.HasSuffix(b.Type, "PRIVATE KEY") {
			return parseKey(file, b)
		}
	}
	return nil, fmt.Errorf("%s: %w in it (-----BEGIN PRIVATE KEY-----): are certificate and key mixed up?", file, ErrNoKey)
}

func parseKey(file string, b *pem.Block) (crypto.Signer, error) {
	if b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, fmt.Errorf("%s: the private key is encrypted: decrypt it with openssl pkey -in FILE -out FILE.new (umask 077), and put that in its place", file)
	}
	if key, err := x509.ParsePKCS8PrivateKey(b.Bytes); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, fmt.Errorf("%s: this kind of private key can't sign: use an EC, RSA or Ed25519 key", file)
	}
	if key, err := x509.ParsePKCS1PrivateKey(b.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(b.Bytes); err == nil {
		return key, nil
	}
	return nil, fmt.Errorf("%s: the private key can't be read as PKCS#8, PKCS#1 or SEC 1: copy the file again, or make a new key", file)
}

// EncodeKey returns a private key as PKCS#8 in PEM: a secret.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func encodeCert(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// Matches tells whether a private key belongs to a certificate.
func Matches(key crypto.Signer, cert *x509.Certificate) bool {
	switch pub := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return pub.Equal(key.Public())
	case *rsa.PublicKey:
		return pub.Equal(key.Public())
	case ed25519.PublicKey:
		return pub.Equal(key.Public())
	}
	return false
}

// CheckCA tells whether a certificate is that of an authority.
func CheckCA(file string, cert *x509.Certificate) error {
	switch {
	case cert.Version < 3 || !cert.BasicConstraintsValid || !cert.IsCA:
		return fmt.Errorf("%s: this is no authority's certificate (basicConstraints CA:TRUE is missing): is it a server's? Make an authority with \"sluice setup pki init\" in another folder", file)
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("%s: its key usage does not allow to sign certificates: make an authority with \"sluice setup pki init\" in another folder", file)
	}
	return nil
}

// CheckSigned tells whether ca has signed a certificate; its error wraps
// ErrForeign. Dates don't count.
func CheckSigned(file string, cert, ca *x509.Certificate) error {
	if err := cert.CheckSignatureFrom(ca); err != nil {
		return fmt.Errorf("%s: %w: it is signed by %q, not by %q: %w", file, ErrForeign, cert.Issuer.String(), ca.Subject.String(), err)
	}
	return nil
}

// SHA256 is a certificate's fingerprint, as openssl x509 -fingerprint writes it:
// upper-case hex with colons.
func SHA256(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return colons(sum[:])
}

// SHA1 is a certificate's SHA-1 fingerprint, which the ESP8266 can pin.
func SHA1(cert *x509.Certificate) string {
	sum := sha1.Sum(cert.Raw) //nolint:gosec // see the import
	return colons(sum[:])
}

func colons(sum []byte) string { return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":") }

// Left is how long a certificate is still valid: negative after its end.
func Left(cert *x509.Certificate, now time.Time) time.Duration { return cert.NotAfter.Sub(now) }

func date(t time.Time) string { return t.UTC().Format("2006-01-02") }
