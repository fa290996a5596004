package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"
)

// The states of a name.
const (
	StateOK            = "ok"
	StateExpired       = "expired"
	StateRevoked       = "revoked"
	StateNoKey         = "no key"
	StateNoCertificate = "no certificate"
	StateMismatch      = "key of another"
	StateForeign       = "other authority"
	StateUnreadable    = "unreadable"
	StateOpen          = "key open" // others than its owner can read the key
)

// Status is what is known of a name. Without a certificate all but Name, State
// and Fault are zero.
type Status struct {
	Name     string    `json:"name"`
	Use      string    `json:"use"` // authority, server, client or both
	Hosts    []string  `json:"hosts"`
	NotAfter time.Time `json:"not_after"`
	Days     int       `json:"days"` // whole days until then, negative after it
	State    string    `json:"state"`
	Fault    string    `json:"fault,omitempty"` // what is wrong, and the mend
	Serial   string    `json:"serial"`          // hex
	SHA256   string    `json:"sha256"`
	SHA1     string    `json:"sha1"`
}

// Status returns what is known of the authority, whose Name is ca, and then of
// all names of its folder, sorted. An authority without its private key is ok.
func (a *Authority) Status() ([]Status, error) {
	names, err := Names(a.Dir)
	if err != nil {
		return nil, err
	}
	own := Status{Name: "ca", State: StateOK}
	own.describe(a.Cert, a.now())
	own.Use = "authority"
	path := filepath.Join(a.Dir, CACert)
	if own.NotAfter.Before(a.now()) {
		own.set(StateExpired, fmt.Errorf("%s: the authority has ended on %s: make another in another folder", path, date(own.NotAfter)))
	} else if err := private(filepath.Join(a.Dir, CAKey)); err != nil {
		own.set(StateOpen, err)
	}
	list := []Status{own}
	for _, name := range names {
		list = append(list, a.status(name))
	}
	return list, nil
}

func (a *Authority) status(name string) Status {
	s := Status{Name: name, State: StateOK}
	p, err := Read(a.Dir, name)
	if p.Cert != nil {
		s.describe(p.Cert, a.now())
	}
	switch {
	case err != nil:
		s.set(stateOf(err), err)
	case CheckSigned(CertFile(a.Dir, name), p.Cert, a.Cert) != nil:
		s.set(StateForeign, fmt.Errorf("%w: make one of this authority with \"sluice setup pki renew %s\"",
			CheckSigned(CertFile(a.Dir, name), p.Cert, a.Cert), name))
	case a.Revoked(p.Cert):
		s.State = StateRevoked
	case p.Cert.NotAfter.Before(a.now()):
		s.set(StateExpired, fmt.Errorf("%s has ended on %s: renew it with \"sluice setup pki renew %s\"",
			CertFile(a.Dir, name), date(p.Cert.NotAfter), name))
	default:
		if err := private(KeyFile(a.Dir, name)); err != nil {
			s.set(StateOpen, err)
		}
	}
	return s
}

func stateOf(err error) string {
	switch {
	case errors.Is(err, ErrMismatch):
		return StateMismatch
	case errors.Is(err, ErrNoKey):
		return StateNoKey
	case errors.Is(err, ErrNoCertificate):
		return StateNoCertificate
	}
	return StateUnreadable
}

func (s *Status) set(state string, err error) { s.State, s.Fault = state, err.Error() }

func (s *Status) describe(cert *x509.Certificate, now time.Time) {
	s.Use, s.Hosts, s.NotAfter = UseOf(cert).String(), Hosts(cert), cert.NotAfter.UTC()
	if s.Hosts == nil {
		s.Hosts = []string{}
	}
	s.Days = int(math.Floor(Left(cert, now).Hours() / 24))
	s.Serial = fmt.Sprintf("%x", cert.SerialNumber)
	s.SHA256, s.SHA1 = SHA256(cert), SHA1(cert)
}

// private tells whether only its owner can read a file. A missing one is.
func private(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s: others than its owner can use the private key (mode %03o): chmod 600 it, and renew with --new-key if anyone may have read it", path, mode)
	}
	return nil
}
