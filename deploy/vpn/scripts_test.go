package vpn_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/internal/setup"
)

func TestScriptsAreClean(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		skip(t, "shellcheck is missing; on Debian: apt-get install shellcheck")
	}
	if out, err := exec.Command("shellcheck", "-x", "lib.sh", "openvpn-server", "wireguard-server").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, name := range []string{"openvpn-server", "wireguard-server"} {
		if info, err := os.Stat(name); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s can't be started: %v, %v", name, info.Mode(), err)
		}
	}
}

// files lists what a script has left in a folder of the machine: name, mode, text.
func (m *machine) files(dir string) map[string]string {
	m.t.Helper()
	all, root := map[string]string{}, m.path(dir)
	must(m.t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, root+"/")] = fmt.Sprintf("%o %s", info.Mode().Perm(), text)
		return err
	}))
	return all
}

func names(files map[string]string) (all []string) {
	for name := range files {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// drafts of secrets lie in /run and are gone with the script.
func (m *machine) noDrafts() {
	m.t.Helper()
	if left, _ := filepath.Glob(m.path("/run/sluice-vpn.*")); len(left) != 0 {
		m.t.Errorf("left: %v", left)
	}
}

func TestOpenVPNServerScript(t *testing.T) {
	needs(t, "openvpn:openvpn")
	t.Parallel()
	p, m := newPlant(t), newMachine(t, "server", tunnel)
	const conf = "/etc/openvpn/server"
	do := func(args ...string) string { return m.run(script(t, "openvpn-server"), append(args, "--no-start")...) }
	shared := filepath.Join(t.TempDir(), "shared")
	must(t, os.WriteFile(shared, setup.NewTLSCryptKey(), 0o600))

	said := do("install", "--bundle", p.bundle("vpn-server"), "--tls-crypt", shared, "--dry-run")
	if left := m.files(conf); len(left) != 0 || strings.Contains(said, "PRIVATE KEY") || !strings.Contains(said, "    | server 10.8.0.0 255.255.255.0 nopool\n") {
		t.Errorf("a dry run left %v and said:\n%s", names(left), said)
	}
	do("install", "--bundle", p.bundle("vpn-server"), "--tls-crypt", shared)
	first := m.files(conf)
	if want := []string{"sluice.conf", "sluice/ca.crt", "sluice/server.crt", "sluice/server.key", "sluice/tls-crypt.key"}; !slices.Equal(names(first), want) {
		t.Fatalf("install made %v, not %v", names(first), want)
	}
	for name, want := range map[string]string{
		"sluice/ca.crt": "644 " + string(p.read("ca.crt")), "sluice/server.crt": "644 " + string(p.read("vpn-server.crt")),
		"sluice/server.key": "600 " + string(p.read("vpn-server.key")),
	} {
		if first[name] != want {
			t.Errorf("%s is not that of the bundle", name)
		}
	}
	if key, _ := os.ReadFile(shared); first["sluice/tls-crypt.key"] != "600 "+string(key) {
		t.Error("the shared key is not the given one")
	}
	// Again, and with nothing given: all the same.
	for _, args := range [][]string{{"install"}, {"install", "--ca", p.file("ca.crt"), "--cert", p.file("vpn-server.crt"), "--key", p.file("vpn-server.key")}} {
		if said := do(args...); strings.Contains(said, "write") || !slices.Equal(names(m.files(conf)), names(first)) {
			t.Errorf("%v again: %s", args, said)
		}
	}
	do("add", "gateway1")
	do("add", "gateway2", "10.8.0.77")
	said = do("install", "--port", "1195", "--network", "10.9.0.0/24", "--keepalive", "30", "--client-to-client")
	now := m.files(conf)
	for _, want := range []string{"\nport 1195\n", "\nserver 10.9.0.0 255.255.255.0 nopool\n", "\nkeepalive 30 180\n", "\nclient-to-client\n"} {
		if !strings.Contains(now["sluice.conf"], want) {
			t.Errorf("sluice.conf lacks %q:\n%s", want, now["sluice.conf"])
		}
	}
	if !strings.Contains(said, "gateway2 has the address 10.8.0.77, which is not in 10.9.0.0/24") {
		t.Errorf("the gateways of another net are not named: %s", said)
	}
	old := regexp.MustCompile(`old: /etc/openvpn/server/(sluice\.conf\.bak-\d{8}T\d{6}Z)`).FindStringSubmatch(said)
	if old == nil || now[old[1]] != first["sluice.conf"] {
		t.Errorf("no copy of the old file: %s", said)
	}
	m.noDrafts()
}

func TestOpenVPNServerScriptRefuses(t *testing.T) {
	needs(t, "openvpn:openvpn")
	t.Parallel()
	p, m := newPlant(t), newMachine(t, "server", tunnel)
	try := func(want string, args ...string) {
		t.Helper()
		before := m.files("/etc/openvpn")
		if out, err := m.try(script(t, "openvpn-server"), args...); err == nil || !strings.Contains(out, "openvpn-server: ") || !strings.Contains(out, want) {
			t.Errorf("%v: %v: %q is not in: %s", args, err, want, out)
		} else if strings.Contains(out, "PRIVATE KEY-----\nM") {
			t.Errorf("%v: a key was printed", args)
		}
		if after := m.files("/etc/openvpn"); !slices.Equal(names(before), names(after)) {
			t.Errorf("%v: files are there: %v", args, names(after))
		}
	}
	bundle := p.bundle("vpn-server")
	half := filepath.Join(t.TempDir(), "half")
	text, err := os.ReadFile(bundle)
	must(t, err)
	must(t, os.WriteFile(half, text[:len(text)/3], 0o600))
	try("--bundle FILE, or --ca FILE, is needed", "install", "--no-start")
	try("needs a value", "install", "--bundle")
	try("can't be read", "install", "--bundle", "/nonexistent", "--no-start")
	try("not a whole bundle", "install", "--bundle", half, "--no-start")
	try("stands for", "install", "--bundle", bundle, "--ca", p.file("ca.crt"), "--no-start")
	try("no line -----BEGIN PRIVATE KEY-----", "install", "--ca", p.file("ca.crt"), "--cert", p.file("vpn-server.crt"), "--key", p.file("ca.crt"), "--no-start")
	try("key values mismatch", "install", "--ca", p.file("ca.crt"), "--cert", p.file("vpn-server.crt"), "--key", p.file("gateway1.key"), "--no-start")
	try("use a number from 1 to 65535", "install", "--bundle", bundle, "--port", "70000", "--no-start")
	try("a net of 256 addresses", "install", "--bundle", bundle, "--network", "10.8.0.0/16", "--no-start")
	try("256 is more than 255", "install", "--bundle", bundle, "--network", "10.256.0.0/24", "--no-start")
	try("unknown option --no-such", "install", "--no-such")
	try("unknown command start", "start")
	try("no server is here", "add", "gateway1", "--no-start")
	try("no server is here", "list")
	try("--port is an option of install", "add", "gateway1", "--port", "1")
	m.run(script(t, "openvpn-server"), "install", "--bundle", bundle, "--no-start")
	m.run(script(t, "openvpn-server"), "add", "gateway1", "--no-start")
	try("a name has 1 to 64", "add", "../../x", "--no-start")
	try("is not DEFAULT", "add", "DEFAULT", "--no-start")
	try("address 10.8.0.2 is that of gateway1", "add", "gateway2", "10.8.0.2", "--no-start")
	try("use one from 10.8.0.2 to 10.8.0.254", "add", "gateway2", "10.8.0.1", "--no-start")
	try("use one from 10.8.0.2 to 10.8.0.254", "add", "gateway2", "10.9.0.3", "--no-start")
	try("gateway gateway2 is not added", "remove", "gateway2", "--no-start")
	try("wrong number of arguments", "remove", "--no-start")
	m.noDrafts()
	if out, err := m.try("setpriv", "--reuid=65534", "--clear-groups", script(t, "openvpn-server"), "install"); err == nil || !strings.Contains(out, "must run as root") {
		t.Errorf("not as root: %v: %s", err, out)
	}
}

func TestWireGuardServerScript(t *testing.T) {
	needs(t, "wg:wireguard-tools", "wg-quick:wireguard-tools")
	t.Parallel()
	m := newMachine(t, "server", tunnel)
	const conf = "/etc/wireguard"
	do := func(args ...string) string {
		return m.run(script(t, "wireguard-server"), append(args, "--no-start")...)
	}
	if said := do("install", "--dry-run"); len(m.files(conf)) != 0 {
		t.Errorf("a dry run left %v and said:\n%s", names(m.files(conf)), said)
	}
	// A file of somebody else's is kept.
	must(t, os.WriteFile(m.path(conf+"/sluice.conf"), []byte("[Interface]\n"), 0o600))
	if said := do("install"); !strings.Contains(said, "old: /etc/wireguard/sluice.conf.bak-") {
		t.Errorf("no copy of the old file: %s", said)
	}
	_, public, err := setup.NewWireGuardKey()
	must(t, err)
	do("add", "gateway1", "--public-key", public)
	do("add", "gateway2", "--endpoint", "[2001:db8::1]")
	said := do("add", "gateway3", "--endpoint", "vpn.example.com:4444", "10.8.0.77")
	files := m.files(conf)
	for name, text := range files {
		if !strings.HasPrefix(text, "600 ") {
			t.Errorf("%s has the mode %.3s", name, text)
		}
		for line := range strings.Lines(text) {
			if _, key, ok := strings.Cut(line, "PrivateKey = "); ok && strings.Contains(said, strings.TrimSpace(key)) {
				t.Errorf("the key of %s was printed", name)
			}
		}
	}
	for name, want := range map[string]string{
		"sluice.conf":          "# gateway1\n[Peer]\nPublicKey = " + public + "\nAllowedIPs = 10.8.0.2/32\n",
		"sluice/gateway2.conf": "Endpoint = [2001:db8::1]:51820\n",
		"sluice/gateway3.conf": "Endpoint = vpn.example.com:4444\n",
		"sluice/gateway3.peer": "AllowedIPs = 10.8.0.77/32\n",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s lacks %q:\n%s", name, want, files[name])
		}
	}
	for _, args := range [][]string{{"install"}, {"add", "gateway1", "--public-key", public}, {"add", "gateway3", "--endpoint", "vpn.example.com:4444"}} {
		if said := do(args...); strings.Contains(said, "write") {
			t.Errorf("%v again: %s", args, said)
		}
	}
	do("remove", "gateway3")
	if now := m.files(conf); strings.Contains(now["sluice.conf"], "gateway3") || now["sluice/gateway3.conf"]+now["sluice/gateway3.peer"] != "" || !strings.Contains(now["sluice.conf"], "# gateway2") {
		t.Errorf("after remove: %v", names(now))
	}
	m.noDrafts()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"address 10.8.0.2 is that of gateway1", []string{"add", "gateway4", "--endpoint", "a", "10.8.0.2"}},
		{"the public key is that of gateway1", []string{"add", "gateway4", "--public-key", public}},
		{"44 characters", []string{"add", "gateway4", "--public-key", "abc"}},
		{"needs --public-key KEY or --endpoint HOST", []string{"add", "gateway4"}},
		{"one of --public-key and --endpoint", []string{"add", "gateway4", "--public-key", public, "--endpoint", "a"}},
		{"an IPv6 address in brackets", []string{"add", "gateway4", "--endpoint", "2001:db8::1"}},
		{"which is not in 10.9.0.0/24", []string{"install", "--network", "10.9.0.0/24"}},
		{"from 1280 to 1440", []string{"install", "--mtu", "1500"}},
		{"--mtu is an option of install", []string{"add", "gateway4", "--mtu", "1300"}},
		{"not added", []string{"remove", "gateway4"}},
	} {
		before := m.files(conf)
		if out, err := m.try(script(t, "wireguard-server"), append(c.args, "--no-start")...); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%v: %v: %q is not in: %s", c.args, err, c.want, out)
		}
		if after := m.files(conf); !slices.Equal(names(before), names(after)) {
			t.Errorf("%v: files are there: %v", c.args, names(after))
		}
	}
}

// With a firewall of nft's usual form the ports are opened, once.
func TestFirewallOfNft(t *testing.T) {
	needs(t, "openvpn:openvpn", "nft:nftables")
	t.Parallel()
	p, m := newPlant(t), newMachine(t, "server", tunnel)
	install := func() string {
		return m.run(script(t, "openvpn-server"), "install", "--bundle", p.bundle("vpn-server"), "--no-start", "--open-firewall", "--logstash-port", "5000")
	}
	if said := install(); !strings.Contains(said, "no firewall to open here") {
		t.Errorf("without a firewall: %s", said)
	}
	m.run("nft", "add table inet filter; add chain inet filter input { type filter hook input priority 0; policy drop; };")
	for range 2 {
		install()
	}
	chain := m.run("nft", "list", "chain", "inet", "filter", "input")
	for _, rule := range []string{"udp dport 1194 accept", `iifname "tun-sluice" tcp dport 5000 accept`} {
		if strings.Count(chain, rule) != 1 {
			t.Errorf("%q is not there once: %s", rule, chain)
		}
	}
}
