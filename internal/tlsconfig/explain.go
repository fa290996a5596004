package tlsconfig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// explained is an error with a text for people; the cause stays reachable.
type explained struct {
	text  string
	cause error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.cause }

// Explain turns an error of dialling, of a TLS handshake, or of the first reads
// and writes after one into a line of the form "ADDR: what happened; mend",
// with addr as host:port. The cause stays reachable by errors.Is and errors.As.
// Explain of nil, of an explained error, and of a cancelled context returns err
// itself.
func Explain(err error, addr string) error {
	var done *explained
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) {
		return err
	}
	for _, explain := range []func(error) string{
		explainCertificate, explainAlert, explainProtocol, explainDial, explainClosed,
	} {
		if text := explain(err); text != "" {
			return &explained{text: addr + ": " + text, cause: err}
		}
	}
	return &explained{text: addr + ": " + err.Error(), cause: err}
}

// explainCertificate covers our verdicts about the server's certificate.
func explainCertificate(err error) string {
	var (
		pin     *PinError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		roots   x509.SystemRootsError
	)
	switch {
	case errors.As(err, &pin):
		return pin.text
	case errors.As(err, &unknown):
		return explainAuthority(unknown)
	case errors.As(err, &name):
		return fmt.Sprintf("the server's certificate is for %s, not for %s; use one of these names in the address, "+
			"or set ssl.verification_mode: certificate to skip the comparison of names", names(name.Certificate), name.Host)
	case errors.As(err, &invalid):
		return explainInvalid(invalid)
	case errors.As(err, &roots):
		return "this system has no CA certificates; install ca-certificates, or set ssl.certificate_authorities"
	case errors.Is(err, errNoCertificate):
		return "the server sent no certificate"
	}
	return ""
}

func explainAuthority(err x509.UnknownAuthorityError) string {
	if err.Cert == nil {
		return "the server's certificate is signed by an unknown authority; set ssl.certificate_authorities to the CA that signed it"
	}
	if err.Cert.Issuer.String() == err.Cert.Subject.String() {
		return fmt.Sprintf("the server's certificate (%s) is self-signed and not trusted; set ssl.certificate_authorities to that certificate, "+
			"or ssl.certificate_fingerprint to its SHA-256", subject(err.Cert))
	}
	return fmt.Sprintf("the server's certificate (%s) is signed by an unknown authority (%s); "+
		"set ssl.certificate_authorities to the CA that signed it", subject(err.Cert), err.Cert.Issuer)
}

func explainInvalid(err x509.CertificateInvalidError) string {
	now := time.Now()
	switch {
	case err.Cert != nil && err.Reason == x509.Expired && now.Before(err.Cert.NotBefore):
		return fmt.Sprintf("the certificate %s is valid only from %s, but now is %s; check the clock%s",
			subject(err.Cert), date(err.Cert.NotBefore), date(now), clockHint(now))
	case err.Cert != nil && err.Reason == x509.Expired:
		return fmt.Sprintf("the certificate %s expired on %s; the server needs a new one", subject(err.Cert), date(err.Cert.NotAfter))
	case err.Reason == x509.IncompatibleUsage:
		return "the server's certificate is not made for servers (extended key usage); the server needs one with serverAuth"
	case err.Reason == x509.NotAuthorizedToSign:
		return "a certificate of the server's chain is no CA but signs others; set ssl.certificate_authorities to the real CA"
	}
	return err.Error() + "; the server needs another certificate"
}

// names lists what a certificate is made for.
func names(cert *x509.Certificate) string {
	list := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		list = append(list, ip.String())
	}
	if len(list) == 0 && cert.Subject.CommonName != "" {
		list = append(list, cert.Subject.CommonName)
	}
	if len(list) == 0 {
		return "no name at all"
	}
	if len(list) > 10 {
		list = append(list[:10], "...")
	}
	return strings.Join(list, ", ")
}

// alertTexts explains the alerts that a server sends (RFC 8446, section 6.2) by
// the words of crypto/tls.
var alertTexts = []struct{ alert, text string }{
	{"bad certificate", clientCertificate},
	{"unknown certificate authority", clientCertificate},
	{"unknown certificate", clientCertificate},
	{"unsupported certificate", clientCertificate},
	{"certificate required", "the server requires a client certificate; set ssl.certificate and ssl.key"},
	{"expired certificate", "the server says that our client certificate is expired; replace the file of ssl.certificate, or check both clocks"},
	{"revoked certificate", "the server says that our client certificate is revoked; replace the file of ssl.certificate"},
	{"protocol version not supported", "the server speaks no TLS version of ours; add its version to ssl.supported_protocols"},
	{"handshake failure", "no common TLS settings, or the server requires a client certificate; check ssl.certificate, ssl.supported_protocols and ssl.cipher_suites"},
	{"insufficient security level", "the server demands stronger TLS settings; check ssl.cipher_suites"},
	{"unrecognized name", "the server knows no such host name; use the name of its certificate in the address"},
	{"access denied", "the server refuses our client certificate; set ssl.certificate to one that it allows"},
	{"internal error", "the server failed in the TLS handshake; look into its log"},
}

const clientCertificate = "the server refuses our client certificate, or none was sent; " +
	"set ssl.certificate and ssl.key to a pair signed by a CA that the server trusts"

// explainAlert covers the server's verdicts about us.
func explainAlert(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return ""
	}
	for _, a := range alertTexts {
		if strings.Contains(op.Err.Error(), a.alert) {
			return fmt.Sprintf("%s (%v)", a.text, op.Err)
		}
	}
	return fmt.Sprintf("the server ended the TLS connection (%v)", op.Err)
}

// explainProtocol covers two ends that speak different protocols.
func explainProtocol(err error) string {
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		if strings.HasPrefix(string(record.RecordHeader[:]), "HTTP") {
			return "the server speaks plain HTTP here, not TLS; correct the port"
		}
		return "the server does not speak TLS on this port; set ssl.enabled: false, correct the port, or switch TLS on at the server"
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "tls: server selected unsupported protocol version"),
		strings.Contains(text, "tls: protocol version not supported"):
		return "the server speaks no TLS version of ours (" + strings.TrimPrefix(text, "tls: ") + "); add its version to ssl.supported_protocols"
	case strings.Contains(text, "tls: failed to verify certificate"), strings.Contains(text, "x509: "):
		return text + "; the server needs another certificate"
	}
	return ""
}

// explainDial covers name resolution and the TCP connection.
func explainDial(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		switch {
		case dns.IsNotFound:
			return fmt.Sprintf("no host has the name %q; correct the address, or look at DNS and /etc/hosts", dns.Name)
		case dns.IsTimeout:
			return fmt.Sprintf("the DNS server did not answer for %q; look at the network and /etc/resolv.conf", dns.Name)
		}
		return fmt.Sprintf("the name %q can't be resolved (%s); look at the network and /etc/resolv.conf", dns.Name, dns.Err)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens there; start the server, or correct host and port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to host: look at the network, the VPN and the firewall"
	case isTimeout(err) && isDial(err):
		return "no answer to the connection attempt (timeout): look at the network and the firewall, and that the host is up"
	case isTimeout(err):
		return "the server did not answer in time (timeout): look at the network, and that the port is the right one"
	}
	return ""
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// explainClosed covers a connection that ended without a word.
func explainClosed(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		if errors.As(err, new(*handshakeError)) {
			return "the server closed the connection during the TLS handshake (" + shortCause(err) +
				"); does it speak TLS on this port? Otherwise look into its log"
		}
		return "the server closed the connection (" + shortCause(err) + "); look into its log, and that ssl.enabled and the port fit the server's" +
			"; one that wants another client certificate (ssl.certificate) may end like that too"
	}
	return ""
}

func shortCause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return "EOF"
}
