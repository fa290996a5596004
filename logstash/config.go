package logstash

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"sluice/internal/tlsconfig"
)

// Limits of options.
const (
	maxPipelining  = 64
	maxWindowBytes = 4 << 20 // above it some Logstash versions copy quadratically
	unlimitedBulk  = 10000   // go-lumber servers refuse larger windows
)

// Config holds Filebeat's output.logstash options, and a few of our own.
type Config struct {
	// Use this output. Default true. Filebeat: enabled.
	Enabled *bool `config:"enabled"`
	// Logstash servers, each as host, host:port, IPv4, IPv6 or [IPv6]:port; the
	// port is 5044 if absent. Default localhost:5044. Filebeat: hosts.
	Hosts []string `config:"hosts"`
	// Connections in parallel; with loadbalance, per host. More than Logstash
	// has CPU cores bring nothing. Default 1. Filebeat: worker.
	Worker int `config:"worker"`
	// Filebeat's second name of worker; wins over it when set. Filebeat: workers.
	Workers int `config:"workers"`
	// Use all hosts at the same time instead of one, the others as a reserve.
	// Default false. Filebeat: loadbalance.
	LoadBalance bool `config:"loadbalance"`
	// Age at which a connection is replaced, once nothing is in flight; names are
	// resolved anew then. It works with pipelining too, unlike Filebeat's. A
	// connection that has carried nothing does not expire. Default 0s: never.
	// Filebeat: ttl.
	TTL time.Duration `config:"ttl"`
	// Windows that may be on their way unacknowledged; 0 and 1 mean one. A second
	// one is only sent while acks come within 2 s. Default 2. Filebeat: pipelining.
	Pipelining int `config:"pipelining"`
	// zlib level, 0 (none) to 9. Default 3. Filebeat: compression_level.
	CompressionLevel int `config:"compression_level"`
	// Most documents of one window; 0 or less means 10000, the most that all
	// servers take. Default 2048. Filebeat: bulk_max_size.
	BulkMaxSize int `config:"bulk_max_size"`
	// How long the server may be silent while it owes an ack, a write may make
	// no progress, and connecting may take. Default 30s. Filebeat: timeout.
	Timeout time.Duration `config:"timeout"`
	// Accepted and without effect, as in Filebeat: documents are sent until they
	// are acknowledged. Default 3. Filebeat: max_retries.
	MaxRetries int `config:"max_retries"`
	// Growing wait after failures. Filebeat: backoff.
	Backoff BackoffConfig `config:"backoff"`
	// Begin with windows of 10 documents, grow by half with each full window that
	// is acknowledged, halve after an error. Default false. Filebeat: slow_start.
	SlowStart bool `config:"slow_start"`
	// Write <, > and & in documents as \u003c, \u003e and \u0026. Used by the
	// encoder of documents, not by the connection. Default false. Filebeat: escape_html.
	EscapeHTML bool `config:"escape_html"`
	// Value of @metadata.beat, the usual beginning of index names. Used by the
	// encoder of documents. Default filebeat. Filebeat: index.
	Index string `config:"index"`
	// SOCKS5 proxy, as socks5://user:password@host:port. Default none. Filebeat: proxy_url.
	ProxyURL string `config:"proxy_url"`
	// Resolve host names here instead of at the proxy. Default false. Filebeat:
	// proxy_use_local_resolver.
	ProxyUseLocalResolver bool `config:"proxy_use_local_resolver"`
	// TLS; without the section, plain text. Filebeat: ssl.
	SSL *tlsconfig.Config `config:"ssl"`

	// Most bytes of one window before compression, counting 8 for each document
	// beside its own; one larger document travels alone. At most 4MiB less one
	// byte. Default 3MiB. Ours.
	MaxWindowBytes int `config:"max_window_bytes,bytes"`
	// How long a server may answer with nothing but keepalives while it owes an
	// ack. Then another host is used if there is one; else one warning is
	// logged. 0s: for ever, without a word. Default 5m. Ours.
	ProgressTimeout time.Duration `config:"progress_timeout"`
	// Close a connection that has carried nothing for so long; best below
	// Logstash's client_inactivity_timeout of 60 s. 0s: never. Default 45s. Ours.
	IdleTimeout time.Duration `config:"idle_timeout"`
}

// BackoffConfig holds backoff.*: after the n-th failed round over all hosts the
// wait is between half of d and d, where d = min(init*2^n, max). The first
// acknowledged document resets it.
type BackoffConfig struct {
	// Half of the first d. Default 1s. Filebeat: backoff.init.
	Init time.Duration `config:"init"`
	// Greatest d. Default 60s. Filebeat: backoff.max.
	Max time.Duration `config:"max"`
}

// DefaultConfig returns the options as they are when none is given.
func DefaultConfig() Config {
	return Config{
		Hosts:            []string{"localhost:5044"},
		Worker:           1,
		Pipelining:       2,
		CompressionLevel: 3,
		BulkMaxSize:      2048,
		Timeout:          30 * time.Second,
		MaxRetries:       3,
		Backoff:          BackoffConfig{Init: time.Second, Max: time.Minute},
		Index:            "filebeat",
		MaxWindowBytes:   3 << 20,
		ProgressTimeout:  5 * time.Minute,
		IdleTimeout:      45 * time.Second,
	}
}

// FieldError is an error of one option. Its text begins with the option's name.
type FieldError struct {
	field string
	err   error
}

func fieldErrorf(field, format string, args ...any) *FieldError {
	return &FieldError{field: field, err: fmt.Errorf(format, args...)}
}

// Error returns "option: what is wrong; mend".
func (e *FieldError) Error() string { return e.field + ": " + e.err.Error() }

// Field returns the option's dotted name relative to output.logstash.
func (e *FieldError) Field() string { return e.field }

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.err }

// Validate checks all options without touching network or files. Each part of
// the joined error is a *FieldError, of this package or, for ssl.*, of tlsconfig.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			errs = append(errs, fieldErrorf(field, format, args...))
		}
	}
	check(len(c.Hosts) > 0, "hosts", "at least one host is needed, such as localhost:5044")
	for _, s := range c.Hosts {
		if _, err := parseHost(s); err != nil {
			errs = append(errs, fieldErrorf("hosts", "%w", err))
		}
	}
	check(c.Workers > 0 || c.Worker > 0, "worker", "%d is too small; use 1 or more", c.Worker)
	check(c.Workers >= 0, "workers", "%d is negative; use 1 or more", c.Workers)
	check(c.Pipelining >= 0 && c.Pipelining <= maxPipelining, "pipelining", "%d is out of range; use 0 to %d", c.Pipelining, maxPipelining)
	check(c.CompressionLevel >= 0 && c.CompressionLevel <= 9, "compression_level", "%d is out of range; use 0 to 9", c.CompressionLevel)
	check(c.Timeout > 0, "timeout", "%v is too short; use 1s or more (30s)", c.Timeout)
	check(c.TTL >= 0, "ttl", "%v is negative; use 0s (never) or more", c.TTL)
	check(c.Backoff.Init > 0, "backoff.init", "%v is too short; use 1s", c.Backoff.Init)
	check(c.Backoff.Max >= c.Backoff.Init, "backoff.max", "%v is below backoff.init %v; use 60s", c.Backoff.Max, c.Backoff.Init)
	check(c.MaxWindowBytes > 0 && c.MaxWindowBytes < maxWindowBytes, "max_window_bytes",
		"%d is out of range; use 1 to %d, since from 4 MiB on some Logstash versions become very slow", c.MaxWindowBytes, maxWindowBytes-1)
	check(c.ProgressTimeout >= 0, "progress_timeout", "%v is negative; use 0s (never) or more", c.ProgressTimeout)
	check(c.IdleTimeout >= 0, "idle_timeout", "%v is negative; use 0s (never) or more", c.IdleTimeout)
	if _, err := parseProxy(c.ProxyURL); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errors.Join(errs...), tlsconfig.InSection(c.SSL.Validate()))
}

func (c *Config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return c.Worker
}

func (c *Config) bulk() int {
	if c.BulkMaxSize <= 0 {
		return unlimitedBulk
	}
	return c.BulkMaxSize
}

func (c *Config) windowsInFlight() int { return max(1, c.Pipelining) }

// parseProxy returns nil for an empty string.
func parseProxy(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, fieldErrorf("proxy_url", "not a URL; use socks5://host:port")
	}
	if u.Scheme != "socks5" && u.Scheme != "socks5h" {
		return nil, fieldErrorf("proxy_url", "scheme %q is not supported; use socks5://host:port", u.Scheme)
	}
	return u, nil
}
