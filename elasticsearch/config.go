package elasticsearch

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"sluice/internal/processor"
	"sluice/internal/tlsconfig"
)

// Limits of options.
const (
	unlimitedBulk = 10000
	// maxBulkBytes is below http.max_content_length, 100 MB by default; more only
	// takes memory.
	maxBulkBytes = 64 << 20
)

// Config holds Filebeat's output.elasticsearch options, and one of our own.
type Config struct {
	// Use this output. Default true. Filebeat: enabled.
	Enabled *bool `config:"enabled"`
	// Nodes, each as host, host:port, IPv6, [IPv6]:port or a URL with scheme and
	// path; the port is 9200 if absent, in a URL too. Default localhost:9200.
	// Filebeat: hosts.
	Hosts []string `config:"hosts"`
	// Scheme of hosts without one: http or https. Default http, or https with
	// ssl.enabled. Filebeat: protocol.
	Protocol string `config:"protocol"`
	// Path in front of the API's own, of hosts without one: /elastic. Default
	// none. Filebeat: path.
	Path string `config:"path"`
	// Added to the URL of each bulk request. Default none. Filebeat: parameters.
	Parameters map[string]string `config:"parameters"`
	// Added to each request. Default none. Filebeat: headers.
	Headers map[string]string `config:"headers"`
	// User of basic authentication; what a host's URL says wins. Default none.
	// Filebeat: username.
	Username string `config:"username"`
	// The user's password. Default none. Filebeat: password.
	Password string `config:"password"`
	// API key instead of user and password: id:key, or its base64 form. Default
	// none. Filebeat: api_key.
	APIKey string `config:"api_key"`
	// Bulk requests in parallel; with loadbalance, per host. Default 1. Filebeat:
	// worker.
	Worker int `config:"worker"`
	// Filebeat's second name of worker; wins over it when set. Filebeat: workers.
	Workers int `config:"workers"`
	// Use all hosts at the same time instead of one, the others as a reserve.
	// Default true. Filebeat: loadbalance.
	LoadBalance bool `config:"loadbalance"`
	// Index or data stream, a format string; in lower case. A date in it is of
	// @timestamp. Default filebeat-%{[agent.version]}. Filebeat: index.
	Index string `config:"index"`
	// Rules before index: the first whose condition holds, and whose fields are
	// there, names the index. Filebeat: indices.
	Indices []IndexRule `config:"indices"`
	// Ingest pipeline, a format string. Default none. Filebeat: pipeline.
	Pipeline string `config:"pipeline"`
	// Rules before pipeline. Filebeat: pipelines.
	Pipelines []PipelineRule `config:"pipelines"`
	// Most documents of a request; 0 or less means 10000. Default 1600. Filebeat:
	// bulk_max_size.
	BulkMaxSize int `config:"bulk_max_size"`
	// How long a request may take, from its beginning to the whole answer. Default
	// 90s. Filebeat: timeout.
	Timeout time.Duration `config:"timeout"`
	// Accepted and without effect: documents are sent until they are stored.
	// Default 3. Filebeat: max_retries.
	MaxRetries int `config:"max_retries"`
	// Growing wait after failures. Filebeat: backoff.
	Backoff BackoffConfig `config:"backoff"`
	// gzip level, 0 (none) to 9. Default 1. Filebeat: compression_level.
	CompressionLevel int `config:"compression_level"`
	// Write <, > and & in documents as \u003c, \u003e and \u0026. Default false.
	// Filebeat: escape_html.
	EscapeHTML bool `config:"escape_html"`
	// HTTP or SOCKS5 proxy: http://user:password@host:port. Default: that of the
	// environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). Filebeat: proxy_url.
	ProxyURL string `config:"proxy_url"`
	// Headers for the proxy's CONNECT. Default none. Filebeat: proxy_headers.
	ProxyHeaders map[string]string `config:"proxy_headers"`
	// Use no proxy at all. Default false. Filebeat: proxy_disable.
	ProxyDisable bool `config:"proxy_disable"`
	// How long an idle connection stays open. Default 60s. Filebeat:
	// idle_connection_timeout.
	IdleConnectionTimeout time.Duration `config:"idle_connection_timeout"`
	// Ready sets of bulk_max_size, worker and idle_connection_timeout, which then
	// count instead of those options: balanced (1600, 1, 3s), throughput (1600, 4,
	// 15s), scale (1600, 1, 1s), latency (50, 1, 60s), each with compression_level 1;
	// custom: none. Filebeat's also set the queue. Default custom. Filebeat: preset.
	Preset string `config:"preset"`
	// TLS of hosts with https. Filebeat: ssl.
	SSL *tlsconfig.Config `config:"ssl"`

	// Most bytes of a request before compression; one larger document travels
	// alone. At most 64MiB. Default 3MiB. Ours.
	BulkMaxBytes int `config:"bulk_max_bytes,bytes"`
}

// IndexRule is an entry of indices.
type IndexRule struct {
	// Index of the documents that the rule is for, a format string. Filebeat:
	// indices.index.
	Index string `config:"index"`
	// Index by what Index gives: a document whose value is missing here gets
	// Default. Filebeat: indices.mappings.
	Mappings map[string]string `config:"mappings"`
	// Index when Mappings has no entry; without one the rule does not count.
	// Filebeat: indices.default.
	Default string `config:"default"`
	// Condition of the rule; without one it is for all documents. Filebeat:
	// indices.when.
	When *processor.Condition `config:"when"`
}

// PipelineRule is an entry of pipelines.
type PipelineRule struct {
	// Pipeline of the documents that the rule is for, a format string. Filebeat:
	// pipelines.pipeline.
	Pipeline string `config:"pipeline"`
	// Pipeline by what Pipeline gives. Filebeat: pipelines.mappings.
	Mappings map[string]string `config:"mappings"`
	// Pipeline when Mappings has no entry. Filebeat: pipelines.default.
	Default string `config:"default"`
	// Condition of the rule. Filebeat: pipelines.when.
	When *processor.Condition `config:"when"`
}

// BackoffConfig holds backoff.*: after the n-th failed round over all hosts the
// wait is between half of d and d, where d = min(init*2^n, max). The first
// stored document resets it.
type BackoffConfig struct {
	// Half of the first d. Default 1s. Filebeat: backoff.init.
	Init time.Duration `config:"init"`
	// Greatest d. Default 60s. Filebeat: backoff.max.
	Max time.Duration `config:"max"`
}

// DefaultConfig returns the options as they are when none is given.
func DefaultConfig() Config {
	return Config{
		Hosts:                 []string{"localhost:9200"},
		Worker:                1,
		LoadBalance:           true,
		Index:                 "filebeat-%{[agent.version]}",
		BulkMaxSize:           1600,
		Timeout:               90 * time.Second,
		MaxRetries:            3,
		Backoff:               BackoffConfig{Init: time.Second, Max: time.Minute},
		CompressionLevel:      1,
		IdleConnectionTimeout: time.Minute,
		Preset:                "custom",
		BulkMaxBytes:          3 << 20,
	}
}

// preset is what a preset sets.
type preset struct {
	bulk, worker int
	idle         time.Duration
}

var presets = map[string]preset{
	"balanced":   {1600, 1, 3 * time.Second},
	"throughput": {1600, 4, 15 * time.Second},
	"scale":      {1600, 1, time.Second},
	"latency":    {50, 1, time.Minute},
}

// UsePreset sets the options of the preset.
func (c *Config) UsePreset() {
	p, ok := presets[c.Preset]
	if !ok {
		return
	}
	c.BulkMaxSize, c.Worker, c.Workers, c.IdleConnectionTimeout, c.CompressionLevel = p.bulk, p.worker, 0, p.idle, 1
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

// Field returns the option's dotted name relative to output.elasticsearch.
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
	check(len(c.Hosts) > 0, "hosts", "at least one host is needed, such as https://localhost:9200")
	check(c.Protocol == "" || c.Protocol == "http" || c.Protocol == "https", "protocol", "%q is none; use http or https", c.Protocol)
	if _, err := c.endpoints(); err != nil {
		errs = append(errs, err)
	}
	_, known := presets[c.Preset]
	check(known || c.Preset == "custom", "preset", "%q is none; use balanced, throughput, scale, latency or custom", c.Preset)
	check(c.APIKey == "" || c.Username == "" && c.Password == "", "api_key", "is given beside username and password; keep one of the two")
	check(c.Workers > 0 || c.Worker > 0, "worker", "%d is too small; use 1 or more", c.Worker)
	check(c.Workers >= 0, "workers", "%d is negative; use 1 or more", c.Workers)
	check(c.CompressionLevel >= 0 && c.CompressionLevel <= 9, "compression_level", "%d is out of range; use 0 to 9", c.CompressionLevel)
	check(c.Timeout > 0, "timeout", "%v is too short; use 1s or more (90s)", c.Timeout)
	check(c.Backoff.Init > 0, "backoff.init", "%v is too short; use 1s", c.Backoff.Init)
	check(c.Backoff.Max >= c.Backoff.Init, "backoff.max", "%v is below backoff.init %v; use 60s", c.Backoff.Max, c.Backoff.Init)
	check(c.BulkMaxBytes > 0 && c.BulkMaxBytes <= maxBulkBytes, "bulk_max_bytes", "%d is out of range; use 1 to %d", c.BulkMaxBytes, maxBulkBytes)
	check(c.IdleConnectionTimeout >= 0, "idle_connection_timeout", "%v is negative; use 60s", c.IdleConnectionTimeout)
	if _, err := c.proxy(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, c.validateRules())
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

// proxy returns nil for an empty option.
func (c *Config) proxy() (*url.URL, error) {
	if c.ProxyURL == "" {
		return nil, nil
	}
	u, err := url.Parse(c.ProxyURL)
	if err != nil || u.Host == "" {
		return nil, fieldErrorf("proxy_url", "not a URL; use http://host:port")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, fieldErrorf("proxy_url", "scheme %q is not supported; use http://host:port or socks5://host:port", u.Scheme)
}
