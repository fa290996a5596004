package setup

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"sluice/config"
)

func plainFlags() GatewayFlags {
	return GatewayFlags{Name: "pi", Broker: "mqtts://localhost:8883", Topics: []string{"#"}, MQTTUser: "recorder", Keep: "48h"}
}

// rendered validates and renders flags for a machine with systemd and a
// certificate.
func rendered(t *testing.T, f GatewayFlags) (string, *config.Config) {
	t.Helper()
	if err := f.validate(); err != nil {
		t.Fatal(err)
	}
	g := &gateway{o: GatewayOptions{GatewayFlags: f}, systemd: true, hasCert: true, cert: "gateway"}
	text := g.render()
	cfg, err := config.Parse("sluice.yml", withoutReferences(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %q", cfg.Warnings)
	}
	return string(text), cfg
}

func TestGatewayConfigurationIsGood(t *testing.T) {
	text, cfg := rendered(t, func() GatewayFlags {
		f := plainFlags()
		f.Name, f.Site = `true`, `plant "4", ${HOME} $x: #1`
		f.Topics = []string{"a/#", "$SYS/#", "with,comma/+"}
		f.Format = `@FT@T@z,%t,"%p"\t$`
		f.Serial = []string{"usb:2341:0043,115200", "/dev/serial/by-path/pci-0:1:1.0"}
		f.Logs = []string{"/var/log/{a,b}/*.log", "/srv/[x]*"}
		f.Logstash = []string{"10.8.0.1:5044", "[2001:db8::1]:5044"}
		f.MaxSpool, f.Keep = "2GiB", "24h"
		return f
	}())
	mqtt, serial := cfg.Recorder.MQTT, cfg.Recorder.Serial
	if cfg.Name != "true" || cfg.Fields["site"] != `plant "4", ${HOME} $x: #1` || cfg.Fields["gateway"] != "true" {
		t.Errorf("name %q, fields %q", cfg.Name, cfg.Fields)
	}
	if len(mqtt) != 1 || len(mqtt[0].Topics) != 3 || mqtt[0].Topics[2].Topic != "with,comma/+" || mqtt[0].Format != `@FT@T@z,%t,"%p"\t$` {
		t.Errorf("mqtt: %+v", mqtt)
	}
	if len(serial) != 2 || serial[0].BaudRate != 115200 || serial[1].BaudRate != 9600 || serial[1].Port != "/dev/serial/by-path/pci-0:1:1.0" {
		t.Errorf("serial: %+v", serial)
	}
	if in := cfg.Filebeat.Inputs; len(in) != 2 || in[0].Paths[0] != "/var/lib/sluice/spool/*.log" || !slices.Equal(in[1].Paths, []string{"/var/log/{a,b}/*.log", "/srv/[x]*"}) {
		t.Errorf("inputs: %+v", in)
	}
	if cfg.Cleaner.OlderThan.Hours() != 24 || cfg.Recorder.Spool.MaxBytes != 2<<30 || len(cfg.Output.Logstash.Hosts) != 2 {
		t.Errorf("the rest: %+v", cfg)
	}
	for _, want := range []string{"password: ${MQTT_PASSWORD}\n", "key: ${CREDENTIALS_DIRECTORY}/sluice_gateway.key\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

func TestGatewayConfigurationHasOnlyWhatIsUsed(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*GatewayFlags)
		want    use
		without string
	}{
		"broker":          {func(*GatewayFlags) {}, use{record: true}, "serial:"},
		"broker shipped":  {func(f *GatewayFlags) { f.Logstash = []string{"a:1"} }, use{record: true, ship: true}, "filebeat.inputs"},
		"serial alone":    {func(f *GatewayFlags) { f.Broker, f.Serial = None, []string{"/dev/ttyUSB0"} }, use{record: true, serial: true}, "mqtt:"},
		"logs alone":      {func(f *GatewayFlags) { f.Broker, f.Logs, f.Logstash = None, []string{"/a"}, []string{"a"} }, use{ship: true}, "recorder:"},
		"no user":         {func(f *GatewayFlags) { f.MQTTUser = None }, use{record: true}, "password"},
		"no TLS":          {func(f *GatewayFlags) { f.Broker = "mqtt://localhost" }, use{record: true}, "ssl"},
		"taken back":      {func(f *GatewayFlags) { f.Serial, f.Site = []string{None}, None }, use{record: true}, "site: "},
		"format back":     {func(f *GatewayFlags) { f.Format = None }, use{record: true}, "format:"},
		"nothing at all":  {func(f *GatewayFlags) { f.Broker = None }, use{}, "recorder:"},
		"shipped nothing": {func(f *GatewayFlags) { f.Broker, f.Logstash = None, []string{"a"} }, use{}, "recorder:"},
	} {
		f := plainFlags()
		c.change(&f)
		text, _ := rendered(t, f)
		if got, err := inspect([]byte(text)); got != c.want || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		var body strings.Builder
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") {
				body.WriteString(line)
			}
		}
		if strings.Contains(body.String(), c.without) {
			t.Errorf("%s: has %q:\n%s", name, c.without, text)
		}
	}
}

func TestGatewayFlagsAreRemembered(t *testing.T) {
	f := plainFlags()
	f.Site, f.Serial, f.Cert, f.Format = "plant 4 -- a", []string{"/dev/a,9600", "/dev/b"}, "gateway", "%t %p"
	text, _ := rendered(t, f)
	got := Remembered([]byte(keptMark + "x\n" + text))
	want := map[string][]string{"name": {"pi"}, "site": {"plant 4 -- a"}, "broker": {"mqtts://localhost:8883"}, "topics": {"#"},
		"mqtt-user": {"recorder"}, "format": {"%t %p"}, "serial": {"/dev/a,9600", "/dev/b"}, "cert": {"gateway"}, "keep": {"48h"}}
	if !maps.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("remembered %q", got)
	}
	for name := range want {
		if !Rememberable(name) {
			t.Errorf("--%s is written and would not be read", name)
		}
	}
	if Rememberable("root") || Rememberable("overwrite") {
		t.Error("a flag of one run is remembered")
	}
	if got := Remembered([]byte("name: x\n#   --site here\n")); len(got) != 0 {
		t.Errorf("a comment inside counts: %q", got)
	}
}

func TestGatewayFlagsAreRefused(t *testing.T) {
	for want, change := range map[string]func(*GatewayFlags){
		"--name is empty":                func(f *GatewayFlags) { f.Name = "" },
		"--name \"a\\nb\"":               func(f *GatewayFlags) { f.Name = "a\nb" },
		"--site \" a\"":                  func(f *GatewayFlags) { f.Site = " a" },
		"--site \"\\xff\"":               func(f *GatewayFlags) { f.Site = "\xff" },
		"is no URL":                      func(f *GatewayFlags) { f.Broker = "localhost" },
		"don't belong into the URL":      func(f *GatewayFlags) { f.Broker = "mqtts://a:geheim@localhost" },
		"--topics is empty":              func(f *GatewayFlags) { f.Topics = nil },
		"--serial \"/dev/x,fast\"":       func(f *GatewayFlags) { f.Serial = []string{"/dev/x,fast"} },
		"none can't stand beside others": func(f *GatewayFlags) { f.Logs = []string{"/a", "none"} },
		"--logs \"log\"":                 func(f *GatewayFlags) { f.Logs = []string{"log"} },
		"--cert \"../a\"":                func(f *GatewayFlags) { f.Cert = "../a" },
	} {
		f := plainFlags()
		change(&f)
		if err := f.validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Whatever the flags say, it stays what they mean, or is refused.
func FuzzGatewayConfiguration(f *testing.F) {
	f.Add("pi", "plant", "/var/log/*.log", "a/#")
	f.Add("no", "${HOME}", "/a: b", "# x")
	f.Add("1e3", "\"\\ü\u2028$$", "/'", "$SYS/#")
	f.Fuzz(func(t *testing.T, name, site, glob, topic string) {
		flags := plainFlags()
		flags.Name, flags.Site, flags.Logs, flags.Topics = name, site, []string{glob}, []string{topic}
		if flags.validate() != nil || name == "" || site == "" || site == None || glob == None {
			return
		}
		g := &gateway{o: GatewayOptions{GatewayFlags: flags}}
		text := g.render()
		cfg, err := config.Parse("sluice.yml", []byte(strings.Replace(string(text), "${MQTT_PASSWORD}", "x", 1)))
		if err != nil {
			return
		}
		if cfg.Name != name || cfg.Fields["site"] != site || cfg.Filebeat.Inputs[1].Paths[0] != glob || cfg.Recorder.MQTT[0].Topics[0].Topic != topic {
			t.Errorf("%q %q %q %q became %q %q %q %v", name, site, glob, topic, cfg.Name, cfg.Fields["site"], cfg.Filebeat.Inputs[1].Paths, cfg.Recorder.MQTT[0].Topics)
		}
		if got := Remembered(text); got["name"][0] != name || got["site"][0] != site {
			t.Errorf("remembered %q", got)
		}
	})
}
