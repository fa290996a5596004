package config_test

import (
	"strings"
	"testing"
	"time"

	"sluice/config"
)

func TestSerialPortsOfTheRecorder(t *testing.T) {
	c, err := config.Parse("s.yml", []byte(`recorder.serial:
- port: usb:2341:0043:9573
  baud_rate: 115200
  stop_bits: 2
  dtr: false
  framing: delimiter
  delimiter: "\x03"
  open_lines: [k, '\x05']
  line_ending: "\r\n"
  poll:
  - {line: "?", every: 5}
- {name: gps, port: /dev/ttyAMA0}
output.console: {}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Recorder.Serial[0]
	if s.Name != "serial" || s.BaudRate != 115200 || s.StopBits != "2" || s.DTR == nil || *s.DTR || s.RTS != nil || !s.Exclusive || s.Delimiter != "\x03" ||
		s.OpenLines[1] != `\x05` || s.LineEnding != "\r\n" || s.Poll[0].Every != 5*time.Second || s.Validate() != nil {
		t.Errorf("%+v", s)
	}
	if len(c.Filebeat.Inputs) != 1 {
		t.Errorf("the segments are not followed: %+v", c.Filebeat.Inputs)
	}
}

func TestFaultsOfTheRecorderHaveTheirPlaces(t *testing.T) {
	for text, want := range map[string]string{
		"serial: [{baud_rate: 1200}]":                                         `s.yml:2:12: recorder.serial.0.port: is missing; "sluice recorder ports" lists what there is`,
		"serial: [{port: /dev/x, baud_rate: 1}]":                              "s.yml:2:27: recorder.serial.0.baud_rate: 1 is outside 50 to 4000000",
		"serial: [{port: /dev/x, parity: maybe}]":                             `s.yml:2:27: recorder.serial.0.parity: "maybe" is not known; use none, odd, even, mark or space`,
		"serial: [{port: /dev/x, poll: [{line: a}]}]":                         "recorder.serial.0.poll.0.every: 0s is outside 10ms to 24h0m0s",
		"serial: [{port: /dev/x, speed: 1}]":                                  "s.yml:2:27: recorder.serial.0.speed: unknown option",
		"serial: [{port: /dev/x, backoff.max: 1m}]":                           "recorder.serial.0.backoff.max: 1m0s is outside 1s to 30s",
		"serial: [{port: /dev/x, name: mqtt-input-x}]":                        "recorder.serial.0.name: ",
		"serial: [{port: /dev/x}, {port: /dev/x, name: b}]":                   `recorder.serial.1.port: "/dev/x" is taken by serial.0; give every entry its own port`,
		"http: {enabled: true, port: -1}":                                     "s.yml:2:25: recorder.http.port: -1 is no port; give 1 to 65535, or 0 for any free one",
		"http: {enabled: true, port: 5066}\nhttp.enabled: true":               "recorder.http.port: is that of http, where the tailer listens; give another one",
		"serial: [{port: /dev/x}]\n  mqtt: [{hosts: mqtt://b, name: serial}]": `recorder.serial.0.name: "serial" is taken by mqtt.0; give every entry its own name`,
	} {
		_, err := config.Parse("s.yml", []byte("recorder:\n  "+text+"\noutput.console: {}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}
