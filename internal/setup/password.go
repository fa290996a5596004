package setup

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

const (
	// passwordLength is that of a password made here, of letters and digits: 142
	// bits. It fits the 512 bytes that the ESP8266's sketch has for a CONNECT, and
	// needs no quoting anywhere.
	passwordLength = 24
	passwordSigns  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newPassword makes a password by chance. It is a secret.
func newPassword() string {
	password := make([]byte, 0, passwordLength)
	var random [2 * passwordLength]byte
	for {
		_, _ = rand.Read(random[:]) // never fails
		for _, b := range random {
			// Above the highest multiple of 62 some signs would come more often.
			if int(b) >= 256/len(passwordSigns)*len(passwordSigns) {
				continue
			}
			if password = append(password, passwordSigns[int(b)%len(passwordSigns)]); len(password) == passwordLength {
				return string(password)
			}
		}
	}
}

// Mosquitto's form of a password since 2.0, as mosquitto_passwd writes it:
// $7$ITERATIONS$SALT$HASH, the last two in base64.
const (
	hashKind  = "7" // PBKDF2 with HMAC-SHA512
	saltBytes = 12
	hashBytes = 64
	// hashIterations is mosquitto_passwd's number. More would make guessing
	// slower, but nobody guesses 142 bits, and a Pi checks them at each CONNECT.
	hashIterations = 101
	// maxIterations bounds what a file may make us compute.
	maxIterations = 10_000_000
)

// hashPassword makes what stands behind USER: in Mosquitto's password_file.
func hashPassword(password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	hash, err := pbkdf2.Key(sha512.New, password, salt, hashIterations, hashBytes)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("$%s$%d$%s$%s", hashKind, hashIterations, text(salt), text(hash)), nil
}

// passwordFits tells whether a hash of Mosquitto's password_file is that of the
// password. Hashes of other kinds fit none.
func passwordFits(hash, password string) bool {
	fields := strings.Split(hash, "$")
	if len(fields) != 5 || fields[0] != "" || fields[1] != hashKind {
		return false
	}
	iterations, err := strconv.Atoi(fields[2])
	if err != nil || iterations < 1 || iterations > maxIterations {
		return false
	}
	salt, saltErr := base64.StdEncoding.DecodeString(fields[3])
	want, hashErr := base64.StdEncoding.DecodeString(fields[4])
	if saltErr != nil || hashErr != nil || len(want) != hashBytes {
		return false
	}
	got, err := pbkdf2.Key(sha512.New, password, salt, iterations, hashBytes)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}
