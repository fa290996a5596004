// Package tlsconfig turns Filebeat's ssl.* options for clients into a
// *tls.Config, and TLS and dial errors into one line that says what to mend.
// The Logstash output and the MQTT recorder use it.
//
// # Nouns
//
// A Config holds the options as they stand in the configuration file. A
// source is what certificate, key or one certificate_authorities entry names:
// a file, or the PEM text itself (any value that contains "-----BEGIN"). A
// Loader has read all sources once and looks at the files again at each
// handshake. A pin is a hash that the server's certificate, or one of its CAs,
// must have.
//
// # What verification_mode means
//
//	full         The chain leads to a trusted CA, the certificate is within its
//	             dates, and it is made for the host that is dialled. A
//	             certificate without DNS names in its subjectAltName may carry
//	             the name as its common name, as in Filebeat. Default.
//	strict       As full, but a common name never counts.
//	certificate  As full without the comparison of names.
//	none         Nothing is verified: anyone between the two ends can read along.
//	             certificate_fingerprint still counts.
//
// The chain must allow server authentication (extended key usage), as in every
// TLS client. Trusted CAs are those of certificate_authorities or, when none
// is given, those of the system.
//
// # Pins
//
// ca_sha256 (Filebeat): at least one certificate of a verified chain has this
// base64 SHA-256 of its SubjectPublicKeyInfo. It narrows what is trusted.
//
// ca_trusted_fingerprint (Filebeat): a CA certificate that the server sends and
// that has this hex SHA-256 is trusted as if it stood in
// certificate_authorities. It widens what is trusted; when no certificate has
// it, the other CAs decide.
//
// certificate_fingerprint (ours): the server's own certificate has this hex
// SHA-256; colons and blanks don't matter. 40 hex digits are taken as SHA-1,
// with a warning, since sketches for the ESP8266 have those. Without any of
// certificate_authorities, ca_sha256 and ca_trusted_fingerprint, a match is all
// that is asked: chain, name and dates are then not looked at, so that a
// self-signed certificate needs no CA file. With one of them, both must hold.
//
// # Reloading
//
// At each handshake every file is compared with what was read (size,
// modification time, inode, device). When one differs, all are read anew; when
// that works they are used at once and remembered TLS sessions are dropped;
// when it doesn't, the old ones stay in use and one warning says why (again
// only after the files changed once more). A connection that is already open
// keeps the certificate that it was made with.
//
// TLS sessions are remembered per server name (at most 32), which saves the
// server's certificate and a signature on every reconnect. All checks above are
// made again on a resumed connection.
//
// # Known limits
//
// Encrypted keys: the legacy PEM form (DEK-Info header) and PKCS#8 with PBES2
// (PBKDF2; AES-CBC or 3DES-CBC). Not PBES1 and not scrypt; the error names the
// openssl command that converts such a key. Revocation lists and OCSP are not
// consulted. An own certificate that is expired, or not yet valid, is a warning
// and not an error: a gateway without a battery clock starts with a wrong date.
package tlsconfig
