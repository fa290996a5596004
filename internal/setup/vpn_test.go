package setup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vpnFolder is one of certificates, with those of the VPN.
func vpnFolder(t *testing.T) (PKI, *Session, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	p, s := PKI{Dir: filepath.Join(t.TempDir(), "pki")}, &Session{Out: &out}
	for _, name := range []string{"vpn-server", "gateway1"} {
		if err := p.Issue(t.Context(), s, Issue{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	return p, s, &out
}

// What is made is what "setup gateway --vpn" takes.
func TestOpenVPNProfileOfAFolder(t *testing.T) {
	p, s, out := vpnFolder(t)
	file := filepath.Join(t.TempDir(), "gateway1.ovpn")
	client := OpenVPNClient{Remote: "vpn.example.com", Port: 443}
	if err := p.OpenVPN(t.Context(), s, "gateway1", file, client); err != nil {
		t.Fatal(err)
	}
	profile, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkOpenVPN(profile); err != nil {
		t.Errorf("setup gateway refuses it: %v", err)
	}
	shared, _ := os.ReadFile(filepath.Join(p.Dir, vpnKeyFile))
	if len(shared) == 0 || !bytes.Contains(profile, shared) || !bytes.Contains(profile, []byte("remote vpn.example.com 443 udp\n")) {
		t.Errorf("the profile:\n%s", profile)
	}
	for _, name := range []string{file, filepath.Join(p.Dir, vpnKeyFile)} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if strings.Contains(out.String(), "PRIVATE KEY") || strings.Contains(out.String(), string(shared[40:80])) {
		t.Errorf("a key was printed:\n%s", out)
	}
	out.Reset()
	if err := p.OpenVPN(t.Context(), s, "gateway1", file, client); err != nil || strings.Contains(out.String(), "write") {
		t.Errorf("again: %v\n%s", err, out)
	}
}

func TestOpenVPNProfileOfAFolderRefuses(t *testing.T) {
	p, s, _ := vpnFolder(t)
	if err := p.Revoke(t.Context(), s, []string{"gateway1"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"gateway1":   "gateway1.crt is revoked",
		"gateway2":   `sluice setup pki issue gateway2`,
		"vpn-server": "incompatible key usage",
	} {
		file := filepath.Join(t.TempDir(), "x.ovpn")
		err := p.OpenVPN(t.Context(), s, name, file, OpenVPNClient{Remote: "vpn.example.com"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", name, err, want)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: a profile was written", name)
		}
	}
}

func TestWireGuardFileKeepsItsKey(t *testing.T) {
	var out bytes.Buffer
	s := &Session{Out: &out}
	_, server, _ := NewWireGuardKey()
	file := filepath.Join(t.TempDir(), "gateway1.wg.conf")
	for i, host := range []string{"vpn.example.com", "192.0.2.1:4444", "2001:db8::1", "[2001:db8::1]:4444"} {
		before := out.String()
		out.Reset()
		if err := WireGuard(t.Context(), s, file, WireGuardGateway{Name: "gateway1", Server: host, ServerKey: server, Address: "10.8.0.2/24"}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkWireGuard(text); err != nil {
			t.Errorf("setup gateway refuses it: %v", err)
		}
		want := []string{"vpn.example.com:51820", "192.0.2.1:4444", "[2001:db8::1]:51820", "[2001:db8::1]:4444"}[i]
		if !bytes.Contains(text, []byte("Endpoint = "+want+"\n")) || !bytes.Contains(text, []byte("AllowedIPs = 10.8.0.0/24\n")) {
			t.Errorf("%s:\n%s", host, text)
		}
		if i > 0 && out.String() != before {
			t.Errorf("the key was not kept:\n%s%s", before, &out)
		}
		private, _ := wireGuardPrivate(s, file)
		if public, err := WireGuardPublicKey(private); err != nil || !strings.Contains(out.String(), "wireguard-server add gateway1 --public-key "+public+" 10.8.0.2\n") {
			t.Errorf("%v\n%s", err, &out)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}

func TestWireGuardFileRefuses(t *testing.T) {
	_, server, _ := NewWireGuardKey()
	foreign := filepath.Join(t.TempDir(), "foreign")
	if err := os.WriteFile(foreign, []byte("[Interface]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file string
		g    WireGuardGateway
		want string
	}{
		"no address":    {"x", WireGuardGateway{Server: "a", ServerKey: server}, "address \"\""},
		"no key":        {"x", WireGuardGateway{Server: "a", Address: "10.8.0.2/24"}, "server key: not a WireGuard key"},
		"no server":     {"x", WireGuardGateway{ServerKey: server, Address: "10.8.0.2/24"}, "Endpoint: empty"},
		"all addresses": {"x", WireGuardGateway{Server: "a", ServerKey: server, Address: "10.8.0.2/0"}, "Address"},
		"foreign file":  {foreign, WireGuardGateway{Server: "a", ServerKey: server, Address: "10.8.0.2/24"}, "no PrivateKey"},
	} {
		file := c.file
		if file == "x" {
			file = filepath.Join(t.TempDir(), "x")
		}
		err := WireGuard(t.Context(), &Session{Out: new(bytes.Buffer)}, file, c.g)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, not %q", name, err, c.want)
		}
	}
}
