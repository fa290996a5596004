package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"sluice/internal/durable"
)

// DefaultDir is the folder of a gateway's certificates.
const DefaultDir = "/etc/sluice/pki"

// The files of an authority.
const (
	CACert = "ca.crt"
	CAKey  = "ca.key"
	CACRL  = "ca.crl"
)

// How long certificates are valid, in days from now; see the package's rules.
const (
	CADays      = 20 * 365
	DefaultDays = 10 * 365
)

// Begin is when the certificates' validity begins.
var Begin = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// ErrNoCAKey says that an Authority has no private key.
var ErrNoCAKey = errors.New("the private key of the authority is not here")

// Options are those of a new authority.
type Options struct {
	// Name is the common name; empty: "sluice CA".
	Name string
	// Days from now to the end; 0: CADays.
	Days int
	// Key is used instead of a new one; nil: a new one.
	Key crypto.Signer
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Authority is a certificate authority.
type Authority struct {
	// Dir is the folder that it was read from; empty for one that New made.
	Dir string
	// Cert is the authority's certificate.
	Cert *x509.Certificate
	// CRL is the list of revoked certificates; nil: there is none.
	CRL *x509.RevocationList
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	key     crypto.Signer
	written time.Time // last change of ca.crt
}

// New makes an authority in memory.
func New(o Options) (*Authority, error) {
	a := &Authority{Now: o.Now, key: o.Key}
	if err := a.CheckClock(); err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = "sluice CA"
	}
	if err := checkCommonName(o.Name); err != nil {
		return nil, err
	}
	end, err := a.end(o.Days, CADays)
	if err != nil {
		return nil, err
	}
	if a.key == nil {
		if a.key, err = newKey(); err != nil {
			return nil, err
		}
	}
	template, err := newTemplate(o.Name, end)
	if err != nil {
		return nil, err
	}
	template.IsCA, template.MaxPathLenZero = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("make the authority's certificate: %w", err)
	}
	if a.Cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	return a, nil
}

// Create makes an authority in a folder, which is made with mode 700 if it is
// missing: first ca.key (400), then ca.crt (644). It replaces none: an error if
// one of the two is there.
func Create(dir string, o Options) (*Authority, error) {
	a, err := New(o)
	if err != nil {
		return nil, err
	}
	keyPEM, err := a.KeyPEM()
	if err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name    string
		mode    fs.FileMode
		content []byte
	}{{CAKey, 0o400, keyPEM}, {CACert, 0o644, a.CertPEM()}} {
		path := filepath.Join(dir, f.name)
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("%s is there already: open it, or use another folder", path)
		}
		err := durable.WriteFile(path, f.mode, func(w io.Writer) error {
			_, err := w.Write(f.content)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	a.Dir = dir
	return a, nil
}

// Open reads the authority of a folder. Its error wraps fs.ErrNotExist when
// there is no ca.crt. A missing ca.key is no error: see CanIssue.
func Open(dir string) (*Authority, error) {
	a := &Authority{Dir: dir}
	path := filepath.Join(dir, CACert)
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if a.Cert, err = ParseCertificate(path, data); err != nil {
		return nil, err
	}
	if err := CheckCA(path, a.Cert); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil {
		a.written = info.ModTime()
	}
	if err := a.openKey(filepath.Join(dir, CAKey)); err != nil {
		return nil, err
	}
	return a, a.openCRL(filepath.Join(dir, CACRL))
}

func (a *Authority) openKey(path string) error {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.key, err = ParseKey(path, data); err != nil {
		return err
	}
	if !Matches(a.key, a.Cert) {
		return fmt.Errorf("%s: %w: put back the two that belong together", path, ErrMismatch)
	}
	return nil
}

// CanIssue tells why the authority can't issue certificates now: its error wraps
// ErrNoCAKey without a private key.
func (a *Authority) CanIssue() error {
	if a.key == nil {
		return fmt.Errorf("%s: %w: issue, renew and revoke on the machine that has it, and carry over a bundle",
			filepath.Join(a.Dir, CAKey), ErrNoCAKey)
	}
	if err := a.CheckClock(); err != nil {
		return err
	}
	if now := a.now(); now.After(a.Cert.NotAfter) {
		return fmt.Errorf("%s: the authority has ended on %s, and the clock says %s: set the clock if it is wrong; else make a new authority in another folder, and give its %s to every machine and device",
			filepath.Join(a.Dir, CACert), date(a.Cert.NotAfter), date(now), CACert)
	}
	return nil
}

// CheckClock fails at a clock that is certainly wrong; see the package's rules.
func (a *Authority) CheckClock() error {
	now := a.now()
	floor, why := Begin, "before "+date(Begin)
	if t := built(); t.After(floor) {
		floor, why = t, "before this program was built, on "+date(t)
	}
	if a.written.After(floor) {
		floor, why = a.written, fmt.Sprintf("before %s was written, on %s", filepath.Join(a.Dir, CACert), date(a.written))
	}
	if a.Cert != nil && a.Cert.NotBefore.After(floor) {
		floor, why = a.Cert.NotBefore, "before the authority begins, on "+date(a.Cert.NotBefore)
	}
	if now.Add(time.Hour).After(floor) {
		return nil
	}
	return fmt.Errorf("the clock of this machine says %s, which is %s: set it first (timedatectl, or wait for NTP), since a certificate's end is counted from it", date(now), why)
}

// built is when the program's source was last changed, if the program knows.
func built() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
			return t
		}
	}
	return time.Time{}
}

func (a *Authority) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

// maxDays keeps the end before the year 10000, which no certificate can express.
const maxDays = 100 * 365

// end is a number of days from now, in whole seconds.
func (a *Authority) end(days, otherwise int) (time.Time, error) {
	if days == 0 {
		days = otherwise
	}
	if days < 1 || days > maxDays {
		return time.Time{}, fmt.Errorf("days: %d must be from 1 to %d", days, maxDays)
	}
	return a.now().UTC().Truncate(time.Second).Add(time.Duration(days) * day), nil
}

// CertPEM is the content of ca.crt.
func (a *Authority) CertPEM() []byte { return encodeCert(a.Cert) }

// KeyPEM is the content of ca.key: a secret.
func (a *Authority) KeyPEM() ([]byte, error) {
	if a.key == nil {
		return nil, ErrNoCAKey
	}
	return EncodeKey(a.key)
}

func newKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a private key: %w", err)
	}
	return key, nil
}

func newTemplate(name string, end time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber:          serial.Add(serial, big.NewInt(1)), // not 0
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             Begin,
		NotAfter:              end,
		BasicConstraintsValid: true,
	}, nil
}
