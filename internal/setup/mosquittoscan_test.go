package setup

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

// debianConf is mosquitto.conf as Debian has it; reportConf is what the report's
// commands make of it.
const (
	debianConf = `# Place your local configuration in /etc/mosquitto/conf.d/

pid_file /run/mosquitto/mosquitto.pid

persistence true
persistence_location /var/lib/mosquitto/

log_dest file /var/log/mosquitto/mosquitto.log

include_dir /etc/mosquitto/conf.d
`
	reportConf = debianConf + `allow_anonymous false
password_file /etc/mosquitto/mqttpwdfile
cafile /etc/mosquitto/ca_certificates/ca.crt
certfile /etc/mosquitto/certs/broker.crt
keyfile /etc/mosquitto/certs/broker.key
tls_version tlsv1.2
`
)

// configured is a machine with a Mosquitto's files: path, text, path, text, ….
func configured(t *testing.T, files ...string) (*Session, *bytes.Buffer) {
	t.Helper()
	s, out := machine(t)
	if err := os.MkdirAll(s.Path(mosquittoInclude), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(s.Path(files[i]), []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s, out
}

func TestContradictions(t *testing.T) {
	const local, late = mosquittoInclude + "/local.conf", mosquittoInclude + "/zz.conf"
	for name, c := range map[string]struct {
		main, file, text string
		remove           []string // numbers are left out
		note, err        string
	}{
		"Debian":               {main: debianConf},
		"the report":           {main: reportConf, remove: []string{"allow_anonymous false", "cafile /etc/mosquitto/ca_certificates/ca.crt", "certfile /etc/mosquitto/certs/broker.crt", "keyfile /etc/mosquitto/certs/broker.key", "password_file /etc/mosquitto/mqttpwdfile", "tls_version tlsv1.2"}},
		"anonymous":            {main: debianConf, file: local, text: "allow_anonymous true\n", remove: []string{"allow_anonymous true"}},
		"a port":               {main: debianConf + "port 1883\nbind_address 10.0.0.1\n", remove: []string{"bind_address 10.0.0.1", "port 1883"}},
		"per listener":         {main: "per_listener_settings true\n" + debianConf, remove: []string{"per_listener_settings true"}},
		"second listener":      {main: debianConf, file: local, text: "listener 1883 127.0.0.1\nmax_connections 5\n", note: "local.conf:1: listener 1883 127.0.0.1: stays"},
		"an open listener":     {main: debianConf, file: local, text: "listener 1883\nallow_anonymous true\n", err: "local.conf:2: allow_anonymous true contradicts"},
		"TLS above a listener": {main: debianConf, file: local, text: "certfile x\nlistener 1884\ncertfile y\n", remove: []string{"certfile x"}, note: "listener 1884: stays"},
		"our port":             {main: debianConf, file: local, text: "listener 8883\n", err: "listener 8883: this port is for"},
		"a plugin":             {main: debianConf + "plugin /usr/lib/dynsec.so\n", err: "a plugin decides"},
		"not included":         {main: "persistence true\n", err: "does not read /etc/mosquitto/conf.d"},
		"a later file":         {main: debianConf, file: late, text: "autosave_interval 1800\n", note: "zz.conf:1: autosave_interval 1800: is read after"},
		"an earlier file":      {main: debianConf, file: mosquittoInclude + "/a.conf", text: "autosave_interval 1800\n"},
		"below the include":    {main: debianConf + "max_queued_messages 10\n", note: "max_queued_messages 10: is read after"},
		"comments":             {main: debianConf + "#allow_anonymous true\n# port 1\n\n   \n"},
		"not a .conf":          {main: debianConf, file: mosquittoInclude + "/local.conf.off", text: "allow_anonymous true\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := configured(t, mosquittoMain, c.main)
			if c.file != "" {
				s, _ = configured(t, mosquittoMain, c.main, c.file, c.text)
			}
			scan, err := scanMosquitto(s)
			if err != nil {
				t.Fatal(err)
			}
			remove, notes, err := scan.contradictions(BrokerPort)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			var got []string
			for _, l := range remove {
				got = append(got, l.key+" "+l.value)
			}
			slices.Sort(got)
			if err != nil || !slices.Equal(got, c.remove) {
				t.Errorf("%v; to be taken out: %q, want %q", err, got, c.remove)
			}
			if all := strings.Join(notes, "\n"); !strings.Contains(all, c.note) || c.note == "" && all != "" {
				t.Errorf("notes %q, want %q", all, c.note)
			}
		})
	}
}

func TestPortsOfTheConfiguration(t *testing.T) {
	s, _ := configured(t, mosquittoMain, debianConf+"port 1999\n", mosquittoInclude+"/x.conf", "listener 9001 127.0.0.1\nprotocol websockets\nlistener 0 /run/m.sock\nlistener x\n")
	scan, err := scanMosquitto(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := scan.ports(); !slices.Equal(got, []int{1883, 1999, 9001}) {
		t.Errorf("ports %v", got)
	}
}

func FuzzMosquittoConfiguration(f *testing.F) {
	f.Add([]byte(reportConf))
	f.Add([]byte("listener\n listener 1\nallow_anonymous"))
	f.Fuzz(func(t *testing.T, content []byte) {
		scan := mosquittoScan{lines: parseMosquitto("f", content), included: true}
		remove, _, err := scan.contradictions(BrokerPort)
		if err != nil {
			return
		}
		after := mosquittoScan{lines: parseMosquitto("f", commentOut(content, remove)), included: true}
		if again, _, err := after.contradictions(BrokerPort); len(again) > 0 || err != nil {
			t.Errorf("taken out of %q, %v is left: %v", content, again, err)
		}
	})
}
