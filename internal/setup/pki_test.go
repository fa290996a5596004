package setup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/pki"
)

// pkiMachine is an empty machine with a host name, and its folder of certificates.
func pkiMachine(t *testing.T) (PKI, *Session, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	s := &Session{Root: t.TempDir(), Out: out}
	pkiFile(t, s, "/etc/hostname", "Pi\n")
	return PKI{Dir: pki.DefaultDir}, s, out
}

func pkiFile(t *testing.T, s *Session, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.Path(path)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(path), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func pkiMust(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pkiWant(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

// pair reads a pair that must be whole, and of the folder's authority.
func (p PKI) pair(t *testing.T, s *Session, name string) *pki.Pair {
	t.Helper()
	a, err := p.Open(s)
	pkiMust(t, err)
	pair, err := pki.Read(s.Path(p.Dir), name)
	pkiMust(t, err)
	pkiMust(t, pki.CheckSigned(name, pair.Cert, a.Cert))
	return pair
}

// files are the names of the folder, those of backups without their time.
func (p PKI) files(t *testing.T, s *Session) []string {
	t.Helper()
	entries, err := os.ReadDir(s.Path(p.Dir))
	pkiMust(t, err)
	var names []string
	for _, e := range entries {
		name, _, old := strings.Cut(e.Name(), ".bak-")
		if old {
			name += ".bak"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestFirstIssueMakesAllAndTheSecondNothing(t *testing.T) {
	p, s, out := pkiMachine(t)
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "broker"}))
	for file, mode := range map[string]os.FileMode{".": os.ModeDir | 0o700, "ca.key": 0o400, "ca.crt": 0o644, "broker.key": 0o600, "broker.crt": 0o644} {
		info, err := os.Stat(s.Path(filepath.Join(p.Dir, file)))
		pkiMust(t, err)
		if info.Mode() != mode {
			t.Errorf("%s has mode %s, want %s", file, info.Mode(), mode)
		}
	}
	cert := p.pair(t, s, "broker").Cert
	if want := []string{"pi", "pi.local", "localhost", "127.0.0.1", "::1"}; !slices.Equal(pki.Hosts(cert), want) || pki.UseOf(cert) != pki.Server {
		t.Errorf("the certificate is a %s's for %q", pki.UseOf(cert), pki.Hosts(cert))
	}
	if name := cert.Issuer.CommonName; name != "sluice CA of pi" {
		t.Errorf("the authority is %q", name)
	}
	if strings.Contains(out.String(), "PRIVATE KEY") {
		t.Error("a private key was printed")
	}
	again := &Session{Root: s.Root, Out: out}
	pkiMust(t, p.Issue(t.Context(), again, Issue{Name: "broker"}))
	pkiMust(t, p.Issue(t.Context(), again, Issue{Name: "broker", Hosts: []string{"127.0.0.1", "localhost", "PI", "::1", "pi.local"}}))
	pkiMust(t, p.Init(t.Context(), again, "sluice CA of pi", 0))
	if again.Changed() || !p.pair(t, s, "broker").Cert.Equal(cert) {
		t.Errorf("the second time changed something:\n%s", out)
	}
	pkiMust(t, os.Chmod(s.Path(pki.KeyFile(p.Dir, "broker")), 0o644))
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "broker"}))
	if info, _ := os.Stat(s.Path(pki.KeyFile(p.Dir, "broker"))); info.Mode() != 0o600 {
		t.Errorf("an open key stays %s", info.Mode())
	}
}

func TestDryRunOfCertificates(t *testing.T) {
	p, s, out := pkiMachine(t)
	s.DryRun = true
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "gw"}))
	if _, err := os.Stat(s.Path("/etc/sluice")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run made the folder: %v", err)
	}
	if text := out.String(); strings.Contains(text, "PRIVATE KEY") || !strings.Contains(text, "would write /etc/sluice/pki/gw.key") {
		t.Errorf("printed %s", text)
	}
}

func TestOtherHostsOrUseMakeANewCertificateForTheSameKey(t *testing.T) {
	p, s, _ := pkiMachine(t)
	pkiWant(t, p.Issue(t.Context(), s, Issue{Name: "logstash"}), "--host")
	if _, err := os.Stat(s.Path(p.Dir)); err == nil {
		t.Error("an authority was made for a request that can't be")
	}
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "logstash", Hosts: []string{"10.8.0.1"}}))
	first := p.pair(t, s, "logstash")
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "logstash", Hosts: []string{"10.8.0.2"}, Use: pki.Both}))
	second := p.pair(t, s, "logstash")
	if !slices.Equal(pki.Hosts(second.Cert), []string{"10.8.0.2"}) || pki.UseOf(second.Cert) != pki.Both || !pki.Matches(first.Key, second.Cert) {
		t.Errorf("a %s's for %q", pki.UseOf(second.Cert), pki.Hosts(second.Cert))
	}
	if want := []string{"ca.crt", "ca.key", "logstash.crt", "logstash.crt.bak", "logstash.key"}; !slices.Equal(p.files(t, s), want) {
		t.Errorf("files %q, want %q", p.files(t, s), want)
	}
}

// An earlier run that ended between two files.
func TestInterruptedRunsAreMended(t *testing.T) {
	p, s, _ := pkiMachine(t)
	pkiMust(t, p.Init(t.Context(), s, "", 0))
	before, err := p.Open(s)
	pkiMust(t, err)
	pkiMust(t, os.Remove(s.Path(p.Dir+"/ca.crt")))
	pkiMust(t, p.Init(t.Context(), s, "", 0))
	after, err := p.Open(s)
	pkiMust(t, err)
	pkiMust(t, after.CanIssue())
	pkiMust(t, pki.CheckSigned("ca.crt", before.Cert, after.Cert)) // the same key

	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "gw"}))
	first := p.pair(t, s, "gw")
	pkiMust(t, os.Remove(s.Path(pki.CertFile(p.Dir, "gw"))))
	pkiWant(t, p.Renew(t.Context(), s, Renew{Names: []string{"gw"}}), "issue gw")
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "gw"}))
	if !pki.Matches(first.Key, p.pair(t, s, "gw").Cert) {
		t.Error("the certificate is not for the key that was there")
	}

	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "other"}))
	key, err := s.ReadFile(pki.KeyFile(p.Dir, "other"))
	pkiMust(t, err)
	pkiFile(t, s, pki.KeyFile(p.Dir, "gw"), string(key)) // renew --new-key, then the power was cut
	pkiWant(t, p.Issue(t.Context(), s, Issue{Name: "gw"}), "renew gw")
	pkiMust(t, p.Renew(t.Context(), s, Renew{Names: []string{"gw"}}))
	p.pair(t, s, "gw")

	pkiMust(t, os.Remove(s.Path(pki.KeyFile(p.Dir, "gw"))))
	pkiWant(t, p.Renew(t.Context(), s, Renew{Names: []string{"gw"}}), "--new-key")
	pkiMust(t, p.Renew(t.Context(), s, Renew{Names: []string{"gw"}, NewKey: true}))
	p.pair(t, s, "gw")

	pkiMust(t, os.Remove(s.Path(p.Dir+"/ca.crt")))
	pkiMust(t, os.Remove(s.Path(p.Dir+"/ca.key")))
	pkiWant(t, p.Init(t.Context(), s, "", 0), "gw, other", "ca.crt", "put")
}

func TestRenew(t *testing.T) {
	p, s, out := pkiMachine(t)
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "broker", Hosts: []string{"pi.local", "10.0.0.1"}}))
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "gw", Days: 10}))
	broker, gw := p.pair(t, s, "broker"), p.pair(t, s, "gw")
	pkiMust(t, p.Renew(t.Context(), s, Renew{Within: 30 * 24 * time.Hour}))
	if !p.pair(t, s, "broker").Cert.Equal(broker.Cert) {
		t.Error("a certificate that is valid for years was renewed")
	}
	got := p.pair(t, s, "gw")
	if got.Cert.SerialNumber.Cmp(gw.Cert.SerialNumber) == 0 || !pki.Matches(gw.Key, got.Cert) || pki.Left(got.Cert, time.Now()) < 3000*24*time.Hour {
		t.Errorf("gw was not renewed for its key: until %s", got.Cert.NotAfter)
	}
	pkiMust(t, p.Renew(t.Context(), s, Renew{Names: []string{"broker"}, NewKey: true}))
	got = p.pair(t, s, "broker")
	if pki.Matches(broker.Key, got.Cert) || !slices.Equal(pki.Hosts(got.Cert), pki.Hosts(broker.Cert)) || pki.UseOf(got.Cert) != pki.Server {
		t.Error("the new certificate has the old key, or other hosts")
	}
	if text := out.String(); !strings.Contains(text, "Mosquitto must get it") || !strings.Contains(text, "setup gateway --bundle") {
		t.Errorf("who must get them is not told:\n%s", text)
	}
	gw = p.pair(t, s, "gw")
	pkiFile(t, s, pki.KeyFile(p.Dir, "broker"), "x")
	err := p.Renew(t.Context(), s, Renew{})
	pkiWant(t, err, "broker.key")
	if p.pair(t, s, "gw").Cert.Equal(gw.Cert) {
		t.Error("a fault of one stops the others")
	}
}

func TestRevoke(t *testing.T) {
	p, s, out := pkiMachine(t)
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "gw"}))
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "gw2"}))
	old := p.pair(t, s, "gw")
	pkiMust(t, p.Renew(t.Context(), s, Renew{Names: []string{"gw"}}))
	pkiMust(t, p.Revoke(t.Context(), s, []string{"gw"}))
	a, err := p.Open(s)
	pkiMust(t, err)
	if !a.Revoked(old.Cert) || !a.Revoked(p.pair(t, s, "gw").Cert) || a.Revoked(p.pair(t, s, "gw2").Cert) {
		t.Error("gw and what it had before must be revoked, gw2 not")
	}
	again := &Session{Root: s.Root, Out: out}
	pkiMust(t, p.Revoke(t.Context(), again, []string{"gw"}))
	if again.Changed() {
		t.Error("the second time changed the list")
	}
	pkiWant(t, p.Renew(t.Context(), s, Renew{Names: []string{"gw"}}), "--new-key")
	pkiWant(t, p.Bundle(t.Context(), s, "gw", "/b.pem"), "revoked")
	pkiMust(t, p.Renew(t.Context(), s, Renew{})) // all others
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "gw"}))
	if got := p.pair(t, s, "gw"); a.Revoked(got.Cert) || pki.Matches(old.Key, got.Cert) {
		t.Error("what is issued after a revocation has the old key, or is revoked")
	}
	pkiWant(t, p.Revoke(t.Context(), s, []string{"nobody"}), "nobody.crt")
}

func TestBundleIsUnpackedElsewhere(t *testing.T) {
	p, s, out := pkiMachine(t)
	pkiMust(t, p.Issue(t.Context(), s, Issue{Name: "logstash", Hosts: []string{"10.8.0.1"}}))
	dry := &Session{Root: s.Root, Out: out, DryRun: true}
	pkiMust(t, p.Bundle(t.Context(), dry, "logstash", "/root/logstash.pem"))
	pkiMust(t, p.Bundle(t.Context(), s, "logstash", "/root/logstash.pem"))
	bundleFile := s.Path("/root/logstash.pem")
	info, err := os.Stat(bundleFile)
	pkiMust(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("the bundle has mode %s", info.Mode())
	}
	server := &Session{Root: t.TempDir(), Out: out}
	pkiFile(t, server, "/etc/passwd", "logstash:x:1234:1235::/:/bin/false\n")
	pkiFile(t, server, "/etc/group", "logstash:x:1235:\n")
	owner := Owner{User: "logstash", Group: "logstash"}
	for _, changed := range []bool{true, false} {
		s := &Session{Root: server.Root, Out: out}
		pkiMust(t, s.Unpack(t.Context(), bundleFile, "/etc/logstash/sluice", owner))
		if s.Changed() != changed {
			t.Errorf("changed %v, want %v", s.Changed(), changed)
		}
	}
	got, err := pki.Read(server.Path("/etc/logstash/sluice"), "logstash")
	pkiMust(t, err)
	if !got.Cert.Equal(p.pair(t, s, "logstash").Cert) {
		t.Error("another certificate came out")
	}
	if info, _ := os.Stat(server.Path("/etc/logstash/sluice/logstash.key")); info.Mode() != 0o400 {
		t.Errorf("the key has mode %s", info.Mode())
	}
	if strings.Contains(out.String(), "PRIVATE KEY") {
		t.Error("a private key was printed")
	}
}
