package recorder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"sluice/internal/tlsconfig"
)

// broker is one parsed address of hosts.
type broker struct {
	scheme string // mqtt, mqtts, ws or wss
	addr   string // host:port
	host   string
	path   string // of ws and wss
	secure bool
}

// schemes maps what may be written to what it means.
var schemes = map[string]struct {
	scheme, port string
	secure       bool
}{
	"mqtt": {"mqtt", "1883", false}, "tcp": {"mqtt", "1883", false},
	"mqtts": {"mqtts", "8883", true}, "ssl": {"mqtts", "8883", true}, "tls": {"mqtts", "8883", true},
	"ws": {"ws", "80", false}, "wss": {"wss", "443", true},
}

// parseBroker reads one entry of hosts.
func parseBroker(s string) (broker, error) {
	text := s
	if !strings.Contains(text, "://") {
		text = "mqtt://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return broker{}, fmt.Errorf("%q is not an address like mqtts://broker.example:8883", s)
	}
	kind, ok := schemes[strings.ToLower(u.Scheme)]
	switch {
	case !ok:
		return broker{}, fmt.Errorf("%q: unknown scheme %q; use mqtt, mqtts, ws or wss", s, u.Scheme)
	case u.User != nil:
		return broker{}, errors.New("put user and password into username and password, not into the address")
	case u.Hostname() == "":
		return broker{}, fmt.Errorf("%q: the host is missing", s)
	case kind.scheme[0] == 'm' && u.Path != "" && u.Path != "/":
		return broker{}, fmt.Errorf("%q: a path is only allowed with ws:// and wss://", s)
	}
	port := u.Port()
	if port == "" {
		port = kind.port
	}
	b := broker{scheme: kind.scheme, host: u.Hostname(), addr: net.JoinHostPort(u.Hostname(), port), secure: kind.secure, path: u.RequestURI()}
	if u.Path == "" || u.Path == "/" {
		b.path = "/mqtt"
	}
	return b, nil
}

func (b broker) String() string { return b.scheme + "://" + b.addr }

// dial opens the network connection, TLS included, until ctx ends.
func (b broker) dial(ctx context.Context, tls *tlsconfig.Loader) (net.Conn, error) {
	if b.scheme == "ws" || b.scheme == "wss" {
		return b.dialWeb(ctx, tls)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", b.addr)
	if err != nil {
		return nil, tlsconfig.Explain(err, b.addr)
	}
	if !b.secure {
		return conn, nil
	}
	secure, err := tls.Handshake(ctx, conn, b.host)
	if err != nil {
		return nil, tlsconfig.Explain(err, b.addr)
	}
	return secure, nil
}

// dialWeb opens an MQTT connection over websockets. paho's function knows no
// context; the timeout bounds it.
func (b broker) dialWeb(ctx context.Context, tls *tlsconfig.Loader) (net.Conn, error) {
	timeout := 15 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), time.Millisecond)
	}
	address := b.scheme + "://" + b.addr + b.path
	if !b.secure {
		conn, err := paho.NewWebsocket(address, nil, timeout, nil, nil)
		return conn, tlsconfig.Explain(err, b.addr)
	}
	conn, err := paho.NewWebsocket(address, tls.ClientConfig(b.host), timeout, nil, nil)
	return conn, tlsconfig.Explain(err, b.addr)
}
