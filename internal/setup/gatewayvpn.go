package setup

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// lookForVPN checks the profiles, and that there is what uses them.
func (g *gateway) lookForVPN() error {
	if len(g.o.OpenVPN) > 0 {
		if err := checkOpenVPN(g.o.OpenVPN); err != nil {
			return fmt.Errorf("--vpn: %w", err)
		}
		if !g.there("/usr/sbin/openvpn") {
			if err := g.missing("--vpn: there is no /usr/sbin/openvpn: apt-get install openvpn"); err != nil {
				return err
			}
		}
	}
	if len(g.o.WireGuard) > 0 {
		if err := checkWireGuard(g.o.WireGuard); err != nil {
			return fmt.Errorf("--wireguard: %w", err)
		}
		if !g.there("/usr/bin/wg-quick") {
			return g.missing("--wireguard: there is no /usr/bin/wg-quick: apt-get install wireguard-tools")
		}
	}
	return nil
}

func (g *gateway) vpn() (steps []Step) {
	if len(g.o.OpenVPN) > 0 {
		steps = append(steps, File{Path: gatewayProfile, Content: g.o.OpenVPN, Mode: 0o600, Secret: true})
	}
	if len(g.o.WireGuard) > 0 {
		steps = append(steps, Dir{Path: parent(wireGuardFile), Mode: 0o700}, File{Path: wireGuardFile, Content: g.o.WireGuard, Mode: 0o600, Secret: true})
	}
	if !g.systemd && len(steps) > 0 {
		steps = append(steps, Note("nothing starts the VPN without systemd"))
	}
	return steps
}

// Why a line has no place in a profile of sluice-vpn.service.
const (
	whyUser    = "the service has a user of its own and can't change it: remove the line"
	whyService = "the service takes care of that: remove the line"
	whyScript  = "a profile may not run programs here: remove the line"
	whyAll     = "it would send all traffic of the gateway through the VPN: remove the line"
	whyInclude = "the service reads no other file: put that file's lines here"
	whyAsk     = "nobody is there to answer: remove the passphrase or password"
	whyServer  = "this is a server's configuration, and the gateway is a client"
)

var refusedInOpenVPN = map[string]string{
	"user": whyUser, "group": whyUser, "chroot": whyUser, "mlock": whyUser,
	"daemon": whyService, "inetd": whyService, "log": whyService, "log-append": whyService, "syslog": whyService, "status": whyService,
	"writepid": whyService, "cd": whyService, "management": whyService, "replay-persist": whyService, "tmp-dir": whyService,
	"up": whyScript, "down": whyScript, "route-up": whyScript, "route-pre-down": whyScript, "ipchange": whyScript, "tls-verify": whyScript,
	"auth-user-pass-verify": whyScript, "client-connect": whyScript, "client-disconnect": whyScript, "client-crresponse": whyScript,
	"learn-address": whyScript, "plugin": whyScript, "iproute": whyScript, "script-security": whyScript, "tls-crypt-v2-verify": whyScript,
	"redirect-gateway": whyAll, "config": whyInclude, "askpass": whyAsk, "server": whyServer, "server-bridge": whyServer,
}

// filesInOpenVPN are options that name a file, or are a block inside the profile.
var filesInOpenVPN = []string{
	"ca", "cert", "key", "dh", "pkcs12", "extra-certs", "crl-verify", "capath", "tls-auth", "tls-crypt", "tls-crypt-v2", "secret",
	"auth-user-pass", "http-proxy-user-pass", "pkcs11-providers",
}

// checkOpenVPN refuses a profile that sluice-vpn.service can't use, or that would
// do more than a tunnel. It tells all faults, by line, and nothing of what keys
// are in it.
func checkOpenVPN(text []byte) error {
	var errs []error
	block, remote := "", false
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		number++
		words := openVPNWords(line)
		switch {
		case len(words) == 0:
		case block != "" && block != "connection":
			if strings.HasPrefix(strings.TrimSpace(line), "</"+block+">") {
				block = ""
			} else if block == "key" && strings.Contains(line, "ENCRYPTED") {
				errs = append(errs, fmt.Errorf("line %d: the private key has a passphrase: %s", number, whyAsk))
			}
		case words[0] == "</connection>":
			block = ""
		case strings.HasPrefix(words[0], "<"):
			block = strings.Trim(words[0], "<>")
			remote = remote || block == "connection"
		default:
			remote = remote || words[0] == "remote"
			if why := refuseOpenVPN(words); why != "" {
				errs = append(errs, fmt.Errorf("line %d: %s: %s", number, words[0], why))
			}
		}
	}
	if block != "" {
		errs = append(errs, fmt.Errorf("the block <%s> has no end </%s>: copy the file again", block, block))
	}
	if !remote {
		errs = append(errs, errors.New("there is no line \"remote HOST PORT\": is this a client's profile?"))
	}
	return errors.Join(errs...)
}

func refuseOpenVPN(words []string) string {
	option := words[0]
	if why := refusedInOpenVPN[option]; why != "" {
		return why
	}
	if slices.Contains(filesInOpenVPN, option) {
		switch {
		case len(words) > 1 && words[1] != "[inline]":
			return fmt.Sprintf("the service can't read the file %q: put its content here, between <%s> and </%s>", words[1], option, option)
		case len(words) == 1 && option == "auth-user-pass":
			return whyAsk + ", or put user and password here, between <auth-user-pass> and </auth-user-pass>"
		}
	}
	if option == "mode" && len(words) > 1 && words[1] == "server" {
		return whyServer
	}
	return ""
}

// openVPNWords splits a line of a profile as OpenVPN does: quotes, \ before any
// character, comments from # or ; on. "setenv opt X" is X.
func openVPNWords(line string) (words []string) {
	var word strings.Builder
	var quote rune
	inside, escaped := false, false
	for _, r := range strings.TrimRight(line, "\r\n") {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inside = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case !inside && (r == '#' || r == ';'):
			return openVPNOption(words)
		case r == ' ' || r == '\t':
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		case r == '"' || r == '\'':
			quote, inside = r, true
		default:
			inside = true
			word.WriteRune(r)
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return openVPNOption(words)
}

func openVPNOption(words []string) []string {
	for len(words) > 2 && strings.TrimPrefix(words[0], "--") == "setenv" && words[1] == "opt" {
		words = words[2:]
	}
	if len(words) > 0 && len(words[0]) > 2 {
		words[0] = strings.TrimPrefix(words[0], "--")
	}
	return words
}

// checkWireGuard refuses a file of wg-quick that would run programs, which it
// does as root, or take the whole traffic. It tells all faults, and no key.
func checkWireGuard(text []byte) error {
	var errs []error
	has := map[string]bool{}
	section, number := "", 0
	for line := range strings.Lines(string(text)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.ToLower(line)
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if line == "" {
			continue
		}
		name = strings.ToLower(strings.TrimSpace(name))
		if !found {
			errs = append(errs, fmt.Errorf("line %d: is neither a [section] nor NAME = VALUE", number))
			continue
		}
		has[section+name] = true
		if why := refuseWireGuard(name, value); why != "" {
			errs = append(errs, fmt.Errorf("line %d: %s: %s", number, name, why))
		}
	}
	for _, needed := range []string{"[interface]privatekey", "[interface]address", "[peer]publickey", "[peer]endpoint", "[peer]allowedips"} {
		if !has[needed] {
			section, name, _ := strings.Cut(needed, "]")
			errs = append(errs, fmt.Errorf("%s] has no %s: is this a gateway's file for wg-quick?", section, name))
		}
	}
	return errors.Join(errs...)
}

func refuseWireGuard(name, value string) string {
	switch name {
	case "preup", "postup", "predown", "postdown":
		return whyScript
	case "saveconfig":
		return "wg-quick would write this file anew: remove the line"
	case "dns":
		return "it would send all look-ups of names into the VPN: remove the line"
	case "allowedips":
		for text := range strings.SplitSeq(value, ",") {
			if prefix, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil && prefix.Bits() <= 1 {
				return prefix.String() + ": " + "it would send all traffic of the gateway through the VPN: give the VPN's own net"
			}
		}
	}
	return ""
}
