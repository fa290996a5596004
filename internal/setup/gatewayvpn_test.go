package setup

import (
	"strings"
	"testing"
)

const goodWireGuard = "[Interface]\nPrivateKey = x\nAddress = 10.8.0.2/24\n[Peer]\nPublicKey = y\nEndpoint = a:1\nAllowedIPs = 10.8.0.0/24, fd00::/64\n"

func TestOpenVPNProfilesOfOthers(t *testing.T) {
	const good = "\ufeffclient\r\ndev tun\r\nremote a 1194\r\npull-filter ignore redirect-gateway\n<ca>\nup x\nuser nobody\n</ca>\nverb 3 # up\n; user nobody\n"
	if err := checkOpenVPN([]byte(good)); err != nil {
		t.Errorf("a good one: %v", err)
	}
	if ours, err := OpenVPNProfile(vpnClient(t)); err != nil || checkOpenVPN(ours) != nil {
		t.Errorf("ours: %v, %v", err, checkOpenVPN(ours))
	}
	if err := checkOpenVPN([]byte("client\n<connection>\nremote a\n</connection>\n<auth-user-pass>\na\nb\n</auth-user-pass>\n")); err != nil {
		t.Errorf("blocks: %v", err)
	}
	for text, want := range map[string]string{
		"user nobody\n":                             "line 2: user: the service has a user of its own",
		"--group nogroup\n":                         "line 2: group",
		"  up /etc/openvpn/update-resolv-conf\n":    "line 2: up: a profile may not run programs",
		"\"up\" x\n":                                "line 2: up",
		"u\\p x\n":                                  "line 2: up",
		"'plugin' x\n":                              "line 2: plugin",
		"setenv opt route-up x\n":                   "line 2: route-up",
		"--setenv opt --down x\n":                   "line 2: down",
		"script-security 2\n":                       "line 2: script-security",
		"redirect-gateway def1\n":                   "line 2: redirect-gateway: it would send all traffic",
		"ca ca.crt\n":                               "line 2: ca: the service can't read the file \"ca.crt\": put its content here, between <ca>",
		"auth-user-pass\n":                          "line 2: auth-user-pass: nobody is there to answer",
		"config other.conf\n":                       "line 2: config",
		"mode server\n":                             "a server's configuration",
		"<connection>\nup x\n</connection>\n":       "line 3: up",
		"<key>\n":                                   "the block <key> has no end",
		"<ca>\n</key>\nx\n":                         "the block <ca> has no end",
		"<key>\nENCRYPTED PRIVATE KEY\n</key>\n":    "line 3: the private key has a passphrase",
		"management localhost 1\ndaemon\nlog x.log": "line 4: log",
	} {
		if err := checkOpenVPN([]byte("remote a\n" + text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if err := checkOpenVPN(nil); err == nil || !strings.Contains(err.Error(), "no line \"remote") {
		t.Errorf("an empty one: %v", err)
	}
}

func TestWireGuardFilesOfOthers(t *testing.T) {
	if err := checkWireGuard([]byte(goodWireGuard)); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for text, want := range map[string]string{
		"PostUp = iptables":        "line 8: postup: a profile may not run programs",
		" predown=x":               "predown",
		"SaveConfig = true":        "line 8: saveconfig",
		"AllowedIPs = 0.0.0.0/0":   "0.0.0.0/0: it would send all traffic",
		"allowedips = a, ::/1":     "::/1",
		"DNS = 1.1.1.1":            "line 8: dns",
		"what is this":             "line 8: is neither",
		"\n# PostUp = a\nPostUp=b": "line 10",
	} {
		if err := checkWireGuard([]byte(goodWireGuard + text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if err := checkWireGuard([]byte("[Interface]\nPrivateKey = SECRET\n")); err == nil || strings.Contains(err.Error(), "SECRET") || !strings.Contains(err.Error(), "[peer] has no endpoint") {
		t.Errorf("half of one: %v", err)
	}
}

func FuzzVPNFilesOfOthers(f *testing.F) {
	f.Add([]byte(goodWireGuard))
	f.Add([]byte("remote a\n<ca>\n</ca>\n\"up\\"))
	f.Fuzz(func(t *testing.T, text []byte) {
		wg, ovpn := checkWireGuard(text), checkOpenVPN(text)
		if wg != nil && ovpn != nil {
			return
		}
		for line := range strings.Lines(string(text)) {
			if wg == nil && strings.HasPrefix(strings.ToLower(line), "postup=") {
				t.Errorf("taken: %q", line)
			}
		}
	})
}
