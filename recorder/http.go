package recorder

// HTTPConfig is recorder.http.*: where a running recorder tells how it is. The
// recorder itself does not listen; whoever runs it does.
type HTTPConfig struct {
	// Enabled answers questions about the running recorder over HTTP: /metrics,
	// /healthz and more, as http does about the tailer. Default: false.
	Enabled bool `config:"enabled"`
	// Host is as http.host. Default: localhost.
	Host string `config:"host"`
	// Port is as http.port, and must be another one. Default: 5067.
	Port int `config:"port"`
}

// DefaultHTTPConfig returns the defaults.
func DefaultHTTPConfig() HTTPConfig { return HTTPConfig{Host: "localhost", Port: 5067} }
