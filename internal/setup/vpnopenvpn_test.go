package setup

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/tlsconfig/tlstest"
)

func vpnClient(t *testing.T) OpenVPNClient {
	t.Helper()
	ca := tlstest.NewCA(t, "plant CA")
	pair := ca.Issue(nil, "gateway1")
	return OpenVPNClient{Remote: "vpn.example.com", ServerName: "logstash", CA: ca.PEM, Cert: pair.CertPEM, Key: pair.KeyPEM, TLSCrypt: NewTLSCryptKey()}
}

func TestOpenVPNProfileHoldsItsKeysAndOnlyThem(t *testing.T) {
	c := vpnClient(t)
	plain, err := OpenVPNProfile(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"remote vpn.example.com 1194 udp\n", "verify-x509-name \"logstash\" name\n", "pull-filter ignore redirect-gateway\n",
		"<ca>\n" + string(c.CA) + "</ca>\n", "<cert>\n" + string(c.Cert) + "</cert>\n", "<key>\n" + string(c.Key) + "</key>\n",
		"<tls-crypt>\n" + string(c.TLSCrypt) + "</tls-crypt>\n"} {
		if !strings.Contains(string(plain), want) {
			t.Errorf("the profile lacks %q", want)
		}
	}
	for line := range strings.Lines(string(plain)) {
		if strings.HasPrefix(line, "user ") || strings.HasPrefix(line, "group ") {
			t.Errorf("%q can't work in sluice-vpn.service", line)
		}
	}
	// Text around a block could be options of OpenVPN.
	c.CA = append([]byte("up /bin/sh\n"), append(c.CA, "</ca>\nscript-security 2\n"...)...)
	c.TLSCrypt = append([]byte("# 2048 bit\r\n"), bytes.ReplaceAll(c.TLSCrypt, []byte("\n"), []byte("\r\n"))...)
	if dressed, err := OpenVPNProfile(c); err != nil || !bytes.Equal(dressed, plain) {
		t.Errorf("with text around the blocks: %v\n%s", err, dressed)
	}
}

// The real program knows every option of the profile. That it connects is tested in deploy/vpn.
func TestOpenVPNTakesTheProfile(t *testing.T) {
	openvpn := vpnTool(t, "openvpn")
	profile, err := OpenVPNProfile(vpnClient(t))
	if err != nil {
		t.Fatal(err)
	}
	// It ends at the management socket, before the network is touched.
	said := func(profile []byte) string {
		file := tlstest.File(t, filepath.Join(t.TempDir(), "client.ovpn"), profile)
		out, _ := exec.Command(openvpn, "--config", file, "--dev", "null", "--remote", "192.0.2.1", "--management", "/nonexistent/socket", "unix").CombinedOutput()
		return string(out)
	}
	if out := said(profile); !strings.Contains(out, "MANAGEMENT") || strings.Contains(out, "Options error") {
		t.Errorf("openvpn said: %s", out)
	}
	if out := said(append([]byte("no-such-option\n"), profile...)); !strings.Contains(out, "Unrecognized option") {
		t.Errorf("the check is blind; openvpn said: %s", out)
	}
}

func TestOpenVPNProfileRefusesWhatWouldNotConnect(t *testing.T) {
	other := tlstest.NewCA(t, "another CA")
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	foreign, _ := x509.MarshalPKCS8PrivateKey(ec)
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	for name, c := range map[string]struct {
		change func(*OpenVPNClient)
		want   string
	}{
		"no remote":               {func(c *OpenVPNClient) { c.Remote = "" }, "remote: empty"},
		"remote of two words":     {func(c *OpenVPNClient) { c.Remote = "a 1194 tcp" }, "neither a host name"},
		"remote of two lines":     {func(c *OpenVPNClient) { c.Remote = "a\nup /bin/sh" }, "neither a host name"},
		"IPv6 with a zone":        {func(c *OpenVPNClient) { c.Remote = "fe80::1%eth0" }, "neither a host name"},
		"port":                    {func(c *OpenVPNClient) { c.Port = 65536 }, "port 65536"},
		"no server name":          {func(c *OpenVPNClient) { c.ServerName = "" }, "server name"},
		"server name with quotes": {func(c *OpenVPNClient) { c.ServerName = `a" name` + "\nup x" }, "server name"},
		"empty CA":                {func(c *OpenVPNClient) { c.CA = nil }, "CA has no certificate"},
		"key in CA":               {func(c *OpenVPNClient) { c.CA = c.Key }, `CA has a block "PRIVATE KEY"`},
		"broken CA":               {func(c *OpenVPNClient) { c.CA = block("CERTIFICATE", []byte{1}) }, "CA: certificate 1"},
		"CA that is none":         {func(c *OpenVPNClient) { c.CA = c.Cert }, "not one of a CA"},
		"empty certificate":       {func(c *OpenVPNClient) { c.Cert = []byte("x") }, "certificate has no certificate"},
		"another CA":              {func(c *OpenVPNClient) { c.CA = other.PEM }, "certificate (gateway1): x509: certificate signed by unknown authority"},
		"no key":                  {func(c *OpenVPNClient) { c.Key = nil }, "key is not PEM"},
		"another key":             {func(c *OpenVPNClient) { c.Key = block("PRIVATE KEY", foreign) }, "key does not belong to the certificate (gateway1)"},
		"key with a passphrase":   {func(c *OpenVPNClient) { c.Key = block("ENCRYPTED PRIVATE KEY", foreign) }, "not a private key without a passphrase"},
		"old passphrase": {func(c *OpenVPNClient) {
			c.Key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: foreign})
		}, "not a private key without a passphrase"},
		"broken key":        {func(c *OpenVPNClient) { c.Key = block("PRIVATE KEY", []byte{1}) }, "key (PRIVATE KEY)"},
		"no shared key":     {func(c *OpenVPNClient) { c.TLSCrypt = nil }, "tls-crypt key is not the file"},
		"short shared key":  {func(c *OpenVPNClient) { c.TLSCrypt = encodeTLSCrypt(make([]byte, 128)) }, "must hold 256 bytes"},
		"broken shared key": {func(c *OpenVPNClient) { c.TLSCrypt = bytes.Replace(c.TLSCrypt, []byte("\n"), []byte("\nzz"), 1) }, "damaged"},
	} {
		client := vpnClient(t)
		c.change(&client)
		profile, err := OpenVPNProfile(client)
		if err == nil || !strings.Contains(err.Error(), c.want) || profile != nil {
			t.Errorf("%s: %v, not %q", name, err, c.want)
		}
	}
}

func TestOpenVPNProfileRefusesUnfitCertificates(t *testing.T) {
	ca := tlstest.NewCA(t, "plant CA")
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"expired":     {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "expired"},
		"for servers": {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "incompatible key usage"},
		"for all":     {func(c *x509.Certificate) { c.ExtKeyUsage = nil }, "clientAuth"},
		"no usage":    {func(c *x509.Certificate) { c.KeyUsage = 0 }, "digitalSignature"},
		"bad name":    {func(c *x509.Certificate) { c.Subject.CommonName = "../DEFAULT" }, "common name"},
	} {
		pair := ca.Issue(c.change, "gateway1")
		client := vpnClient(t)
		client.CA, client.Cert, client.Key = ca.PEM, pair.CertPEM, pair.KeyPEM
		if _, err := OpenVPNProfile(client); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, not %q", name, err, c.want)
		}
	}
}

// Keys of openssl's older forms are taken, and written as PKCS#8.
func TestOpenVPNProfileTakesOlderKeys(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: x509Serial, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	template.Subject.CommonName = "gateway1"
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c := vpnClient(t)
	c.Cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.CA = c.Cert
	c.Key = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	profile, err := OpenVPNProfile(c)
	if err != nil || !bytes.Contains(profile, []byte("<key>\n-----BEGIN PRIVATE KEY-----")) {
		t.Errorf("%v\n%s", err, profile)
	}
}

// openvpn takes a key of ours, and we one of openvpn's.
func TestTLSCryptKeyIsOpenVPNs(t *testing.T) {
	openvpn := vpnTool(t, "openvpn")
	file := filepath.Join(t.TempDir(), "tc.key")
	if out, err := exec.Command(openvpn, "--genkey", "tls-crypt", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	theirs, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := tlsCryptKey(theirs)
	if err != nil || !bytes.Contains(theirs, ours) {
		t.Errorf("%v: %q of %q", err, ours, theirs)
	}
	if a, b := NewTLSCryptKey(), NewTLSCryptKey(); bytes.Equal(a, b) || len(a) != len(ours) {
		t.Errorf("two keys are equal, or not as long as openvpn's: %d and %d bytes", len(a), len(ours))
	}
}

func FuzzOpenVPNProfile(f *testing.F) {
	f.Add([]byte(tlsCryptBegin+"\n00\n"+tlsCryptEnd), []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"), "host")
	f.Fuzz(func(t *testing.T, key, certs []byte, host string) {
		if _, err := tlsCryptKey(key); err == nil && len(key) < 2*tlsCryptBytes {
			t.Errorf("%q is a key", key)
		}
		_, _ = parseCertificates("CA", certs)
		if checkHost(host) == nil && strings.ContainsAny(host, " \t\r\n\"'#;\\") {
			t.Errorf("%q is a host", host)
		}
	})
}
