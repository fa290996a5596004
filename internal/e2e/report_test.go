package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reportConfig is /etc/filebeat/filebeat.yml of a Raspberry Pi that writes
// MQTT messages to disk with mosquitto_sub and rotatelogs, and ships them with
// Filebeat 7.6.1: the file of the package, with one input and Logstash.
const reportConfig = `###################### Filebeat Configuration Example #########################

#=========================== Filebeat inputs =============================

filebeat.inputs:

# Each - is an input. Most options can be set at the input level, so
# you can use different inputs for various configurations.
# Below are the input specific configurations.

- type: log

  # Change to true to enable this input configuration.
  enabled: true

  # Paths that should be crawled and fetched. Glob based paths.
  paths:
    - /home/pi/mqtt_messages/log.*

  # Exclude lines. A list of regular expressions to match. It drops the lines that are
  # matching any regular expression from the list.
  #exclude_lines: ['^DBG']

#============================= Filebeat modules ===============================

filebeat.config.modules:
  # Glob pattern for configuration loading
  path: ${path.config}/modules.d/*.yml

  # Set to true to enable config reloading
  reload.enabled: false

#==================== Elasticsearch template setting ==========================

setup.template.settings:
  index.number_of_shards: 1
  #index.codec: best_compression
  #_source.enabled: false

#================================ General =====================================

#name:
#tags: ["service-X", "web-tier"]

#============================== Kibana =====================================

setup.kibana:

#================================ Outputs =====================================

#-------------------------- Elasticsearch output ------------------------------
#output.elasticsearch:
  #hosts: ["localhost:9200"]

#----------------------------- Logstash output --------------------------------
output.logstash:
  # The Logstash hosts
  hosts: ["10.8.0.1:5044"]

  # Optional SSL. By default is off.
  # List of root certificates for HTTPS server verifications
  ssl.certificate_authorities: ["/home/pi/logstash.crt"]

#================================ Processors =====================================

processors:
  - add_host_metadata: ~
  - add_cloud_metadata: ~
  - add_docker_metadata: ~
  - add_kubernetes_metadata: ~

#================================ Logging =====================================

#logging.level: debug

#============================== X-Pack Monitoring ===============================

#monitoring.enabled: false
`

// report is that Raspberry Pi.
type report struct {
	*machine
	out *shipped
}

func newReport(t *testing.T) *report {
	t.Helper()
	p := newPKI(t)
	r := &report{newMachine(t), newShipped(t, &p.server)}
	ca, err := os.ReadFile(p.caFile)
	if err != nil {
		t.Fatal(err)
	}
	r.write(r.path("home/pi/logstash.crt"), string(ca))
	r.write(r.conf, strings.NewReplacer("/home/pi", r.path("home/pi"), "10.8.0.1:5044", r.out.addr).Replace(reportConfig))
	return r
}

// messages is a file of rotatelogs.
func (r *report) messages(second int) string {
	return r.path(fmt.Sprintf("home/pi/mqtt_messages/log.%d", second))
}

// readings returns lines as mosquitto_sub writes them.
func readings(from, to int) (lines []string, text string) {
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("zakh/feeds/humid %d.%d", 40+i%20, i%10))
	}
	return lines, strings.Join(lines, "\n") + "\n"
}

// service starts it as the package's unit does.
func (r *report) service() {
	r.t.Helper()
	r.run("-e", "-c", r.conf, "-path.home", r.path("usr/share/filebeat"), "-path.config", r.path("etc/filebeat"),
		"-path.data", r.data, "-path.logs", r.path("var/log/filebeat"))
}

// weekly is the line of the crontab that deletes what was sent two days ago;
// it returns what is left.
func (r *report) weekly(flags ...string) []string {
	r.t.Helper()
	args := append([]string{"cleaner"}, flags...)
	out, err := exec.Command(binary, append(args, filepath.Join(r.data, "registry/filebeat/data.json"))...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("cleaner: %v\n%s", err, out)
	}
	r.t.Logf("the cleaner says:\n%s", out)
	files, err := filepath.Glob(r.path("home/pi/mqtt_messages/*"))
	if err != nil {
		r.t.Fatal(err)
	}
	return files
}

// TestReportsFilebeatIsReplaced: Filebeat 7.6 has sent one file whole and one
// in part, then sluice takes its place with the same configuration and
// registry, and the cleaner that of the script.
func TestReportsFilebeatIsReplaced(t *testing.T) {
	r := newReport(t)
	_, sent := readings(0, 100)
	rest, unsent := readings(100, 200)
	r.write(r.messages(1584000000), sent)
	r.write(r.messages(1584086400), sent+unsent)
	r.write(r.messages(1584172800), unsent)
	var entries []string
	for _, second := range []int{1584000000, 1584086400} {
		id := strings.Split(strings.TrimPrefix(native(t, r.messages(second)), "native::"), "-")
		entries = append(entries, fmt.Sprintf(`{"source":%q,"offset":%d,"timestamp":"2026-11-21T19:42:35.390931912+01:00","ttl":-1,"type":"log","meta":null,"FileStateOS":{"inode":%s,"device":%s}}`,
			r.messages(second), len(sent), id[0], id[1]))
	}
	registry := filepath.Join(r.data, "registry/filebeat")
	r.write(filepath.Join(registry, "meta.json"), `{"version": "0"}`)
	r.write(filepath.Join(registry, "data.json"), "["+strings.Join(entries, ",")+"]")
	r.write(filepath.Join(r.data, "meta.json"), `{"uuid":"6913805c-b16d-400d-8526-0e0b90869ff7"}`)
	// rotatelogs has the newest file open.
	writer, err := os.OpenFile(r.messages(1584172800), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()

	r.service()
	eventually(t, "all that was not sent has come", func() bool { return r.out.total() >= 200 })
	more, text := readings(200, 210)
	if _, err := writer.WriteString(text); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what is written meanwhile comes too", func() bool { return r.out.total() >= 210 })
	keys := map[string]string{}
	for _, second := range []int{1584000000, 1584086400, 1584172800} {
		keys["filebeat::logs::"+native(t, r.messages(second))] = r.messages(second)
	}
	eventually(t, "the registry has it all", func() bool { return r.behind(keys) == "" })

	if left := r.weekly(); len(left) != 3 {
		t.Errorf("files of today were deleted, left are %v", left)
	}
	want := []string{r.messages(1584172800)}
	if left := r.weekly("--older-than", "0"); !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
	r.stop()

	got := r.out.take()
	for name, lines := range map[string][]string{"log log.1584086400": rest, "log log.1584172800": slices.Concat(rest, more)} {
		if !slices.Equal(got[name], lines) {
			t.Errorf("%s: got %d lines %.200q, want %d", name, len(got[name]), got[name], len(lines))
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("sent twice: %v", got)
	}
	var list []struct {
		Source string
		Offset int64
	}
	b, err := os.ReadFile(filepath.Join(registry, "data.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(e struct {
		Source string
		Offset int64
	}) bool {
		info, err := os.Stat(r.messages(1584172800))
		return err == nil && e.Source == r.messages(1584172800) && e.Offset == info.Size()
	}) {
		t.Errorf("data.json, for scripts, is %s", b)
	}
	if id, err := os.ReadFile(filepath.Join(r.data, "meta.json")); err != nil || !strings.Contains(string(id), "6913805c-b16d-400d-8526-0e0b90869ff7") {
		t.Errorf("the agent is another one now: %s, %v", id, err)
	}
}
