package esnode

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/pki"
)

// The administrator of a node with Options.Secure.
const (
	adminUser     = "admin"
	adminPassword = "test-admin-password"
	// adminHash is bcrypt of adminPassword.
	adminHash = "$2y$12$jfjpnSi8mU.bUvRs/WiKEuDcgpjs7ah//8FaM8xX0qbKzxwAnVujO"
)

// The log goes to standard output.
const log4jConfig = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1.} %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
`

const internalUsers = `_meta:
  type: internalusers
  config_version: 2
` + adminUser + `:
  hash: "` + adminHash + `"
  reserved: true
  backend_roles: [admin]
`

// configure writes the node's folder and makes the client that knows it.
func (n *Node) configure() error {
	for _, dir := range []string{"config", "data", "logs", "repo", "tmp"} {
		if err := os.MkdirAll(filepath.Join(n.Dir, dir), 0o700); err != nil {
			return err
		}
	}
	settings := map[string]string{
		"cluster.name":   "esnode",
		"node.name":      "node",
		"network.host":   "127.0.0.1",
		"http.port":      strconv.Itoa(n.o.Port),
		"transport.port": "0",
		"discovery.type": "single-node",
		"path.data":      n.path("data"),
		"path.logs":      n.path("logs"),
		"path.repo":      n.path("repo"),
		// Looks at the disk as often as it may; see FillDisk.
		"cluster.info.update.interval":                      "10s",
		"cluster.routing.allocation.disk.threshold_enabled": "false",
	}
	n.URL = "http://127.0.0.1:" + settings["http.port"]
	transport := &http.Transport{}
	if n.o.Secure {
		n.URL = "https://127.0.0.1:" + settings["http.port"]
		n.User, n.Password, n.CA = adminUser, adminPassword, n.path("config", "ca.crt")
		pool, err := n.secure(settings)
		if err != nil {
			return err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	n.client = &http.Client{Transport: transport, Timeout: time.Minute}
	maps.Copy(settings, n.o.Settings)
	var yml strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&yml, "%s: %s\n", name, settings[name])
	}
	if err := os.WriteFile(n.path("config", n.o.Kind.product()+".yml"), []byte(yml.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(n.path("config", "log4j2.properties"), []byte(log4jConfig), 0o600)
}

func (n *Node) path(names ...string) string {
	return filepath.Join(append([]string{n.Dir}, names...)...)
}

// secure writes the certificates and users of the security plugin, adds its
// settings, and returns the authority that a client has to trust. A folder that
// has them already keeps them.
func (n *Node) secure(settings map[string]string) (*x509.CertPool, error) {
	if _, err := os.Stat(n.CA); errors.Is(err, os.ErrNotExist) {
		if err := n.writeCertificates(); err != nil {
			return nil, err
		}
	}
	if err := n.writeUsers(); err != nil {
		return nil, err
	}
	for _, layer := range []string{"transport", "http"} {
		prefix := "plugins.security.ssl." + layer + "."
		settings[prefix+"pemcert_filepath"] = "node.crt"
		settings[prefix+"pemkey_filepath"] = "node.key"
		settings[prefix+"pemtrustedcas_filepath"] = "ca.crt"
	}
	settings["plugins.security.ssl.http.enabled"] = "true"
	settings["plugins.security.nodes_dn"] = `["CN=node"]`
	settings["plugins.security.authcz.admin_dn"] = `["CN=security-admin"]`
	settings["plugins.security.allow_default_init_securityindex"] = "true"
	settings["plugins.security.restapi.roles_enabled"] = `["all_access"]`
	settings["plugins.security.audit.type"] = "internal_opensearch"
	ca, err := os.ReadFile(n.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s: no certificate", n.CA)
	}
	return pool, nil
}

func (n *Node) writeCertificates() error {
	authority, err := pki.New(pki.Options{Name: "esnode CA"})
	if err != nil {
		return err
	}
	cert, key, err := authority.Issue(pki.Request{Name: "node", Use: pki.Both, Hosts: []string{"localhost", "127.0.0.1"}})
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"node.crt": cert, "node.key": key, "ca.crt": authority.CertPEM()} {
		if err := os.WriteFile(n.path("config", name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writeUsers writes the plugin's first configuration: its own, with our user.
func (n *Node) writeUsers() error {
	dir := n.path("config", "opensearch-security")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(n.d.home(true), "plugins", "opensearch-security", "config", "*.yml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if filepath.Base(file) == "internal_users.yml" {
			data = []byte(internalUsers)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
