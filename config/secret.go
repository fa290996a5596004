package config

import (
	"slices"
	"strings"
)

// secretWords are the last parts of names whose values are never shown.
var secretWords = []string{"password", "passphrase", "key_passphrase", "secret", "token", "api_key"}

// isSecret tells whether the value of an option must not be shown.
func isSecret(name string) bool {
	last := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	return slices.Contains(secretWords, last)
}
