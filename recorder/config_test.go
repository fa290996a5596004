package recorder

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestWrongOptionsAreNamed(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"mqtt.0.hosts: at least one broker is needed":                                  func(c *Config) { c.MQTT[0].Hosts = nil },
		`mqtt.0.hosts: entry 1: "http://x": unknown scheme "http"; use mqtt, mqtts`:    func(c *Config) { c.MQTT[0].Hosts = []string{"http://x"} },
		"mqtt.0.hosts: entry 1: put user and password into username and password":      func(c *Config) { c.MQTT[0].Hosts = []string{"mqtt://u:p@x"} },
		`mqtt.0.hosts: entry 1: "mqtt://": the host is missing`:                        func(c *Config) { c.MQTT[0].Hosts = []string{"mqtt://"} },
		"mqtt.0.hosts: ssl.certificate_authorities is set, but no host is encrypted":   func(c *Config) { c.MQTT[0].SSL.CertificateAuthorities = []string{"/ca"} },
		"mqtt.0.topics: at least one topic is needed":                                  func(c *Config) { c.MQTT[0].Topics = nil },
		`mqtt.0.topics: entry 1: "a/#/b": "#" must be the whole last level`:            func(c *Config) { c.MQTT[0].Topics = []TopicConfig{{Topic: "a/#/b"}} },
		`mqtt.0.topics: entry 1: "a+": "+" must be a whole level`:                      func(c *Config) { c.MQTT[0].Topics = []TopicConfig{{Topic: "a+"}} },
		`mqtt.0.topics: entry 2: "a" is listed twice`:                                  func(c *Config) { c.MQTT[0].Topics = []TopicConfig{{Topic: "a"}, {Topic: "a"}} },
		"mqtt.0.topics: entry 1: qos 3: 0, 1 or 2 is allowed":                          func(c *Config) { c.MQTT[0].Topics = []TopicConfig{{Topic: "a", QoS: new(3)}} },
		"mqtt.0.qos: -1: 0, 1 or 2 is allowed":                                         func(c *Config) { c.MQTT[0].QoS = new(-1) },
		"mqtt.0.exclude: entry 1: a topic must not be empty":                           func(c *Config) { c.MQTT[0].Exclude = []string{""} },
		"mqtt.0.username: is needed with a password":                                   func(c *Config) { c.MQTT[0].Password = "x" },
		"mqtt.0.client_id: up to 65535 bytes of UTF-8 without NUL":                     func(c *Config) { c.MQTT[0].ClientID = "\x00" },
		`mqtt.0.name: "a/b": letters, digits`:                                          func(c *Config) { c.MQTT[0].Name = "a/b" },
		`mqtt.1.name: "mqtt" is taken by mqtt.0; give every entry its own name`:        func(c *Config) { c.MQTT = append(c.MQTT, c.MQTT[0]) },
		"mqtt.0.keepalive: 1ms is outside 1s to 18h12m15s":                             func(c *Config) { c.MQTT[0].KeepAlive = time.Millisecond },
		"mqtt.0.backoff.max: 1m0s is outside 5ms to 30s":                               func(c *Config) { c.MQTT[0].Backoff.Max = time.Minute },
		"mqtt.0.silence_timeout: 1ms is outside":                                       func(c *Config) { c.MQTT[0].SilenceTimeout = time.Millisecond },
		"mqtt.0.max_payload: -1 is outside 1 to 268435456 bytes":                       func(c *Config) { c.MQTT[0].MaxPayload = -1 },
		"mqtt.0.queue_records: -1 is outside":                                          func(c *Config) { c.MQTT[0].QueueRecords = -1 },
		`mqtt.0.format: "%y", character 1: unknown conversion "y"; there are %% and %`: func(c *Config) { c.MQTT[0].Format = "%y" },
		`mqtt.0.version: "4" is not known; use 3.1.1 or 5`:                             func(c *Config) { c.MQTT[0].Version = "4" },
		"mqtt.0.session_expiry: is an option of MQTT 5; add version: 5":                func(c *Config) { c.MQTT[0].SessionExpiry = time.Hour },
		"mqtt.0.receive_maximum: is an option of MQTT 5; add version: 5":               func(c *Config) { c.MQTT[0].ReceiveMaximum = 20 },
		"mqtt.0.session_expiry: has no meaning with clean_session: true":               func(c *Config) { m := &c.MQTT[0]; m.Version, m.CleanSession, m.SessionExpiry = "5", true, time.Hour },
		"mqtt.0.session_expiry: 1ms is outside 1s to 1193046h28m15s":                   func(c *Config) { c.MQTT[0].Version, c.MQTT[0].SessionExpiry = "5", time.Millisecond },
		"mqtt.0.receive_maximum: 0 would let no message come":                          func(c *Config) { c.MQTT[0].Version, c.MQTT[0].ReceiveMaximum = "5", 0 },
		"mqtt.0.session_expiry: 0 would end the session":                               func(c *Config) { c.MQTT[0].Version, c.MQTT[0].SessionExpiry = "5", 0 },
		"mqtt.0.receive_maximum: 65536 is outside 1 to 65535":                          func(c *Config) { c.MQTT[0].Version, c.MQTT[0].ReceiveMaximum = "5", 65536 },
		"mqtt.0.ssl.verification_mode: ":                                               func(c *Config) { c.MQTT[0].SSL.VerificationMode = "never" },
		"spool.path: a folder for the segments is needed":                              func(c *Config) { c.Spool.Path = "" },
		"spool.segment_bytes: 10 is outside 4096 to 2147483648 bytes":                  func(c *Config) { c.Spool.SegmentBytes = 10 },
		"spool.rotate_every: 1ms is outside":                                           func(c *Config) { c.Spool.RotateEvery = time.Millisecond },
		"spool.commit_interval: 1m0s is outside 1ms to 10s":                            func(c *Config) { c.Spool.CommitInterval = time.Minute },
		"spool.file_permissions: 0444: at least 0600":                                  func(c *Config) { c.Spool.FilePermissions = 0o444 },
	} {
		c := config("/spool", "mqtt://127.0.0.1")
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
			continue
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("more than the one fault: %v", err)
		}
		many, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Errorf("%v is not a joined error", err)
			continue
		}
		for _, part := range many.Unwrap() {
			if f, ok := part.(interface{ Field() string }); !ok || !strings.HasPrefix(part.Error(), f.Field()+": ") {
				t.Errorf("%v does not name its field", part)
			}
		}
	}
	c := config("/spool", "mqtt://127.0.0.1")
	must(t, c.Validate())
	c.MQTT = []MQTTConfig{{Hosts: []string{"broker"}, Topics: []TopicConfig{{Topic: "#"}}}} // zero values are defaults
	must(t, c.Validate())
	if q := *c.MQTT[0].filled().QoS; q != 1 {
		t.Errorf("qos is %d when not given", q)
	}
	if _, err := New(Config{Spool: c.Spool}, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "mqtt: no source is configured") {
		t.Errorf("no source: %v", err)
	}
	c.MQTT[0].Hosts = []string{"mqtts://broker"}
	c.MQTT[0].SSL.CertificateAuthorities = []string{"/no/such/ca.crt"}
	if _, err := New(c, zerolog.Nop()); err == nil || !strings.HasPrefix(err.Error(), "mqtt.0.ssl") || !strings.Contains(err.Error(), "/no/such/ca.crt") {
		t.Errorf("missing CA: %v", err)
	}
}

func TestHostsMayBeWrittenInManyWays(t *testing.T) {
	for text, want := range map[string]broker{
		"broker":             {"mqtt", "broker:1883", "broker", "/mqtt", false},
		"10.0.0.1:2000":      {"mqtt", "10.0.0.1:2000", "10.0.0.1", "/mqtt", false},
		"tcp://b":            {"mqtt", "b:1883", "b", "/mqtt", false},
		"MQTTS://b":          {"mqtts", "b:8883", "b", "/mqtt", true},
		"ssl://b:1":          {"mqtts", "b:1", "b", "/mqtt", true},
		"tls://[::1]":        {"mqtts", "[::1]:8883", "::1", "/mqtt", true},
		"ws://b":             {"ws", "b:80", "b", "/mqtt", false},
		"wss://b/path?x=1":   {"wss", "b:443", "b", "/path?x=1", true},
		"wss://b.example:99": {"wss", "b.example:99", "b.example", "/mqtt", true},
	} {
		got, err := parseBroker(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// The cases are those of MQTT 3.1.1, 4.7.
func TestTopicFilters(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"sport/tennis/player1/#", "sport/tennis/player1", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
		{"sport/#", "sport", true},
		{"#", "a/b", true},
		{"#", "$SYS/x", false},
		{"+/monitor", "$SYS/monitor", false},
		{"$SYS/#", "$SYS/x", true},
		{"sport/tennis/+", "sport/tennis/player1", true},
		{"sport/tennis/+", "sport/tennis/player1/ranking", false},
		{"sport/+", "sport", false},
		{"sport/+", "sport/", true},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		{"a/b", "a/b", true},
		{"a/b", "a", false},
		{"a", "a/b", false},
		{"a//c", "a//c", true},
	} {
		if got := matches(c.filter, c.topic); got != c.want {
			t.Errorf("%s covers %s: %v", c.filter, c.topic, got)
		}
	}
}

func TestTopicMayBePlainText(t *testing.T) {
	var topic TopicConfig
	must(t, topic.UnmarshalConfigString("a/#"))
	if topic.Topic != "a/#" || topic.QoS != nil {
		t.Errorf("%+v", topic)
	}
}
