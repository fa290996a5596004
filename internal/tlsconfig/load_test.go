package tlsconfig

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/internal/tlsconfig/tlstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryFormOfPrivateKeyIsRead(t *testing.T) {
	for _, tc := range []struct{ key, cert, passphrase, wantErr string }{
		{"ec.pem", "ec-cert.pem", "", ""},
		{"pkcs8.pem", "ec-cert.pem", "", ""},
		{"rsa-pkcs1.pem", "rsa-pkcs1-cert.pem", "", ""},
		{"pbes2-aes256.pem", "ec-cert.pem", "geheim", ""},
		{"pbes2-aes128-sha512.pem", "ec-cert.pem", "geheim", ""},
		{"pbes2-3des-sha1.pem", "ec-cert.pem", "geheim", ""},
		{"legacy-ec.pem", "ec-cert.pem", "geheim", ""},
		{"legacy-rsa.pem", "rsa-pkcs1-cert.pem", "geheim", ""},
		{"pbes2-aes256.pem", "ec-cert.pem", "", "key: testdata/pbes2-aes256.pem: the key is encrypted; set key_passphrase"},
		{"legacy-ec.pem", "ec-cert.pem", "", "key: testdata/legacy-ec.pem: the key is encrypted; set key_passphrase"},
		{"pbes2-aes256.pem", "ec-cert.pem", "falsch", "key: testdata/pbes2-aes256.pem: the key can't be decrypted; correct key_passphrase"},
		{"legacy-rsa.pem", "rsa-pkcs1-cert.pem", "falsch", "key: testdata/legacy-rsa.pem: the key can't be decrypted; correct key_passphrase"},
		{"scrypt.pem", "ec-cert.pem", "geheim", "key: testdata/scrypt.pem: the key is encrypted with scrypt, which is not supported; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out FILE.pem"},
		{"pbes1.pem", "ec-cert.pem", "geheim", "key: testdata/pbes1.pem: the key is encrypted with PBES1 (algorithm 1.2.840.113549.1.12.1.3), which is not supported; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out FILE.pem"},
	} {
		t.Run(tc.key+"/"+tc.passphrase, func(t *testing.T) {
			c := Config{Certificate: "testdata/" + tc.cert, Key: "testdata/" + tc.key, KeyPassphrase: tc.passphrase}
			_, err := c.Load()
			checkError(t, err, tc.wantErr)
		})
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
		if strings.Contains(got, "\n") {
			t.Errorf("error has several lines: %q", got)
		}
	}
	if got != want {
		t.Errorf("error\n got: %s\nwant: %s", got, want)
	}
}

func TestPassphraseFromFile(t *testing.T) {
	file := tlstest.File(t, filepath.Join(t.TempDir(), "pass"), []byte("geheim\n"))
	c := Config{Certificate: "testdata/ec-cert.pem", Key: "testdata/pbes2-aes256.pem", KeyPassphrasePath: file}
	if _, err := c.Load(); err != nil {
		t.Fatal(err)
	}
}

func TestInlinePEM(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	c := Config{
		Certificate: read("ec-cert.pem"), Key: read("ec.pem"),
		CertificateAuthorities: []string{read("rsa-pkcs1-cert.pem"), "testdata/ec-cert.pem"},
	}
	l, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(l.current.cas) != 2 || l.current.pair == nil {
		t.Errorf("got %d CAs, pair %v", len(l.current.cas), l.current.pair)
	}
	c.Key = read("rsa-pkcs1.pem")
	_, err = c.Load()
	checkError(t, err, "key: inline PEM is not the key of certificate inline PEM (CN=testdata-ec); name the two files that were made together")
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	text := tlstest.File(t, path("notes.txt"), []byte("not a certificate\n"))
	broken := tlstest.File(t, path("broken.pem"), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	der := tlstest.File(t, path("ca.der"), []byte{0x30, 0x82, 1, 1})
	for _, tc := range []struct {
		name, want string
		c          Config
	}{
		{"missing CA", "certificate_authorities: " + path("none.pem") + " does not exist; correct the path: ", Config{CertificateAuthorities: []string{path("none.pem")}}},
		{"directory", "certificate_authorities: " + dir + " is a directory; name a PEM file in it", Config{CertificateAuthorities: []string{dir}}},
		{"text file", "certificate_authorities: " + text + " holds no PEM certificate (-----BEGIN CERTIFICATE-----); correct the path or make the file anew", Config{CertificateAuthorities: []string{text}}},
		{"DER", "certificate_authorities: " + der + " is in DER form, not PEM; convert it with: openssl x509 -inform der -in FILE -out FILE.pem", Config{CertificateAuthorities: []string{der}}},
		{"broken", "certificate_authorities: " + broken + ": certificate 1 can't be parsed; make the file anew: ", Config{CertificateAuthorities: []string{broken}}},
		{"empty entry", "certificate_authorities: entry 1 is empty; give a file or PEM text", Config{CertificateAuthorities: []string{" "}}},
		{"key as certificate", "certificate: testdata/ec.pem holds the block EC PRIVATE KEY and no CERTIFICATE; are certificate and key mixed up?", Config{Certificate: "testdata/ec.pem", Key: "testdata/ec.pem"}},
		{"certificate as key", "key: testdata/ec-cert.pem holds no PEM private key (-----BEGIN PRIVATE KEY-----); are certificate and key mixed up?", Config{Certificate: "testdata/ec-cert.pem", Key: "testdata/ec-cert.pem"}},
		{"wrong key", "key: testdata/rsa-pkcs1.pem is not the key of certificate testdata/ec-cert.pem (CN=testdata-ec); name the two files that were made together", Config{Certificate: "testdata/ec-cert.pem", Key: "testdata/rsa-pkcs1.pem"}},
		{"no key", "key: missing although certificate is set; name the file with the certificate's private key", Config{Certificate: "testdata/ec-cert.pem"}},
		{"no certificate", "certificate: missing although key is set; name the file with the key's certificate", Config{Key: "testdata/ec.pem"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := tc.c.Load()
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error\n got: %s\nwant: %s...", err, tc.want)
			}
			var field interface{ Field() string }
			if !errors.As(err, &field) {
				t.Errorf("%T has no Field", err)
			}
		})
	}
}

func TestFileWithoutReadPermission(t *testing.T) {
	if os.Getuid() == 0 {
		// root reads everything; the text is built from the same error.
		err := classifyUnreadable("key", "/etc/ssl/private/key.pem", os.ErrPermission)
		checkError(t, err, "key: /etc/ssl/private/key.pem may not be read by this user; let its group read it or change its owner: permission denied")
		return
	}
	file := tlstest.File(t, filepath.Join(t.TempDir(), "key.pem"), []byte("x"))
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	_, err := (&Config{Certificate: "testdata/ec-cert.pem", Key: file}).Load()
	if err == nil || !strings.Contains(err.Error(), file+" may not be read by this user; let its group read it or change its owner") {
		t.Errorf("got %v", err)
	}
}

func TestWrongOptionValues(t *testing.T) {
	for _, tc := range []struct {
		want string
		c    Config
	}{
		{`verification_mode: unknown mode "ful"; use full, strict, certificate or none`, Config{VerificationMode: "ful"}},
		{`supported_protocols: unknown version "SSLv3"; use TLSv1, TLSv1.0, TLSv1.1, TLSv1.2, TLSv1.3`, Config{SupportedProtocols: []string{"SSLv3"}}},
		{`curve_types: unknown curve "P256"; use P-256, P-384, P-521, X25519, X25519MLKEM768`, Config{CurveTypes: []string{"P256"}}},
		{`renegotiation: unknown value "always"; use never, once or freely`, Config{Renegotiation: "always"}},
		{`ca_trusted_fingerprint: "abcd" is no hex SHA-256 (64 digits); make it with: openssl x509 -in cert.pem -noout -fingerprint -sha256`, Config{CATrustedFingerprint: "abcd"}},
		{`key_passphrase_path: set together with key_passphrase; keep one of the two`, Config{KeyPassphrase: "a", KeyPassphrasePath: "b"}},
		{`certificate_reload.reload_interval: -1s is negative; use 0s or more`, Config{CertificateReload: Reload{ReloadInterval: -time.Second}}},
		{`restart_on_cert_change.period: -1s is negative; use 0s or more`, Config{RestartOnCertChange: Restart{Period: -time.Second}}},
	} {
		checkError(t, tc.c.Validate(), tc.want)
	}
	off := false
	if err := (&Config{Enabled: &off, VerificationMode: "ful"}).Validate(); err != nil {
		t.Errorf("a section that is switched off is validated: %v", err)
	}
	if err := (&Config{CASha256: []string{"x"}}).Validate(); err == nil || !strings.HasPrefix(err.Error(), `ca_sha256: "x" is no base64 SHA-256 (44 characters); make it with: openssl`) {
		t.Errorf("got %v", err)
	}
	if err := (&Config{CipherSuites: []string{"NULL"}}).Validate(); err == nil || !strings.HasPrefix(err.Error(), `cipher_suites: unknown suite "NULL"; use ECDHE-ECDSA-`) {
		t.Errorf("got %v", err)
	}
	defaults := DefaultConfig()
	if err := defaults.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

// The names stand in Filebeat's documentation of ssl.cipher_suites.
func TestFilebeatsCipherNames(t *testing.T) {
	names := strings.Fields(`ECDHE-ECDSA-AES-128-CBC-SHA ECDHE-ECDSA-AES-128-CBC-SHA256 ECDHE-ECDSA-AES-128-GCM-SHA256
		ECDHE-ECDSA-AES-256-CBC-SHA ECDHE-ECDSA-AES-256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-ECDSA-RC4-128-SHA
		ECDHE-RSA-3DES-CBC3-SHA ECDHE-RSA-AES-128-CBC-SHA ECDHE-RSA-AES-128-CBC-SHA256 ECDHE-RSA-AES-128-GCM-SHA256
		ECDHE-RSA-AES-256-CBC-SHA ECDHE-RSA-AES-256-GCM-SHA384 ECDHE-RSA-CHACHA20-POLY1205 ECDHE-RSA-RC4-128-SHA
		RSA-3DES-CBC3-SHA RSA-AES-128-CBC-SHA RSA-AES-128-CBC-SHA256 RSA-AES-128-GCM-SHA256 RSA-AES-256-CBC-SHA
		RSA-AES-256-GCM-SHA384 RSA-RC4-128-SHA TLS-AES-128-GCM-SHA256 TLS-AES-256-GCM-SHA384 TLS-CHACHA20-POLY1305-SHA256`)
	if _, err := parseCipherSuites(names); err != nil {
		t.Error(err)
	}
}

func TestExpiredOwnCertificateAndCAAreWarnings(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	pair := ca.Issue(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 2, 3, 4, 5, 0, 0, time.UTC)
	}, "gateway-7")
	cert, key := pair.Files()
	l, err := (&Config{Certificate: cert, Key: key}).Load()
	if err != nil {
		t.Fatal(err)
	}
	want := "ssl.certificate: " + cert + ": CN=gateway-7 expired on 2021-02-03 04:05 UTC; replace it"
	if w := l.Warnings(); len(w) != 1 || w[0] != want {
		t.Errorf("warnings %q, want %q", w, want)
	}
}

func TestCertificateThatEndsSoon(t *testing.T) {
	ca := tlstest.NewCA(t, "Plant CA")
	day := 24 * time.Hour
	for _, c := range []struct {
		before, after time.Duration
		told          bool
	}{{9 * 365 * day, 29 * day, true}, {9 * 365 * day, 31 * day, false}, {20 * time.Hour, 4 * time.Hour, false}, {23 * time.Hour, time.Hour, true}} {
		pair := ca.Issue(func(x *x509.Certificate) {
			x.NotBefore, x.NotAfter = time.Now().Add(-c.before), time.Now().Add(c.after)
		}, "gateway-7")
		cert, key := pair.Files()
		l, err := (&Config{Certificate: cert, Key: key}).Load()
		if err != nil {
			t.Fatal(err)
		}
		if w := l.Warnings(); (len(w) == 1 && strings.Contains(w[0], "gateway-7 expires on ") && strings.Contains(w[0], "replace it before")) != c.told || !c.told && len(w) > 0 {
			t.Errorf("%v left of %v: warnings %q", c.after, c.before+c.after, w)
		}
		if !c.told {
			continue
		}
		var said []string
		l.OnWarning(func(text string) { said = append(said, text) })
		l.ClientConfig("a")
		if len(said) > 0 {
			t.Errorf("told again at once: %q", said)
		}
		l.dated, l.lastLook = l.dated.Add(-25*time.Hour), l.lastLook.Add(-25*time.Hour)
		l.ClientConfig("a")
		l.ClientConfig("a")
		if len(said) != 1 {
			t.Errorf("told on the next day: %q", said)
		}
	}
}

func TestWarningsOfOptions(t *testing.T) {
	for _, tc := range []struct {
		want string
		c    Config
	}{
		{"ssl.verification_mode: none: the server's certificate is not verified; anyone in between can read along and answer", Config{VerificationMode: "none"}},
		{"ssl.certificate_fingerprint: SHA-1 is weak; use the SHA-256 one: openssl x509 -in cert.pem -noout -fingerprint -sha256", Config{CertificateFingerprint: strings.Repeat("AB:", 19) + "ab"}},
	} {
		l, err := tc.c.Load()
		if err != nil {
			t.Fatal(err)
		}
		if w := l.Warnings(); len(w) != 1 || w[0] != tc.want {
			t.Errorf("warnings %q, want %q", w, tc.want)
		}
	}
}

// Any bytes as ssl.key give a key or an error, never a panic or a long wait.
func FuzzParseKey(f *testing.F) {
	for _, name := range []string{"pbes2-aes256.pem", "pbes2-3des-sha1.pem", "scrypt.pem", "pbes1.pem", "ec.pem"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		block, _ := pem.Decode(data)
		f.Add(block.Type, block.Bytes)
	}
	f.Fuzz(func(t *testing.T, kind string, der []byte) {
		key, err := parseKey(&pem.Block{Type: kind, Bytes: der}, "geheim")
		if (key == nil) == (err == nil) {
			t.Errorf("key %v, error %v", key, err)
		}
	})
}
