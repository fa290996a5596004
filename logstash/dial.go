package logstash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"time"

	"golang.org/x/net/proxy"

	"sluice/internal/tlsconfig"
)

// leastDial is the least time that one of several addresses gets.
const leastDial = 2 * time.Second

// dialer makes connections: name, TCP or SOCKS5, TLS. The two functions are
// fields so that tests can do without a network.
type dialer struct {
	timeout    time.Duration
	proxy      *url.URL // nil: none
	resolve    bool     // look names up here
	tls        *tlsconfig.Loader
	counters   *counters
	lookup     func(ctx context.Context, name string) ([]netip.Addr, error)
	dialSocket func(ctx context.Context, network, addr string) (net.Conn, error)
}

func newDialer(cfg *Config, k *counters) (dialer, error) {
	u, err := parseProxy(cfg.ProxyURL)
	if err != nil {
		return dialer{}, err
	}
	// The peer's liveness is watched by acks and keepalives; TCP's own probes
	// are only for a server that vanished while idle, so they may be rare.
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}}
	return dialer{
		timeout: cfg.Timeout, proxy: u, resolve: u == nil || cfg.ProxyUseLocalResolver, counters: k,
		lookup: func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		},
		dialSocket: d.DialContext,
	}, nil
}

// dial connects to h, with TLS if configured, within timeout each. Its errors are
// explained: one line that begins with the address.
func (c *Client) dial(ctx context.Context, h host) (net.Conn, *progressConn, error) {
	raw, err := c.dialer.connect(ctx, h)
	if err != nil {
		return nil, nil, tlsconfig.Explain(err, h.String())
	}
	if c.dialer.tls == nil {
		return raw, raw, nil
	}
	secure, err := c.dialer.handshake(ctx, raw, h)
	if err != nil {
		return nil, nil, tlsconfig.Explain(err, h.String())
	}
	return secure, raw, nil
}

func (d *dialer) handshake(ctx context.Context, raw *progressConn, h host) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conn, err := d.tls.Handshake(ctx, raw, h.name)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// connect resolves the name anew and tries its addresses in random order, so
// that all of them get their share.
func (d *dialer) connect(ctx context.Context, h host) (*progressConn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	names, err := d.addresses(ctx, h)
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var firstErr error
	for i, name := range names {
		raw, err := d.socket(ctx, net.JoinHostPort(name, h.port), len(names)-i)
		if err == nil {
			return raw, nil
		}
		if firstErr == nil {
			firstErr = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, firstErr
}

// addresses returns what to dial: IP addresses, or the name for the proxy.
func (d *dialer) addresses(ctx context.Context, h host) ([]string, error) {
	if _, err := netip.ParseAddr(h.name); err == nil || !d.resolve {
		return []string{h.name}, nil
	}
	addrs, err := d.lookup(ctx, h.name)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(addrs))
	for _, a := range addrs {
		names = append(names, a.Unmap().String())
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("look up %s: %w", h.name, errNoAddress)
	}
	return names, nil
}

// socket dials one address with its share of the time that ctx leaves.
func (d *dialer) socket(ctx context.Context, addr string, left int) (*progressConn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		share := max(time.Until(deadline)/time.Duration(left), leastDial)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	conn, tcp, err := d.open(ctx, addr)
	if err != nil {
		return nil, err
	}
	return &progressConn{
		Conn: conn, timeout: d.timeout, queue: newSendQueue(tcp), born: time.Now(),
		read: &d.counters.bytesRead, wrote: &d.counters.bytesWritten,
	}, nil
}

// open returns the connection, and the TCP socket below it.
func (d *dialer) open(ctx context.Context, addr string) (conn, tcp net.Conn, err error) {
	if d.proxy == nil {
		conn, err = d.dialSocket(ctx, "tcp", addr)
		return conn, conn, err
	}
	forward := forwarder{dial: d.dialSocket}
	via, err := proxy.FromURL(withProxyPort(d.proxy), &forward)
	if err != nil {
		return nil, nil, fmt.Errorf("use proxy_url: %w", err)
	}
	conn, err = via.(proxy.ContextDialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("through the proxy %s: %w", d.proxy.Host, err)
	}
	return conn, forward.conn, nil
}

// withProxyPort adds SOCKS's port if none is given.
func withProxyPort(u *url.URL) *url.URL {
	if u.Port() != "" {
		return u
	}
	full := *u
	full.Host = net.JoinHostPort(u.Hostname(), "1080")
	return &full
}

// forwarder dials the proxy and remembers the socket.
type forwarder struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	conn net.Conn
}

// Dial implements proxy.Dialer.
func (f *forwarder) Dial(network, addr string) (net.Conn, error) {
	return f.DialContext(context.Background(), network, addr)
}

// DialContext implements proxy.ContextDialer.
func (f *forwarder) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := f.dial(ctx, network, addr)
	f.conn = conn
	return conn, err
}
