package setup

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice/internal/pki"
)

// Renew is what "setup pki renew" is asked for.
type Renew struct {
	// Names to renew; none: all but the revoked.
	Names []string
	// Within leaves out what is valid for longer; 0: nothing is left out.
	Within time.Duration
	// NewKey makes new private keys, too.
	NewKey bool
	// Days of the new certificates; 0: pki.DefaultDays.
	Days int
}

// Renew makes certificates anew, with their names, hosts and uses. One that fails
// does not stop the others.
func (p PKI) Renew(ctx context.Context, s *Session, o Renew) error {
	a, err := p.Open(s)
	if err != nil {
		return err
	}
	if err := a.CanIssue(); err != nil {
		return err
	}
	names, all := o.Names, len(o.Names) == 0
	if all {
		if names, err = pki.Names(s.Path(p.Dir)); err != nil {
			return err
		}
	}
	var faults []error
	for _, name := range names {
		if err := p.renew(ctx, s, a, name, all, o); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func (p PKI) renew(ctx context.Context, s *Session, a *pki.Authority, name string, all bool, o Renew) error {
	old, err := pki.Read(s.Path(p.Dir), name)
	usable := err == nil || errors.Is(err, pki.ErrMismatch) || o.NewKey && errors.Is(err, pki.ErrNoKey)
	if !usable || old.Cert == nil {
		return err
	}
	if o.NewKey {
		old.Key = nil
	}
	revoked := a.Revoked(old.Cert)
	switch {
	case revoked && all:
		return nil
	case revoked && !o.NewKey:
		return fmt.Errorf("%s is revoked, and its private key must not be used again: renew it with --new-key", pki.CertFile(p.Dir, name))
	case err == nil && o.Within > 0 && pki.Left(old.Cert, p.now()) > o.Within:
		return s.Apply(ctx, Note(fmt.Sprintf("%s is valid until %s: not renewed", name, old.Cert.NotAfter.UTC().Format(pkiDate))))
	}
	r := pki.Request{Name: name, Use: pki.UseOf(old.Cert), Hosts: pki.Hosts(old.Cert), Days: o.Days, Key: old.Key}
	if err := p.write(ctx, s, a, r); err != nil {
		return err
	}
	steps := []Step{Note(pkiHandOver(name, r.Use))}
	if r.Use&pki.Server != 0 {
		steps = append(steps, Note("devices that pin the certificate's fingerprint instead of the CA need the new one: see \"sluice setup pki show\""))
	}
	return s.Apply(ctx, steps...)
}

// Revoke puts the certificates of names, also the earlier ones that backups are
// there of, into the authority's list.
func (p PKI) Revoke(ctx context.Context, s *Session, names []string) error {
	a, err := p.Open(s)
	if err != nil {
		return err
	}
	if err := a.CanIssue(); err != nil {
		return err
	}
	before, clients := a.CRL, false
	var list []byte
	for _, name := range names {
		certs, err := p.certificates(s, a, name)
		if err != nil {
			return err
		}
		for _, cert := range certs {
			clients = clients || pki.UseOf(cert)&pki.Client != 0
			if a.Revoked(cert) {
				continue
			}
			if list, err = a.Revoke(cert); err != nil {
				return err
			}
		}
	}
	path := filepath.Join(p.Dir, pki.CACRL)
	if a.CRL == before { // all were in it
		return s.Apply(ctx, File{Path: path, Mode: pkiCertMode, Keep: true})
	}
	steps := []Step{File{Path: path, Content: list, Mode: pkiCertMode}}
	return s.Apply(ctx, append(steps, revokedNotes(path, clients)...)...)
}

// certificates are all of a name that the authority has signed and that are here.
func (p PKI) certificates(s *Session, a *pki.Authority, name string) ([]*x509.Certificate, error) {
	if err := pki.CheckName(name); err != nil {
		return nil, err
	}
	path := pki.CertFile(s.Path(p.Dir), name)
	backups, err := filepath.Glob(globQuote(path) + ".bak-*")
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for i, file := range append([]string{path}, backups...) {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		cert, err := pki.ParseCertificate(file, data)
		if err == nil {
			err = pki.CheckSigned(file, cert, a.Cert)
		}
		if err != nil && i == 0 {
			return nil, err
		}
		if err == nil {
			certs = append(certs, cert)
		}
	}
	return certs, nil
}

// globQuote makes a path stand for itself in filepath.Glob.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// revokedNotes tells who must get the list, and who can't use it.
func revokedNotes(path string, clients bool) []Step {
	if !clients {
		return []Step{Note("neither sluice nor the sketch of the ESP8266 looks at a list when it connects to a server: if the private key is in other hands, make a new authority in another folder")}
	}
	return []Step{
		Note("OpenVPN's server: copy " + path + " and have it read with crl-verify; a copy in the place of an old one is read at the next connection"),
		Note("Mosquitto, where it asks for client certificates: run \"sluice setup broker\" again; by hand copy " + path + ", name it with crlfile, and systemctl reload mosquitto (kill -HUP)"),
		Note("Logstash can't read a list: without the VPN the gateway can't reach it; else shut it out by firewall, or make a new authority"),
	}
}
