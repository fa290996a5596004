package elasticsearch

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const defaultPort = "9200"

// endpoint is one entry of the option hosts.
type endpoint struct {
	scheme   string
	name     string // DNS name or IP address, IPv6 without brackets
	port     string
	path     string // "" or /elastic
	username string // of the URL
	password string
}

func (e endpoint) String() string { return e.scheme + "://" + e.addr() + e.path }

func (e endpoint) addr() string { return net.JoinHostPort(e.name, e.port) }

// endpoints reads the option hosts.
func (c *Config) endpoints() ([]endpoint, error) {
	list := make([]endpoint, 0, len(c.Hosts))
	for _, s := range c.Hosts {
		e, err := c.endpoint(s)
		if err != nil {
			return nil, fieldErrorf("hosts", "%w", err)
		}
		list = append(list, e)
	}
	return list, nil
}

// scheme is that of hosts without one.
func (c *Config) scheme() string {
	switch {
	case c.Protocol != "":
		return c.Protocol
	case c.SSL.IsEnabled() && c.SSL.Enabled != nil:
		return "https"
	}
	return "http"
}

func (c *Config) endpoint(s string) (endpoint, error) {
	text := strings.TrimSpace(s)
	if !strings.Contains(text, "://") {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Is6() {
			text = "[" + text + "]"
		}
		text = c.scheme() + "://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return endpoint{}, fmt.Errorf("an entry is no address; use https://host:port, host:port or [IPv6]:port") // it may hold a password
	}
	e := endpoint{scheme: strings.ToLower(u.Scheme), name: u.Hostname(), port: u.Port(), path: strings.TrimRight(u.Path, "/")}
	e.username = u.User.Username()
	e.password, _ = u.User.Password()
	if e.port == "" {
		e.port = defaultPort
	}
	if e.path == "" && c.Path != "" {
		e.path = "/" + strings.Trim(c.Path, "/")
	}
	switch n, err := strconv.Atoi(e.port); {
	case e.scheme != "http" && e.scheme != "https":
		return endpoint{}, fmt.Errorf("the scheme %q is not supported; use https://%s", u.Scheme, u.Host)
	case e.name == "" || strings.ContainsAny(e.name, " \t\r\n"):
		return endpoint{}, fmt.Errorf("%q has no valid host name; use https://host:port", u.Redacted())
	case err != nil || n < 1 || n > 65535:
		return endpoint{}, fmt.Errorf("%q has no valid port; use 1 to 65535, such as %s", u.Redacted(), defaultPort)
	case u.RawQuery != "" || u.Fragment != "":
		return endpoint{}, fmt.Errorf("%q has parameters; write them under parameters", u.Redacted())
	}
	return e, nil
}
