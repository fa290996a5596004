package setup

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

const (
	// OpenVPNPort is the UDP port of an OpenVPN server, registered for it.
	OpenVPNPort = 1194
	// OpenVPNCiphers is what both ends may encrypt with. The server takes the first
	// that the client has: the processor of a Pi up to 4 has no AES instructions, so
	// ChaCha20 comes first.
	OpenVPNCiphers = "CHACHA20-POLY1305:AES-128-GCM:AES-256-GCM"
)

// OpenVPNClient is what the profile of a gateway is made of.
type OpenVPNClient struct {
	// Remote is the server's name or address as the gateway reaches it from
	// outside; required.
	Remote string
	// Port is the server's UDP port; 0: OpenVPNPort.
	Port int
	// ServerName is the common name of the server's certificate; required. A
	// certificate of the same CA with another name, such as a gateway's, can't
	// play the server.
	ServerName string
	// CA, Cert and Key are PEM: the CA certificates, the gateway's certificate
	// (for client authentication; its common name is the gateway's name on the
	// server: letters, digits, '.', '-', '_'), perhaps followed by intermediates, and its key without a
	// passphrase.
	CA, Cert, Key []byte
	// TLSCrypt is the key that all ends share, as NewTLSCryptKey or "openvpn
	// --genkey tls-crypt" make it.
	TLSCrypt []byte
}

// The profile without its keys: remote, port, server name, ciphers. There are no
// lines user and group, since sluice-vpn.service does not run as root.
const openVPNProfile = `# OpenVPN profile of a gateway. It holds a private key: mode 600.
client
dev tun-sluice
dev-type tun
proto udp
remote %s %d udp
nobind
# Try for ever, anew when the server has not answered for 15 s, and wait at most
# 30 s between tries.
resolv-retry infinite
connect-timeout 15
connect-retry 2 30
persist-tun
remote-cert-tls server
verify-x509-name "%s" name
tls-version-min 1.2
data-ciphers %s
# The server may give an address, and no routes.
pull-filter ignore redirect-gateway
pull-filter ignore "route "
pull-filter ignore "route-ipv6 "
# TCP packets that fit through LTE.
mssfix 1360
verb 3
`

// OpenVPNProfile makes the profile (client.ovpn) of a gateway for
// sluice-vpn.service, keys included: mode 600. An error names the input. What is
// not PEM in the inputs, such as text around the blocks, is left out.
func OpenVPNProfile(c OpenVPNClient) ([]byte, error) {
	port := cmp.Or(c.Port, OpenVPNPort)
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("port %d is none: use 1 to 65535, or 0 for %d", c.Port, OpenVPNPort)
	}
	if err := checkHost(c.Remote); err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	if !commonName.MatchString(c.ServerName) {
		return nil, fmt.Errorf("server name %q is no common name: use 1 to 64 letters, digits, blanks, '.', '-', '_'", c.ServerName)
	}
	ca, err := parseCertificates("CA", c.CA)
	if err != nil {
		return nil, err
	}
	chain, err := parseCertificates("certificate", c.Cert)
	if err != nil {
		return nil, err
	}
	if err := checkClient(ca, chain); err != nil {
		return nil, err
	}
	key, err := clientKey(c.Key, chain[0])
	if err != nil {
		return nil, err
	}
	shared, err := tlsCryptKey(c.TLSCrypt)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, openVPNProfile, c.Remote, port, c.ServerName, OpenVPNCiphers)
	inline(&b, "ca", encodeCertificates(ca))
	inline(&b, "cert", encodeCertificates(chain))
	inline(&b, "key", key)
	inline(&b, "tls-crypt", shared)
	return b.Bytes(), nil
}

func inline(b *bytes.Buffer, name string, text []byte) {
	fmt.Fprintf(b, "<%s>\n%s</%s>\n", name, text, name)
}

var (
	commonName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9 ._-]{0,62}[A-Za-z0-9])?$`)
	// A gateway's name is a file's name on the server (openvpn-server add).
	gatewayName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
)

// checkHost takes a host name or an IP address, and nothing that could be a
// further word or line of a configuration.
func checkHost(host string) error {
	if host == "" {
		return errors.New("empty; give the name or address of the VPN server")
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" || hostName.MatchString(host) {
		return nil
	}
	return fmt.Errorf("%q is neither a host name nor an IP address", host)
}

func parseCertificates(field string, text []byte) (all []*x509.Certificate, err error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s has a block %q; only certificates belong there", field, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", field, len(all)+1, err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no certificate: PEM with -----BEGIN CERTIFICATE----- is needed", field)
	}
	return all, nil
}

func encodeCertificates(all []*x509.Certificate) (text []byte) {
	for _, c := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// checkClient verifies what the server will: the chain, its dates, and that it is
// for clients.
func checkClient(ca, chain []*x509.Certificate) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for i, c := range ca {
		if !c.IsCA {
			return fmt.Errorf("CA: certificate %d (%s) is not one of a CA", i+1, c.Subject.CommonName)
		}
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	leaf := chain[0]
	if !gatewayName.MatchString(leaf.Subject.CommonName) {
		return fmt.Errorf("certificate has the common name %q, by which the server knows a gateway: use 1 to 64 letters, digits, '.', '-', '_'", leaf.Subject.CommonName)
	}
	// The server's --remote-cert-tls wants both of these to be said.
	if leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 || len(leaf.ExtKeyUsage) == 0 {
		return fmt.Errorf("certificate (%s) lacks the key usage digitalSignature or an extended key usage: OpenVPN needs clientAuth", leaf.Subject.CommonName)
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := leaf.Verify(options); err != nil {
		return fmt.Errorf("certificate (%s): %w", leaf.Subject.CommonName, err)
	}
	return nil
}

// clientKey returns the private key as PKCS#8. No error says what is in it.
func clientKey(text []byte, leaf *x509.Certificate) ([]byte, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("key is not PEM: -----BEGIN PRIVATE KEY----- is needed")
	}
	var key any
	err := errors.New("not a private key without a passphrase")
	switch {
	case block.Headers["DEK-Info"] != "":
	case block.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("key (%s): %w", block.Type, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key (%s) can't sign", block.Type)
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("key does not belong to the certificate (%s)", leaf.Subject.CommonName)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

const (
	tlsCryptBytes = 256
	tlsCryptBegin = "-----BEGIN OpenVPN Static key V1-----"
	tlsCryptEnd   = "-----END OpenVPN Static key V1-----"
)

// NewTLSCryptKey makes the key that an OpenVPN server shares with its clients
// (tls-crypt), in the form of "openvpn --genkey tls-crypt". It is a secret, though
// it alone opens nothing: it hides the TLS handshake, and who lacks it gets no
// answer.
func NewTLSCryptKey() []byte {
	key := make([]byte, tlsCryptBytes)
	_, _ = rand.Read(key) // never fails
	return encodeTLSCrypt(key)
}

func encodeTLSCrypt(key []byte) []byte {
	var b bytes.Buffer
	b.WriteString(tlsCryptBegin + "\n")
	for ; len(key) > 0; key = key[16:] {
		b.WriteString(hex.EncodeToString(key[:16]) + "\n")
	}
	b.WriteString(tlsCryptEnd + "\n")
	return b.Bytes()
}

func tlsCryptKey(text []byte) ([]byte, error) {
	_, body, begun := strings.Cut(string(text), tlsCryptBegin)
	body, _, ended := strings.Cut(body, tlsCryptEnd)
	if !begun || !ended {
		return nil, fmt.Errorf("tls-crypt key is not the file of \"openvpn --genkey tls-crypt\": %s is missing", tlsCryptBegin)
	}
	key, err := hex.DecodeString(strings.Join(strings.Fields(body), ""))
	if err != nil || len(key) != tlsCryptBytes {
		return nil, fmt.Errorf("tls-crypt key is damaged: it must hold %d bytes in hexadecimal", tlsCryptBytes)
	}
	return encodeTLSCrypt(key), nil
}
