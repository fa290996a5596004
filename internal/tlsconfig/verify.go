package tlsconfig

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// PinError reports a certificate that no pin matches. Its text names the
// option, what the server has, and the mend.
type PinError struct{ text string }

// Error returns the whole line.
func (e *PinError) Error() string { return e.text }

var errNoCertificate = errors.New("the server sent no certificate")

// verify is the Loader's tls.Config.VerifyConnection: all that the package
// documentation says about verification_mode and pins.
func (l *Loader) verify(cs tls.ConnectionState, host string) error {
	if len(cs.PeerCertificates) == 0 {
		return errNoCertificate
	}
	leaf := cs.PeerCertificates[0]
	if l.pins.leaf != nil {
		if err := l.verifyLeafPin(leaf); err != nil {
			return err
		}
		if l.pins.leafOnly {
			return nil
		}
	}
	if l.mode == modeNone {
		return nil
	}
	chains, err := l.verifyChain(cs.PeerCertificates)
	if err != nil {
		return err
	}
	if l.mode != modeCertificate {
		if err := verifyName(leaf, host, l.mode == modeFull); err != nil {
			return err
		}
	}
	return l.verifyCAPin(chains)
}

func (l *Loader) verifyLeafPin(leaf *x509.Certificate) error {
	have := fingerprint(leaf)
	if len(l.pins.leaf) == sha1.Size {
		sum := sha1.Sum(leaf.Raw)
		have = sum[:]
	}
	if bytes.Equal(have, l.pins.leaf) {
		return nil
	}
	return &PinError{fmt.Sprintf("the server's certificate (%s) has the fingerprint %x, not ssl.certificate_fingerprint %x; "+
		"correct the option if the server's certificate was replaced on purpose", subject(leaf), have, l.pins.leaf)}
}

func fingerprint(cert *x509.Certificate) []byte {
	sum := sha256.Sum256(cert.Raw)
	return sum[:]
}

func (l *Loader) verifyChain(presented []*x509.Certificate) ([][]*x509.Certificate, error) {
	roots := l.refresh().roots
	if ca := l.pinnedCA(presented); ca != nil {
		if roots == nil {
			roots = x509.NewCertPool()
		} else {
			roots = roots.Clone()
		}
		roots.AddCert(ca)
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: time.Now()}
	for _, cert := range presented[1:] {
		opts.Intermediates.AddCert(cert)
	}
	chains, err := presented[0].Verify(opts)
	var unknown x509.UnknownAuthorityError
	if l.pins.trustCA != nil && errors.As(err, &unknown) {
		return nil, l.trustError(presented)
	}
	return chains, err
}

// pinnedCA returns the presented CA that ca_trusted_fingerprint names, or nil.
func (l *Loader) pinnedCA(presented []*x509.Certificate) *x509.Certificate {
	if l.pins.trustCA == nil {
		return nil
	}
	for _, cert := range presented {
		if cert.IsCA && bytes.Equal(fingerprint(cert), l.pins.trustCA) {
			return cert
		}
	}
	return nil
}

func (l *Loader) trustError(presented []*x509.Certificate) error {
	for _, cert := range presented {
		if cert.IsCA {
			return &PinError{fmt.Sprintf("the server's CA (%s) has the fingerprint %x, not ssl.ca_trusted_fingerprint %x; "+
				"correct the option if the CA was replaced on purpose", subject(cert), fingerprint(cert), l.pins.trustCA)}
		}
	}
	return &PinError{"the server sends no CA certificate that ssl.ca_trusted_fingerprint could name; " +
		"let it send its whole chain, or set ssl.certificate_authorities instead"}
}

func (l *Loader) verifyCAPin(chains [][]*x509.Certificate) error {
	if len(l.pins.caSPKI) == 0 {
		return nil
	}
	for _, chain := range chains {
		for _, cert := range chain {
			sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
			for _, pin := range l.pins.caSPKI {
				if sum == pin {
					return nil
				}
			}
		}
	}
	ca := chains[0][len(chains[0])-1]
	return &PinError{fmt.Sprintf("no certificate of the server's chain has a key of ssl.ca_sha256 (its CA is %s); "+
		"add the CA's hash if the CA was replaced on purpose", subject(ca))}
}

// verifyName compares the certificate with the dialled host. A common name
// counts only with cn and when the certificate has no DNS names at all.
func verifyName(leaf *x509.Certificate, host string, cn bool) error {
	err := leaf.VerifyHostname(host)
	if err == nil {
		return nil
	}
	if cn && len(leaf.DNSNames) == 0 && leaf.Subject.CommonName != "" && net.ParseIP(host) == nil {
		named := &x509.Certificate{Raw: leaf.Raw, DNSNames: []string{leaf.Subject.CommonName}}
		if named.VerifyHostname(host) == nil {
			return nil
		}
	}
	return x509.HostnameError{Certificate: leaf, Host: host}
}
