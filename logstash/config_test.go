package logstash

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestHostsAreReadAsFilebeatDoes(t *testing.T) {
	for in, want := range map[string]string{
		"localhost":            "localhost:5044",
		"logstash.plant:5045":  "logstash.plant:5045",
		" 10.0.0.1 ":           "10.0.0.1:5044",
		"10.0.0.1:1":           "10.0.0.1:1",
		"fd00::2":              "[fd00::2]:5044",
		"[fd00::2]":            "[fd00::2]:5044",
		"[fd00::2]:65535":      "[fd00::2]:65535",
		"fe80::1%eth0":         "[fe80::1%eth0]:5044",
		"https://logstash":     `"https://logstash" has the scheme https://; write only logstash`,
		"logstash:0":           `"logstash:0" has no valid port; use 1 to 65535, such as 5044`,
		"logstash:beats":       `"logstash:beats" has no valid port; use 1 to 65535, such as 5044`,
		"logstash:70000":       `"logstash:70000" has no valid port; use 1 to 65535, such as 5044`,
		"a:b:c":                `"a:b:c" is no address; use host:port, or [IPv6]:port`,
		"[fd00::2":             `"[fd00::2" is no address; use host:port, or [IPv6]:port`,
		"":                     `"" has no valid host name; use host:port`,
		":5044":                `":5044" has no valid host name; use host:port`,
		"logstash.plant/beats": `"logstash.plant/beats" has no valid host name; use host:port`,
	} {
		h, err := parseHost(in)
		got := h.String()
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	for _, tc := range []struct {
		want   string
		change func(*Config)
	}{
		{"hosts: at least one host is needed, such as localhost:5044", func(c *Config) { c.Hosts = nil }},
		{`hosts: "http://a" has the scheme http://; write only a`, func(c *Config) { c.Hosts = []string{"ok", "http://a"} }},
		{"worker: 0 is too small; use 1 or more", func(c *Config) { c.Worker = 0 }},
		{"workers: -1 is negative; use 1 or more", func(c *Config) { c.Workers = -1 }},
		{"pipelining: -1 is out of range; use 0 to 64", func(c *Config) { c.Pipelining = -1 }},
		{"compression_level: 10 is out of range; use 0 to 9", func(c *Config) { c.CompressionLevel = 10 }},
		{"timeout: 0s is too short; use 1s or more (30s)", func(c *Config) { c.Timeout = 0 }},
		{"ttl: -1s is negative; use 0s (never) or more", func(c *Config) { c.TTL = -time.Second }},
		{"backoff.init: 0s is too short; use 1s", func(c *Config) { c.Backoff.Init = 0 }},
		{"backoff.max: 1ms is below backoff.init 1s; use 60s", func(c *Config) { c.Backoff.Max = time.Millisecond }},
		{"max_window_bytes: 4194304 is out of range; use 1 to 4194303, since from 4 MiB on some Logstash versions become very slow", func(c *Config) { c.MaxWindowBytes = 4 << 20 }},
		{"progress_timeout: -1s is negative; use 0s (never) or more", func(c *Config) { c.ProgressTimeout = -time.Second }},
		{"idle_timeout: -1s is negative; use 0s (never) or more", func(c *Config) { c.IdleTimeout = -time.Second }},
		{`proxy_url: scheme "http" is not supported; use socks5://host:port`, func(c *Config) { c.ProxyURL = "http://proxy:3128" }},
		{"proxy_url: not a URL; use socks5://host:port", func(c *Config) { c.ProxyURL = "proxy" }},
	} {
		cfg := DefaultConfig()
		tc.change(&cfg)
		err := cfg.Validate()
		if err == nil || err.Error() != tc.want {
			t.Errorf("\n got: %v\nwant: %s", err, tc.want)
			continue
		}
		var field interface{ Field() string }
		if name, _, _ := strings.Cut(tc.want, ":"); !errors.As(err, &field) || field.Field() != name {
			t.Errorf("%s: Field is not %s", err, name)
		}
		if _, err := New(cfg, zerolog.Nop()); err == nil {
			t.Errorf("New takes what Validate refuses: %s", tc.want)
		}
	}
	cfg := DefaultConfig()
	if err := cfg.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestNamesAndLimitsOfSizes(t *testing.T) {
	c := Config{Worker: 1, Workers: 3, BulkMaxSize: 0}
	if c.workers() != 3 || c.bulk() != 10000 || c.windowsInFlight() != 1 {
		t.Errorf("%d %d %d", c.workers(), c.bulk(), c.windowsInFlight())
	}
}
