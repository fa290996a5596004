package vpn_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/internal/setup"
)

// userspace is WireGuard as a program, for kernels without it. It is built for the
// tests only, and is no part of the module.
const userspace = "golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446"

var buildUserspace = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	_, version, _ := strings.Cut(userspace, "@")
	dir := filepath.Join(cache, "sluice-test", "wireguard-"+version)
	program := filepath.Join(dir, "wireguard")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	build := exec.Command("go", "install", userspace)
	build.Dir = os.TempDir() // not in the module
	build.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w\n%s", userspace, err, out)
	}
	return program, nil
})

func needsWireGuard(t *testing.T) {
	t.Helper()
	needs(t, "wg:wireguard-tools", "wg-quick:wireguard-tools", "mosquitto:mosquitto", "mosquitto_passwd:mosquitto")
	if _, err := buildUserspace(); err != nil {
		skip(t, "%v", err)
	}
}

// quick runs wg-quick as wg-quick@sluice.service does; without WireGuard in the
// kernel it starts the program.
func (m *machine) quick(verb string) {
	m.t.Helper()
	program, err := buildUserspace()
	must(m.t, err)
	m.run("env", "WG_QUICK_USERSPACE_IMPLEMENTATION="+program, "wg-quick", verb, "sluice")
}

// crash ends the interface as kill -9 ends the program, or a crash the machine.
func (m *machine) crash() {
	m.t.Helper()
	if n := m.killAll("wireguard"); n == 0 {
		m.run("ip", "link", "del", "sluice") // it is the kernel's
	}
	eventually(m.t, "the interface is gone", func() bool {
		_, err := m.try("ip", "link", "show", "sluice")
		return err != nil
	})
}

// killAll ends the processes of a name in the machine.
func (m *machine) killAll(name string) (n int) {
	m.t.Helper()
	here, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", m.pid))
	must(m.t, err)
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		comm, _ := os.ReadFile(p + "/comm")
		net, _ := os.Readlink(p + "/ns/net")
		pid, _ := strconv.Atoi(filepath.Base(p))
		if strings.TrimSpace(string(comm)) == name && net == here && pid > 1 {
			must(m.t, syscall.Kill(pid, syscall.SIGKILL))
			n++
		}
	}
	return n
}

// newWireGuard sets up the server by the script and one gateway by its own key, as
// sluice makes its file. Neither is up yet.
func newWireGuard(t *testing.T, gateway, server *machine) {
	t.Helper()
	said := server.run(script(t, "wireguard-server"), "install", "--no-start")
	_, serverKey, ok := strings.Cut(said, "The public key of this server: ")
	if !ok {
		t.Fatalf("install: %s", said)
	}
	private, public, err := setup.NewWireGuardKey()
	must(t, err)
	said = server.run(script(t, "wireguard-server"), "add", "gateway1", "--public-key", public, "--no-start")
	if !strings.Contains(said, "gateway1 has the address 10.8.0.2.") {
		t.Fatalf("add: %s", said)
	}
	conf, err := setup.WireGuardConfig(setup.WireGuardInterface{
		PrivateKey: private, Address: netip.MustParsePrefix("10.8.0.2/24"), MTU: setup.WireGuardLTE,
		Peers: []setup.WireGuardPeer{{Name: "server", PublicKey: strings.TrimSpace(serverKey), Endpoint: "192.0.2.2:51820",
			AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24")}, Keepalive: setup.WireGuardKeepalive}},
	})
	must(t, err)
	must(t, os.WriteFile(gateway.path("/etc/wireguard/sluice.conf"), conf, 0o600))
}

// reaches knocks at a port where nobody listens, and waits for the refusal.
func (m *machine) reaches(address string) bool {
	ctx, end := context.WithTimeout(m.t.Context(), time.Second)
	defer end()
	_, err := m.dial(ctx, "tcp", address+":9")
	return errors.Is(err, syscall.ECONNREFUSED)
}

// The same proof as with OpenVPN. The line is cut by a filter that drops all without
// a word, as a dead spot of LTE does; both ends crash meanwhile.
func TestWireGuard(t *testing.T) {
	needsWireGuard(t)
	needs(t, "nft:nftables")
	t.Parallel()
	gateway, server := newPair(t, tunnel)
	newWireGuard(t, gateway, server)
	server.quick("up")
	unreachable(t, gateway)
	wire := gateway.capture()
	gateway.quick("up")
	p := newPlant(t)
	c := newChain(t, p, gateway, server, tunnel+":5044", true)
	const n = 2500
	published := make(chan struct{})
	go func() { defer close(published); c.publish(0, n, 25*time.Millisecond) }()
	eventually(t, "readings arrive", func() bool { return c.receiver.unique() > 100 })

	gateway.run("nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; }; add chain inet cut out { type filter hook output priority 0; };"+
		" add rule inet cut in iifname wan drop; add rule inet cut out oifname wan drop")
	began := time.Now()
	server.crash()
	before := c.receiver.unique()
	time.Sleep(15 * time.Second) // the first half of the outage
	server.quick("up")
	gateway.crash()
	gateway.quick("up")
	time.Sleep(time.Until(began.Add(30 * time.Second))) // the rest of it
	if now := c.receiver.unique(); now > before+100 {
		t.Errorf("%d readings came while the tunnel was cut", now-before)
	}
	gateway.run("nft", "delete table inet cut")
	eventually(t, "readings arrive again", func() bool { return c.receiver.unique() > before+200 })
	t.Logf("readings again %.1f s after the cut", time.Since(began).Seconds()-30)
	<-published
	c.receiver.prove(n)
	wire.hidden(host)
	wire.onlyUDP(51820)
	if list := server.run(script(t, "wireguard-server"), "list"); !strings.Contains(list, "seen 20") {
		t.Errorf("list: %s", list)
	}
}

func TestWireGuardHidesPlainText(t *testing.T) {
	needsWireGuard(t)
	t.Parallel()
	gateway, server := newPair(t, tunnel)
	newWireGuard(t, gateway, server)
	server.quick("up")
	wire := gateway.capture()
	gateway.quick("up")
	c := newChain(t, newPlant(t), gateway, server, tunnel+":5044", false)
	c.publish(0, 100, time.Millisecond)
	c.receiver.prove(100)
	wire.hidden("boiler-temperature", "boiler-topic", "@metadata")
	wire.onlyUDP(51820)
	if routes := gateway.run("ip", "route"); strings.Contains(routes, "default") || !strings.Contains(routes, "10.8.0.0/24 dev sluice") {
		t.Errorf("routes: %s", routes)
	}
	if link := gateway.run("ip", "link", "show", "sluice"); !strings.Contains(link, "mtu 1340 ") {
		t.Errorf("packets might not fit through LTE: %s", link)
	}
}

// A gateway whose file the server made comes in; removed, it is out at once, and
// another one is not.
func TestWireGuardServerAddsAndRemoves(t *testing.T) {
	needsWireGuard(t)
	t.Parallel()
	gateway, server := newPair(t, tunnel)
	newWireGuard(t, gateway, server)
	server.quick("up")
	// systemctl reload wg-quick@sluice
	reload := func() {
		server.run("bash", "-c", "exec wg syncconf sluice <(exec wg-quick strip sluice)")
	}
	made := "/etc/wireguard/sluice/gateway2.conf"
	if out, err := server.try(script(t, "wireguard-server"), "add", "gateway2", "--endpoint", "192.0.2.2", "10.8.0.2", "--no-start"); err == nil || !strings.Contains(out, "address 10.8.0.2 is that of gateway1") {
		t.Errorf("an address twice: %v: %s", err, out)
	}
	server.run(script(t, "wireguard-server"), "add", "gateway2", "--endpoint", "192.0.2.2", "--no-start")
	reload()
	// gateway1 becomes gateway2 for a while: the same cable, another key.
	text, err := os.ReadFile(server.path(made))
	must(t, err)
	if info, err := os.Stat(server.path(made)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", made, info.Mode(), err)
	}
	own := gateway.path("/etc/wireguard/sluice.conf")
	first, err := os.ReadFile(own)
	must(t, err)
	gateway.quick("up")
	eventually(t, "gateway1 reaches the server", func() bool { return gateway.reaches(tunnel) })
	gateway.quick("down")
	must(t, os.WriteFile(own, text, 0o600))
	gateway.quick("up")
	eventually(t, "gateway2 reaches the server", func() bool { return gateway.reaches(tunnel) })
	server.run(script(t, "wireguard-server"), "remove", "gateway2", "--no-start")
	reload()
	if gateway.reaches(tunnel) {
		t.Error("gateway2 is removed, and still reaches the server")
	}
	if _, err := os.Stat(server.path(made)); err == nil {
		t.Errorf("%s is left", made)
	}
	gateway.quick("down")
	must(t, os.WriteFile(own, first, 0o600))
	gateway.quick("up")
	eventually(t, "gateway1 still reaches the server", func() bool { return gateway.reaches(tunnel) })
}

// An idle tunnel carries what docs/vpn.md says: packets of 60 bytes from the gateway.
func TestWireGuardIdle(t *testing.T) {
	needsWireGuard(t)
	t.Parallel()
	gateway, server := newPair(t, tunnel)
	newWireGuard(t, gateway, server)
	server.quick("up")
	wire := gateway.capture()
	gateway.quick("up")
	eventually(t, "the gateway reaches the server", func() bool { return gateway.reaches(tunnel) })
	from := len(wire.kept(outside))
	idle := func() (out []packet) {
		for _, p := range wire.kept(outside)[from:] {
			if p.out && len(p.data)-14 == 60 {
				out = append(out, p)
			}
		}
		return out
	}
	// How far apart they are is not measured: a busy machine delays either.
	eventually(t, "two keepalives", func() bool { return len(idle()) >= 2 })
}
