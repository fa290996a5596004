package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/internal/pki"
)

// The modes of a folder of certificates.
const (
	pkiDirMode   = 0o700
	pkiCAKeyMode = 0o400
	pkiKeyMode   = 0o600
	pkiCertMode  = 0o644
)

// pkiDate is the form of a certificate's end.
const pkiDate = "2006-01-02"

// PKI is a folder of certificates on the machine; see package pki.
type PKI struct {
	// Dir is its path, below the session's Root.
	Dir string
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Open reads the authority of the folder.
func (p PKI) Open(s *Session) (*pki.Authority, error) {
	a, err := pki.Open(s.Path(p.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no authority: %w: make one with \"sluice setup pki init\", or name its folder with --dir", err)
	}
	if err != nil {
		return nil, err
	}
	a.Now = p.Now
	return a, nil
}

// Init makes an authority, unless the folder has one: then only modes and owners
// are set, and a name that is not its own is an error. An empty name stands for
// one with the machine's host name, 0 days for pki.CADays.
func (p PKI) Init(ctx context.Context, s *Session, name string, days int) error {
	_, err := p.init(ctx, s, name, days)
	return err
}

func (p PKI) init(ctx context.Context, s *Session, name string, days int) (*pki.Authority, error) {
	a, err := pki.Open(s.Path(p.Dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if a, err = p.newAuthority(s, name, days); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case name != "" && name != a.Cert.Subject.CommonName:
		return nil, fmt.Errorf("%s: the authority is there, and has the name %q: leave out --name, or use another folder (--dir)",
			filepath.Join(p.Dir, pki.CACert), a.Cert.Subject.CommonName)
	}
	a.Now = p.Now
	steps := []Step{Dir{Path: p.Dir, Mode: pkiDirMode}}
	if key, err := a.KeyPEM(); err == nil { // first the key: a certificate without it is of no use
		steps = append(steps, File{Path: filepath.Join(p.Dir, pki.CAKey), Content: key, Mode: pkiCAKeyMode, Secret: true})
	} else if !errors.Is(err, pki.ErrNoCAKey) {
		return nil, err
	}
	steps = append(steps, File{Path: filepath.Join(p.Dir, pki.CACert), Content: a.CertPEM(), Mode: pkiCertMode})
	return a, s.Apply(ctx, steps...)
}

// newAuthority makes an authority in memory, for the private key that is there if
// an earlier run ended between the two files.
func (p PKI) newAuthority(s *Session, name string, days int) (*pki.Authority, error) {
	if name == "" {
		name = "sluice CA"
		if host, _, _ := strings.Cut(machineName(s), "."); host != "" && len(host) < 50 {
			name += " of " + host
		}
	}
	o := pki.Options{Name: name, Days: days, Now: p.Now}
	keyFile := filepath.Join(p.Dir, pki.CAKey)
	key, err := s.ReadFile(keyFile)
	switch {
	case err == nil:
		if o.Key, err = pki.ParseKey(keyFile, key); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	default:
		names, err := pki.Names(s.Path(p.Dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if len(names) > 0 {
			return nil, fmt.Errorf("%s has the certificate of %s, but not the authority's: put %s back, or use another folder (--dir)",
				p.Dir, strings.Join(names, ", "), pki.CACert)
		}
	}
	return pki.New(o)
}

// Issue is what "setup pki issue" is asked for.
type Issue struct {
	Name string
	// Hosts of the certificate; none: those that it has, or the name's defaults.
	Hosts []string
	// Use; 0: that which it has, or the name's default.
	Use pki.Use
	// Days of a new certificate; 0: pki.DefaultDays.
	Days int
}

// Issue makes a certificate, and its authority if there is none. One that is
// valid and says what is asked for stays; else it is made anew, for the same
// private key unless that is revoked.
func (p PKI) Issue(ctx context.Context, s *Session, o Issue) error {
	if err := errors.Join(pki.CheckName(o.Name), pki.CheckHosts(o.Hosts)); err != nil {
		return err
	}
	old, err := pki.Read(s.Path(p.Dir), o.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, pki.ErrNoCertificate) {
		return err
	}
	r := p.request(s, o, old)
	if r.Use&pki.Server != 0 && len(r.Hosts) == 0 {
		return fmt.Errorf("%s is a server: name it by --host, once for each name and address by which clients reach it", o.Name)
	}
	a, err := p.init(ctx, s, "", 0)
	if err != nil {
		return err
	}
	if old.Cert != nil {
		if err := pki.CheckSigned(pki.CertFile(p.Dir, o.Name), old.Cert, a.Cert); err != nil {
			return fmt.Errorf("%w: make one of this authority with \"sluice setup pki renew %s\"", err, o.Name)
		}
		if a.Revoked(old.Cert) {
			r.Key = nil
		} else if certificateSays(old, r) && pki.Left(old.Cert, p.now()) > 0 {
			if err := p.keep(ctx, s, old); err != nil {
				return err
			}
			return s.Apply(ctx, p.lacking(s, o, old)...)
		}
	}
	return p.write(ctx, s, a, r)
}

// request fills in what the certificate that is there has, or the defaults.
func (p PKI) request(s *Session, o Issue, old *pki.Pair) pki.Request {
	r := pki.Request{Name: o.Name, Use: o.Use, Hosts: o.Hosts, Days: o.Days, Key: old.Key}
	if r.Use == 0 {
		r.Use = defaultUse(o.Name)
		if old.Cert != nil {
			r.Use = pki.UseOf(old.Cert)
		}
	}
	if len(r.Hosts) == 0 {
		r.Hosts = defaultHosts(s, o.Name)
		if old.Cert != nil {
			r.Hosts = pki.Hosts(old.Cert)
		}
	}
	return r
}

// certificateSays tells whether a certificate has use and hosts of a request.
func certificateSays(old *pki.Pair, r pki.Request) bool {
	have, want := pki.Hosts(old.Cert), pki.NormalHosts(r.Hosts)
	slices.Sort(have)
	slices.Sort(want)
	return pki.UseOf(old.Cert) == r.Use && slices.Equal(have, want)
}

// keep sets modes and owners, and the private key's form to PKCS#8.
func (p PKI) keep(ctx context.Context, s *Session, old *pki.Pair) error {
	key, err := old.KeyPEM()
	if err != nil {
		return err
	}
	return s.Apply(ctx,
		File{Path: pki.KeyFile(p.Dir, old.Name), Content: key, Mode: pkiKeyMode, Secret: true},
		File{Path: pki.CertFile(p.Dir, old.Name), Content: old.CertPEM(), Mode: pkiCertMode, Keep: true})
}

// write issues a certificate. The private key is written first: one without a
// certificate, or with an older one, is mended by the next issue or renew.
func (p PKI) write(ctx context.Context, s *Session, a *pki.Authority, r pki.Request) error {
	certPEM, keyPEM, err := a.Issue(r)
	if err != nil {
		return err
	}
	cert, err := pki.ParseCertificate(pki.CertFile(p.Dir, r.Name), certPEM)
	if err != nil {
		return err
	}
	steps := []Step{
		File{Path: pki.KeyFile(p.Dir, r.Name), Content: keyPEM, Mode: pkiKeyMode, Secret: true},
		File{Path: pki.CertFile(p.Dir, r.Name), Content: certPEM, Mode: pkiCertMode},
		Note(describeCertificate(r.Name, cert)),
	}
	if cert.NotAfter.Equal(a.Cert.NotAfter) {
		steps = append(steps, Note(r.Name+" ends when the authority ends"))
	}
	return s.Apply(ctx, steps...)
}

func (p PKI) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}
