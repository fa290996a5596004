package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sluice/internal/keystore"
	"sluice/internal/pki"
)

// GatewayFiles say where the gateway's certificates come from. The zero value:
// from pki.DefaultDir of the machine when that is there, else they are on the
// machine already.
type GatewayFiles struct {
	// Bundle is a file of pki.Bundle.
	Bundle string
	// PKI is a folder of package pki.
	PKI string
}

// lookForCertificates reads what is to be installed, and finds out what the
// machine will have.
func (g *gateway) lookForCertificates() error {
	if err := g.take(); err != nil {
		return err
	}
	g.cert = g.taken.Name
	if g.taken.Cert == nil {
		g.cert = g.installed()
	} else if pki.Left(g.taken.Cert, g.s.now()) < 0 {
		return fmt.Errorf("the certificate of %s is no longer valid by this machine's clock: sluice setup pki renew %s", g.cert, g.cert)
	}
	g.hasCA = g.taken.CA != nil || g.there(gatewayCA)
	g.hasCert = g.taken.Cert != nil || g.there(g.certPath()) && g.there(g.keyPath())
	g.o.Cert = ""
	if g.hasCert {
		g.o.Cert = g.cert
	}
	for option, needed := range map[string]bool{"--broker " + g.o.Broker: g.o.secure(), "--logstash": len(g.o.Logstash) > 0} {
		if needed && !g.hasCA {
			return g.missing("%s needs the certificate of your authority, and %s is missing: give --bundle FILE or --pki FOLDER (sluice setup pki makes them)", option, gatewayCA)
		}
	}
	if len(g.o.Logstash) > 0 && !g.hasCert {
		return g.s.Apply(context.Background(), Note(fmt.Sprintf("no certificate for %s, so none is shown to Logstash, which usually wants one: sluice setup pki issue %s", g.cert, g.cert)))
	}
	return nil
}

func (g *gateway) take() error {
	switch folder := g.o.Files.PKI; {
	case g.o.Files.Bundle != "" && folder != "":
		return errors.New("--bundle and --pki exclude each other")
	case g.o.Files.Bundle != "":
		data, err := os.ReadFile(g.o.Files.Bundle)
		if err != nil {
			return fmt.Errorf("--bundle: %w", err)
		}
		b, err := pki.ParseBundle(g.o.Files.Bundle, data)
		if err != nil {
			return fmt.Errorf("--bundle: %w", err)
		}
		g.taken = *b
		return nil
	case folder != "":
		return g.takeFolder(folder)
	case g.there(pki.DefaultDir + "/" + pki.CACert):
		// An authority of elsewhere, from a bundle, is not replaced by this one.
		here, _ := g.s.ReadFile(pki.DefaultDir + "/" + pki.CACert)
		if now, err := g.s.ReadFile(gatewayCA); err == nil && !bytes.Equal(now, here) {
			return nil
		}
		return g.takeFolder(g.s.Path(pki.DefaultDir))
	}
	return nil
}

// names are those that the gateway's certificate may have.
func (g *gateway) names() []string {
	if g.o.Cert != "" {
		return []string{g.o.Cert}
	}
	return []string{g.o.Name, "gateway"}
}

func (g *gateway) takeFolder(folder string) error {
	file := filepath.Join(folder, pki.CACert)
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("--pki: %w", err)
	}
	ca, err := pki.ParseCertificate(file, text)
	if err != nil {
		return fmt.Errorf("--pki: %w", err)
	}
	if err := pki.CheckCA(file, ca); err != nil {
		return fmt.Errorf("--pki: %w", err)
	}
	g.taken.CA = ca
	for _, name := range g.names() {
		if pki.CheckName(name) != nil {
			continue
		}
		pair, err := pki.Read(folder, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("--pki: %w", err)
		}
		if err := pki.CheckSigned(pki.CertFile(folder, name), pair.Cert, ca); err != nil {
			return fmt.Errorf("--pki: %w", err)
		}
		g.taken.Pair = *pair
		return nil
	}
	return nil
}

// installed is the name of the certificate that an earlier setup has installed,
// or of the one that should be there.
func (g *gateway) installed() string {
	names := g.names()
	for _, name := range names {
		if g.there(gatewayFolder + "/" + name + ".crt") {
			return name
		}
	}
	if pki.CheckName(names[0]) != nil {
		return "gateway"
	}
	return names[0]
}

func (g *gateway) certPath() string { return gatewayFolder + "/" + g.cert + ".crt" }

// keyPath is where the private key lies: below a folder of root's, of which
// systemd hands out copies. Elsewhere the services must read it themselves.
func (g *gateway) keyPath() string {
	if g.systemd {
		return gatewayCredentials + "/" + g.cert + ".key"
	}
	return gatewayFolder + "/" + g.cert + ".key"
}

// keyReference is the private key as the configuration names it.
func (g *gateway) keyReference() string {
	if g.systemd {
		return "${CREDENTIALS_DIRECTORY}/sluice_" + g.cert + ".key"
	}
	return g.keyPath()
}

func (g *gateway) certificates() (steps []Step) {
	if g.taken.CA != nil {
		steps = append(steps, File{Path: gatewayCA, Content: g.taken.CAPEM(), Mode: 0o644})
	}
	if g.taken.Cert == nil {
		return steps
	}
	key, err := g.taken.KeyPEM()
	if err != nil {
		return append(steps, failed{err})
	}
	secret := File{Path: g.keyPath(), Content: key, Mode: 0o600, Secret: true}
	if !g.systemd {
		secret.Mode, secret.Owner = 0o640, Owner{Group: "sluice"}
	}
	return append(steps, File{Path: g.certPath(), Content: g.taken.CertPEM(), Mode: 0o644}, secret)
}

// failed is a step that can't be made.
type failed struct{ err error }

func (f failed) do(context.Context, *Session) (report, error) { return report{}, f.err }

// keystorePath is where the services look for secrets.
func (g *gateway) keystorePath() string {
	if g.systemd {
		return gatewayCredentials + "/keystore"
	}
	return gatewayData + "/filebeat.keystore"
}

// lookForPassword finds the recorder's password where none was given.
func (g *gateway) lookForPassword() error {
	if !g.o.hasUser() || g.o.MQTTPassword != "" {
		return nil
	}
	// "setup broker" has put it into the first; without systemd the second counts.
	for _, path := range []string{gatewayCredentials + "/keystore", g.keystorePath()} {
		store, err := keystore.Open(g.s.Path(path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil {
			continue
		}
		if password, ok := store.Get(MQTTPasswordKey); ok {
			g.o.MQTTPassword = password
			return nil
		}
	}
	variables, _ := g.s.ReadFile(gatewayFolder + "/environment") // none is usual
	for line := range bytes.Lines(variables) {
		if strings.HasPrefix(string(line), MQTTPasswordKey+"=") {
			return nil
		}
	}
	return g.missing("the password of the MQTT user %q is not known here: run sluice setup broker first, give --mqtt-password-file FILE, or --mqtt-user none; without a broker: --broker none", g.o.MQTTUser)
}

func (g *gateway) secrets() []Step {
	if g.o.MQTTPassword == "" || !g.o.hasUser() {
		return nil
	}
	s := secret{Keystore: g.keystorePath(), Name: MQTTPasswordKey, Value: g.o.MQTTPassword}
	if !g.systemd {
		s.Owner = Owner{User: "sluice", Group: "sluice"}
	}
	return []Step{s}
}

// secret is an entry of a keystore.
type secret struct {
	Keystore    string
	Owner       Owner
	Name, Value string
}

func (k secret) do(_ context.Context, s *Session) (report, error) {
	path := s.Path(k.Keystore)
	r := report{verb: "write", line: fmt.Sprintf("%s in the keystore %s  (600 %s)", k.Name, k.Keystore, k.Owner)}
	store, err := keystore.Open(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return report{}, err
	}
	if err == nil {
		info, statErr := os.Stat(path)
		if value, _ := store.Get(k.Name); value == k.Value && statErr == nil && s.owned(info, k.Owner) {
			r.verb = "same"
			return r, nil
		}
	}
	r.changed = true
	if s.DryRun {
		return r, nil
	}
	if store == nil {
		if store, err = keystore.Create(path); err != nil {
			return report{}, err
		}
	}
	if err := store.Set(k.Name, k.Value); err != nil {
		return report{}, err
	}
	return r, s.own(path, k.Owner, 0o600)
}
