package tlsconfig

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// Loader holds what a Config's files contained when they were last read
// successfully, and reads them again at a handshake when they changed. It is
// safe for concurrent use.
type Loader struct {
	cfg        Config // a copy; never changed
	mode       tlsMode
	pins       pins
	base       *tls.Config // all that does not depend on files or host
	reload     bool
	reloadWait time.Duration
	startup    []string // warnings of Load

	sessions *sessionCache

	mu       sync.Mutex
	current  *material
	stamps   []os.FileInfo // of files, as they were at the last attempt; nil = missing
	lastLook time.Time
	dated    time.Time // when the dates were told last
	warn     func(string)
}

// material is what the files hold.
type material struct {
	cas   []*x509.Certificate
	roots *x509.CertPool   // nil: those of the system
	pair  *tls.Certificate // nil: none
}

// Load reads all files that c names. An error is one line that names the
// option, the file and the mend; it is a *FieldError.
func (c *Config) Load() (*Loader, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	l := &Loader{cfg: *c, warn: func(string) {}}
	l.mode, _ = parseMode(c.VerificationMode) // Validate has seen the errors
	l.pins, _ = parsePins(c)
	l.reloadWait, l.reload = c.reloadEvery()
	l.sessions = &sessionCache{loader: l, lru: tls.NewLRUClientSessionCache(maxSessions)}
	l.base = l.baseConfig()
	l.stamps = l.stat()
	l.lastLook = time.Now()
	var err error
	if l.current, err = l.read(); err != nil {
		return nil, err
	}
	l.startup = append(l.startup, l.optionWarnings()...)
	l.dated = time.Now()
	l.startup = append(l.startup, l.current.dateWarnings(&l.cfg, l.dated)...)
	return l, nil
}

// Warnings returns what Load found odd but not wrong, a line each: an own
// certificate or CA that is expired or soon will be, a SHA-1 pin, verification switched off. The caller
// logs them.
func (l *Loader) Warnings() []string { return l.startup }

// OnWarning sets what is called with warnings that arise later: changed files
// that can't be used, a new certificate that is expired, and
// once a day one that is or soon will be. Call it before the
// first handshake; fn must not call the Loader.
func (l *Loader) OnWarning(fn func(text string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warn = fn
}

// ClientConfig returns the configuration for connections to host, a name or an
// IP address without port. It may be kept and used for many handshakes: each
// one looks at the files again.
func (l *Loader) ClientConfig(host string) *tls.Config {
	l.refresh()
	cfg := l.base.Clone()
	cfg.ServerName = host
	cfg.VerifyConnection = func(cs tls.ConnectionState) error { return l.verify(cs, host) }
	return cfg
}

// handshakeError marks an error as one of the TLS handshake, for Explain.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// Handshake makes conn a TLS connection to host, a name or an IP address
// without port. The end of ctx ends it. On an error conn is closed; Explain
// says more when the error comes from here.
func (l *Loader) Handshake(ctx context.Context, conn net.Conn, host string) (*tls.Conn, error) {
	secure := tls.Client(conn, l.ClientConfig(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &handshakeError{err}
	}
	return secure, nil
}

func (l *Loader) baseConfig() *tls.Config {
	lowest, highest, _ := parseVersions(l.cfg.SupportedProtocols)
	suites, _ := parseCipherSuites(l.cfg.CipherSuites)
	curves, _ := parseCurves(l.cfg.CurveTypes)
	renegotiation, _ := parseRenegotiation(l.cfg.Renegotiation)
	return &tls.Config{
		MinVersion:       lowest,
		MaxVersion:       highest,
		CipherSuites:     suites,
		CurvePreferences: curves,
		Renegotiation:    renegotiation,
		// VerifyConnection does it, for resumed connections too and with the
		// CAs of this moment.
		InsecureSkipVerify:          true, //nolint:gosec // see above
		ClientSessionCache:          l.sessions,
		DynamicRecordSizingDisabled: true, // windows are bulk data
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if pair := l.refresh().pair; pair != nil {
				return pair, nil
			}
			return &tls.Certificate{}, nil
		},
	}
}

// files lists the options' files; inline PEM has none.
func (l *Loader) files() []string {
	var names []string
	for _, v := range append([]string{l.cfg.Certificate, l.cfg.Key, l.cfg.KeyPassphrasePath}, l.cfg.CertificateAuthorities...) {
		if v != "" && !inline(v) {
			names = append(names, v)
		}
	}
	return names
}

func (l *Loader) stat() []os.FileInfo {
	names := l.files()
	infos := make([]os.FileInfo, len(names))
	for i, name := range names {
		if info, err := os.Stat(name); err == nil {
			infos[i] = info
		}
	}
	return infos
}

func sameStamp(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

func (l *Loader) read() (*material, error) {
	cas, err := loadCAs(l.cfg.CertificateAuthorities)
	if err != nil {
		return nil, err
	}
	pair, err := loadPair(&l.cfg)
	if err != nil {
		return nil, err
	}
	m := &material{cas: cas, pair: pair}
	if len(cas) > 0 {
		m.roots = x509.NewCertPool()
		for _, ca := range cas {
			m.roots.AddCert(ca)
		}
	}
	return m, nil
}

// refresh reads the files again when they changed, and returns what is in use.
func (l *Loader) refresh() *material {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.reload || time.Since(l.lastLook) < l.reloadWait {
		return l.current
	}
	l.lastLook = time.Now()
	if l.lastLook.Sub(l.dated) >= datesAgain {
		l.tellDates(l.current)
	}
	stamps := l.stat()
	changed := false
	for i := range stamps {
		changed = changed || !sameStamp(stamps[i], l.stamps[i])
	}
	if !changed {
		return l.current
	}
	l.stamps = stamps
	fresh, err := l.read()
	if err != nil {
		l.warn(fmt.Sprintf("certificate files changed but can't be used, the old ones stay in use: ssl.%v", err))
		return l.current
	}
	if !fresh.equal(l.current) {
		l.sessions.drop()
		l.tellDates(fresh)
	}
	l.current = fresh
	return fresh
}

// datesAgain is how often what is odd about dates is told to a process that
// nobody restarts.
const datesAgain = 24 * time.Hour

// tellDates warns of dates. The caller holds mu.
func (l *Loader) tellDates(m *material) {
	l.dated = time.Now()
	for _, text := range m.dateWarnings(&l.cfg, l.dated) {
		l.warn(text)
	}
}

// equal tells whether m holds the same certificates as o: a touched file must
// not cost the sessions.
func (m *material) equal(o *material) bool {
	if len(m.cas) != len(o.cas) || (m.pair == nil) != (o.pair == nil) {
		return false
	}
	for i := range m.cas {
		if !m.cas[i].Equal(o.cas[i]) {
			return false
		}
	}
	if m.pair == nil {
		return true
	}
	if len(m.pair.Certificate) != len(o.pair.Certificate) {
		return false
	}
	for i := range m.pair.Certificate {
		if !bytes.Equal(m.pair.Certificate[i], o.pair.Certificate[i]) {
			return false
		}
	}
	return true
}

// optionWarnings lists options that weaken, or have no effect on, the others.
func (l *Loader) optionWarnings() []string {
	var w []string
	if l.mode == modeNone && l.pins.leaf == nil {
		w = append(w, "ssl.verification_mode: none: the server's certificate is not verified; anyone in between can read along and answer")
	}
	if l.mode == modeNone && (l.pins.caSPKI != nil || l.pins.trustCA != nil || len(l.cfg.CertificateAuthorities) > 0) {
		w = append(w, "ssl.verification_mode: none: certificate_authorities, ca_sha256 and ca_trusted_fingerprint have no effect")
	}
	if len(l.pins.leaf) == 20 {
		w = append(w, "ssl.certificate_fingerprint: SHA-1 is weak; use the SHA-256 one: openssl x509 -in cert.pem -noout -fingerprint -sha256")
	}
	return w
}

// soon is how long before its end a certificate is warned of: 30 days, but no more
// than the last tenth of its time.
func soon(cert *x509.Certificate) time.Duration {
	return min(30*24*time.Hour, cert.NotAfter.Sub(cert.NotBefore)/10)
}

// dateWarnings lists certificates that are not valid at now, or not for long.
func (m *material) dateWarnings(c *Config, now time.Time) []string {
	var w []string
	add := func(option, where string, cert *x509.Certificate) {
		switch {
		case now.After(cert.NotAfter):
			w = append(w, fmt.Sprintf("ssl.%s: %s: %s expired on %s; replace it%s",
				option, where, subject(cert), date(cert.NotAfter), clockHint(now)))
		case cert.NotAfter.Sub(now) < soon(cert):
			w = append(w, fmt.Sprintf("ssl.%s: %s: %s expires on %s; replace it before", option, where, subject(cert), date(cert.NotAfter)))
		case now.Before(cert.NotBefore):
			w = append(w, fmt.Sprintf("ssl.%s: %s: %s is valid only from %s, now is %s; check the clock%s",
				option, where, subject(cert), date(cert.NotBefore), date(now), clockHint(now)))
		}
	}
	if m.pair != nil {
		add("certificate", place(c.Certificate), m.pair.Leaf)
	}
	// A bundle of many CAs always holds some old ones; only say so for few.
	if len(m.cas) <= 4 {
		for _, ca := range m.cas {
			add("certificate_authorities", "CA", ca)
		}
	}
	return w
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// clockHint says what is likely when the clock stands before this program was
// written.
func clockHint(now time.Time) string {
	if now.Year() < 2024 {
		return fmt.Sprintf(" (the clock of this machine says %s: set it, or wait for NTP)", date(now))
	}
	return ""
}

// maxSessions bounds the TLS sessions that are remembered, one per server name.
const maxSessions = 32

// sessionCache remembers TLS sessions and hands each out once: when the server
// chokes on it the next handshake is a full one, and RFC 8446 (C.4) asks for it.
type sessionCache struct {
	loader *Loader
	mu     sync.Mutex
	lru    tls.ClientSessionCache
}

// Get implements tls.ClientSessionCache. It is the first thing in a handshake
// that reaches us, so it looks at the files.
func (s *sessionCache) Get(key string) (*tls.ClientSessionState, bool) {
	s.loader.refresh()
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.lru.Get(key)
	if ok {
		s.lru.Put(key, nil)
	}
	return session, ok
}

// Put implements tls.ClientSessionCache.
func (s *sessionCache) Put(key string, session *tls.ClientSessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Put(key, session)
}

func (s *sessionCache) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru = tls.NewLRUClientSessionCache(maxSessions)
}
