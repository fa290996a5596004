package setup

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"strings"

	"sluice/internal/pki"
)

// brokerView is a broker as its clients see it.
type brokerView struct {
	port     int
	bind     string
	host     string // as in the certificate
	roots    *x509.CertPool
	cert     []byte            // DER, that is installed; nil: not known
	clients  []tls.Certificate // what a client shows; nil: none
	wantCert bool              // the broker wants one
	password string            // the recorder's; empty: not known
	others   []int             // ports beside ours
}

func (v *brokerView) address() string {
	host := v.bind
	if ip := net.ParseIP(v.bind); v.bind == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(v.port))
}

// strict is how a client of ours connects; loose looks at no certificate, and is
// for what must be refused whatever certificate there is.
func (v *brokerView) strict() mqttTarget {
	return mqttTarget{v.address(), &tls.Config{RootCAs: v.roots, ServerName: v.host, MinVersion: tls.VersionTLS12, Certificates: v.clients}}
}

func (v *brokerView) loose() mqttTarget {
	return mqttTarget{v.address(), &tls.Config{InsecureSkipVerify: true, Certificates: v.clients}} //nolint:gosec // see above
}

// viewBroker puts together what the checks need. Flags of o win over what is
// installed.
func viewBroker(s *Session, o *BrokerOptions) (*brokerView, error) {
	scan, err := scanMosquitto(s)
	if err != nil {
		return nil, fmt.Errorf("%w: is this the broker?", err)
	}
	v := &brokerView{port: BrokerPort, bind: o.Bind, host: o.Host}
	v.readInstalled(s, o)
	for _, port := range scan.ports() {
		if port != v.port {
			v.others = append(v.others, port)
		}
	}
	if v.password, err = o.storedPassword(s); err != nil {
		return nil, err
	}
	dir := s.Path(o.pkiFolder())
	for _, folder := range []string{s.Path(brokerFolder), dir} {
		authority, err := pki.Open(folder)
		if err != nil {
			continue
		}
		v.roots = x509.NewCertPool()
		v.roots.AddCert(authority.Cert)
		if pair, _ := pki.Read(folder, brokerName); pair.Cert != nil {
			v.cert = pair.Cert.Raw
			if v.host == "" {
				v.host = brokerHost(pair.Cert)
			}
		}
		break
	}
	if v.wantCert {
		v.clients = checkCertificate(dir)
	}
	return v, nil
}

// readInstalled takes port and address from sluice.conf, where no flag says them.
func (v *brokerView) readInstalled(s *Session, o *BrokerOptions) {
	ours, _ := mosquittoFile(s, mosquittoOurs) // none is the case before the setup
	for _, l := range ours {
		switch l.key {
		case "listener":
			if port, ok := listenerPort(l); ok {
				v.port = port
			}
			if _, bind, ok := strings.Cut(l.value, " "); ok && v.bind == "" {
				v.bind = bind
			}
		case "require_certificate":
			v.wantCert = l.value == "true"
		}
	}
	if o.Port != 0 {
		v.port = o.Port
	}
}

// brokerHost is the name by which a device reaches the broker: an address where
// the certificate has one, since few devices can look up the names of a LAN.
func brokerHost(cert *x509.Certificate) string {
	name := ""
	for _, host := range pki.Hosts(cert) {
		ip := net.ParseIP(host)
		switch {
		case ip != nil && !ip.IsLoopback():
			return host
		case ip == nil && (name == "" || name == "localhost"):
			name = host
		}
	}
	return name
}

// checkCertificate makes a client's certificate for the checks, which lives as
// long as they take, where the authority's key is at hand.
func checkCertificate(dir string) []tls.Certificate {
	authority, err := pki.Open(dir)
	if err != nil {
		return nil
	}
	cert, key, err := authority.Issue(pki.Request{Name: "sluice-check", Use: pki.Client, Days: 1})
	if err != nil {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil
	}
	return []tls.Certificate{pair}
}
