package vpn_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/nspawn"
)

const guide = "../../docs/vpn.md"

// block is a shell block of the guide.
type block struct {
	line    int
	machine string // server or gateway
	text    string
	want    string // what it prints: the text block behind it
}

var fences = regexp.MustCompile("(?ms)^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?")

// blocks returns those of the guide. One that needs a second machine is a copy to
// it: both have the same /root here. Another that can't be run is left out.
func blocks(t *testing.T) (all []block) {
	t.Helper()
	text, err := os.ReadFile(guide)
	must(t, err)
	for _, m := range fences.FindAllSubmatchIndex(text, -1) {
		b := block{line: 1 + strings.Count(string(text[:m[0]]), "\n"), text: string(text[m[2]:m[3]])}
		if m[4] >= 0 {
			b.want = string(text[m[4]:m[5]])
		}
		if first, rest, _ := strings.Cut(b.text, "\n"); strings.HasPrefix(first, "# needs real hardware") {
			if !strings.Contains(first, "second machine") {
				continue
			}
			b.text = regexp.MustCompile(`(?m)^scp (?:-r )?(.*) root@\S+:$`).ReplaceAllString(rest, `for file in $1; do [ "$$file" -ef "/root/$$(basename "$$file")" ] || cp -r "$$file" /root/; done`)
		}
		if _, err := fmt.Sscanf(b.text, "# on the %s\n", &b.machine); err != nil || b.machine != "server" && b.machine != "gateway" {
			t.Fatalf("%s:%d: the block does not say on which machine it is run", guide, b.line)
		}
		all = append(all, b)
	}
	if len(all) < 12 {
		t.Fatalf("%s has only %d blocks", guide, len(all))
	}
	return all
}

// met is a command that succeeds when a file shows the lines of a text, in which …
// stands for anything, and one blank for several.
func met(want string) string {
	blanks := regexp.MustCompile(`[ \t]+`)
	var all []string
	for line := range strings.Lines(want) {
		line = strings.TrimSpace(blanks.ReplaceAllString(line, " "))
		var parts []string
		for _, part := range strings.Split(line, "…") {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		if line != "" {
			all = append(all, fmt.Sprintf(`grep -Eq -- '%s' "$2"`, strings.Join(parts, ".*")))
		}
	}
	return "tr -s ' \\t' ' ' <\"$1\" >\"$2\"\n" + strings.Join(append(all, "true"), " &&\n") + "\n"
}

// The server and the gateway of the guide, each a booted system with systemd, and a
// cable between them. They take turns: a block is run when the one before it is done.
func TestGuide(t *testing.T) {
	needsWireGuard(t)
	nspawn.Needs(t, "openvpn", "wg:wireguard-tools")
	if testing.Short() {
		t.Skip("boots two systems")
	}
	t.Parallel()
	all, shared, home := blocks(t), t.TempDir(), t.TempDir()
	must(t, os.Chmod(shared, 0o755))
	cable := fmt.Sprintf("sluice-%d", os.Getpid())
	if out, err := exec.Command("ip", "link", "add", cable, "up", "type", "bridge").CombinedOutput(); err != nil {
		skip(t, "ip link add, type bridge: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", cable).Run() })
	for i, b := range all {
		must(t, os.WriteFile(fmt.Sprintf("%s/%d.sh", shared, i), []byte(b.text), 0o644))
		must(t, os.WriteFile(fmt.Sprintf("%s/%d.met", shared, i), []byte(met(b.want)), 0o644))
	}
	machines := map[string]nspawn.Machine{}
	// Not addresses of this machine: a bridge asks its filter.
	for name, address := range map[string]string{"gateway": "198.51.100.1", "server": "198.51.100.2"} {
		machines[name] = guideMachine(t, name, address, cable, shared, home, all)
	}
	var both sync.WaitGroup
	for _, m := range machines {
		both.Go(func() { m.Boot(t) })
	}
	both.Wait()
	for name, m := range machines {
		t.Log(name)
		m.Report(t)
	}
	if t.Failed() {
		for i, b := range all {
			said, _ := os.ReadFile(fmt.Sprintf("%s/%d.out", shared, i))
			t.Logf("%s:%d, on the %s:\n%s", guide, b.line, b.machine, said)
		}
	}
}

// turns runs the blocks of one machine, and ends with the first that fails, on both.
// One whose output is not met is tried again: a reader looks again, too.
const turns = `
set +x
fail() { echo "FAIL $*"; touch /shared/failed; exit 1; }
turn() { # turn NUMBER: waits for the other machine
	local end=$((SECONDS + 60))
	until [ -e /shared/$1.done ]; do
		[ ! -e /shared/failed ] || exit 0
		((SECONDS < end)) || fail "the other machine has not done block $1"
		sleep 0.1
	done
}
block() { # block NUMBER LINE
	local end=$((SECONDS + 20)) out=/shared/$1.out
	until (cd /root && bash -e -o pipefail /shared/$1.sh) >$out 2>&1 && bash -e /shared/$1.met $out $out.squeezed; do
		((SECONDS < end)) || fail "line $2: $(tail -c 2000 $out)"
		sleep 0.5
	done
	echo "ok line $2"
	touch /shared/$1.done
}
`

func guideMachine(t *testing.T, name, address, cable, shared, home string, all []block) nspawn.Machine {
	t.Helper()
	root := nspawn.Overlay(t, "/")
	m := nspawn.Machine{Root: root, Out: t.TempDir(), Limit: 3 * time.Minute}
	for _, leftover := range []string{"/etc/openvpn/server", "/etc/wireguard"} {
		must(t, os.RemoveAll(root+leftover))
	}
	must(t, os.MkdirAll(root+"/etc/openvpn/server", 0o755))
	program, err := buildUserspace()
	must(t, err)
	install(t, program, root+"/usr/bin/wireguard-go", 0o755)
	install(t, sluice, root+"/usr/bin/sluice", 0o755)
	for _, file := range []string{"openvpn-server", "wireguard-server", "lib.sh"} {
		install(t, file, root+"/usr/share/sluice/vpn/"+file, 0o755)
	}
	install(t, "../../systemd/sluice-vpn.service", root+"/etc/systemd/system/sluice-vpn.service", 0o644)
	install(t, "../../systemd/sluice.sysusers", root+"/usr/lib/sysusers.d/sluice.conf", 0o644)
	must(t, os.MkdirAll(root+"/etc/sluice", 0o755))
	nspawn.Write(t, root+"/etc/hosts", "127.0.0.1 localhost\n198.51.100.2 vpn.example.com\n", 0o644)
	nspawn.Write(t, root+"/etc/hostname", name+"\n", 0o644)
	node := root + "/tun"
	must(t, exec.Command("mknod", "-m", "666", node, "c", "10", "200").Run())
	var probe strings.Builder
	fmt.Fprintf(&probe, "ip addr add %s/24 dev host0\nip link set host0 up\nsystemd-sysusers\n%s", address, turns)
	for i, b := range all {
		if b.machine == name {
			fmt.Fprintf(&probe, "block %d %d\n", i, b.line)
		} else {
			fmt.Fprintf(&probe, "turn %d\n", i)
		}
	}
	probe.WriteString(after[name])
	m.Probe = probe.String()
	m.Args = []string{"--network-bridge=" + cable, "--capability=CAP_NET_ADMIN", "--bind=" + node + ":/dev/net/tun",
		"--bind=" + shared + ":/shared", "--bind=" + home + ":/root", "--machine=" + name}
	return m
}

// after looks at what the blocks have left.
var after = map[string]string{
	"server": `
check 'secrets are for root only' bash -c '! find /etc/openvpn/server /etc/wireguard \( -name "*key" -o -name "sluice.conf*" -o -name "*.peer" \) -path "*wireguard*" -perm /077 | grep .'
check 'keys of OpenVPN, too' bash -c '! find /etc/openvpn/server -name "*.key" -perm /077 | grep .'
check 'Logstash waits for the VPN' grep -q After=openvpn-server@sluice.service /etc/systemd/system/logstash.service.d/vpn.conf
check 'a second install changes nothing' bash -c '! /usr/share/sluice/vpn/wireguard-server install | grep ^write'
`,
	"gateway": `
check 'no file with keys is left' bash -c '! ls /root/*.pem /root/gateway1.*'
check 'the profile is for root only' test "$(stat -c %a /etc/sluice/client.ovpn /etc/wireguard/sluice.conf | tr '\n' ' ')" = '600 600 '
`,
}

func install(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	must(t, os.MkdirAll(filepath.Dir(to), 0o755))
	must(t, os.WriteFile(to, text, mode))
}

// What the guide says that OpenVPN says is in the program.
func TestMessagesOfTheGuideAreReal(t *testing.T) {
	program, err := exec.LookPath("openvpn")
	if err != nil {
		if program = "/usr/sbin/openvpn"; !exists(program) {
			skip(t, "openvpn is missing; on Debian: apt-get install openvpn")
		}
	}
	binary, err := os.ReadFile(program)
	must(t, err)
	text, err := os.ReadFile(guide)
	must(t, err)
	_, table, found := strings.Cut(string(text), "| OpenVPN says |")
	table, _, _ = strings.Cut(table, "\n\n")
	cells := regexp.MustCompile("(?m)^\\| (?:server: )?`([^`]*)`").FindAllStringSubmatch(table, -1)
	if !found || len(cells) < 12 {
		t.Fatalf("%d messages found in %s", len(cells), guide)
	}
	for _, cell := range cells {
		for _, part := range strings.Split(cell[1], "…") {
			// What OpenSSL says is in its library.
			if part = strings.Trim(part, " :'"); part != "" && part != "certificate revoked" && !strings.Contains(string(binary), part) {
				quoted, _ := json.Marshal(part)
				t.Errorf("openvpn has no message with %s", quoted)
			}
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
