package vpn_test

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/setup"
	"sluice/internal/tlsconfig/tlstest"
)

var openVPNTools = []string{"openvpn:openvpn", "mosquitto:mosquitto", "mosquitto_passwd:mosquitto"}

// execStart returns the command line of a unit, with what systemd puts in.
func execStart(t *testing.T, unit string, put ...string) []string {
	t.Helper()
	text, err := os.ReadFile(unit)
	must(t, err)
	m := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no ExecStart=", unit)
	}
	line := strings.NewReplacer(put...).Replace(string(m[1]))
	if strings.ContainsAny(line, "%$") {
		t.Fatalf("%s: %s", unit, line)
	}
	return strings.Fields(line)
}

// openVPN is a server that the script has set up, and what its gateways need.
type openVPN struct {
	plant   *plant
	server  *machine
	running *service
}

// newOpenVPN runs the script, and then the server as Debian's unit does.
func newOpenVPN(t *testing.T, server *machine, options ...string) *openVPN {
	t.Helper()
	v := &openVPN{plant: newPlant(t), server: server}
	server.run(script(t, "openvpn-server"), append([]string{"install", "--bundle", v.plant.bundle("vpn-server"), "--no-start"}, options...)...)
	line := execStart(t, debianUnit(t), "%t", "/run", "%i", "sluice")
	v.running = server.serve("sh", append([]string{"-c", `cd /etc/openvpn/server && exec "$@"`, "sh"}, line...)...)
	eventually(t, "the OpenVPN server runs", func() bool { return v.running.says("Initialization Sequence Completed") })
	return v
}

// debianUnit is the file of openvpn-server@.service.
func debianUnit(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/usr/lib/systemd/system/", "/lib/systemd/system/"} {
		if _, err := os.Stat(dir + "openvpn-server@.service"); err == nil {
			return dir + "openvpn-server@.service"
		}
	}
	skip(t, "openvpn-server@.service is missing: not Debian's OpenVPN")
	return ""
}

// profile makes that of a gateway; change may spoil it.
func (v *openVPN) profile(t *testing.T, name string, change func(*setup.OpenVPNClient)) []byte {
	t.Helper()
	shared, err := os.ReadFile(v.server.path("/etc/openvpn/server/sluice/tls-crypt.key"))
	must(t, err)
	c := setup.OpenVPNClient{Remote: "192.0.2.2", ServerName: "vpn-server",
		CA: v.plant.read("ca.crt"), Cert: v.plant.read(name + ".crt"), Key: v.plant.read(name + ".key"), TLSCrypt: shared}
	if change != nil {
		change(&c)
	}
	profile, err := setup.OpenVPNProfile(c)
	must(t, err)
	return profile
}

// connect runs the very command of sluice-vpn.service, as a user who is not root
// and has CAP_NET_ADMIN only.
func connect(gateway *machine, profile []byte) *service {
	gateway.t.Helper()
	const credentials = "/run/vpn"
	file := gateway.path(credentials + "/client.ovpn")
	must(gateway.t, os.WriteFile(file, profile, 0o400))
	must(gateway.t, os.Chown(file, 65534, 65534))
	line := execStart(gateway.t, "../../systemd/sluice-vpn.service", "${CREDENTIALS_DIRECTORY}", credentials)
	return gateway.serve("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
		"--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin", "--bounding-set=-all,+net_admin", "--"}, line...)...)
}

func connected(t *testing.T, client *service) {
	t.Helper()
	eventually(t, "the gateway is connected", func() bool { return client.says("Initialization Sequence Completed") })
}

// The issue's proof: only the tunnel connects the two, nothing is readable outside
// of it, and nothing is lost while it is cut for 30 s, with its server and client
// killed meanwhile.
func TestOpenVPN(t *testing.T) {
	needs(t, openVPNTools...)
	t.Parallel()
	gateway, server := newPair(t, tunnel)
	v := newOpenVPN(t, server)
	unreachable(t, gateway)
	wire := gateway.capture()
	server.run(script(t, "openvpn-server"), "add", "gateway1", "--no-start")
	client := connect(gateway, v.profile(t, "gateway1", nil))
	connected(t, client)
	c := newChain(t, v.plant, gateway, server, tunnel+":5044", true)
	const n = 2500
	published := make(chan struct{})
	go func() { defer close(published); c.publish(0, n, 25*time.Millisecond) }()
	eventually(t, "readings arrive", func() bool { return c.receiver.unique() > 100 })

	gateway.run("ip", "link", "set", "wan", "down")
	began := time.Now()
	v.running.kill()
	before := c.receiver.unique()
	time.Sleep(15 * time.Second) // the first half of the outage
	client.kill()
	time.Sleep(time.Until(began.Add(30 * time.Second))) // the rest of it
	if now := c.receiver.unique(); now > before+100 {
		t.Errorf("%d readings came while the tunnel was cut", now-before)
	}
	gateway.run("ip", "link", "set", "wan", "up")
	eventually(t, "readings arrive again", func() bool { return c.receiver.unique() > before+200 })
	t.Logf("readings again %.1f s after the cut", time.Since(began).Seconds()-30)
	<-published
	c.receiver.prove(n)
	wire.hidden(host) // the name in the TLS handshake
	wire.onlyUDP(1194)
}

// Without TLS of its own the tailer's data are readable in the tunnel, and there only.
func TestOpenVPNHidesPlainText(t *testing.T) {
	needs(t, openVPNTools...)
	t.Parallel()
	gateway, server := newPair(t, tunnel)
	v := newOpenVPN(t, server)
	server.run(script(t, "openvpn-server"), "add", "gateway1", "10.8.0.77", "--no-start")
	wire := gateway.capture()
	connected(t, connect(gateway, v.profile(t, "gateway1", nil)))
	if addr := gateway.run("ip", "-4", "-o", "addr", "show", "tun-sluice"); !strings.Contains(addr, "10.8.0.77/24") {
		t.Errorf("the gateway's address: %s", addr)
	}
	if routes := gateway.run("ip", "route"); strings.Contains(routes, "default") {
		t.Errorf("routes: %s", routes)
	}
	c := newChain(t, v.plant, gateway, server, tunnel+":5044", false)
	c.publish(0, 100, time.Millisecond)
	c.receiver.prove(100)
	wire.hidden("boiler-temperature", "boiler-topic", "@metadata")
	wire.onlyUDP(1194)
	if wire.find(outside, "gateway1") != 0 || wire.find(outside, "sluice CA") != 0 {
		t.Error("names of certificates are readable outside of the tunnel")
	}
	for _, p := range wire.kept(outside) {
		if len(p.data) > 14+1400 {
			t.Errorf("a packet of %d bytes might not fit through LTE", len(p.data)-14)
		}
	}
}

// A server that asks for the gateway's whole traffic does not get it.
func TestOpenVPNServerCanNotTakeTheTraffic(t *testing.T) {
	needs(t, openVPNTools...)
	t.Parallel()
	gateway, server := newPair(t, tunnel)
	v := newOpenVPN(t, server)
	server.run(script(t, "openvpn-server"), "add", "gateway1", "--no-start")
	server.run("sh", "-c", `printf '%s\n' 'push "redirect-gateway def1"' 'push "route 198.51.100.0 255.255.255.0"' >>/etc/openvpn/server/sluice/ccd/gateway1`)
	client := connect(gateway, v.profile(t, "gateway1", nil))
	connected(t, client)
	if routes := gateway.run("ip", "route"); strings.Contains(routes, "/1 ") || strings.Contains(routes, "198.51.100.0") || !strings.Contains(routes, "10.8.0.0/24 dev tun-sluice") {
		t.Errorf("routes: %s", routes)
	}
	if n := strings.Count(client.log.String(), "Pushed option removed by filter"); n != 2 {
		t.Errorf("%d options were filtered, not 2", n)
	}
}

// Who must not get in, does not; the messages are those of docs/vpn.md.
func TestOpenVPNRefuses(t *testing.T) {
	needs(t, openVPNTools...)
	for name, c := range map[string]struct {
		common       string // the gateway's common name
		change       func(*testing.T, *setup.OpenVPNClient)
		theirs, ours string // what the server's log, or the gateway's, says
	}{
		"not added":             {"stranger", nil, "client-config-dir authentication failed", "AUTH_FAILED"},
		"another tls-crypt key": {"gateway1", func(_ *testing.T, c *setup.OpenVPNClient) { c.TLSCrypt = setup.NewTLSCryptKey() }, "tls-crypt unwrap error: packet authentication failed", ""},
		"another CA": {"gateway1", func(t *testing.T, c *setup.OpenVPNClient) {
			other := tlstest.NewCA(t, "another CA")
			pair := other.Issue(nil, "gateway1")
			c.CA, c.Cert, c.Key = other.PEM, pair.CertPEM, pair.KeyPEM
		}, "", "VERIFY ERROR"},
		"another server's name": {"gateway1", func(_ *testing.T, c *setup.OpenVPNClient) { c.ServerName = "logstash" }, "", "VERIFY X509NAME ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway, server := newPair(t, tunnel)
			v := newOpenVPN(t, server)
			v.plant.issue("stranger")
			server.run(script(t, "openvpn-server"), "add", "gateway1", "--no-start")
			profile := v.profile(t, c.common, func(o *setup.OpenVPNClient) {
				if c.change != nil {
					c.change(t, o)
				}
			})
			client := connect(gateway, profile)
			eventually(t, "the server says "+c.theirs, func() bool { return v.running.says(c.theirs) })
			eventually(t, "the gateway says "+c.ours, func() bool { return client.says(c.ours) })
			if client.says("Initialization Sequence Completed") {
				t.Error("it got in")
			}
		})
	}
}

// A gateway that is removed, or whose certificate is revoked, is out after the
// restart that the script does, or with its next connection.
func TestOpenVPNShutsOut(t *testing.T) {
	needs(t, openVPNTools...)
	for name, revoke := range map[string]bool{"removed": false, "revoked": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway, server := newPair(t, tunnel)
			v := newOpenVPN(t, server)
			server.run(script(t, "openvpn-server"), "add", "gateway1", "--no-start")
			client := connect(gateway, v.profile(t, "gateway1", nil))
			connected(t, client)
			want := "client-config-dir authentication failed"
			if revoke {
				want = "certificate revoked"
				v.plant.revoke("gateway1")
				server.run(script(t, "openvpn-server"), "install", "--crl", v.plant.file("ca.crl"), "--no-start")
			} else {
				server.run(script(t, "openvpn-server"), "remove", "gateway1", "--no-start")
			}
			v.running.signal(syscall.SIGTERM) // systemctl restart
			eventually(t, "the server refuses it", func() bool { return v.running.says(want) })
		})
	}
}

// An idle tunnel costs what docs/vpn.md says: a packet of 68 bytes each 10 s, each way.
func TestOpenVPNIdle(t *testing.T) {
	needs(t, openVPNTools...)
	t.Parallel()
	gateway, server := newPair(t, tunnel)
	v := newOpenVPN(t, server)
	server.run(script(t, "openvpn-server"), "add", "gateway1", "--no-start")
	wire := gateway.capture()
	connected(t, connect(gateway, v.profile(t, "gateway1", nil)))
	eventually(t, "it is listed as connected", func() bool {
		return strings.Contains(server.run(script(t, "openvpn-server"), "list"), "connected from 192.0.2.1:")
	})
	for out, r := range wire.rhythm() {
		if r.size != 68 { // their distance depends on how busy the machine is
			t.Errorf("outgoing %v: %+v", out, r)
		}
	}
}
