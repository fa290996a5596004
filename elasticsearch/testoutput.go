package elasticsearch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"sluice/internal/tlsconfig"
)

// TestOutput tries every host in turn and prints a tree of the steps with their
// results to w, as Filebeat's "test output" does. It stops at the first failure
// and returns its error, which names the mend. Nothing is written to an index.
func (c *Client) TestOutput(ctx context.Context, w io.Writer) error {
	defer c.Close()
	for _, n := range c.nodes {
		fmt.Fprintf(w, "elasticsearch: %s...\n", n)
		t := &outputTest{client: c, node: n, out: w}
		if err := t.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// outputTest is the test of one host.
type outputTest struct {
	client *Client
	node   *node
	out    io.Writer
}

func (t *outputTest) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.client.cfg.Timeout)
	defer cancel()
	for _, step := range []func(context.Context) error{t.connection, t.security, t.talk} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step prints one line around fn: "name... OK", or "name... ERROR text".
func (t *outputTest) step(indent int, name string, fn func() error) error {
	fmt.Fprintf(t.out, "%s%s... ", strings.Repeat("  ", indent), name)
	if err := fn(); err != nil {
		fmt.Fprintf(t.out, "ERROR %v\n", err)
		return err
	}
	fmt.Fprintln(t.out, "OK")
	return nil
}

func (t *outputTest) line(indent int, format string, args ...any) {
	fmt.Fprintf(t.out, "%s%s\n", strings.Repeat("  ", indent), fmt.Sprintf(format, args...))
}

func (t *outputTest) connection(ctx context.Context) error {
	t.line(1, "parse url... OK")
	t.line(1, "connection...")
	if proxied(t.node) {
		t.line(2, "left to the proxy")
		return nil
	}
	t.line(2, "parse host... OK")
	var names []string
	err := t.step(2, "dns lookup", func() (err error) {
		names, err = lookup(ctx, t.node.endpoint.name)
		return tlsconfig.Explain(err, t.node.endpoint.addr())
	})
	if err != nil {
		return err
	}
	t.line(2, "addresses: %s", strings.Join(names, ", "))
	return t.step(2, "dial up", func() error {
		conn, err := t.node.http.DialContext(ctx, "tcp", t.node.endpoint.addr())
		if err != nil {
			return tlsconfig.Explain(err, t.node.endpoint.addr())
		}
		return conn.Close()
	})
}

// lookup returns the addresses of a name; an address is one itself.
func lookup(ctx context.Context, name string) ([]string, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		return []string{addr.String()}, nil
	}
	return net.DefaultResolver.LookupHost(ctx, name)
}

func proxied(n *node) bool {
	if n.http.Proxy == nil {
		return false
	}
	req, err := http.NewRequest(http.MethodGet, n.endpoint.String()+"/", http.NoBody) //nolint:noctx // it is not sent
	if err != nil {
		return false
	}
	u, err := n.http.Proxy(req)
	return err == nil && u != nil
}

func (t *outputTest) security(ctx context.Context) error {
	if t.node.endpoint.scheme != "https" {
		t.line(1, "TLS... WARN secure connection disabled")
		return nil
	}
	t.line(1, "TLS...")
	if ssl := t.client.cfg.SSL; ssl != nil && ssl.VerificationMode == "none" {
		t.line(2, "security... WARN server's certificate chain verification is disabled")
	} else {
		t.line(2, "security: server's certificate chain verification is enabled")
	}
	if proxied(t.node) {
		return nil
	}
	return t.step(2, "handshake", func() error {
		conn, err := t.node.http.DialTLSContext(ctx, "tcp", t.node.endpoint.addr())
		if err != nil {
			return tlsconfig.Explain(err, t.node.endpoint.addr())
		}
		return conn.Close()
	})
}

// talk asks for the version. A user that may only write is refused that, and is
// known by it.
func (t *outputTest) talk(ctx context.Context) error {
	version := ""
	err := t.step(1, "talk to server", func() error {
		r, err := t.node.root(ctx)
		switch {
		case err != nil:
			return err
		case r.status == http.StatusOK:
			version = versionOf(r.body)
			return nil
		case r.status == http.StatusForbidden:
			return nil
		}
		return t.node.statusError(r)
	})
	if err != nil {
		return err
	}
	if version == "" {
		version = "not told: the user may not ask for it"
	}
	t.line(1, "version: %s", version)
	return nil
}

// versionOf reads the answer to GET /.
func versionOf(body []byte) string {
	var r struct {
		Version struct {
			Number       string `json:"number"`
			Distribution string `json:"distribution"`
		} `json:"version"`
	}
	if !unmarshal(body, &r) || r.Version.Number == "" {
		return "unknown: is it Elasticsearch? " + oneLine(string(body))
	}
	if r.Version.Distribution != "" {
		return r.Version.Number + " (" + r.Version.Distribution + ")"
	}
	return r.Version.Number
}
