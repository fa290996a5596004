package tlsconfig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
)

// loadKey reads the option key and returns the first private key in it.
func loadKey(c *Config) (crypto.Signer, error) {
	data, err := readSource("key", c.Key)
	if err != nil {
		return nil, err
	}
	passphrase, err := readPassphrase(c)
	if err != nil {
		return nil, err
	}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		key, err := parseKey(block, passphrase)
		if err != nil {
			return nil, fieldErrorf("key", "%s: %w", place(c.Key), err)
		}
		return key, nil
	}
	if len(data) > 0 && data[0] == 0x30 {
		return nil, fieldErrorf("key", "%s is in DER form, not PEM; convert it with: openssl pkey -inform der -in FILE -out FILE.pem", place(c.Key))
	}
	return nil, fieldErrorf("key", "%s holds no PEM private key (-----BEGIN PRIVATE KEY-----); are certificate and key mixed up?", place(c.Key))
}

func readPassphrase(c *Config) (string, error) {
	if c.KeyPassphrasePath == "" {
		return c.KeyPassphrase, nil
	}
	data, err := readSource("key_passphrase_path", c.KeyPassphrasePath)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

var (
	errNeedsPassphrase = errors.New("the key is encrypted; set key_passphrase")
	errWrongPassphrase = errors.New("the key can't be decrypted; correct key_passphrase")
)

// parseKey decodes one PRIVATE KEY block of any of the usual forms.
func parseKey(block *pem.Block, passphrase string) (crypto.Signer, error) {
	der := block.Bytes
	switch {
	case strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		if passphrase == "" {
			return nil, errNeedsPassphrase
		}
		var err error
		// The form is insecure by design (it has no integrity check), but old
		// installations have such files and Filebeat reads them.
		der, err = x509.DecryptPEMBlock(block, []byte(passphrase)) //nolint:staticcheck // see above
		if err != nil {
			return nil, errWrongPassphrase
		}
	case block.Type == "ENCRYPTED PRIVATE KEY":
		if passphrase == "" {
			return nil, errNeedsPassphrase
		}
		var err error
		if der, err = decryptPKCS8(der, []byte(passphrase)); err != nil {
			return nil, err
		}
	}
	key, err := parseKeyDER(der)
	if err != nil && len(block.Headers) > 0 {
		return nil, errWrongPassphrase
	}
	return key, err
}

// parseKeyDER tries PKCS#8, PKCS#1 and SEC 1 (EC) in turn, whatever the
// block's type says: tools disagree about it.
func parseKeyDER(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, errors.New("this kind of key can't sign; use an RSA, ECDSA or Ed25519 key")
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, errors.New("the private key can't be parsed as PKCS#8, PKCS#1 or EC; convert it with: openssl pkcs8 -topk8 -nocrypt -in FILE -out FILE.pem")
	}
	return key, nil
}

// publicEqual tells whether key belongs to cert.
func publicEqual(key crypto.Signer, cert *x509.Certificate) bool {
	switch pub := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return pub.Equal(key.Public())
	case *ecdsa.PublicKey:
		return pub.Equal(key.Public())
	case ed25519.PublicKey:
		return pub.Equal(key.Public())
	}
	return false
}
