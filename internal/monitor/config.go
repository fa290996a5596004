package monitor

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Config is the option group http.
type Config struct {
	// Enabled answers questions about the running program over HTTP: /stats,
	// /metrics, /healthz and more. Default: false. Filebeat: http.enabled.
	Enabled bool `config:"enabled"`
	// Host is the address or the name to listen on, or the path of a unix
	// socket as in unix:///run/sluice.sock. There is no password: leave it at
	// the loopback unless the network is trusted. Default: localhost. Filebeat:
	// http.host.
	Host string `config:"host"`
	// Port to listen on; 0 takes any free one. Default: 5066. Filebeat: http.port.
	Port int `config:"port"`
	// NamedPipe is for Windows: it has no effect.
	NamedPipe NamedPipe `config:"named_pipe"`
	// Pprof answers with profiles of the program below /debug/pprof/.
	Pprof Pprof `config:"pprof"`
}

// NamedPipe is http.named_pipe.*: none of it has an effect.
type NamedPipe struct {
	// User may use the pipe. Default: none. Filebeat: http.named_pipe.user.
	User string `config:"user"`
	// SecurityDescriptor of the pipe. Default: none. Filebeat:
	// http.named_pipe.security_descriptor.
	SecurityDescriptor string `config:"security_descriptor"`
}

// Pprof is http.pprof.*.
type Pprof struct {
	// Enabled serves /debug/pprof/ (all of Go's profiles, and profile for the
	// CPU; not trace). Without effect on 32-bit ARM, where it would make the
	// program larger. Default: false. Filebeat: http.pprof.enabled.
	Enabled bool `config:"enabled"`
	// BlockProfileRate samples one blocking event in so many nanoseconds spent
	// blocked; 1 takes all, 0 none. Default: 0. Filebeat:
	// http.pprof.block_profile_rate.
	BlockProfileRate int `config:"block_profile_rate"`
	// MemProfileRate samples one allocation in so many bytes; 1 takes all, 0
	// none. Default: 524288. Filebeat: http.pprof.mem_profile_rate.
	MemProfileRate int `config:"mem_profile_rate"`
	// MutexProfileRate samples one in so many contentions of mutexes; 0 takes
	// none. Default: 0. Filebeat: http.pprof.mutex_profile_rate.
	MutexProfileRate int `config:"mutex_profile_rate"`
}

// DefaultConfig returns the defaults of every option.
func DefaultConfig() Config {
	return Config{Host: "localhost", Port: 5066, Pprof: Pprof{MemProfileRate: 512 << 10}}
}

// Log says when the log tells what was done (logging.metrics.*).
type Log struct {
	// Period is the time between two lines; 0: none.
	Period time.Duration
	// Namespaces are the groups of numbers: stats, dataset (or inputs, the same).
	Namespaces []string
}

// unixScheme begins the Host that is a socket.
const unixScheme = "unix://"

// socket returns the path of the unix socket; empty if Host is an address.
func (c *Config) socket() string {
	path, ok := strings.CutPrefix(c.Host, unixScheme)
	if !ok {
		return ""
	}
	return path
}

// maxSocket is the longest path that a unix socket can have, in bytes.
const maxSocket = 107

// Validate reports every option that has an unusable value; none when the
// endpoint is off.
func (c *Config) Validate() error {
	if !c.Enabled {
		return nil
	}
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Name: field, Reason: fmt.Sprintf(format, args...)})
	}
	switch path := c.socket(); {
	case c.Host == "":
		bad("host", "is empty; give localhost, an address, or unix:///path")
	case strings.HasPrefix(c.Host, "npipe:"):
		bad("host", "named pipes are for Windows; give localhost, an address, or unix:///path")
	case strings.HasPrefix(c.Host, unixScheme) && !filepath.IsAbs(path):
		bad("host", "%q names no absolute path; write three slashes, as in unix:///run/sluice.sock", c.Host)
	case len(path) > maxSocket:
		bad("host", "the path of the socket has %d bytes, and the system takes %d; give a shorter one", len(path), maxSocket)
	case path == "" && strings.Contains(c.Host, "/"):
		bad("host", "%q is no name or address; give the host alone, as in localhost, or unix:///path", c.Host)
	}
	if c.Port < 0 || c.Port > 65535 {
		bad("port", "%d is no port; give 1 to 65535, or 0 for any free one", c.Port)
	}
	for _, r := range []struct {
		name  string
		value int
	}{{"block_profile_rate", c.Pprof.BlockProfileRate}, {"mem_profile_rate", c.Pprof.MemProfileRate}, {"mutex_profile_rate", c.Pprof.MutexProfileRate}} {
		if r.value < 0 {
			bad("pprof."+r.name, "must not be negative; 0 takes no samples")
		}
	}
	return errors.Join(errs...)
}

// FieldError names an option with an unusable value.
type FieldError struct {
	Name   string // relative to Config
	Reason string
	Err    error // the system's reason, if any
}

// Field is the option's name relative to Config.
func (e *FieldError) Field() string { return e.Name }

func (e *FieldError) Error() string { return e.Name + ": " + e.Reason }

// Unwrap returns the system's reason.
func (e *FieldError) Unwrap() error { return e.Err }
