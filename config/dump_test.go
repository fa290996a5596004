package config

import (
	"strings"
	"testing"
)

func TestExportShowsWhatIsGivenInOrder(t *testing.T) {
	t.Setenv("SLUICE_TEST_SITE", "north: 1")
	c, err := LoadOptions{Brand: Filebeat, Home: "/opt/fb"}.Parse("f.yml", []byte(`
tags: [b, "yes", yes, 017, "1"]
name: ${SLUICE_TEST_SITE}
filebeat.inputs:
- type: log
  paths: [/a, "/b c"]
  fields: {z: 1, a: {list: [[1, [2]], {x: y, b: }]}, e: {}, l: [], n: ~}
output.logstash: {hosts: elk, ssl.key_passphrase: hunter2hunter2, ssl.certificate: /c, ssl.key: /k}
fields.dollar: a$${b}
`))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.Export(&b); err != nil {
		t.Fatal(err)
	}
	const want = `fields:
  dollar: "a$${b}"
filebeat:
  inputs:
  - fields:
      a:
        list:
        - - 1
          - - 2
        - b: null
          x: y
      e: {}
      l: []
      "n": null
      z: 1
    paths:
    - /a
    - "/b c"
    type: log
name: "north: 1"
output:
  logstash:
    hosts: elk
    ssl:
      certificate: /c
      key: /k
      key_passphrase: <hidden>
path:
  config: /opt/fb
  data: /opt/fb/data
  home: /opt/fb
  logs: /opt/fb/logs
tags:
- b
- "yes"
- yes
- 017
- "1"
`
	if got := b.String(); got != want {
		t.Errorf("export\n%s\nwant\n%s", got, want)
	}
	again, err := Parse("f.yml", []byte(b.String()))
	if err != nil || again.Name != "north: 1" || again.Fields["dollar"] != "a${b}" {
		t.Errorf("read back %+v, %v", again, err)
	}
}
