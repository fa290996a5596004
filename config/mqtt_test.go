package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/config"
)

const console = "output.console: {}\n"

func TestMQTTInputIsTakenAsFilebeatWritesIt(t *testing.T) {
	c, err := config.Parse("f.yml", []byte(`path.data: /data
filebeat.inputs:
- type: mqtt
  hosts: ["tcp://broker:1883", "ssl://secure_broker:8883"]
  topics: [sample_topic, sample_topic]
  qos: 2
  ssl.certificate_authorities: [/etc/ca.pem]
  clean_session: false
`+console))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	s := config.MQTTSource(&c.Filebeat.Inputs[0])
	if *s.QoS != 2 || s.CleanSession || s.ClientID != "filebeat" || len(s.Hosts) != 2 || len(s.Topics) != 1 || s.Topics[0].Topic != "sample_topic" ||
		s.SSL.CertificateAuthorities[0] != "/etc/ca.pem" || s.Validate() != nil {
		t.Errorf("the recorder's source is %+v", s)
	}
	if got := c.InputSpool(); got.Path != "/data/spool" || got.Validate() != nil {
		t.Errorf("the spool is %+v", got)
	}
}

func TestMQTTInputDefaultsAreFilebeats(t *testing.T) {
	c, err := config.Parse("f.yml", []byte("filebeat.inputs: [{type: mqtt, hosts: 'tcp://b'}]\n"+console))
	if err != nil {
		t.Fatal(err)
	}
	in := c.Filebeat.Inputs[0]
	if in.QoS != 0 || !in.CleanSession || in.ClientID != "filebeat" || len(in.Topics) != 1 || in.Topics[0] != "#" {
		t.Errorf("defaults are %+v", in.MQTTOptions)
	}
	if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "f.yml:1:19: filebeat.inputs.0.qos: 0 loses messages: ") {
		t.Errorf("warnings: %q", c.Warnings)
	}
}

func TestMQTTInputFaultsHaveTheirPlaces(t *testing.T) {
	for text, want := range map[string]string{
		"- {type: mqtt}":                                                            "f.yml:2:3: filebeat.inputs.0.hosts: is required: the broker's address, for example ssl://broker.example:8883",
		"- {type: mqtt, hosts: ['http://b']}":                                       `f.yml:2:16: filebeat.inputs.0.hosts: entry 1: "http://b": unknown scheme "http"; use mqtt, mqtts, ws or wss`,
		"- {type: mqtt, hosts: b, qos: 3}":                                          "f.yml:2:26: filebeat.inputs.0.qos: 3 is no quality of service; use 0, 1 or 2",
		"- {type: mqtt, hosts: b, qos: low}":                                        `f.yml:2:31: filebeat.inputs.0.qos: wants a whole number, found "low"`,
		"- {type: mqtt, hosts: b, topics: ['a/#/b']}":                               "f.yml:2:26: filebeat.inputs.0.topics: entry 1: ",
		"- {type: mqtt, hosts: b, password: p}":                                     "f.yml:2:3: filebeat.inputs.0.username: is needed with a password",
		"- {type: mqtt, hosts: b, ssl.certificate: /c.pem}":                         "f.yml:2:26: filebeat.inputs.0.ssl.",
		"- {type: mqtt, hosts: b, topic: t}":                                        "f.yml:2:26: filebeat.inputs.0.topic: unknown option; did you mean topics?",
		"- {type: mqtt, hosts: b, close.reader.on_eof: true}":                       "f.yml:2:26: filebeat.inputs.0.close: is no option of type mqtt; inputs that read files have it",
		"- {type: mqtt, hosts: b}\n- {type: mqtt, id: x, hosts: b}":                 `f.yml:3:3: filebeat.inputs.1.client_id: another mqtt input connects to b as "filebeat" too`,
		"- {type: mqtt, hosts: b}\nrecorder.mqtt: [{name: mqtt-input-x, hosts: b}]": `f.yml:3:18: recorder.mqtt.0.name: "mqtt-input-x" begins with mqtt-input-`,
	} {
		_, err := config.Parse("f.yml", []byte("filebeat.inputs:\n"+text+"\n"+console))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\ngives %v\nwant  %s", text, err, want)
		}
	}
}

func TestMQTTInputsOfIncludedFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yml": "- {type: mqtt, hosts: b, client_id: one, qos: 1}\n",
		"b.yml": "- {type: mqtt, hosts: b, client_id: one}\n- {type: mqtt, hosts: 'http://b', client_id: two}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := config.Parse("f.yml", []byte("filebeat.config.inputs.path: "+dir+"/*.yml\n"+console))
	if err == nil || !strings.Contains(err.Error(), dir+`/b.yml:2:16: filebeat.inputs.1.hosts: entry 1: `) {
		t.Errorf("a wrong address: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.yml"), []byte("- {type: mqtt, hosts: b, client_id: one}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = config.Parse("f.yml", []byte("filebeat.config.inputs.path: "+dir+"/*.yml\n"+console))
	if err == nil || !strings.HasPrefix(err.Error(), dir+`/b.yml: filebeat.inputs.0.client_id: another mqtt input connects to b as "one" too`) {
		t.Errorf("one client_id in two files: %v", err)
	}
}

func TestMQTTInputCertificatesAreChecked(t *testing.T) {
	c, err := config.Parse("f.yml", []byte("filebeat.inputs:\n- {type: mqtt, hosts: 'ssl://b', ssl.certificate_authorities: /none.pem}\n"+console))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"test config": c.CheckFiles(), "start": c.CheckTailerFiles()} {
		if err == nil || !strings.HasPrefix(err.Error(), "f.yml:2:38: filebeat.inputs.0.ssl.certificate_authorities: /none.pem does not exist") {
			t.Errorf("%s says %v", name, err)
		}
	}
}
