package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"sluice/internal/tlsconfig"
)

const (
	// serverTimeout bounds a request: a small server takes its time over a mapping.
	serverTimeout = 90 * time.Second
	// serverAnswer bounds an answer, in bytes.
	serverAnswer = 16 << 20
)

// serverClient speaks to Elasticsearch, OpenSearch or Kibana as one user.
type serverClient struct {
	base   string // without a slash at its end
	addr   string // host:port, for errors
	auth   string
	client *http.Client
}

// newServerClient reads an address and the authority that its certificate is from.
func newServerClient(flag, address, port, ca, auth string) (*serverClient, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s is no URL; use https://HOST:%s", flag, port) // it may hold a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%s: %q must be https://HOST:%s", flag, u.Redacted(), port)
	case u.User != nil:
		return nil, fmt.Errorf("%s must not hold a password: give --user and --password-file", flag)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s: %q must end after the path", flag, u.Redacted())
	}
	if u.Port() == "" {
		u.Host += ":" + port
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if u.Scheme == "https" {
		var c tlsconfig.Config
		if ca != "" {
			c.CertificateAuthorities = []string{ca}
		}
		loader, err := c.Load()
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		transport.TLSClientConfig = loader.ClientConfig(u.Hostname())
	}
	return &serverClient{
		base: strings.TrimRight(u.String(), "/"), addr: u.Host, auth: auth,
		client: &http.Client{
			Transport: transport, Timeout: serverTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// open tells whether what is sent can be read on the way.
func (c *serverClient) open() bool {
	host := strings.TrimPrefix(c.base, "http://")
	if host == c.base {
		return false
	}
	name, _, _ := strings.Cut(host, "/")
	if a, err := netip.ParseAddrPort(name); err == nil {
		return !a.Addr().IsLoopback()
	}
	return !strings.HasPrefix(name, "localhost:")
}

// reply is an answer. A body that is no JSON object is nil.
type reply struct {
	status int
	body   map[string]any
	text   []byte
}

func (r reply) ok() bool { return r.status >= 200 && r.status < 300 }

// reason is what the server says of a fault, in one line.
func (r reply) reason() string {
	fault, _ := r.body["error"].(map[string]any)
	for _, candidate := range []any{fault["reason"], r.body["error"], r.body["message"], r.body["reason"]} {
		text, ok := candidate.(string)
		if !ok || text == "" {
			continue
		}
		for cause, _ := fault["caused_by"].(map[string]any); cause != nil; cause, _ = cause["caused_by"].(map[string]any) {
			if why, ok := cause["reason"].(string); ok && !strings.Contains(text, why) {
				text += ": " + why
			}
		}
		return serverLine(text)
	}
	return serverLine(string(r.text))
}

func serverLine(text string) string {
	const most = 500
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// do sends a request; a nil body sends none. Its errors name the address. What the
// server refuses is no error here.
func (c *serverClient) do(ctx context.Context, method, path string, body any) (reply, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return reply{}, err
		}
	}
	return c.send(ctx, method, path, "application/json", content, nil)
}

func (c *serverClient) send(ctx context.Context, method, path, kind string, content []byte, header map[string]string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(content))
	if err != nil {
		return reply{}, err
	}
	if len(content) > 0 {
		req.Header.Set("Content-Type", kind)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if c.auth != "" {
		req.Header.Set("Authorization", c.auth)
	}
	req.Header.Set("User-Agent", "sluice")
	resp, err := c.client.Do(req)
	if err != nil {
		return reply{}, c.explain(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or is of no use any more
	r := reply{status: resp.StatusCode}
	if r.text, err = io.ReadAll(io.LimitReader(resp.Body, serverAnswer)); err != nil {
		return reply{}, fmt.Errorf("%s: read the answer: %w", c.addr, err)
	}
	if json.Unmarshal(r.text, &r.body) != nil {
		r.body = nil
	}
	return r, nil
}

func (c *serverClient) explain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the address a second time
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return fmt.Errorf("%s: the server speaks plain HTTP on this port: write http://, or switch TLS on there", c.addr)
	}
	explained := tlsconfig.Explain(err, c.addr)
	if text := explained.Error(); strings.Contains(text, "ssl.certificate_authorities") {
		return errors.New(strings.ReplaceAll(text, "set ssl.certificate_authorities to", "give with --ca the certificate of"))
	}
	return explained
}

// refused is the error of an answer that is no success.
func (c *serverClient) refused(method, path string, r reply) error {
	text := fmt.Sprintf("%s: %s %s: %d %s: %s", c.addr, method, path, r.status, http.StatusText(r.status), r.reason())
	switch {
	case r.status == http.StatusUnauthorized:
		text += "; user, password or API key are wrong or missing: give --user and --password-file, or --api-key-file"
	case r.status == http.StatusForbidden:
		text += "; the user lacks the right: take the server's administrator (elastic, admin)"
	case r.status >= 300 && r.status < 400:
		text += "; it redirects elsewhere: give that address"
	}
	return errors.New(text)
}
