package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shipped has what the filebeat.yml of Filebeat's own packages has, comments
// aside, with an input and Logstash filled in.
const shipped = `
filebeat.inputs:
- type: filestream
  id: my-filestream-id
  enabled: true
  paths: [/var/log/*.log]
filebeat.config.modules:
  path: ${path.config}/modules.d/*.yml
  reload.enabled: false
setup.template.settings:
  index.number_of_shards: 1
setup.kibana:
output.logstash:
  hosts: ["localhost:5044"]
processors:
  - add_host_metadata:
      when.not.contains.tags: forwarded
  - add_cloud_metadata: ~
  - add_docker_metadata: ~
  - add_kubernetes_metadata: ~
`

func TestShippedConfigurationStarts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "filebeat.yml")
	if err := os.WriteFile(file, []byte(shipped), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() (*Config, error) {
		return LoadOptions{Brand: Filebeat}.Load([]string{file}, []string{"path.home=" + dir})
	}
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"filebeat.config.modules", "setup", "add_cloud_metadata", "add_docker_metadata", "add_kubernetes_metadata"}
	for _, option := range want {
		if n := len(slices.DeleteFunc(slices.Clone(c.Warnings), func(w string) bool { return !strings.Contains(w, option) })); n != 1 {
			t.Errorf("%d warnings about %s: %q", n, option, c.Warnings)
		}
	}
	if len(c.Warnings) != len(want) {
		t.Errorf("%d warnings: %q", len(c.Warnings), c.Warnings)
	}

	if err := os.Mkdir(filepath.Join(dir, "modules.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nginx.yml.disabled", "system.yml"} {
		if err := os.WriteFile(filepath.Join(dir, "modules.d", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := load(); err == nil || !strings.Contains(err.Error(), "system.yml") || strings.Contains(err.Error(), "nginx") {
		t.Errorf("with an enabled module: %v", err)
	}
}
