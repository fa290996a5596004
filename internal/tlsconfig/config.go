package tlsconfig

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Config holds Filebeat's ssl.* options for a client. The zero value is usable
// and means the defaults.
type Config struct {
	// Use TLS. Default true when the section ssl is present. Filebeat: ssl.enabled.
	Enabled *bool `config:"enabled"`
	// CA certificates that the server's certificate may lead to: files, or PEM
	// text. Default: those of the system. Filebeat: ssl.certificate_authorities.
	CertificateAuthorities []string `config:"certificate_authorities"`
	// Our own certificate, followed by its intermediates: a file, or PEM text.
	// Default none. Filebeat: ssl.certificate.
	Certificate string `config:"certificate"`
	// Private key of certificate, PKCS#8, PKCS#1 or EC: a file, or PEM text.
	// Filebeat: ssl.key.
	Key string `config:"key"`
	// Passphrase of an encrypted key. Filebeat: ssl.key_passphrase.
	KeyPassphrase string `config:"key_passphrase"`
	// File whose content, without the newline at its end, is the passphrase.
	// Filebeat: ssl.key_passphrase_path.
	KeyPassphrasePath string `config:"key_passphrase_path"`
	// full, strict, certificate or none; see the package documentation. Default
	// full. Filebeat: ssl.verification_mode.
	VerificationMode string `config:"verification_mode"`
	// TLSv1.0, TLSv1.1, TLSv1.2, TLSv1.3: the lowest and the highest one named
	// are the limits. Default TLSv1.2 and TLSv1.3. Filebeat: ssl.supported_protocols.
	SupportedProtocols []string `config:"supported_protocols"`
	// Cipher suites of TLS 1.2 and older by Filebeat's names, such as
	// ECDHE-ECDSA-AES-128-GCM-SHA256. Those of TLS 1.3 are always all on.
	// Default: Go's safe ones. Filebeat: ssl.cipher_suites.
	CipherSuites []string `config:"cipher_suites"`
	// P-256, P-384, P-521, X25519, X25519MLKEM768. Default: Go's choice.
	// Filebeat: ssl.curve_types.
	CurveTypes []string `config:"curve_types"`
	// Base64 SHA-256 of the SubjectPublicKeyInfo of a certificate that must be in
	// the verified chain; one of the list suffices. Filebeat: ssl.ca_sha256.
	CASha256 []string `config:"ca_sha256"`
	// Hex SHA-256 of a CA certificate that is trusted when the server sends it.
	// Filebeat: ssl.ca_trusted_fingerprint.
	CATrustedFingerprint string `config:"ca_trusted_fingerprint"`
	// Hex SHA-256 (or, with a warning, SHA-1) of the server's own certificate;
	// colons and blanks are ignored. Ours, not Filebeat's.
	CertificateFingerprint string `config:"certificate_fingerprint"`
	// never, once or freely: may the server renegotiate (TLS 1.2 and older).
	// Default never. Filebeat: ssl.renegotiation.
	Renegotiation string `config:"renegotiation"`
	// Reading changed certificate files anew. Filebeat 9.5: ssl.certificate_reload.
	CertificateReload Reload `config:"certificate_reload"`
	// Filebeat's older way to the same end; no restart is needed here.
	RestartOnCertChange Restart `config:"restart_on_cert_change"`
}

// Reload holds ssl.certificate_reload.*.
type Reload struct {
	// Look at the certificate files again at each handshake. Default true.
	Enabled *bool `config:"enabled"`
	// Least time between two looks. Default 0s: at every handshake.
	ReloadInterval time.Duration `config:"reload_interval"`
}

// Restart holds ssl.restart_on_cert_change.*.
type Restart struct {
	// true switches reloading on even if certificate_reload.enabled is false.
	// Default false.
	Enabled bool `config:"enabled"`
	// Least time between two looks, when certificate_reload.reload_interval is
	// not set. Default 0s.
	Period time.Duration `config:"period"`
}

// DefaultConfig returns the options as they are when none is given.
func DefaultConfig() Config {
	return Config{
		VerificationMode:   "full",
		SupportedProtocols: []string{"TLSv1.2", "TLSv1.3"},
		Renegotiation:      "never",
	}
}

// IsEnabled tells whether TLS is to be used: the section exists and is not
// switched off.
func (c *Config) IsEnabled() bool {
	return c != nil && (c.Enabled == nil || *c.Enabled)
}

// FieldError is an error of one option. Its text begins with the option's name.
type FieldError struct {
	field string
	err   error
}

func fieldErrorf(field, format string, args ...any) *FieldError {
	return &FieldError{field: field, err: fmt.Errorf(format, args...)}
}

// Error returns "option: what is wrong; mend".
func (e *FieldError) Error() string { return e.field + ": " + e.err.Error() }

// Field returns the option's dotted name relative to the section ssl.
func (e *FieldError) Field() string { return e.field }

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.err }

// InSection puts "ssl." in front of the options that an error of Validate or Load
// names, for the section that holds ssl.
func InSection(err error) error {
	if err == nil {
		return nil
	}
	parts := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		parts = joined.Unwrap()
	}
	errs := make([]error, len(parts))
	for i, part := range parts {
		var field *FieldError
		if errors.As(part, &field) {
			errs[i] = &FieldError{field: "ssl." + field.field, err: field.err}
		} else {
			errs[i] = &FieldError{field: "ssl", err: part}
		}
	}
	return errors.Join(errs...)
}

// Validate checks all options without reading any file. Each part of the
// joined error is a *FieldError.
func (c *Config) Validate() error {
	if !c.IsEnabled() {
		return nil
	}
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	_, err := parseMode(c.VerificationMode)
	add(err)
	_, err = parseRenegotiation(c.Renegotiation)
	add(err)
	_, _, err = parseVersions(c.SupportedProtocols)
	add(err)
	_, err = parseCipherSuites(c.CipherSuites)
	add(err)
	_, err = parseCurves(c.CurveTypes)
	add(err)
	_, err = parsePins(c)
	add(err)
	add(c.validatePair())
	for i, ca := range c.CertificateAuthorities {
		if strings.TrimSpace(ca) == "" {
			add(fieldErrorf("certificate_authorities", "entry %d is empty; give a file or PEM text", i+1))
		}
	}
	if c.CertificateReload.ReloadInterval < 0 {
		add(fieldErrorf("certificate_reload.reload_interval", "%v is negative; use 0s or more", c.CertificateReload.ReloadInterval))
	}
	if c.RestartOnCertChange.Period < 0 {
		add(fieldErrorf("restart_on_cert_change.period", "%v is negative; use 0s or more", c.RestartOnCertChange.Period))
	}
	return errors.Join(errs...)
}

func (c *Config) validatePair() error {
	switch {
	case c.Certificate != "" && c.Key == "":
		return fieldErrorf("key", "missing although certificate is set; name the file with the certificate's private key")
	case c.Certificate == "" && c.Key != "":
		return fieldErrorf("certificate", "missing although key is set; name the file with the key's certificate")
	case c.KeyPassphrase != "" && c.KeyPassphrasePath != "":
		return fieldErrorf("key_passphrase_path", "set together with key_passphrase; keep one of the two")
	}
	return nil
}

// reloadEvery tells whether files are looked at again, and how often at most.
func (c *Config) reloadEvery() (time.Duration, bool) {
	on := c.CertificateReload.Enabled == nil || *c.CertificateReload.Enabled || c.RestartOnCertChange.Enabled
	every := c.CertificateReload.ReloadInterval
	if every == 0 && c.RestartOnCertChange.Enabled {
		every = c.RestartOnCertChange.Period
	}
	return every, on
}

// pins are the decoded hashes of a Config.
type pins struct {
	caSPKI   [][32]byte // ca_sha256
	trustCA  []byte     // ca_trusted_fingerprint, 32 bytes or nil
	leaf     []byte     // certificate_fingerprint, 32 or 20 bytes or nil
	leafOnly bool       // the leaf's pin replaces the chain's verification
}

func parsePins(c *Config) (pins, error) {
	var p pins
	for _, s := range c.CASha256 {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
		if err != nil || len(raw) != 32 {
			return p, fieldErrorf("ca_sha256", "%q is no base64 SHA-256 (44 characters); make it with: "+
				"openssl x509 -in ca.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64", s)
		}
		p.caSPKI = append(p.caSPKI, [32]byte(raw))
	}
	var err error
	if p.trustCA, err = parseHex("ca_trusted_fingerprint", c.CATrustedFingerprint, 32); err != nil {
		return p, err
	}
	if p.leaf, err = parseHex("certificate_fingerprint", c.CertificateFingerprint, 32, 20); err != nil {
		return p, err
	}
	p.leafOnly = p.leaf != nil && len(c.CertificateAuthorities) == 0 && p.caSPKI == nil && p.trustCA == nil
	return p, nil
}

// parseHex decodes a fingerprint as browsers and openssl print it.
func parseHex(field, s string, sizes ...int) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	clean := strings.NewReplacer(":", "", " ", "", "\t", "", "-", "").Replace(strings.TrimSpace(s))
	raw, err := hex.DecodeString(clean)
	if err == nil {
		for _, n := range sizes {
			if len(raw) == n {
				return raw, nil
			}
		}
	}
	return nil, fieldErrorf(field, "%q is no hex SHA-256 (64 digits); make it with: openssl x509 -in cert.pem -noout -fingerprint -sha256", s)
}

// tlsMode is a parsed verification_mode.
type tlsMode int

const (
	modeFull tlsMode = iota
	modeStrict
	modeCertificate
	modeNone
)

func parseMode(s string) (tlsMode, error) {
	switch s {
	case "", "full":
		return modeFull, nil
	case "strict":
		return modeStrict, nil
	case "certificate":
		return modeCertificate, nil
	case "none":
		return modeNone, nil
	}
	return modeFull, fieldErrorf("verification_mode", "unknown mode %q; use full, strict, certificate or none", s)
}

func parseRenegotiation(s string) (tls.RenegotiationSupport, error) {
	switch s {
	case "", "never":
		return tls.RenegotiateNever, nil
	case "once":
		return tls.RenegotiateOnceAsClient, nil
	case "freely":
		return tls.RenegotiateFreelyAsClient, nil
	}
	return tls.RenegotiateNever, fieldErrorf("renegotiation", "unknown value %q; use never, once or freely", s)
}
