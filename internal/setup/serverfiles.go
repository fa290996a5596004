package setup

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"sluice/deploy/server"
	"sluice/internal/pki"
	"sluice/logstash"
)

const (
	// serverAddress is the server's in the VPN; see deploy/vpn.
	serverAddress = "10.8.0.1"
	// serverCertificate is the name that the three services share.
	serverCertificate = "logstash"
	// serverUID is the user of the services in their containers.
	serverUID = "1000"
)

// ServerFiles writes the folder of a server: for Docker Compose, and for
// install-debian, which is among the files.
type ServerFiles struct {
	// Dir is the folder, an absolute path.
	Dir string
	// Logstash is the major version that the pipeline is for: 7, 8 or 9; 0: that of
	// .env. 7 stands for 7.6 to 8.7, 8 for 8.8 and later: options of TLS have other
	// names.
	Logstash int
	// Bundle is the file of "setup pki bundle logstash"; empty: certs is as it is.
	Bundle string
	// Address of the machine in the VPN; empty: that of .env, else 10.8.0.1.
	Address string
}

// serverContainers are the names by which the services reach each other.
var serverContainers = []string{"localhost", "elasticsearch", "kibana", "logstash"}

// Write does it.
func (o *ServerFiles) Write(ctx context.Context, s *Session) error {
	env, err := o.environment()
	if err != nil {
		return err
	}
	pipeline, err := o.pipeline(env)
	if err != nil {
		return err
	}
	certificates, err := o.certificates()
	if err != nil {
		return err
	}
	steps := []Step{
		secretDir(o.Dir),
		File{Path: o.path(".env"), Content: env, Mode: 0o644, Owner: o.owner()},
		File{Path: o.path("pipeline", "00-mqtt.conf"), Content: pipeline, Mode: 0o644, Owner: o.owner()},
	}
	files, err := o.plain()
	if err != nil {
		return err
	}
	steps = append(steps, files...)
	steps = append(steps, certificates...)
	secrets, err := o.secrets()
	if err != nil {
		return err
	}
	steps = append(steps, secrets...)
	steps = append(steps, o.closing()...)
	return s.Apply(ctx, steps...)
}

func (o *ServerFiles) path(names ...string) string {
	return filepath.Join(append([]string{o.Dir}, names...)...)
}

// owner of files without secrets: root, or whoever runs it.
func (o *ServerFiles) owner() Owner { return Owner{} }

// service owns what services read or write: their user in the containers.
func (o *ServerFiles) service() Owner { return Owner{User: serverUID} }

var envLine = regexp.MustCompile(`(?m)^(VPN_ADDRESS|STACK_VERSION)=(.*)$`)

func envValue(env []byte, name string) string {
	for _, m := range envLine.FindAllSubmatch(env, -1) {
		if string(m[1]) == name {
			return strings.TrimSpace(string(m[2]))
		}
	}
	return ""
}

// environment is .env: the one that is there, or the example, with the address.
func (o *ServerFiles) environment() ([]byte, error) {
	env, err := os.ReadFile(o.path(".env"))
	if errors.Is(err, fs.ErrNotExist) {
		env, err = server.Files.ReadFile(".env.example")
	}
	if err != nil {
		return nil, err
	}
	if o.Address == "" {
		if o.Address = envValue(env, "VPN_ADDRESS"); o.Address == "" {
			o.Address = serverAddress
		}
	}
	if a, err := netip.ParseAddr(o.Address); err != nil || a.Is6() || a.IsUnspecified() {
		return nil, fmt.Errorf("--address: %q must be this machine's IPv4 address in the VPN, such as %s", o.Address, serverAddress)
	}
	line := []byte("VPN_ADDRESS=" + o.Address)
	if envValue(env, "VPN_ADDRESS") == "" {
		return append(bytes.TrimRight(env, "\n"), append(append([]byte("\n"), line...), '\n')...), nil
	}
	return envLine.ReplaceAllFunc(env, func(old []byte) []byte {
		if bytes.HasPrefix(old, []byte("VPN_ADDRESS=")) {
			return line
		}
		return old
	}), nil
}

// pipeline is the variant for the version.
func (o *ServerFiles) pipeline(env []byte) ([]byte, error) {
	version := o.Logstash
	if version == 0 {
		number := envValue(env, "STACK_VERSION")
		major, minor, ok := stackVersion(number)
		if !ok || major < 8 || major == 8 && minor < 8 {
			return nil, fmt.Errorf("%s: STACK_VERSION=%s: compose.yaml is for 8.8 and later, 9 included; give --logstash 7 for another Logstash", o.path(".env"), number)
		}
		version = major
	}
	switch version {
	case 7:
		return logstash.Pipelines.ReadFile("00-mqtt-7.conf")
	case 8, 9:
		return logstash.Pipelines.ReadFile("00-mqtt.conf")
	}
	return nil, fmt.Errorf("--logstash: %d must be 7 (7.6 to 8.7), 8 (8.8 and later) or 9", version)
}

// stackVersion reads the first two numbers of a version.
func stackVersion(number string) (major, minor int, ok bool) {
	first, rest, _ := strings.Cut(number, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, majorErr := strconv.Atoi(first)
	minor, minorErr := strconv.Atoi(second)
	return major, minor, majorErr == nil && minorErr == nil
}

// plain are the files without secrets.
func (o *ServerFiles) plain() (steps []Step, err error) {
	err = fs.WalkDir(server.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == ".env.example" || name == "compose/kibana.yml" {
			return err
		}
		content, err := o.file(name)
		mode := fs.FileMode(0o644)
		if bytes.HasPrefix(content, []byte("#!")) {
			mode = 0o755
		}
		steps = append(steps, File{Path: o.path(name), Content: content, Mode: mode, Owner: o.owner()})
		return err
	})
	return steps, err
}

func (o *ServerFiles) file(name string) ([]byte, error) {
	content, err := server.Files.ReadFile(name)
	return bytes.ReplaceAll(content, []byte("@ADDRESS@"), []byte(o.Address)), err
}

// certificates are those of the bundle, or those that are there.
func (o *ServerFiles) certificates() ([]Step, error) {
	dir := o.path("certs")
	if o.Bundle == "" {
		pair, err := pki.Read(dir, serverCertificate)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no certificate in %s: give --bundle FILE, from %s", dir, o.command())
		}
		if err != nil {
			return nil, err
		}
		return nil, o.checkHosts(pki.CertFile(dir, serverCertificate), pair.Cert)
	}
	data, err := os.ReadFile(o.Bundle)
	if err != nil {
		return nil, fmt.Errorf("--bundle: %w", err)
	}
	b, err := pki.ParseBundle(o.Bundle, data)
	if err != nil {
		return nil, err
	}
	if b.Name != serverCertificate {
		return nil, fmt.Errorf("--bundle: %s is of %q; the server's is made by %s", o.Bundle, b.Name, o.command())
	}
	if err := o.checkHosts(o.Bundle, b.Cert); err != nil {
		return nil, err
	}
	key, err := b.KeyPEM()
	if err != nil {
		return nil, err
	}
	return []Step{
		Dir{Path: dir, Mode: 0o755, Owner: o.owner()},
		File{Path: filepath.Join(dir, pki.CACert), Content: b.CAPEM(), Mode: pkiCertMode, Owner: o.owner()},
		File{Path: pki.KeyFile(dir, b.Name), Content: key, Mode: pkiCAKeyMode, Owner: o.service(), Secret: true, NoBackup: true},
		File{Path: pki.CertFile(dir, b.Name), Content: b.CertPEM(), Mode: pkiCertMode, Owner: o.owner()},
	}, nil
}

func (o *ServerFiles) command() string {
	command := "\"sluice setup pki issue " + serverCertificate
	for _, host := range append([]string{o.Address}, serverContainers...) {
		command += " --host " + host
	}
	return command + "\" and \"sluice setup pki bundle " + serverCertificate + "\""
}

// checkHosts: each service is reached by its name, and from the VPN by the address.
func (o *ServerFiles) checkHosts(file string, cert *x509.Certificate) error {
	for _, host := range append([]string{o.Address}, serverContainers...) {
		if cert.VerifyHostname(host) != nil {
			return fmt.Errorf("the certificate in %s is not for %s: make it anew with %s", file, host, o.command())
		}
	}
	return nil
}

// secrets: passwords that are there stay.
func (o *ServerFiles) secrets() ([]Step, error) {
	steps := []Step{Dir{Path: o.path("secrets"), Mode: 0o700, Owner: o.service()}, Dir{Path: o.path("snapshots"), Mode: 0o750, Owner: o.service()}}
	held := make(map[string]string)
	for _, name := range []string{"elastic.password", "kibana_system.password", roleLogstash + ".password", "kibana.key"} {
		file := o.path("secrets", name)
		secret, err := readPasswordFile(file)
		if err != nil {
			return nil, err
		}
		if secret == "" {
			secret = newPassword()
			if name == "kibana.key" {
				secret += newPassword() // Kibana wants 32 letters
			}
		}
		held[name] = secret
		steps = append(steps, File{Path: file, Content: []byte(secret + "\n"), Mode: 0o400, Owner: o.service(), Secret: true, NoBackup: true})
	}
	kibana, err := o.file("compose/kibana.yml")
	if err != nil {
		return nil, err
	}
	kibana = fmt.Appendf(kibana, "\nelasticsearch.password: %q\nxpack.encryptedSavedObjects.encryptionKey: %q\n", held["kibana_system.password"], held["kibana.key"])
	return append(steps, File{Path: o.path("secrets", "kibana.yml"), Content: kibana, Mode: 0o400, Owner: o.service(), Secret: true, NoBackup: true}), nil
}

// closing says what comes next.
func (o *ServerFiles) closing() []Step {
	steps := []Step{
		Note("next, in " + o.Dir + ": docker compose up -d --wait kibana"),
		Note(fmt.Sprintf("then: sluice setup server --apply https://%s:9200 --ca certs/ca.crt --user elastic --password-file secrets/elastic.password --secrets secrets --snapshots /usr/share/elasticsearch/snapshots --kibana https://%[1]s:5601", o.Address)),
		Note("then: docker compose up -d --wait"),
		Note("or, without containers: ./install-debian"),
	}
	if uid := os.Geteuid(); uid != 0 && fmt.Sprint(uid) != serverUID {
		steps = append(steps, Note("the services in containers are user "+serverUID+", and this is another one: chown -R "+serverUID+" certs secrets snapshots, or run it with sudo"))
	}
	return steps
}
