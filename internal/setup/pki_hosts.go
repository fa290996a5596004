package setup

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"sluice/internal/pki"
)

// Names with a meaning of their own; any other is a gateway's.
const (
	brokerName    = "broker"
	logstashName  = "logstash"
	vpnServerName = "vpn-server"
)

// defaultUse is server for the three servers, and client for a gateway.
func defaultUse(name string) pki.Use {
	switch name {
	case brokerName, logstashName, vpnServerName:
		return pki.Server
	}
	return pki.Client
}

// defaultHosts are those of this machine for the broker. The VPN's clients look
// at the name alone. Where Logstash is, nobody can guess.
func defaultHosts(s *Session, name string) []string {
	switch name {
	case brokerName:
		return machineHosts(s)
	case vpnServerName:
		return []string{vpnServerName}
	}
	return nil
}

// machineHosts are the names and addresses by which this machine is reached: its
// host name, also with .local (mDNS), localhost with its addresses for what runs
// on the machine itself, and IPv4 addresses. Other IPv6 addresses change by
// themselves. With a Root, addresses are those of another machine: left out.
func machineHosts(s *Session) []string {
	var hosts []string
	if name := machineName(s); name != "" && name != "localhost" {
		first, _, _ := strings.Cut(name, ".")
		hosts = append(hosts, name, first, first+".local")
	}
	hosts = append(hosts, "localhost", "127.0.0.1", "::1")
	if s.Root == "" {
		hosts = append(hosts, machineAddresses()...)
	}
	slices.Sort(hosts[:min(3, len(hosts)-3)])
	return slices.Compact(hosts)
}

// machineAddresses are this machine's IPv4 addresses, without loopback and link-local.
func machineAddresses() []string {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil // then --host must name them
	}
	var hosts []string
	for _, a := range list {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		if ip := prefix.Addr().Unmap(); ip.Is4() && ip.IsGlobalUnicast() {
			hosts = append(hosts, ip.String())
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// machineName is the machine's; empty when it has none that a certificate can have.
func machineName(s *Session) string {
	name, err := os.Hostname()
	if s.Root != "" {
		var content []byte
		content, err = s.ReadFile("/etc/hostname")
		name = strings.TrimSpace(string(content))
	}
	if err != nil || pki.CheckHosts([]string{name}) != nil {
		return ""
	}
	return strings.ToLower(name)
}

// lacking notes the addresses of this machine that the broker's certificate has
// not, when none were asked for.
func (p PKI) lacking(s *Session, o Issue, old *pki.Pair) []Step {
	if o.Name != brokerName || len(o.Hosts) > 0 || s.Root != "" {
		return nil
	}
	have := pki.Hosts(old.Cert)
	missing := slices.DeleteFunc(machineAddresses(), func(h string) bool { return slices.Contains(have, h) })
	if len(missing) == 0 {
		return nil
	}
	return []Step{Note(fmt.Sprintf("%s has not %s, addresses of this machine: clients that use one need it, with all others, by --host",
		pki.CertFile(p.Dir, o.Name), strings.Join(missing, ", ")))}
}

// describeCertificate is what a new certificate says.
func describeCertificate(name string, cert *x509.Certificate) string {
	text := fmt.Sprintf("%s: %s, until %s", name, pki.UseOf(cert), cert.NotAfter.UTC().Format(pkiDate))
	if hosts := pki.Hosts(cert); len(hosts) > 0 {
		text += ", for " + strings.Join(hosts, ", ")
	}
	return text
}

// pkiHandOver tells who must get new files of a name, and what must then read them.
func pkiHandOver(name string, use pki.Use) string {
	switch {
	case name == brokerName:
		return "Mosquitto must get it: run \"sluice setup broker\" again, or copy the files and systemctl reload mosquitto (kill -HUP)"
	case name == logstashName:
		return "Logstash must get it: \"sluice setup pki bundle logstash FILE\", and on its machine \"sluice setup pki unpack FILE FOLDER --owner logstash\"; it reads certificates at its start only: restart it"
	case name == vpnServerName:
		return "the VPN's server must get it: \"sluice setup pki bundle vpn-server FILE\"; restart OpenVPN there"
	case use == pki.Client:
		return "the gateway " + name + " must get it: \"sluice setup pki bundle " + name + " FILE\", and there \"sluice setup gateway --bundle FILE\"; an OpenVPN profile has it too: \"sluice setup vpn openvpn " + name + "\""
	}
	return "the machine of " + name + " must get it: \"sluice setup pki bundle " + name + " FILE\""
}
