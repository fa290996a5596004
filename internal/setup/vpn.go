package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"sluice/internal/pki"
)

// vpnKeyFile, in the folder of certificates, is the key that OpenVPN's server and
// all gateways share. It is made with the first profile.
const vpnKeyFile = "openvpn.tls-crypt"

// OpenVPN writes the profile of a gateway, whose certificate the folder has. Of c,
// Remote and Port count.
func (p PKI) OpenVPN(ctx context.Context, s *Session, name, file string, c OpenVPNClient) error {
	a, err := p.Open(s)
	if err != nil {
		return err
	}
	pair, err := pki.Read(s.Path(p.Dir), name)
	if err != nil {
		return fmt.Errorf("%w: a gateway gets one with \"sluice setup pki issue %s\"", err, name)
	}
	if a.Revoked(pair.Cert) {
		return fmt.Errorf("%s is revoked: renew it with \"sluice setup pki renew --new-key %s\" first", pki.CertFile(p.Dir, name), name)
	}
	keyFile := filepath.Join(p.Dir, vpnKeyFile)
	c.TLSCrypt, err = s.ReadFile(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		c.TLSCrypt, err = NewTLSCryptKey(), nil
	}
	if err != nil {
		return err
	}
	if c.Key, err = pair.KeyPEM(); err != nil {
		return err
	}
	c.ServerName, c.CA, c.Cert = vpnServerName, a.CertPEM(), pair.CertPEM()
	profile, err := OpenVPNProfile(c)
	if err != nil {
		return fmt.Errorf("profile of %s: %w", name, err)
	}
	return s.Apply(ctx,
		File{Path: keyFile, Content: c.TLSCrypt, Mode: pkiKeyMode, Secret: true, Keep: true},
		File{Path: file, Content: profile, Mode: 0o600, Secret: true, NoBackup: true},
		Note("it has a private key: carry it over a safe way (scp) to the gateway, and there: sluice setup gateway --vpn FILE"),
		Note(fmt.Sprintf("the server needs %s (openvpn-server install --tls-crypt FILE), and must admit the gateway: openvpn-server add %s", keyFile, name)))
}

// WireGuardGateway is what a gateway's file for wg-quick is made of.
type WireGuardGateway struct {
	Name string // of the gateway, for what is left to do on the server
	// Server is HOST or HOST:PORT of the server; without a port: WireGuardPort.
	Server string
	// ServerKey is the server's public key.
	ServerKey string
	// Address is the gateway's in the VPN, with the VPN's prefix: 10.8.0.2/24.
	Address string
}

// WireGuard writes a gateway's file for wg-quick. Its private key is made here, or
// is that of the file when it is there already, and goes nowhere else.
func WireGuard(ctx context.Context, s *Session, file string, g WireGuardGateway) error {
	address, err := netip.ParsePrefix(g.Address)
	if err != nil {
		return fmt.Errorf("address %q must be one with the length of the VPN's prefix, such as 10.8.0.2/24", g.Address)
	}
	if _, err := wireGuardKey(g.ServerKey); err != nil {
		return fmt.Errorf("server key: %w; \"wireguard-server install\" prints it", err)
	}
	private, err := wireGuardPrivate(s, file)
	if err != nil {
		return err
	}
	public, err := WireGuardPublicKey(private)
	if err != nil {
		return fmt.Errorf("%s: PrivateKey: %w", file, err)
	}
	content, err := WireGuardConfig(WireGuardInterface{PrivateKey: private, Address: address, MTU: WireGuardLTE, Peers: []WireGuardPeer{{
		Name: "server", PublicKey: g.ServerKey, Endpoint: endpoint(g.Server),
		AllowedIPs: []netip.Prefix{address.Masked()}, Keepalive: WireGuardKeepalive,
	}}})
	if err != nil {
		return err
	}
	return s.Apply(ctx,
		File{Path: file, Content: content, Mode: 0o600, Secret: true, NoBackup: true},
		Note("on the server: wireguard-server add "+g.Name+" --public-key "+public+" "+address.Addr().String()),
		Note("on the gateway: sluice setup gateway --wireguard "+file))
}

// endpoint adds the usual port.
func endpoint(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), strconv.Itoa(WireGuardPort))
}

// wireGuardPrivate returns the private key of a file, or a new one.
func wireGuardPrivate(s *Session, file string) (string, error) {
	text, err := s.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		private, _, err := NewWireGuardKey()
		return private, err
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(name) == "PrivateKey" {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s is there and has no PrivateKey: give another file, or move it away", file)
}
