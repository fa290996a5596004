package elasticsearch

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sluice/internal/failover"
	"sluice/internal/tlsconfig"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

// node is one of the hosts, and how it is reached.
type node struct {
	*failover.Host
	endpoint endpoint
	http     *http.Transport
	header   http.Header
	bulkURL  string
	timeout  time.Duration
	counters *counters
}

func newNode(c *Config, e endpoint, index int, tls *tlsconfig.Loader, k *counters) (*node, error) {
	n := &node{Host: failover.NewHost(index, e.String()), endpoint: e, timeout: c.Timeout, counters: k}
	proxy, err := c.proxy()
	if err != nil {
		return nil, err
	}
	n.header = c.header(e)
	n.bulkURL = e.String() + "/_bulk?" + c.query()
	dialer := &net.Dialer{Timeout: c.Timeout}
	n.http = &http.Transport{
		DialContext:        n.counted(dialer.DialContext),
		Proxy:              http.ProxyFromEnvironment,
		ProxyConnectHeader: headers(c.ProxyHeaders),
		IdleConnTimeout:    c.IdleConnectionTimeout,
		ForceAttemptHTTP2:  false,
	}
	switch {
	case c.ProxyDisable:
		n.http.Proxy = nil
	case proxy != nil:
		n.http.Proxy = http.ProxyURL(proxy)
	}
	if tls != nil {
		n.http.TLSClientConfig = tls.ClientConfig(e.name) // through a proxy
		n.http.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := n.http.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			secure, err := tls.Handshake(ctx, conn, e.name)
			if err != nil {
				return nil, &dialError{err}
			}
			return secure, nil
		}
	}
	return n, nil
}

// query returns the parameters of a bulk request.
func (c *Config) query() string {
	q := url.Values{"filter_path": {filterPath}}
	for name, value := range c.Parameters {
		q.Set(name, value)
	}
	return q.Encode()
}

// header returns the headers of each request to a host.
func (c *Config) header(e endpoint) http.Header {
	h := headers(c.Headers)
	if h == nil {
		h = http.Header{}
	}
	user, password := c.Username, c.Password
	if e.username != "" {
		user, password = e.username, e.password
	}
	switch {
	case user != "" || password != "":
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	case c.APIKey != "":
		key := c.APIKey
		if strings.Contains(key, ":") {
			key = base64.StdEncoding.EncodeToString([]byte(key))
		}
		h.Set("Authorization", "ApiKey "+key)
	}
	if h.Get("User-Agent") == "" {
		h.Set("User-Agent", "sluice")
	}
	return h
}

func headers(m map[string]string) http.Header {
	if len(m) == 0 {
		return nil
	}
	h := make(http.Header, len(m))
	for name, value := range m {
		h.Set(name, value)
	}
	return h
}

// counted counts the connections and bytes of dial.
func (n *node) counted(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			n.counters.connectErrors.Add(1)
			return nil, &dialError{err}
		}
		n.counters.connects.Add(1)
		return &countedConn{conn, n.counters}, nil
	}
}

type countedConn struct {
	net.Conn
	counters *counters
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.counters.bytesRead.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.counters.bytesWritten.Add(int64(n))
	return n, err
}

// reply is the answer to a request.
type reply struct {
	status int
	body   []byte
}

// bulk sends the body of a bulk request.
func (n *node) bulk(ctx context.Context, body []byte, compressed bool) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.bulkURL, bytes.NewReader(body))
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w", n, err)
	}
	req.Header = n.header.Clone()
	req.Header.Set("Content-Type", "application/x-ndjson")
	if compressed {
		req.Header.Set("Content-Encoding", "gzip")
	}
	// What was sent on a connection that the server had closed meanwhile is sent
	// again at once: documents have ids. An empty value is not sent (net/http).
	req.Header["X-Idempotency-Key"] = nil
	return n.do(req)
}

// root asks for the server's name and version.
func (n *node) root(ctx context.Context) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.endpoint.String()+"/", http.NoBody)
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w", n, err)
	}
	req.Header = n.header.Clone()
	return n.do(req)
}

// do sends a request and reads the answer. Its errors are one line that names the
// host.
func (n *node) do(req *http.Request) (reply, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), n.timeout, errTimeout)
	defer cancel()
	resp, err := n.http.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return reply{}, n.explain(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or its connection is of no use any more
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return reply{}, n.explain(ctx, fmt.Errorf("read the answer: %w", err))
	}
	return reply{resp.StatusCode, body}, nil
}

var errTimeout = errors.New("no answer within the time that a request may take (timeout)")

// hostError is a request without an answer.
type hostError struct {
	text      string
	cause     error
	blameless bool // the documents did not reach the server
}

func (e *hostError) Error() string { return e.text }
func (e *hostError) Unwrap() error { return e.cause }

// Blameless says whether the documents can't be the cause. A connection that ends
// while they are on their way may be their fault.
func (e *hostError) Blameless() bool { return e.blameless }

// dialError is a connection that could not be made.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

func (n *node) explain(ctx context.Context, err error) error {
	e := &hostError{cause: err}
	var dial *dialError
	var op *net.OpError
	e.blameless = errors.As(err, &dial) || errors.As(err, &op) && op.Op == "proxyconnect"
	switch {
	case context.Cause(ctx) == errTimeout: //nolint:errorlint // it is the value itself
		e.blameless = true
		e.text = fmt.Sprintf("%s: %v %v; look at the network and the server", n, errTimeout, n.timeout)
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"), strings.Contains(err.Error(), "first record does not look like a TLS handshake"):
		e.text = fmt.Sprintf("%s: the server speaks plain HTTP on this port; write http:// in hosts, or switch TLS on there", n)
	default:
		e.text = tlsconfig.Explain(err, n.endpoint.addr()).Error()
		if e.text == err.Error() {
			e.text = fmt.Sprintf("%s: %v", n, err)
		}
	}
	return e
}

// statusError is an answer to a whole request that is no success.
type statusError struct {
	node   *node
	status int
	fault  fault
}

func (n *node) statusError(r reply) error {
	e := &statusError{node: n, status: r.status}
	e.fault = faultOf(r.body)
	return e
}

// Error names the host, what it says, and the mend.
func (e *statusError) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.node, e.status, http.StatusText(e.status))
	if said := e.fault.String(); said != "" {
		text += ": " + said
	}
	if mend := e.mend(); mend != "" {
		text += "; " + mend
	}
	return text
}

// Blameless says that the documents are not the cause.
func (e *statusError) Blameless() bool { return true }

func (e *statusError) mend() string {
	switch {
	case e.status == http.StatusUnauthorized:
		return "the API key, or user and password, are wrong, expired or withdrawn: set api_key or username and password"
	case e.status == http.StatusForbidden:
		return "the user or API key lacks a right, or something in between refuses us"
	case e.status == http.StatusNotFound, e.status == http.StatusMethodNotAllowed:
		return "there is no _bulk API at this address: look at hosts and path"
	case e.status == http.StatusTooManyRequests:
		return "the server is busy"
	case e.status >= 300 && e.status < 400:
		return "it redirects elsewhere: write that address in hosts"
	case e.status == http.StatusNotAcceptable, e.status == http.StatusUnsupportedMediaType:
		return "it does not take application/x-ndjson: look at what stands between"
	}
	return ""
}

// faultOf reads the error in an answer, whatever its form.
func faultOf(body []byte) fault {
	var r struct {
		Error   *fault `json:"error"`
		Message string `json:"message"`
	}
	if unmarshal(body, &r) {
		if r.Error != nil {
			return *r.Error
		}
		if r.Message != "" {
			return fault{Reason: r.Message}
		}
	}
	return fault{Reason: oneLine(string(body))}
}
