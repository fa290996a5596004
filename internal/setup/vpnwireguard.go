package setup

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// WireGuardPort is the UDP port that WireGuard's own documents use.
	WireGuardPort = 51820
	// WireGuardLTE is an MTU that fits through LTE, where 1,500 bytes often do not:
	// WireGuard adds 60 bytes over IPv4 and 80 over IPv6.
	WireGuardLTE = 1340
	// WireGuardKeepalive holds the state of a NAT: many forget UDP after 30 s.
	WireGuardKeepalive = 25 * time.Second

	wireGuardKeyBytes = 32
)

// WireGuardInterface is one end of a WireGuard VPN, for wg-quick.
type WireGuardInterface struct {
	// PrivateKey is this end's key, of NewWireGuardKey or "wg genkey"; required.
	PrivateKey string
	// Address is this end's own address in the VPN, with the length of the VPN's
	// prefix, as 10.8.0.1/24; required.
	Address netip.Prefix
	// ListenPort is the UDP port of a server; 0: any, as on a gateway.
	ListenPort int
	// MTU is that of the tunnel in bytes, 1280 to 1440; 0: wg-quick finds it by
	// the route, which does not know about LTE. See WireGuardLTE.
	MTU int
	// Peers are the other ends: on a server the gateways, on a gateway the server.
	Peers []WireGuardPeer
}

// WireGuardPeer is the other end.
type WireGuardPeer struct {
	// Name is for the reader of the file.
	Name string
	// PublicKey is the other end's; required.
	PublicKey string
	// PresharedKey is a further secret of just these two ends, of
	// NewWireGuardPresharedKey or "wg genpsk"; empty: none.
	PresharedKey string
	// Endpoint is HOST:PORT of a server; empty for a gateway, which calls first.
	Endpoint string
	// AllowedIPs is what may come from there and is sent there: on a server the
	// gateway's one address, on a gateway the VPN's net. Required; a default route
	// is refused, since the traffic of the gateway is none of the server's.
	AllowedIPs []netip.Prefix
	// Keepalive sends a packet after so long a silence, in whole seconds up to
	// 65535; 0: never. A gateway needs it (WireGuardKeepalive), a server does not.
	Keepalive time.Duration
}

// NewWireGuardKey makes a pair of keys as "wg genkey" and "wg pubkey" do: base64
// of 32 bytes. private is a secret.
func NewWireGuardKey() (private, public string, err error) {
	var key [wireGuardKeyBytes]byte
	_, _ = rand.Read(key[:]) // never fails
	// RFC 7748, section 5: "wg genkey" stores the key with these bits set.
	key[0] &= 248
	key[31] = key[31]&127 | 64
	private = base64.StdEncoding.EncodeToString(key[:])
	public, err = WireGuardPublicKey(private)
	return private, public, err
}

// WireGuardPublicKey returns the public key of a private one, as "wg pubkey". Its
// error does not contain the key.
func WireGuardPublicKey(private string) (string, error) {
	raw, err := wireGuardKey(private)
	if err != nil {
		return "", err
	}
	key, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()), nil
}

// NewWireGuardPresharedKey makes a key as "wg genpsk" does. It is a secret.
func NewWireGuardPresharedKey() string {
	var key [wireGuardKeyBytes]byte
	_, _ = rand.Read(key[:]) // never fails
	return base64.StdEncoding.EncodeToString(key[:])
}

func wireGuardKey(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != wireGuardKeyBytes || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("not a WireGuard key: 32 bytes in base64, 44 characters, are needed")
	}
	return raw, nil
}

// WireGuardConfig makes the file of wg-quick for one end. It holds the private
// key: mode 600. An error names the field, and never a private key.
func WireGuardConfig(i WireGuardInterface) ([]byte, error) {
	own, err := WireGuardPublicKey(i.PrivateKey)
	switch {
	case err != nil:
		return nil, fmt.Errorf("PrivateKey: %w", err)
	case !i.Address.IsValid() || i.Address.Bits() == 0:
		return nil, fmt.Errorf("Address %q is not an address with a prefix length, as 10.8.0.1/24", i.Address)
	case i.ListenPort < 0 || i.ListenPort > 65535:
		return nil, fmt.Errorf("ListenPort %d is none: use 1 to 65535, or 0 for any", i.ListenPort)
	case i.MTU != 0 && (i.MTU < 1280 || i.MTU > 1440):
		return nil, fmt.Errorf("MTU %d: use 1280 to 1440, or 0 to let wg-quick find it", i.MTU)
	}
	var b bytes.Buffer
	b.WriteString("# WireGuard, for wg-quick. It holds a private key: mode 600.\n[Interface]\n")
	fmt.Fprintf(&b, "PrivateKey = %s\nAddress = %s\n", i.PrivateKey, i.Address)
	if i.ListenPort != 0 {
		fmt.Fprintf(&b, "ListenPort = %d\n", i.ListenPort)
	}
	if i.MTU != 0 {
		fmt.Fprintf(&b, "MTU = %d\n", i.MTU)
	}
	taken := map[string]bool{own: true}
	routed := map[netip.Prefix]bool{}
	for n, p := range i.Peers {
		if err := p.check(taken, routed); err != nil {
			return nil, fmt.Errorf("Peers[%d] (%q): %w", n, p.Name, err)
		}
		p.write(&b)
	}
	return b.Bytes(), nil
}

// check also refuses what wg takes and resolves silently: of two peers with one
// key the last counts, of two with one address the last gets it.
func (p WireGuardPeer) check(taken map[string]bool, routed map[netip.Prefix]bool) error {
	if strings.ContainsFunc(p.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("Name has a control character")
	}
	if _, err := wireGuardKey(p.PublicKey); err != nil {
		return fmt.Errorf("PublicKey: %w", err)
	}
	if taken[p.PublicKey] {
		return errors.New("PublicKey is that of another end: each has its own")
	}
	taken[p.PublicKey] = true
	if _, err := wireGuardKey(p.PresharedKey); p.PresharedKey != "" && err != nil {
		return fmt.Errorf("PresharedKey: %w", err)
	}
	if err := checkEndpoint(p.Endpoint); err != nil {
		return err
	}
	if len(p.AllowedIPs) == 0 {
		return errors.New("AllowedIPs is empty: nothing would be sent there")
	}
	for _, prefix := range p.AllowedIPs {
		switch {
		case !prefix.IsValid():
			return errors.New("AllowedIPs has a prefix that is none")
		case prefix.Bits() == 0:
			return fmt.Errorf("AllowedIPs %s would send everything through the VPN: give the VPN's own net", prefix)
		case routed[prefix.Masked()]:
			return fmt.Errorf("AllowedIPs %s is another peer's, too", prefix)
		}
		routed[prefix.Masked()] = true
	}
	if p.Keepalive < 0 || p.Keepalive > 65535*time.Second || p.Keepalive%time.Second != 0 {
		return fmt.Errorf("Keepalive %v: use whole seconds up to 65535", p.Keepalive)
	}
	return nil
}

func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return fmt.Errorf("Endpoint %q is not HOST:PORT: %w", endpoint, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("Endpoint %q: the port must be 1 to 65535", endpoint)
	}
	if err := checkHost(host); err != nil {
		return fmt.Errorf("Endpoint: %w", err)
	}
	return nil
}

func (p WireGuardPeer) write(b *bytes.Buffer) {
	b.WriteString("\n")
	if p.Name != "" {
		fmt.Fprintf(b, "# %s\n", p.Name)
	}
	fmt.Fprintf(b, "[Peer]\nPublicKey = %s\n", p.PublicKey)
	if p.PresharedKey != "" {
		fmt.Fprintf(b, "PresharedKey = %s\n", p.PresharedKey)
	}
	allowed := make([]string, len(p.AllowedIPs))
	for n, prefix := range p.AllowedIPs {
		allowed[n] = prefix.Masked().String()
	}
	fmt.Fprintf(b, "AllowedIPs = %s\n", strings.Join(allowed, ", "))
	if p.Endpoint != "" {
		fmt.Fprintf(b, "Endpoint = %s\n", p.Endpoint)
	}
	if p.Keepalive != 0 {
		fmt.Fprintf(b, "PersistentKeepalive = %d\n", p.Keepalive/time.Second)
	}
}
