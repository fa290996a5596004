package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/pki"
)

// None, as the value of a flag, takes back what an earlier run was told.
const None = "none"

// GatewayFlags are those options of a gateway that its configuration is made of,
// and that it remembers in its first lines.
type GatewayFlags struct {
	// Name of the gateway, in its events. Required.
	Name string
	// Site is where it stands; empty: not said.
	Site string
	// Broker is the URL of the MQTT broker; None: there is none.
	Broker string
	// Topics are the topic filters to record. Required with a broker.
	Topics []string
	// MQTTUser is the recorder's user at the broker; None: it needs none.
	MQTTUser string
	// ClientID names the recorder's session at the broker; empty: the recorder's
	// default, which can be guessed: whoever may connect could then end the session.
	ClientID string
	// Format of a message's line: json, or one of mosquitto_sub such as
	// "@FT@T@z,%t,%p". Empty, None: json.
	Format string
	// Serial are ports, each PORT or PORT,BAUD.
	Serial []string
	// Logs are globs of further files to ship.
	Logs []string
	// Logstash are the servers, HOST:PORT each.
	Logstash []string
	// Cert is the name of the gateway's certificate; empty: that of Files, or
	// Name.
	Cert string
	// MaxSpool bounds the spool in bytes, such as 2GiB; None: the disk does.
	MaxSpool string
	// Keep is how long a shipped segment is kept, such as 48h.
	Keep string
}

// flag is one flag of the command line with its values.
type flag struct {
	name   string
	values []string
}

// list returns the flags as they are remembered. A list that is empty, and a
// text that is, are left out.
func (f *GatewayFlags) list() []flag {
	one := func(name, value string) flag { return flag{name, []string{value}} }
	all := []flag{
		one("name", f.Name), one("site", f.Site), one("broker", f.Broker), {"topics", f.Topics}, one("mqtt-user", f.MQTTUser), one("client-id", f.ClientID), one("format", f.Format),
		{"serial", f.Serial}, {"logs", f.Logs}, {"logstash", f.Logstash}, one("cert", f.Cert), one("max-spool", f.MaxSpool), one("keep", f.Keep),
	}
	return slices.DeleteFunc(all, func(f flag) bool { return strings.Join(f.values, "") == "" })
}

const flagMark = "#   --"

// Remembered returns what a configuration of an earlier setup was told: name and
// values of each flag. A configuration by hand tells nothing.
func Remembered(text []byte) map[string][]string {
	found := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), flagMark)
		if name, value, two := strings.Cut(rest, " "); ok && two {
			found[name] = append(found[name], value)
		}
	}
	return found
}

// Rememberable tells whether a flag of the command line is one of those.
func Rememberable(name string) bool {
	full := GatewayFlags{"x", "x", "x", []string{"x"}, "x", "x", "x", []string{"x"}, []string{"x"}, []string{"x"}, "x", "x", "x"}
	return slices.ContainsFunc(full.list(), func(f flag) bool { return f.name == name })
}

// validate refuses what would make no line of its own, or another meaning; the
// rest is refused by the configuration that comes of it.
func (f *GatewayFlags) validate() error {
	var errs []error
	for _, one := range f.list() {
		for _, value := range one.values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }) || strings.TrimSpace(value) != value || value == "" {
				errs = append(errs, fmt.Errorf("--%s %q: must be one line of UTF-8 without blanks around it", one.name, value))
			}
		}
	}
	for name, list := range map[string]*[]string{"serial": &f.Serial, "logs": &f.Logs, "logstash": &f.Logstash} {
		if slices.Equal(*list, []string{None}) {
			*list = nil
		} else if slices.Contains(*list, None) {
			errs = append(errs, fmt.Errorf("--%s none can't stand beside others", name))
		}
	}
	if f.Name == "" {
		errs = append(errs, errors.New("--name is empty: give the gateway a name"))
	}
	errs = append(errs, f.checkBroker())
	for _, text := range f.Serial {
		if _, _, err := serialPort(text); err != nil {
			errs = append(errs, err)
		}
	}
	for _, glob := range f.Logs {
		if _, err := filepath.Match(glob, ""); err != nil || !filepath.IsAbs(glob) {
			errs = append(errs, fmt.Errorf("--logs %q: must be a path that begins with /, with * for any text in a name", glob))
		}
	}
	if f.Cert != "" && pki.CheckName(f.Cert) != nil {
		errs = append(errs, fmt.Errorf("--cert %q: is the name of a certificate, such as gateway, not a file", f.Cert))
	}
	return errors.Join(errs...)
}

func (f *GatewayFlags) checkBroker() error {
	if f.Broker == None {
		return nil
	}
	u, err := url.Parse(f.Broker)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("--broker %q: is no URL; write mqtts://HOST:8883, or none", f.Broker)
	case u.User != nil:
		return errors.New("--broker: user and password don't belong into the URL; use --mqtt-user and --mqtt-password-file")
	case len(f.Topics) == 0:
		return errors.New("--topics is empty: \"#\" is every topic")
	}
	return nil
}

// secure tells whether the broker is spoken to by TLS.
func (f *GatewayFlags) secure() bool {
	scheme, _, _ := strings.Cut(strings.ToLower(f.Broker), "://")
	return slices.Contains([]string{"mqtts", "ssl", "tls", "wss"}, scheme)
}

func (f *GatewayFlags) hasBroker() bool { return f.Broker != None }

func (f *GatewayFlags) hasUser() bool { return f.hasBroker() && f.MQTTUser != "" && f.MQTTUser != None }

// serialPort splits PORT[,BAUD]; baud is 0 when it is not given.
func serialPort(text string) (port string, baud int, err error) {
	port, speed, given := strings.Cut(text, ",")
	if !given {
		return port, 0, nil
	}
	if baud, err = strconv.Atoi(speed); err != nil || baud < 1 {
		return "", 0, fmt.Errorf("--serial %q: write PORT or PORT,BAUD, such as usb:2341:0043,115200", text)
	}
	return port, baud, nil
}

// reference is a reference to a setting, secret or variable, or a plain $.
var reference = regexp.MustCompile(`\$\$|\$\{[^}]*\}`)

// withoutReferences puts a text in the place of each reference.
func withoutReferences(text []byte) []byte {
	return reference.ReplaceAllFunc(text, func(found []byte) []byte {
		if string(found) == "$$" {
			return found
		}
		return []byte("reference")
	})
}

const gatewayHead = `# Change what you like: setup then leaves this file alone, and writes its own beside
# it, as sluice.yml.new. What counts after: systemctl restart sluice-recorder sluice-tailer
# All options with their defaults: sluice export reference
#
# Made of these flags; those that are not given again are taken from here:
`

// render makes the configuration.
func (g *gateway) render() []byte {
	var b strings.Builder
	b.WriteString(gatewayHead)
	for _, f := range g.o.list() {
		for _, value := range f.values {
			fmt.Fprintf(&b, "%s%s %s\n", flagMark, f.name, value)
		}
	}
	fmt.Fprintf(&b, "\n# What events say of where they come from.\nname: %s\nfields:\n  gateway: %s\n", yamlText(g.o.Name), yamlQuoted(g.o.Name))
	if g.o.Site != "" && g.o.Site != None {
		fmt.Fprintf(&b, "  site: %s\n", yamlQuoted(g.o.Site))
	}
	if g.o.hasBroker() || len(g.o.Serial) > 0 {
		g.renderRecorder(&b)
	}
	g.renderInputs(&b)
	g.renderOutput(&b)
	fmt.Fprintf(&b, "\n# Segments that are shipped to their last byte are deleted after this time.\ncleaner.older_than: %s\n", yamlText(g.o.Keep))
	return []byte(b.String())
}

func (g *gateway) renderRecorder(b *strings.Builder) {
	b.WriteString("\n# What is recorded to " + gatewayData + "/spool before it is acknowledged.\nrecorder:\n")
	if g.o.hasBroker() {
		fmt.Fprintf(b, "  mqtt:\n    - hosts: [%s]\n      topics: %s\n", yamlQuoted(g.o.Broker), yamlList(g.o.Topics))
		if g.o.hasUser() {
			fmt.Fprintf(b, "      username: %s\n      # In the keystore; another: sluice setup gateway --mqtt-password-file FILE\n      password: ${%s}\n", yamlText(g.o.MQTTUser), MQTTPasswordKey)
		}
		if g.o.ClientID != "" && g.o.ClientID != None {
			fmt.Fprintf(b, "      # The broker keeps what comes while the recorder is away under this name. Who knew\n      # it could end the recorder's session, so nobody can guess it.\n      client_id: %s\n", yamlText(g.o.ClientID))
		}
		if g.o.Format != "" && g.o.Format != None {
			fmt.Fprintf(b, "      format: %s\n", yamlQuoted(g.o.Format))
		}
		if g.o.secure() {
			fmt.Fprintf(b, "      ssl:\n        certificate_authorities: [%s]\n", gatewayCA)
			g.renderCertificate(b, "        ")
		}
	}
	if len(g.o.Serial) > 0 {
		b.WriteString("  serial:\n")
	}
	for i, text := range g.o.Serial {
		port, baud, _ := serialPort(text) // validated
		fmt.Fprintf(b, "    - port: %s\n", yamlQuoted(port))
		if i > 0 {
			fmt.Fprintf(b, "      name: serial%d\n", i+1)
		}
		if baud > 0 {
			fmt.Fprintf(b, "      baud_rate: %d\n", baud)
		}
		b.WriteString("      # For lines with a checksum, such as those of the sketch firmware/avr:\n      #checksum: xor\n      #strip_checksum: true\n")
	}
	b.WriteString("  spool:\n    # On a full disk, what is shipped goes first; what is not is never deleted.\n    when_full: drop_oldest_acked\n")
	if g.o.MaxSpool != "" && g.o.MaxSpool != None {
		fmt.Fprintf(b, "    max_bytes: %s\n", yamlText(g.o.MaxSpool))
	}
}

// renderInputs lists what is shipped where that is not the recorder's alone.
func (g *gateway) renderInputs(b *strings.Builder) {
	if len(g.o.Logs) == 0 {
		return
	}
	b.WriteString("\n# What is shipped.\nfilebeat.inputs:\n")
	if g.o.hasBroker() || len(g.o.Serial) > 0 {
		fmt.Fprintf(b, "  - paths: [%s/spool/*.log]\n", gatewayData)
	}
	fmt.Fprintf(b, "  - type: log\n    paths: %s\n", yamlList(g.o.Logs))
}

func (g *gateway) renderOutput(b *strings.Builder) {
	if len(g.o.Logstash) == 0 {
		b.WriteString("\n# Nothing is shipped until there is an output: sluice setup gateway --logstash HOST:PORT\n")
		return
	}
	fmt.Fprintf(b, "\n# Where it is shipped to.\noutput.logstash:\n  hosts: %s\n  ssl:\n    certificate_authorities: [%s]\n", yamlList(g.o.Logstash), gatewayCA)
	g.renderCertificate(b, "    ")
}

func (g *gateway) renderCertificate(b *strings.Builder, indent string) {
	if g.hasCert {
		fmt.Fprintf(b, "%scertificate: %s\n%skey: %s\n", indent, g.certPath(), indent, g.keyReference())
	}
}

var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$|^[0-9]+(h|m|s|[kKMGT]i?B)$`)

// yamlText writes a text for an option that takes texts, without quotes where
// that is safe.
func yamlText(text string) string {
	switch strings.ToLower(text) {
	case "y", "yes", "n", "no", "on", "off", "true", "false", "null":
		return yamlQuoted(text)
	}
	if plainText.MatchString(text) {
		return text
	}
	return yamlQuoted(text)
}

// yamlQuoted writes a text in quotes, which hold for JSON and YAML alike; what
// would refer to a variable does not.
func yamlQuoted(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(strings.ReplaceAll(text, "$", "$$")) // no text fails
	return strings.TrimSpace(b.String())
}

func yamlList(list []string) string {
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = yamlQuoted(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
