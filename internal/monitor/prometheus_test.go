package monitor

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labels     = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*")*$`)
)

// check reads Prometheus' text format 0.0.4 and returns its samples. It
// refuses what a Prometheus would: samples before their TYPE or apart from
// their family, series that come twice, odd names, labels and values.
func check(text string) (map[string]float64, error) {
	samples, families := map[string]float64{}, map[string]string{}
	family := ""
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line has no end")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if families[name] != "" || !metricName.MatchString(name) {
				return nil, fmt.Errorf("odd or double family: %s", line)
			}
			family, families[name] = name, kind
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		if cut < 0 {
			return nil, fmt.Errorf("odd line %q", line)
		}
		series := line[:cut]
		v, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		name, rest, labelled := strings.Cut(series, "{")
		if labelled && (!strings.HasSuffix(rest, "}") || !labels.MatchString(rest[:len(rest)-1])) {
			return nil, fmt.Errorf("odd labels: %q", line)
		}
		base := name
		if families[family] == "summary" {
			base = strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count")
		}
		if base != family {
			return nil, fmt.Errorf("%s stands in family %s", series, family)
		}
		if families[family] == "counter" && !strings.HasSuffix(name, "_total") {
			return nil, fmt.Errorf("counter %s has no _total", name)
		}
		if _, twice := samples[series]; twice {
			return nil, fmt.Errorf("%s comes twice", series)
		}
		samples[series] = v
	}
	return samples, nil
}

func TestMetrics(t *testing.T) {
	src := &fake{numbers: someNumbers(), health: Health{Started: true}, files: []File{
		{Path: "/var/log/a", Input: "log", Size: 100, Offset: 70, Lag: 30, Wait: 2500 * time.Millisecond},
		{Path: "/var/log/odd\"\\\n\xffname", Input: "log", Size: 5, Offset: 5},
		{Path: "/var/log/twice", Input: "log", Size: 5, Offset: 5},
		{Path: "/var/log/twice", Input: "log", Size: 7, Offset: 1, Lag: 6, Wait: time.Second},
		{Path: "/var/log/twice", Input: "mine", Size: 1},
	}}
	_, c := serving(t, loopback, src)
	status, kind, body := get(t, c, "/metrics")
	if status != 200 || kind != "text/plain; version=0.0.4; charset=utf-8" {
		t.Fatalf("status %d, type %s", status, kind)
	}
	samples, err := check(body)
	if err != nil {
		t.Fatal(err)
	}
	for series, want := range map[string]float64{
		"sluice_events_acked_total": 80, "sluice_events_retried_total": 3, "sluice_lag_bytes": 30, "sluice_lag_seconds": 2.5,
		`sluice_file_lag_bytes{path="/var/log/a",input="log"}`:                              30,
		`sluice_file_lag_seconds{path="/var/log/a",input="log"}`:                            2.5,
		`sluice_file_lag_bytes{path="/var/log/twice",input="log"}`:                          6,
		`sluice_file_size_bytes{path="/var/log/twice",input="log"}`:                         12,
		`sluice_file_size_bytes{path="/var/log/odd\"\\\n` + "\uFFFD" + `name",input="log"}`: 5,
		`sluice_registry_writes_total{outcome="fail"}`:                                      1,
		`sluice_output_host_up{host="elk:5044"}`:                                            1,
		`sluice_output_connected{connection="0"}`:                                           1,
		`sluice_output_errors_total{kind="connect"}`:                                        1,
		`sluice_output_latency_seconds{quantile="0.5"}`:                                     0.025,
		"sluice_output_latency_seconds_count":                                               4,
		"sluice_output_last_ack_timestamp_seconds":                                          1000,
		"sluice_ready":   1,
		"sluice_healthy": 1,
		`sluice_input_events_total{input="mine",type="filestream"}`: 40,
	} {
		if got, ok := samples[series]; !ok || got != want {
			t.Errorf("%s is %v (there: %v), want %v", series, got, ok, want)
		}
	}
}

func TestMetricsListTheFilesThatLag(t *testing.T) {
	var files []File
	for i := range maxFiles + 500 {
		files = append(files, File{Path: fmt.Sprintf("/f%d", i), Lag: int64(i), Input: "log"})
	}
	var b bytes.Buffer
	n := Numbers{}
	if err := someMonitor(Config{}, &fake{}, io.Discard).writeMetrics(&b, &n, files, &Health{}); err != nil {
		t.Fatal(err)
	}
	samples, err := check(b.String())
	if err != nil {
		t.Fatal(err)
	}
	if samples["sluice_files_not_listed"] != 500 || samples[`sluice_file_lag_bytes{path="/f1499",input="log"}`] != 1499 {
		t.Error("the greatest lags are not listed")
	}
	if _, there := samples[`sluice_file_lag_bytes{path="/f499",input="log"}`]; there {
		t.Error("more than maxFiles are listed")
	}
	if samples["sluice_ready"] != 0 {
		t.Error("ready before the start")
	}
}

// The checker finds what it is for.
func TestCheckerRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no end": "# TYPE a gauge\na 1", "no type": "a 1\n", "twice": "# TYPE a gauge\na 1\na 2\n", "label": "# TYPE a gauge\na{b=\"c\"d\"} 1\n",
		"value": "# TYPE a gauge\na x\n", "apart": "# TYPE a gauge\na 1\n# TYPE b gauge\na 2\n", "counter": "# TYPE a counter\na 1\n",
	} {
		if _, err := check(text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
