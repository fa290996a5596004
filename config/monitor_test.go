package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/monitor"
)

func TestMonitorOptions(t *testing.T) {
	c := mustParse(t, good+`
http:
  enabled: true
  host: unix:///run/s.sock
  port: 5067
  pprof: {enabled: true, block_profile_rate: 5, mem_profile_rate: 6, mutex_profile_rate: 7}
logging.metrics: {period: 10, namespaces: [stats, dataset]}
`)
	want := monitor.Config{Enabled: true, Host: "unix:///run/s.sock", Port: 5067, Pprof: monitor.Pprof{Enabled: true, BlockProfileRate: 5, MemProfileRate: 6, MutexProfileRate: 7}}
	if c.HTTP != want || len(c.Warnings) > 0 {
		t.Errorf("http is %+v, warnings %q", c.HTTP, c.Warnings)
	}
	if l := c.Logging.Metrics.Log(); l.Period != 10*time.Second || !slices.Equal(l.Namespaces, []string{"stats", "dataset"}) {
		t.Errorf("logging.metrics is %+v", l)
	}
	c = mustParse(t, good+"logging.metrics.enabled: false\n")
	if l := c.Logging.Metrics.Log(); l.Period != 0 || c.HTTP != monitor.DefaultConfig() || c.HTTP.Enabled || c.HTTP.Host != "localhost" || c.HTTP.Port != 5066 {
		t.Errorf("logging.metrics is %+v, http %+v", l, c.HTTP)
	}
}

func TestMonitorFaults(t *testing.T) {
	for text, want := range map[string]string{
		"http: {enabled: true, port: 70000}":                   "f.yml:6:23: http.port: 70000 is no port",
		"http: {enabled: true, host: 'unix://run/s'}":          "http.host: \"unix://run/s\" names no absolute path",
		"http: {enabled: true, pprof: {mem_profile_rate: -1}}": "http.pprof.mem_profile_rate: must not be negative",
		"http: {prot: 1}":                              "http.prot: unknown option; did you mean port?",
		"http.port: x":                                 "http.port: ",
		"logging.metrics.period: 0":                    "logging.metrics.period: must be greater than 0",
		"http: {enabled: false, port: 70000}":          "",
		"logging.metrics: {enabled: false, period: 0}": "",
	} {
		if got := faultsOf(t, good+text+"\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
	c := mustParse(t, good+"http.named_pipe.user: me\nlogging.metrics.namespaces: [stats, x]\n")
	if len(c.Warnings) != 2 || !strings.Contains(c.Warnings[0], "http.named_pipe: has no effect") || !strings.Contains(c.Warnings[1], "logging.metrics.namespaces.1: has no effect") {
		t.Errorf("warnings %q", c.Warnings)
	}
}
