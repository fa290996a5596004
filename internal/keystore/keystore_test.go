package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSecretsSurviveAReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "filebeat.keystore")
	s, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"ES_PWD": "open sesame", "b.c": "", "a": "\x00\xff ü ${x}"} {
		if err := s.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set("ES_PWD", "changed"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("b.c"); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.List(); !slices.Equal(got, []string{"ES_PWD", "a"}) || again.Path() != path {
		t.Errorf("list %q of %s", got, again.Path())
	}
	for name, want := range map[string]string{"ES_PWD": "changed", "a": "\x00\xff ü ${x}"} {
		if got, ok := again.Get(name); !ok || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, ok, want)
		}
	}
	if _, ok := again.Get("b.c"); ok {
		t.Error("a removed key is there")
	}
	if err := again.Remove("b.c"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing it twice: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(data), "changed") || !strings.HasPrefix(string(data), "v1") {
		t.Errorf("file %s, %v", data, err)
	}
}

// derive is PBKDF2 with HMAC-SHA512, written from RFC 8018, for one block.
func derive(salt []byte) []byte {
	mac := hmac.New(sha512.New, nil)
	mac.Write(salt)
	mac.Write(binary.BigEndian.AppendUint32(nil, 1))
	u := mac.Sum(nil)
	key := slices.Clone(u)
	for range rounds - 1 {
		mac.Reset()
		mac.Write(u)
		u = mac.Sum(u[:0])
		for i := range key {
			key[i] ^= u[i]
		}
	}
	return key[:keyLength]
}

// foreign makes a file with the standard library's primitives alone, as the
// package's comment describes it.
func foreign(t *testing.T, plain string) []byte {
	t.Helper()
	salt, iv := make([]byte, saltLength), make([]byte, ivLength)
	for i := range salt {
		salt[i] = byte(i * 7)
	}
	block, err := aes.NewCipher(derive(salt))
	if err != nil {
		t.Fatal(err)
	}
	c, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	raw := append(append(slices.Clone(salt), iv...), c.Seal(nil, iv, []byte(plain), nil)...)
	return []byte("v1" + base64.StdEncoding.EncodeToString(raw))
}

func TestFileOfTheDocumentedFormIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	plain := `{"PW":{"value":"aHVudGVyMg=="},"EMPTY":{"value":""},"PLAIN":"text"}` + "\n"
	if err := os.WriteFile(path, foreign(t, plain), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"PW": "hunter2", "EMPTY": "", "PLAIN": "text"} {
		if got, ok := s.Get(name); !ok || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, ok, want)
		}
	}
	for _, plain := range []string{"", "[1]", `{"a":[1]}`, `{"a":{"value":"%"}}`} {
		if _, err := decrypt(foreign(t, plain)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", plain, err)
		}
	}
}

func TestFilesThatAreNoKeystore(t *testing.T) {
	dir := t.TempDir()
	good := foreign(t, `{"PW":{"value":"aHVudGVyMg=="}}`)
	changed := slices.Clone(good)
	changed[len(changed)-10] ^= 1
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":   {nil, "is no readable keystore"},
		"text":    {[]byte("password: x\n"), "is no readable keystore"},
		"short":   {good[:60], "is no readable keystore"},
		"cut":     {good[:len(good)-8], "is no readable keystore"},
		"changed": {changed, "is no readable keystore"},
		"newer":   {append([]byte("v2"), good[2:]...), `has the version "v2", but only v1 is known`},
		"large":   {make([]byte, maxFile+1), "this is no keystore"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("folder: %v", err)
	}
}

func TestKeystoreThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	if _, err := Create(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o610} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%s: the keystore can only be readable and writable by its owner, but its mode is %04o; run chmod go-rwx %s", path, mode, path)
		if _, err := Open(path); err == nil || err.Error() != want {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

func TestNamesThatNothingCanReferTo(t *testing.T) {
	s, err := Create(filepath.Join(t.TempDir(), "k"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "a b", "a:b", "${a}", "a\n"} {
		if err := s.Set(name, "x"); err == nil || !strings.Contains(err.Error(), "can't be the name of a key") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := s.Set("large", strings.Repeat("x", maxFile)); err == nil || !strings.Contains(err.Error(), "keep files as files") {
		t.Errorf("large: %v", err)
	}
	if len(s.List()) > 0 {
		t.Errorf("refused secrets are there: %q", s.List())
	}
}

func TestKeystoreThatCanNotBeWrittenStaysAsItWas(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Create(filepath.Join(dir, "k"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Set("a", "1"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Set("a", "2"); err == nil {
		t.Error("written without a folder")
	}
	if err := s.Remove("a"); err == nil {
		t.Error("removed without a folder")
	}
	if got, _ := s.Get("a"); got != "1" {
		t.Errorf("a is %q", got)
	}
	if Exists(s.Path()) {
		t.Error("a missing file exists")
	}
}

func FuzzOpen(f *testing.F) {
	for _, seed := range []string{"", "v1", "v2x", "v1" + strings.Repeat("A", 200), "v1===", "password"} {
		f.Add([]byte(seed), []byte(`{"a":{"value":"eA=="}}`))
	}
	f.Fuzz(func(t *testing.T, data, plain []byte) {
		if len(data) < 120 { // the key is slow to derive
			if values, err := decrypt(data); err == nil {
				t.Errorf("%q gives %v", data, values)
			}
		}
		if values, err := parse(plain); (values == nil) == (err == nil) {
			t.Errorf("%q gives %v and %v", plain, values, err)
		}
	})
}
