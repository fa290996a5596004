package setup

import (
	"bytes"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/tlsconfig/tlstest"
)

var x509Serial = big.NewInt(7)

// vpnTool finds a program of the system, which CI must have.
func vpnTool(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
			return filepath.Join(dir, name)
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: apt-get install openvpn wireguard-tools", name)
	}
	t.Skipf("NOT TESTED: %s is missing; on Debian: apt-get install openvpn wireguard-tools", name)
	return ""
}

func TestWireGuardKeysAreThoseOfWg(t *testing.T) {
	wg := vpnTool(t, "wg")
	pubkey := func(private string) string {
		cmd := exec.Command(wg, "pubkey")
		cmd.Stdin = strings.NewReader(private + "\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	for range 20 {
		private, public, err := NewWireGuardKey()
		if err != nil || pubkey(private) != public {
			t.Fatalf("wg pubkey says %q, we %q (%v)", pubkey(private), public, err)
		}
		if raw, _ := wireGuardKey(private); raw[0]&7 != 0 || raw[31]&0xc0 != 0x40 {
			t.Fatalf("not clamped as wg genkey does: %x…%x", raw[0], raw[31])
		}
		theirs, err := exec.Command(wg, "genkey").Output()
		if err != nil {
			t.Fatal(err)
		}
		private = strings.TrimSpace(string(theirs))
		if public, err := WireGuardPublicKey(private); err != nil || public != pubkey(private) {
			t.Fatalf("of a key of wg genkey: %q, %v", public, err)
		}
	}
	// An unclamped key, too.
	if public, err := WireGuardPublicKey(NewWireGuardPresharedKey()); err != nil || len(public) != 44 {
		t.Errorf("%q, %v", public, err)
	}
}

func wireGuardEnds(t *testing.T) (server, gateway WireGuardInterface) {
	t.Helper()
	serverKey, serverPublic, _ := NewWireGuardKey()
	key, public, _ := NewWireGuardKey()
	shared := NewWireGuardPresharedKey()
	server = WireGuardInterface{PrivateKey: serverKey, Address: netip.MustParsePrefix("10.8.0.1/24"), ListenPort: WireGuardPort, Peers: []WireGuardPeer{
		{Name: "gateway1", PublicKey: public, PresharedKey: shared, AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.8.0.2/32")}},
	}}
	gateway = WireGuardInterface{PrivateKey: key, Address: netip.MustParsePrefix("10.8.0.2/24"), MTU: WireGuardLTE, Peers: []WireGuardPeer{
		{Name: "server", PublicKey: serverPublic, PresharedKey: shared, Endpoint: "vpn.example.com:51820",
			AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.8.0.1/24")}, Keepalive: WireGuardKeepalive},
	}}
	return server, gateway
}

func TestWireGuardConfigOfBothEnds(t *testing.T) {
	server, gateway := wireGuardEnds(t)
	text, err := WireGuardConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	want := "# WireGuard, for wg-quick. It holds a private key: mode 600.\n[Interface]\nPrivateKey = " + server.PrivateKey +
		"\nAddress = 10.8.0.1/24\nListenPort = 51820\n\n# gateway1\n[Peer]\nPublicKey = " + server.Peers[0].PublicKey +
		"\nPresharedKey = " + server.Peers[0].PresharedKey + "\nAllowedIPs = 10.8.0.2/32\n"
	if string(text) != want {
		t.Errorf("server:\n%s\nnot\n%s", text, want)
	}
	if text, err = WireGuardConfig(gateway); err != nil {
		t.Fatal(err)
	}
	want = "# WireGuard, for wg-quick. It holds a private key: mode 600.\n[Interface]\nPrivateKey = " + gateway.PrivateKey +
		"\nAddress = 10.8.0.2/24\nMTU = 1340\n\n# server\n[Peer]\nPublicKey = " + gateway.Peers[0].PublicKey +
		"\nPresharedKey = " + gateway.Peers[0].PresharedKey +
		"\nAllowedIPs = 10.8.0.0/24\nEndpoint = vpn.example.com:51820\nPersistentKeepalive = 25\n"
	if string(text) != want {
		t.Errorf("gateway:\n%s\nnot\n%s", text, want)
	}
}

// wg-quick reads the file as it is meant.
func TestWgQuickTakesTheConfiguration(t *testing.T) {
	quick := vpnTool(t, "wg-quick")
	_, gateway := wireGuardEnds(t)
	text, err := WireGuardConfig(gateway)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: wg-quick asks for root")
	}
	out, err := exec.Command(quick, "strip", tlstest.File(t, filepath.Join(t.TempDir(), "wg-sluice.conf"), text)).Output()
	if err != nil {
		t.Fatal(err)
	}
	// strip takes out what wg itself does not know.
	if bytes.Contains(out, []byte("Address")) || bytes.Contains(out, []byte("MTU")) || !bytes.Contains(out, []byte("PersistentKeepalive = 25")) {
		t.Errorf("wg-quick strip: %s", out)
	}
}

func TestWireGuardConfigRefusesWhatWouldNotConnect(t *testing.T) {
	all := netip.MustParsePrefix("0.0.0.0/0")
	for name, c := range map[string]struct {
		change func(*WireGuardInterface)
		want   string
	}{
		"no key":           {func(i *WireGuardInterface) { i.PrivateKey = "" }, "PrivateKey: not a WireGuard key"},
		"short key":        {func(i *WireGuardInterface) { i.PrivateKey = "AAAA" }, "PrivateKey: not a WireGuard key"},
		"no address":       {func(i *WireGuardInterface) { i.Address = netip.Prefix{} }, "Address"},
		"port":             {func(i *WireGuardInterface) { i.ListenPort = -1 }, "ListenPort"},
		"MTU":              {func(i *WireGuardInterface) { i.MTU = 1500 }, "MTU 1500"},
		"name of two":      {func(i *WireGuardInterface) { i.Peers[0].Name = "a\n[Peer]" }, "control character"},
		"no public key":    {func(i *WireGuardInterface) { i.Peers[0].PublicKey = "" }, "PublicKey: not a WireGuard key"},
		"key of two lines": {func(i *WireGuardInterface) { i.Peers[0].PublicKey += "\n" }, "PublicKey: not a WireGuard key"},
		"own key":          {func(i *WireGuardInterface) { i.Peers[0].PublicKey, _ = WireGuardPublicKey(i.PrivateKey) }, "that of another end"},
		"peer twice":       {func(i *WireGuardInterface) { i.Peers = append(i.Peers, i.Peers[0]) }, "Peers[1] (\"server\"): PublicKey is that of another"},
		"address twice": {func(i *WireGuardInterface) {
			p := i.Peers[0]
			_, p.PublicKey, _ = NewWireGuardKey()
			i.Peers = append(i.Peers, p)
		}, "is another peer's"},
		"preshared key": {func(i *WireGuardInterface) { i.Peers[0].PresharedKey = "x" }, "PresharedKey: not a WireGuard key"},
		"no port":       {func(i *WireGuardInterface) { i.Peers[0].Endpoint = "vpn.example.com" }, "HOST:PORT"},
		"port 0":        {func(i *WireGuardInterface) { i.Peers[0].Endpoint = "vpn.example.com:0" }, "1 to 65535"},
		"host":          {func(i *WireGuardInterface) { i.Peers[0].Endpoint = "a b:1" }, "neither a host name"},
		"no nets":       {func(i *WireGuardInterface) { i.Peers[0].AllowedIPs = nil }, "AllowedIPs is empty"},
		"everything":    {func(i *WireGuardInterface) { i.Peers[0].AllowedIPs = []netip.Prefix{all} }, "everything"},
		"no net":        {func(i *WireGuardInterface) { i.Peers[0].AllowedIPs = []netip.Prefix{{}} }, "prefix that is none"},
		"keepalive":     {func(i *WireGuardInterface) { i.Peers[0].Keepalive = 1500 * time.Millisecond }, "whole seconds"},
	} {
		_, gateway := wireGuardEnds(t)
		c.change(&gateway)
		text, err := WireGuardConfig(gateway)
		if err == nil || !strings.Contains(err.Error(), c.want) || text != nil {
			t.Errorf("%s: %v, not %q", name, err, c.want)
		} else if gateway.PrivateKey != "" && strings.Contains(err.Error(), gateway.PrivateKey) {
			t.Errorf("%s: the error shows the private key", name)
		}
	}
}
