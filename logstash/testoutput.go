package logstash

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"sluice/internal/tlsconfig"
)

// talkWait is how long a server gets to object to the first bytes.
const talkWait = time.Second

// TestOutput connects to every host in turn and prints a tree of the steps with
// their results to w, as Filebeat's "test output" does. It stops at the first
// failure and returns its error, which names the mend.
//
// "talk to server" announces a window of one document and hangs up without
// sending it, which a server forgets without a trace; it shows a server that
// speaks TLS where we don't, and one that refuses our certificate under TLS 1.3.
func (c *Client) TestOutput(ctx context.Context, w io.Writer) error {
	for _, h := range c.hosts {
		t := &outputTest{client: c, host: h.host, out: w}
		fmt.Fprintf(w, "logstash: %s...\n", h.host)
		if err := t.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// outputTest is the test of one host.
type outputTest struct {
	client *Client
	host   host
	out    io.Writer
	raw    *progressConn
	conn   net.Conn
}

func (t *outputTest) run(ctx context.Context) error {
	defer func() {
		if t.raw != nil {
			t.raw.Close()
		}
	}()
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
	err := fn()
	if err != nil {
		fmt.Fprintf(t.out, "ERROR %v\n", err)
		return tlsconfig.Explain(err, t.host.String())
	}
	fmt.Fprintln(t.out, "OK")
	return nil
}

func (t *outputTest) line(indent int, format string, args ...any) {
	fmt.Fprintf(t.out, "%s%s\n", strings.Repeat("  ", indent), fmt.Sprintf(format, args...))
}

func (t *outputTest) connection(ctx context.Context) error {
	d := &t.client.dialer
	t.line(1, "connection...")
	if err := t.step(2, "parse host", func() error { return nil }); err != nil {
		return err
	}
	if _, err := netip.ParseAddr(t.host.name); err == nil || d.resolve {
		var names []string
		err := t.step(2, "dns lookup", func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, d.timeout)
			defer cancel()
			names, err = d.addresses(ctx, t.host)
			return err
		})
		if err != nil {
			return err
		}
		t.line(2, "addresses: %s", strings.Join(names, ", "))
	} else {
		t.line(2, "dns lookup... left to the proxy %s", d.proxy.Host)
	}
	return t.step(2, "dial up", func() (err error) {
		t.raw, err = d.connect(ctx, t.host)
		t.conn = t.raw
		return err
	})
}

func (t *outputTest) security(ctx context.Context) error {
	loader := t.client.dialer.tls
	if loader == nil {
		t.line(1, "TLS... WARN secure connection disabled")
		return nil
	}
	t.line(1, "TLS...")
	if t.client.cfg.SSL.VerificationMode == "none" {
		t.line(2, "security... WARN server's certificate chain verification is disabled")
	} else {
		t.line(2, "security: server's certificate chain verification is enabled")
	}
	err := t.step(2, "handshake", func() (err error) {
		t.conn, err = t.client.dialer.handshake(ctx, t.raw, t.host)
		return err
	})
	if err != nil {
		return err
	}
	t.line(2, "TLS version: %s", tlsconfig.VersionName(t.conn.(*tls.Conn).ConnectionState().Version))
	return t.step(2, "dial up", func() error { return nil })
}

func (t *outputTest) talk(ctx context.Context) error {
	return t.step(1, "talk to server", func() error {
		stop := context.AfterFunc(ctx, func() { t.raw.Close() })
		defer stop()
		_, writeErr := t.conn.Write([]byte{codeVersion, codeWindow, 0, 0, 0, 1})
		if err := t.raw.SetReadDeadline(time.Now().Add(talkWait)); err != nil {
			return err
		}
		var buf [512]byte
		n, err := t.conn.Read(buf[:])
		var parser ackParser
		for data := buf[:n]; len(data) > 0; {
			var foreign error
			if _, data, _, foreign = parser.next(data); foreign != nil {
				return foreign
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return tlsconfig.Explain(err, t.host.String())
		}
		return writeErr
	})
}
