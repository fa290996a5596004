package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Use is what a certificate is good for.
type Use int

// The uses. Server is for what clients connect to (extended key usage
// serverAuth), Client for what shows a certificate to a server (clientAuth).
const (
	Server Use = 1 << iota
	Client
	Both = Server | Client
)

// ParseUse reads server, client or both.
func ParseUse(s string) (Use, error) {
	for _, u := range []Use{Server, Client, Both} {
		if s == u.String() {
			return u, nil
		}
	}
	return 0, fmt.Errorf("use: %q must be server, client or both", s)
}

// String returns server, client, both, or none.
func (u Use) String() string {
	switch u {
	case Server:
		return "server"
	case Client:
		return "client"
	case Both:
		return "both"
	}
	return "none"
}

// Request is what a certificate is to say.
type Request struct {
	// Name is the common name, and that of the files; see CheckName.
	Name string
	// Use is required.
	Use Use
	// Hosts are names and addresses; a server needs one.
	Hosts []string
	// Days from now to the end; 0: DefaultDays. A certificate ends with its
	// authority at the latest.
	Days int
	// Key is used instead of a new one; nil: a new one.
	Key crypto.Signer
}

// Issue makes a certificate, and a private key unless the request has one. Both
// are PEM, the key in PKCS#8.
func (a *Authority) Issue(r Request) (certPEM, keyPEM []byte, err error) {
	if err := a.CanIssue(); err != nil {
		return nil, nil, err
	}
	template, err := a.template(r)
	if err != nil {
		return nil, nil, err
	}
	key := r.Key
	if key == nil {
		if key, err = newKey(); err != nil {
			return nil, nil, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("make the certificate of %s: %w", r.Name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read the new certificate of %s: %w", r.Name, err)
	}
	keyPEM, err = EncodeKey(key)
	return encodeCert(cert), keyPEM, err
}

func (a *Authority) template(r Request) (*x509.Certificate, error) {
	if err := CheckName(r.Name); err != nil {
		return nil, err
	}
	if err := CheckHosts(r.Hosts); err != nil {
		return nil, err
	}
	end, err := a.end(r.Days, DefaultDays)
	if err != nil {
		return nil, err
	}
	if end.After(a.Cert.NotAfter) {
		end = a.Cert.NotAfter
	}
	t, err := newTemplate(r.Name, end)
	if err != nil {
		return nil, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	if r.Use&Server != 0 {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if r.Use&Client != 0 {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	switch {
	case r.Use&^Both != 0 || r.Use == 0:
		return nil, errors.New("use: it must be server, client or both")
	case r.Use&Server != 0 && len(r.Hosts) == 0:
		return nil, fmt.Errorf("hosts: a server such as %s needs a name or an address by which clients reach it", r.Name)
	}
	t.DNSNames = NormalHosts(r.Hosts)
	for _, host := range t.DNSNames {
		if ip, err := netip.ParseAddr(host); err == nil {
			t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
		}
	}
	return t, nil
}

// maxName is the longest common name, by X.520 (ub-common-name).
const maxName = 64

// CheckName tells whether a certificate can have this name: letters, digits, and
// inside also . _ and -, as it is a file name too. ca is the authority's.
func CheckName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("name: %.80q must have 1 to %d characters", name, maxName)
	}
	if strings.EqualFold(name, "ca") {
		return fmt.Errorf("name: %q is the authority's: use another", name)
	}
	for i, r := range name {
		inside := i > 0 && i < len(name)-1 && (r == '.' || r == '_' || r == '-')
		if !inside && !letterOrDigit(r) {
			return fmt.Errorf("name: %q must be of letters and digits, with . _ - inside only", name)
		}
	}
	return nil
}

func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// checkCommonName tells whether an authority can have this name: printable text.
func checkCommonName(name string) error {
	if len(name) > maxName || strings.TrimSpace(name) != name {
		return fmt.Errorf("name: %.80q must have 1 to %d bytes, and no blank at an end", name, maxName)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return fmt.Errorf("name: %q must be printable text", name)
		}
	}
	return nil
}

// CheckHosts tells whether all are names or addresses.
func CheckHosts(hosts []string) error {
	for _, host := range hosts {
		if err := checkHost(host); err != nil {
			return err
		}
	}
	return nil
}

func checkHost(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		switch {
		case ip.Zone() != "":
			return fmt.Errorf("host: %q has a zone (%%), which means something on this machine only: leave it out", host)
		case ip.IsUnspecified():
			return fmt.Errorf("host: %q is no address that a client can connect to", host)
		}
		return nil
	}
	if strings.Contains(host, "://") || strings.Contains(host, ":") {
		return fmt.Errorf("host: %q must be a name or an address, without protocol and port", host)
	}
	if len(host) > 253 {
		return fmt.Errorf("host: %.80q… has more than 253 characters", host)
	}
	numeric := true
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("host: %q is neither an address nor a host name such as broker.local", host)
		}
		for _, r := range label {
			if !letterOrDigit(r) && r != '-' && r != '_' {
				return fmt.Errorf("host: %q has %q, which no host name has", host, r)
			}
			numeric = numeric && r >= '0' && r <= '9'
		}
	}
	if numeric {
		return fmt.Errorf("host: %q is neither an address nor a host name: a number is missing or too large", host)
	}
	return nil
}

// UseOf returns what a certificate is good for; one without any extended key
// usage is good for both.
func UseOf(cert *x509.Certificate) Use {
	var u Use
	for _, e := range cert.ExtKeyUsage {
		switch e {
		case x509.ExtKeyUsageServerAuth:
			u |= Server
		case x509.ExtKeyUsageClientAuth:
			u |= Client
		case x509.ExtKeyUsageAny:
			u |= Both
		}
	}
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
		u = Both
	}
	return u
}

// Hosts returns the names and addresses of a certificate, each once.
func Hosts(cert *x509.Certificate) []string {
	hosts := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		if s := ip.String(); !slices.Contains(hosts, s) {
			hosts = append(hosts, s)
		}
	}
	return hosts
}

// NormalHosts returns hosts as Hosts would of their certificate: addresses in
// their usual form, names in lower case, each once.
func NormalHosts(hosts []string) []string {
	var list []string
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			host = ip.Unmap().String()
		}
		if host = strings.ToLower(host); !slices.Contains(list, host) {
			list = append(list, host)
		}
	}
	return list
}
