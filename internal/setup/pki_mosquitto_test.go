package setup

import (
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/pki"
)

// pkiMosquitto starts a Mosquitto that shows the broker's certificate and wants
// one from clients.
func pkiMosquitto(t *testing.T, p PKI, s *Session) (port string, reload func()) {
	t.Helper()
	program := needs(t, "mosquitto", "mosquitto")
	port = fmt.Sprint(unusedPort(t))
	config := strings.NewReplacer("PORT", port, "DIR", s.Path(p.Dir)).Replace(`user root
listener PORT
allow_anonymous true
certfile DIR/broker.crt
keyfile DIR/broker.key
cafile DIR/ca.crt
crlfile DIR/ca.crl
require_certificate true
`)
	pkiFile(t, s, "/mosquitto.conf", config)
	cmd := exec.Command(program, "-c", s.Path("/mosquitto.conf"))
	pkiMust(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	pkiAwait(t, "Mosquitto listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return port, func() { pkiMust(t, cmd.Process.Signal(syscall.SIGHUP)) }
}

func pkiAwait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// served is the serial number of the certificate that a server shows.
func served(t *testing.T, port string) string {
	t.Helper()
	c, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS13}) //nolint:gosec // it is only looked at
	pkiMust(t, err)
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// What Mosquitto and its clients, which use OpenSSL, make of the certificates.
func TestMosquittoTakesTheCertificates(t *testing.T) {
	p, s, _ := pkiMachine(t)
	pub := needs(t, "mosquitto_pub", "mosquitto-clients")
	for _, o := range []Issue{{Name: "broker"}, {Name: "gw"}, {Name: "stolen"}, {Name: "lost"}} {
		pkiMust(t, p.Issue(t.Context(), s, o))
	}
	pkiMust(t, p.Revoke(t.Context(), s, []string{"stolen"}))
	other := PKI{Dir: "/other"}
	pkiMust(t, other.Issue(t.Context(), s, Issue{Name: "gw"}))
	port, reload := pkiMosquitto(t, p, s)
	publish := func(host string, ca, own PKI, name string) error {
		out, err := exec.Command(pub, "-h", host, "-p", port, "-t", "a", "-m", "b", "-q", "1",
			"--cafile", s.Path(ca.Dir+"/ca.crt"), "--cert", s.Path(pki.CertFile(own.Dir, name)), "--key", s.Path(pki.KeyFile(own.Dir, name))).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	for _, c := range []struct {
		what, host string
		ca, own    PKI
		name       string
		ok         bool
	}{
		{"by address", "127.0.0.1", p, p, "gw", true},
		{"by name", "localhost", p, p, "gw", true},
		{"another authority at the client", "127.0.0.1", other, p, "gw", false},
		{"another authority's client", "127.0.0.1", p, other, "gw", false},
		{"an address that it is not for", "127.0.0.2", p, p, "gw", false},
		{"a server's certificate", "127.0.0.1", p, p, "broker", false},
		{"a revoked one", "127.0.0.1", p, p, "stolen", false},
	} {
		if err := publish(c.host, c.ca, c.own, c.name); (err == nil) != c.ok {
			t.Errorf("%s: %v, want ok %v", c.what, err, c.ok)
		}
	}
	pkiMust(t, publish("127.0.0.1", p, p, "lost"))
	before := served(t, port)
	pkiMust(t, p.Renew(t.Context(), s, Renew{Names: []string{"broker"}, NewKey: true}))
	pkiMust(t, p.Revoke(t.Context(), s, []string{"lost"}))
	reload()
	want := p.pair(t, s, "broker").Cert.SerialNumber.String()
	pkiAwait(t, "the new certificate is served", func() bool { return served(t, port) == want })
	if before == want {
		t.Error("the serial number is the old one")
	}
	pkiMust(t, publish("127.0.0.1", p, p, "gw"))
	if publish("127.0.0.1", p, p, "lost") == nil {
		t.Error("a reload does not read the list")
	}
}
