package pki

import (
	"bytes"
	"encoding/pem"
	"slices"
	"testing"
)

func bundle(t *testing.T) (*Authority, *Bundle) {
	t.Helper()
	a := folder(t)
	p := issue(t, a, Request{Name: "gw", Use: Client})
	return a, &Bundle{Pair: *p, CA: a.Cert}
}

func encoded(t *testing.T, b *Bundle) []byte {
	t.Helper()
	content, err := b.Encode()
	must(t, err)
	return content
}

func TestBundleComesBack(t *testing.T) {
	a, b := bundle(t)
	for _, revoke := range []bool{false, true} {
		if revoke {
			_, err := a.Revoke()
			must(t, err)
			b.CRL = a.CRL
		}
		got, err := ParseBundle("f", encoded(t, b))
		must(t, err)
		if got.Name != "gw" || !got.Cert.Equal(b.Cert) || !got.CA.Equal(b.CA) || !Matches(got.Key, b.Cert) || (got.CRL != nil) != revoke {
			t.Errorf("another bundle came back: %+v", got)
		}
		if !bytes.Equal(got.CRLPEM(), b.CRLPEM()) || !bytes.Equal(encoded(t, got), encoded(t, b)) {
			t.Error("the bundle is encoded otherwise")
		}
	}
	key, err := b.KeyPEM()
	must(t, err)
	if _, err := ParseBundle("f", slices.Concat(key, b.CertPEM(), b.CAPEM())); err != nil {
		t.Errorf("in another order, without words: %v", err)
	}
}

func TestBundlesThatAreRefused(t *testing.T) {
	a, b := bundle(t)
	key, err := b.KeyPEM()
	must(t, err)
	ca, cert := b.CAPEM(), b.CertPEM()
	other := folder(t)
	stranger := issue(t, a, Request{Name: "stranger", Use: Client})
	strangerKey, err := stranger.KeyPEM()
	must(t, err)
	list, err := other.Revoke()
	must(t, err)
	all := slices.Concat(ca, cert, key)
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":                 {nil, "no certificate of an authority"},
		"text":                  {[]byte("hello"), "no certificate of an authority"},
		"no authority":          {slices.Concat(cert, key), "no certificate of an authority"},
		"only the authority":    {slices.Concat(ca, key), "beside the authority's"},
		"no key":                {slices.Concat(ca, cert), "no private key"},
		"two certificates":      {slices.Concat(all, stranger.CertPEM()), "second CERTIFICATE"},
		"two authorities":       {slices.Concat(all, ca), "second CERTIFICATE"},
		"two keys":              {slices.Concat(all, key), "second PRIVATE KEY"},
		"another's key":         {slices.Concat(ca, cert, strangerKey), "belong together"},
		"another authority":     {slices.Concat(other.CertPEM(), cert, key), "another authority"},
		"another's list":        {slices.Concat(all, list), "not signed by the authority"},
		"cut off":               {all[:len(all)-10], "cut off"},
		"cut off in the middle": {slices.Concat(ca[:200], cert, key), "block 1 is cut off"},
		"something else":        {slices.Concat(all, pem.EncodeToMemory(&pem.Block{Type: "DH PARAMETERS", Bytes: []byte{1}})), "DH PARAMETERS"},
	} {
		_, err := ParseBundle("f.pem", c.content)
		t.Run(name, func(t *testing.T) { wantError(t, err, "f.pem", c.want) })
	}
}

// A bundle of foreign bytes is an error, or can be encoded and read again.
func FuzzParseBundle(f *testing.F) {
	a, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	certPEM, keyPEM, err := a.Issue(Request{Name: "gw", Use: Client})
	if err != nil {
		f.Fatal(err)
	}
	list, err := a.Revoke()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(slices.Concat(a.CertPEM(), certPEM, keyPEM, list))
	f.Add(slices.Concat(a.CertPEM(), certPEM))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----BEGIN "))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ParseBundle("f", data)
		if err != nil {
			return
		}
		content, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseBundle("f", content)
		if err != nil || again.Name != b.Name || !again.Cert.Equal(b.Cert) {
			t.Fatalf("what was read can't be read again: %v", err)
		}
	})
}
