package logstash

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const (
	defaultPort = "5044"
	badInName   = "/ []\t\r\n" // also in an IPv6 zone, which netip takes as it comes
)

// host is one entry of the option hosts.
type host struct {
	name string // DNS name or IP address, IPv6 without brackets
	port string
}

func (h host) String() string { return net.JoinHostPort(h.name, h.port) }

// parseHost reads host, host:port, IPv4, IPv6, [IPv6] or [IPv6]:port.
func parseHost(s string) (host, error) {
	text := strings.TrimSpace(s)
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		return host{}, fmt.Errorf("%q has the scheme %s://; write only %s", s, scheme, rest)
	}
	h := host{name: text, port: defaultPort}
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if addr, err := netip.ParseAddr(bare); err == nil && !strings.ContainsAny(bare, badInName) && strings.HasPrefix(text, "[") == strings.HasSuffix(text, "]") {
		h.name = addr.String()
		return h, nil
	}
	if strings.Contains(text, ":") {
		name, port, err := net.SplitHostPort(text)
		if err != nil {
			return host{}, fmt.Errorf("%q is no address; use host:port, or [IPv6]:port", s)
		}
		h = host{name: name, port: port}
	}
	if n, err := strconv.Atoi(h.port); err != nil || n < 1 || n > 65535 {
		return host{}, fmt.Errorf("%q has no valid port; use 1 to 65535, such as %s", s, defaultPort)
	}
	if h.name == "" || strings.ContainsAny(h.name, badInName) {
		return host{}, fmt.Errorf("%q has no valid host name; use host:port", s)
	}
	return h, nil
}
