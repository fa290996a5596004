// Package keystore reads and writes Filebeat's keystore: one small encrypted
// file with the secrets that a configuration refers to as ${NAME}. A keystore
// that Filebeat made can be used as it is, and the other way round.
//
// # What it protects
//
// The password is empty, as in Filebeat, so whoever can read the file can read
// the secrets. What it gives: the configuration can be shown and shared, and
// only the owner of this one file, mode 0600, has the secrets. A file that
// group or others may read or write is refused.
//
// # The file
//
//	v1                      2 bytes of text, the version
//	base64 (RFC 4648, with padding) of
//	  salt                  64 random bytes
//	  iv                    12 random bytes
//	  ciphertext            AES-256-GCM, its tag of 16 bytes at the end
//
// The key is PBKDF2 with HMAC-SHA512 of password and salt, 10000 rounds, 32
// bytes. The plain text is one JSON object
//
//	{"NAME":{"value":"base64 of the secret's bytes"}, …}
//
// Version, encryption and lengths are those of Filebeat's documented "v1"
// keystore and have not changed since 6.0. The reader takes a plain text
// instead of the inner object too.
//
// # Changes
//
// Set and Remove write the whole file anew beside the old one and rename it:
// after a power cut there is the old or the new one. Two processes that change
// a keystore at the same time don't see each other; the last one wins.
package keystore
