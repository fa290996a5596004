package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// The form of the file; see the package's comment.
const (
	version    = "v1"
	saltLength = 64
	ivLength   = 12
	keyLength  = 32
	rounds     = 10000
	password   = ""
)

// ErrDamaged says that a file is no keystore, was cut short or changed, or is
// locked with a password, which Filebeat never sets.
var ErrDamaged = errors.New("is no readable keystore: it is damaged or locked with a password; restore it, or create it anew and add its keys again")

// secret is a value as the file holds it: JSON writes the bytes as base64.
type secret struct {
	Value []byte `json:"value"`
}

// gcm returns the cipher of a salt.
func gcm(salt []byte) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha512.New, password, salt, rounds, keyLength)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// encrypt makes the content of a file.
func encrypt(values map[string][]byte) ([]byte, error) {
	secrets := make(map[string]secret, len(values))
	for name, value := range values {
		secrets[name] = secret{value}
	}
	text, err := json.Marshal(secrets)
	if err != nil {
		return nil, err
	}
	head := make([]byte, saltLength+ivLength)
	if _, err := rand.Read(head); err != nil {
		return nil, err
	}
	c, err := gcm(head[:saltLength])
	if err != nil {
		return nil, err
	}
	sealed := c.Seal(head, head[saltLength:], text, nil)
	return base64.StdEncoding.AppendEncode([]byte(version), sealed), nil
}

// decrypt reads the content of a file. Every error is or wraps ErrDamaged, but
// for a version that is not ours.
func decrypt(data []byte) (map[string][]byte, error) {
	text, ok := bytes.CutPrefix(data, []byte(version))
	if !ok {
		if len(data) > 1 && data[0] == 'v' && data[1] >= '0' && data[1] <= '9' {
			return nil, fmt.Errorf("has the version %q, but only %s is known; create it anew and add its keys again", data[:2], version)
		}
		return nil, ErrDamaged
	}
	raw, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(raw) < saltLength+ivLength {
		return nil, ErrDamaged
	}
	c, err := gcm(raw[:saltLength])
	if err != nil {
		return nil, err
	}
	plain, err := c.Open(nil, raw[saltLength:saltLength+ivLength], raw[saltLength+ivLength:], nil)
	if err != nil {
		return nil, ErrDamaged
	}
	return parse(plain)
}

// parse reads the JSON object inside.
func parse(plain []byte) (map[string][]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(plain, &members); err != nil {
		return nil, ErrDamaged
	}
	values := make(map[string][]byte, len(members))
	for name, member := range members {
		var s secret
		var text string
		switch {
		case json.Unmarshal(member, &s) == nil:
			values[name] = s.Value
		case json.Unmarshal(member, &text) == nil:
			values[name] = []byte(text)
		default:
			return nil, ErrDamaged
		}
	}
	return values, nil
}
