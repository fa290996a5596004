package tlsconfig

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// maxIterations bounds the work of one passphrase: a few seconds on a Pi Zero.
const maxIterations = 2_000_000

// The object identifiers of RFC 8018 (PKCS #5 v2.1) and NIST's AES.
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}

	prfs = map[string]func() hash.Hash{
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.8":  sha256.New224,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
	}
	ciphers = map[string]struct {
		keyLen int
		block  func(key []byte) (cipher.Block, error)
	}{
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	}
)

// encryptedKey is EncryptedPrivateKeyInfo (RFC 5958, section 3).
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// pbes2Params is PBES2-params (RFC 8018, A.4).
type pbes2Params struct {
	KDF    pkix.AlgorithmIdentifier
	Cipher pkix.AlgorithmIdentifier
}

// pbkdf2Params is PBKDF2-params (RFC 8018, A.2) with the salt given outright.
type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

var errKeyForm = errors.New("the encrypted key is damaged; make the file anew")

// errConvert names the way out for keys in a form that we don't decrypt.
func errConvert(form string) error {
	return fmt.Errorf("the key is encrypted with %s, which is not supported; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out FILE.pem", form)
}

// decryptPKCS8 returns the PKCS#8 key inside an ENCRYPTED PRIVATE KEY block.
func decryptPKCS8(der, passphrase []byte) ([]byte, error) {
	var info encryptedKey
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, errKeyForm
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errConvert("PBES1 (algorithm " + info.Algorithm.Algorithm.String() + ")")
	}
	var params pbes2Params
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, errKeyForm
	}
	c, ok := ciphers[params.Cipher.Algorithm.String()]
	if !ok {
		return nil, errConvert("cipher " + params.Cipher.Algorithm.String())
	}
	key, err := deriveKey(params.KDF, passphrase, c.keyLen)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if _, err := asn1.Unmarshal(params.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, errKeyForm
	}
	block, err := c.block(key)
	if err != nil {
		return nil, fmt.Errorf("prepare the key's cipher: %w", err)
	}
	return decryptCBC(block, iv, info.Data)
}

func deriveKey(kdf pkix.AlgorithmIdentifier, passphrase []byte, keyLen int) ([]byte, error) {
	if kdf.Algorithm.Equal(oidScrypt) {
		return nil, errConvert("scrypt")
	}
	if !kdf.Algorithm.Equal(oidPBKDF2) {
		return nil, errConvert("key derivation " + kdf.Algorithm.String())
	}
	var p pbkdf2Params
	if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil {
		return nil, errKeyForm
	}
	if p.Iterations < 1 || p.Iterations > maxIterations {
		return nil, fmt.Errorf("the key asks for %d PBKDF2 iterations, allowed are 1 to %d; make the file anew", p.Iterations, maxIterations)
	}
	prf := sha1.New // the default of RFC 8018
	if len(p.PRF.Algorithm) > 0 {
		var ok bool
		if prf, ok = prfs[p.PRF.Algorithm.String()]; !ok {
			return nil, errConvert("PBKDF2 hash " + p.PRF.Algorithm.String())
		}
	}
	key, err := pbkdf2.Key(prf, string(passphrase), p.Salt, p.Iterations, keyLen)
	if err != nil {
		return nil, fmt.Errorf("derive the key's key: %w", err)
	}
	return key, nil
}

// decryptCBC decrypts data and takes off the PKCS#7 padding, whose form is the
// only hint at a wrong passphrase that there is.
func decryptCBC(block cipher.Block, iv, data []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errKeyForm
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > size || !bytes.Equal(out[len(out)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errWrongPassphrase
	}
	out = out[:len(out)-pad]
	if len(out) == 0 || out[0] != 0x30 {
		return nil, errWrongPassphrase
	}
	return out, nil
}
