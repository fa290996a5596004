package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// folder is a new authority in a folder of its own.
func folder(t *testing.T) *Authority {
	t.Helper()
	a, err := Create(filepath.Join(t.TempDir(), "pki"), Options{Name: "test CA"})
	must(t, err)
	return a
}

// issue makes a pair, and its files.
func issue(t *testing.T, a *Authority, r Request) *Pair {
	t.Helper()
	certPEM, keyPEM, err := a.Issue(r)
	must(t, err)
	write(t, CertFile(a.Dir, r.Name), certPEM)
	write(t, KeyFile(a.Dir, r.Name), keyPEM)
	p, err := Read(a.Dir, r.Name)
	must(t, err)
	return p
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(path, content, 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError wants all the words in an error.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has several lines: %q", err)
	}
}

func TestAuthority(t *testing.T) {
	a := folder(t)
	c := a.Cert
	if c.Subject.CommonName != "test CA" || !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero ||
		c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(c.SubjectKeyId) == 0 {
		t.Errorf("the authority's certificate is %+v", c)
	}
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is %T", c.PublicKey)
	}
	if !c.NotBefore.Equal(Begin) || c.NotAfter.Before(time.Now().Add((CADays-1)*day)) || c.NotAfter.After(time.Now().Add((CADays+1)*day)) {
		t.Errorf("valid from %s to %s", c.NotBefore, c.NotAfter)
	}
	for file, mode := range map[string]fs.FileMode{CAKey: 0o400, CACert: 0o644, ".": 0o700 | fs.ModeDir} {
		info, err := os.Stat(filepath.Join(a.Dir, file))
		must(t, err)
		if info.Mode() != mode {
			t.Errorf("%s has mode %s, want %s", file, info.Mode(), mode)
		}
	}
	if _, err := Create(a.Dir, Options{}); err == nil {
		t.Error("an authority was made over another")
	}
	b, err := Open(a.Dir)
	must(t, err)
	must(t, b.CanIssue())
	if !b.Cert.Equal(a.Cert) {
		t.Error("another authority was read")
	}
}

func TestCertificate(t *testing.T) {
	a := folder(t)
	p := issue(t, a, Request{Name: "broker", Use: Server, Hosts: []string{"Pi.local", "192.168.1.5", "FE80::0:1", "::ffff:10.0.0.1", "pi.local"}})
	c := p.Cert
	if want := []string{"pi.local", "192.168.1.5", "fe80::1", "10.0.0.1"}; !slices.Equal(Hosts(c), want) || !slices.Equal(c.DNSNames, want) {
		t.Errorf("hosts %q, names %q, want %q", Hosts(c), c.DNSNames, want)
	}
	if len(c.IPAddresses) != 3 || c.Subject.CommonName != "broker" || c.IsCA || c.KeyUsage != x509.KeyUsageDigitalSignature || UseOf(c) != Server {
		t.Errorf("the certificate is %+v", c)
	}
	if !c.NotBefore.Equal(Begin) || Left(c, time.Now()) < (DefaultDays-1)*day || Left(c, time.Now()) > DefaultDays*day {
		t.Errorf("valid from %s to %s", c.NotBefore, c.NotAfter)
	}
	if n := c.SerialNumber.BitLen(); n < 64 || n > 129 { // less: once in 2^64 runs
		t.Errorf("the serial number has %d bits", n)
	}
	keyPEM, err := os.ReadFile(KeyFile(a.Dir, "broker"))
	must(t, err)
	block, _ := pem.Decode(keyPEM)
	if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err != nil || block.Type != "PRIVATE KEY" {
		t.Errorf("the key is %s: %v", block.Type, err)
	}
	again := issue(t, a, Request{Name: "broker", Use: Both, Hosts: Hosts(c), Key: p.Key, Days: 36500})
	if again.Cert.SerialNumber.Cmp(c.SerialNumber) == 0 || !Matches(p.Key, again.Cert) || UseOf(again.Cert) != Both {
		t.Error("for the same key: same serial number, another key, or another use")
	}
	if !again.Cert.NotAfter.Equal(a.Cert.NotAfter) {
		t.Errorf("it ends on %s, after its authority", again.Cert.NotAfter)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	a := folder(t)
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{Name: "", Use: Client}, "name"},
		{Request{Name: "ca", Use: Client}, "authority's"},
		{Request{Name: "Ca", Use: Client}, "authority's"},
		{Request{Name: "a/b", Use: Client}, "letters"},
		{Request{Name: "..", Use: Client}, "letters"},
		{Request{Name: "-a", Use: Client}, "letters"},
		{Request{Name: "a.", Use: Client}, "letters"},
		{Request{Name: "gärtner", Use: Client}, "letters"},
		{Request{Name: strings.Repeat("a", 65), Use: Client}, "64"},
		{Request{Name: "b"}, "use:"},
		{Request{Name: "b", Use: 8}, "use:"},
		{Request{Name: "b", Use: Server}, "hosts:"},
		{Request{Name: "b", Use: Client, Days: -1}, "days:"},
		{Request{Name: "b", Use: Client, Days: 1e9}, "days:"},
		{Request{Name: "b", Use: Server, Hosts: []string{"mqtts://pi.local"}}, "without protocol"},
		{Request{Name: "b", Use: Server, Hosts: []string{"pi.local:8883"}}, "without protocol and port"},
		{Request{Name: "b", Use: Server, Hosts: []string{"0.0.0.0"}}, "connect to"},
		{Request{Name: "b", Use: Server, Hosts: []string{"fe80::1%eth0"}}, "zone"},
		{Request{Name: "b", Use: Server, Hosts: []string{"192.168.1"}}, "too large"},
		{Request{Name: "b", Use: Server, Hosts: []string{"192.168.1.300"}}, "too large"},
		{Request{Name: "b", Use: Server, Hosts: []string{"*.local"}}, "host:"},
		{Request{Name: "b", Use: Server, Hosts: []string{""}}, "host:"},
		{Request{Name: "b", Use: Server, Hosts: []string{"pi..local"}}, "host:"},
		{Request{Name: "b", Use: Server, Hosts: []string{"a b"}}, "host:"},
		{Request{Name: "b", Use: Server, Hosts: []string{strings.Repeat("a.", 130) + "b"}}, "253"},
	} {
		_, _, err := a.Issue(c.r)
		if err == nil {
			t.Errorf("%+v: accepted", c.r)
			continue
		}
		wantError(t, err, c.want)
	}
	for _, name := range []string{" a", "a\nb", "a\xff", strings.Repeat("a", 65)} {
		if _, err := New(Options{Name: name}); err == nil {
			t.Errorf("an authority was named %q", name)
		}
	}
}

func TestNothingIsIssuedAtAWrongClock(t *testing.T) {
	a := folder(t)
	for _, c := range []struct {
		now  time.Time
		want string
	}{
		{time.Date(1970, 1, 1, 0, 2, 0, 0, time.UTC), "1970-01-01"},
		{time.Now().Add(-48 * time.Hour), "ca.crt was written"},
		{a.Cert.NotAfter.Add(time.Hour), "has ended"},
	} {
		b, err := Open(a.Dir)
		must(t, err)
		b.Now = func() time.Time { return c.now }
		_, _, err = b.Issue(Request{Name: "gw", Use: Client})
		wantError(t, err, c.want, "clock")
		_, err = b.Revoke()
		wantError(t, err, c.want)
	}
	_, err := New(Options{Now: func() time.Time { return time.Unix(0, 0) }})
	wantError(t, err, "1970-01-01", "timedatectl")
}

func TestAuthorityWithoutItsKey(t *testing.T) {
	a := folder(t)
	issue(t, a, Request{Name: "gw", Use: Client})
	must(t, os.Remove(filepath.Join(a.Dir, CAKey)))
	b, err := Open(a.Dir)
	must(t, err)
	if err := b.CanIssue(); !errors.Is(err, ErrNoCAKey) {
		t.Errorf("error %v", err)
	}
	_, _, err = b.Issue(Request{Name: "gw", Use: Client})
	wantError(t, err, "ca.key", "bundle")
	list, err := b.Status()
	must(t, err)
	if len(list) != 2 || list[0].State != StateOK || list[1].State != StateOK || list[1].Name != "gw" {
		t.Errorf("status %+v", list)
	}
}

// foreign writes an authority as openssl's commands make it: no key usage, an RSA
// key, whose block is as encode says.
func foreign(t *testing.T, encode func(*rsa.PrivateKey) *pem.Block) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: " plant"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(1000 * day), IsCA: true, BasicConstraintsValid: true, SubjectKeyId: []byte{1, 2, 3},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	dir := t.TempDir()
	write(t, filepath.Join(dir, CACert), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, filepath.Join(dir, CAKey), pem.EncodeToMemory(encode(key)))
	return dir
}

func pkcs1(key *rsa.PrivateKey) *pem.Block {
	return &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
}

func TestAuthorityOfOpenSSL(t *testing.T) {
	a, err := Open(foreign(t, pkcs1))
	must(t, err)
	p := issue(t, a, Request{Name: "broker", Use: Server, Hosts: []string{"pi.local"}})
	must(t, CheckSigned("broker.crt", p.Cert, a.Cert))
	list, err := a.Revoke(p.Cert)
	must(t, err)
	write(t, filepath.Join(a.Dir, CACRL), list)
	if a, err = Open(a.Dir); err != nil || !a.Revoked(p.Cert) {
		t.Errorf("revoked: %v", err)
	}
}

// ecFile is an EC key in the form that openssl ecparam writes.
func ecFile(t *testing.T) ([]byte, crypto.Signer) {
	t.Helper()
	key, err := newKey()
	must(t, err)
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	must(t, err)
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 0}})
	return append(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...), key
}

func TestKeyOfEachForm(t *testing.T) {
	ec, want := ecFile(t)
	key, err := ParseKey("k", ec)
	must(t, err)
	again, err := EncodeKey(key)
	must(t, err)
	if key, err = ParseKey("k", again); err != nil || !key.(*ecdsa.PrivateKey).Equal(want) {
		t.Errorf("another key came back: %v", err)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	a := folder(t)
	p := issue(t, a, Request{Name: "gw", Use: Client})
	keyPEM, err := p.KeyPEM()
	must(t, err)
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}})
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}})
	other, err := New(Options{})
	must(t, err)
	otherKey, err := other.KeyPEM()
	must(t, err)
	for name, c := range map[string]struct {
		file    string
		content []byte
		want    string
	}{
		"a key":                 {CACert, keyPEM, "mixed up"},
		"a server's":            {CACert, p.CertPEM(), "no authority's"},
		"empty":                 {CACert, nil, "no certificate"},
		"DER":                   {CACert, a.Cert.Raw, "openssl x509"},
		"cut off":               {CACert, a.CertPEM()[:300], "cut off"},
		"bytes in PEM":          {CACert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "can't be read"},
		"too large":             {CACert, make([]byte, maxFile+1), "larger"},
		"a certificate":         {CAKey, p.CertPEM(), "mixed up"},
		"encrypted":             {CAKey, encrypted, "decrypt"},
		"encrypted in old form": {CAKey, legacy, "decrypt"},
		"another's key":         {CAKey, otherKey, "belong together"},
		"bytes as key":          {CAKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "PKCS#8"},
		"no list":               {CACRL, p.CertPEM(), "X509 CRL"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.CopyFS(dir, os.DirFS(a.Dir)))
			must(t, os.Remove(filepath.Join(dir, CAKey)))
			write(t, filepath.Join(dir, c.file), c.content)
			_, err := Open(dir)
			wantError(t, err, filepath.Join(dir, c.file), c.want)
		})
	}
}

func TestPairsThatAreNotWhole(t *testing.T) {
	a := folder(t)
	issue(t, a, Request{Name: "other", Use: Client})
	_, err := Read(a.Dir, "gw")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("neither file: %v", err)
	}
	wantError(t, err, "setup pki issue gw")
	for file, c := range map[string]struct {
		want  error
		state string
		mend  string
	}{
		"gw.crt": {ErrNoCertificate, StateNoCertificate, "issue gw"},
		"gw.key": {ErrNoKey, StateNoKey, "renew --new-key gw"},
	} {
		issue(t, a, Request{Name: "gw", Use: Client})
		must(t, os.Remove(filepath.Join(a.Dir, file)))
		checkFault(t, a, c.want, c.state, c.mend)
	}
	issue(t, a, Request{Name: "gw", Use: Client})
	must(t, os.Rename(KeyFile(a.Dir, "other"), KeyFile(a.Dir, "gw")))
	checkFault(t, a, ErrMismatch, StateMismatch, "renew gw")
}

func checkFault(t *testing.T, a *Authority, want error, state, mend string) {
	t.Helper()
	if _, err := Read(a.Dir, "gw"); !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
	list, err := a.Status()
	must(t, err)
	i := slices.IndexFunc(list, func(s Status) bool { return s.Name == "gw" })
	if i < 0 || list[i].State != state || !strings.Contains(list[i].Fault, mend) {
		t.Errorf("status %+v, want %s and %q", list, state, mend)
	}
}

func TestStatus(t *testing.T) {
	a := folder(t)
	issue(t, a, Request{Name: "fine", Use: Server, Hosts: []string{"10.8.0.1"}, Days: 10})
	p := issue(t, a, Request{Name: "stolen", Use: Client})
	issue(t, a, Request{Name: "open", Use: Client})
	must(t, os.Chmod(KeyFile(a.Dir, "open"), 0o640))
	other, err := New(Options{Name: "other"})
	must(t, err)
	certPEM, keyPEM, err := other.Issue(Request{Name: "foreign", Use: Client})
	must(t, err)
	write(t, CertFile(a.Dir, "foreign"), certPEM)
	write(t, KeyFile(a.Dir, "foreign"), keyPEM)
	_, err = a.Revoke(p.Cert)
	must(t, err)
	issue(t, a, Request{Name: "short", Use: Client, Days: 1})
	a.Now = func() time.Time { return time.Now().Add(36 * time.Hour) }
	list, err := a.Status()
	must(t, err)
	got := map[string]string{}
	for _, s := range list {
		got[s.Name] = s.State
	}
	for name, want := range map[string]string{
		"ca": StateOK, "fine": StateOK, "stolen": StateRevoked, "open": StateOpen, "foreign": StateForeign, "short": StateExpired,
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	i := slices.IndexFunc(list, func(s Status) bool { return s.Name == "fine" })
	if s := list[i]; s.Days != 8 || s.Use != "server" || !slices.Equal(s.Hosts, []string{"10.8.0.1"}) || len(s.SHA256) != 95 || len(s.SHA1) != 59 {
		t.Errorf("status %+v", s)
	}
}

func TestRevocationList(t *testing.T) {
	a := folder(t)
	one, two := issue(t, a, Request{Name: "one", Use: Client}), issue(t, a, Request{Name: "two", Use: Client})
	_, err := a.Revoke(one.Cert)
	must(t, err)
	_, err = a.Revoke(one.Cert, two.Cert)
	must(t, err)
	if n := len(a.CRL.RevokedCertificateEntries); n != 2 || a.CRL.Number.Int64() != 2 {
		t.Errorf("%d entries, number %s, want 2 and 2", n, a.CRL.Number)
	}
	if !a.CRL.ThisUpdate.Equal(Begin) || !a.CRL.NextUpdate.Equal(a.Cert.NotAfter) {
		t.Errorf("the list is valid from %s to %s", a.CRL.ThisUpdate, a.CRL.NextUpdate)
	}
	other := folder(t)
	if _, err = other.Revoke(one.Cert); !errors.Is(err, ErrForeign) {
		t.Errorf("the certificate of another authority was revoked: %v", err)
	}
	list, err := other.Revoke()
	must(t, err)
	write(t, filepath.Join(a.Dir, CACRL), list)
	_, err = Open(a.Dir)
	wantError(t, err, CACRL, "not signed by")
}

func TestNoErrorHasAPartOfAKey(t *testing.T) {
	a := folder(t)
	keyPEM, err := a.KeyPEM()
	must(t, err)
	secret := bytes.Split(keyPEM, []byte("\n"))[1][:16]
	damaged := bytes.Replace(keyPEM, []byte("-----END"), []byte("---END"), 1)
	for _, content := range [][]byte{damaged, keyPEM[:100], append([]byte("-----BEGIN X-----\n"), keyPEM...)} {
		_, err := ParseKey("k", content)
		if err == nil || bytes.Contains([]byte(err.Error()), secret) {
			t.Errorf("error %v", err)
		}
	}
}
