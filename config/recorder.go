package config

import "sluice/internal/monitor"

// RecorderHTTP is recorder.http as the monitor takes it.
func (c *Config) RecorderHTTP() monitor.Config {
	m := monitor.DefaultConfig()
	if c.Recorder != nil {
		m.Enabled, m.Host, m.Port = c.Recorder.HTTP.Enabled, c.Recorder.HTTP.Host, c.Recorder.HTTP.Port
	}
	return m
}

// checkRecorderHTTP checks recorder.http; the recorder knows nothing of it.
func (c *Config) checkRecorderHTTP(f *faults) {
	m := c.RecorderHTTP()
	trace(c.root, m.Validate(), "recorder.http", f)
	if m.Enabled && c.HTTP.Enabled && m.Host == c.HTTP.Host && m.Port == c.HTTP.Port && m.Port != 0 {
		f.add(c.root.locate("recorder.http.port"), "recorder.http.port", "is that of http, where the tailer listens; give another one")
	}
}
