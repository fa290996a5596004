package recorder

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// FieldError is one wrong option. Its text starts with the option's dotted
// name, relative to the struct that was validated.
type FieldError struct {
	field string
	text  string
}

// Error is "name: what is wrong and what to do".
func (e *FieldError) Error() string { return e.field + ": " + e.text }

// Field is the option's dotted name.
func (e *FieldError) Field() string { return e.field }

// faults collects FieldErrors.
type faults struct{ list []error }

//go:noinline
func (f *faults) add(field, format string, args ...any) {
	f.list = append(f.list, &FieldError{field, fmt.Sprintf(format, args...)})
}

// span faults a duration outside [low, high].
//
//go:noinline
func (f *faults) span(field string, v, low, high time.Duration) {
	if v < low || v > high {
		f.add(field, "%s is outside %s to %s", v, low, high)
	}
}

// size faults a number of bytes outside [low, high].
//
//go:noinline
func (f *faults) size(field string, v, low, high int64) {
	if v < low || v > high {
		f.add(field, "%d is outside %d to %d bytes", v, low, high)
	}
}

// What all kinds of sources have.

func (f *faults) name(name string) {
	if !validName(name) {
		f.add("name", "%q: letters, digits, \"_\", \".\" and \"-\" only, and not a \".\" in front", name)
	}
}

func (f *faults) backoff(b BackoffConfig) {
	f.span("backoff.init", b.Init, time.Millisecond, 30*time.Second)
	f.span("backoff.max", b.Max, b.Init, 30*time.Second)
}

func (f *faults) queue(bytes int64, records int) {
	f.size("queue_bytes", bytes, 4<<10, 1<<30)
	if records < 1 || records > 10_000_000 {
		f.add("queue_records", "%d is outside 1 to 10000000", records)
	}
}

func (f *faults) format(text string) {
	if _, err := compileFormat(text); err != nil {
		f.add("format", "%s", err)
	}
}

// under adds err's parts with a prefix to their names.
func (f *faults) under(prefix string, err error) {
	if err == nil {
		return
	}
	parts := []error{err}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		parts = many.Unwrap()
	}
	for _, part := range parts {
		var named interface{ Field() string }
		if !errors.As(part, &named) {
			f.add(prefix, "%s", part)
			continue
		}
		text := strings.TrimPrefix(part.Error(), named.Field()+": ")
		f.add(prefix+"."+named.Field(), "%s", text)
	}
}

// Validate checks every option and returns all faults, joined.
func (c *Config) Validate() error {
	var f faults
	f.under("spool", c.Spool.Validate())
	if n := int64(len(c.MQTT) + len(c.Serial)); n > 0 && c.Spool.MaxBytes >= 64<<10 && c.Spool.MaxBytes < n*activeShare*leastSegment {
		f.add("spool.max_bytes", "%d bytes are too few for %d series; %d at least", c.Spool.MaxBytes, n, n*activeShare*leastSegment)
	}
	c.Clock.validate(&f)
	seen := map[string]string{}
	for i := range c.MQTT {
		prefix := fmt.Sprintf("mqtt.%d", i)
		f.under(prefix, c.MQTT[i].Validate())
		f.unique(prefix+".name", c.MQTT[i].filled().Name, seen, prefix)
	}
	ports := map[string]string{}
	for i := range c.Serial {
		prefix := fmt.Sprintf("serial.%d", i)
		s := &c.Serial[i]
		f.under(prefix, s.Validate())
		f.unique(prefix+".name", s.filled().Name, seen, prefix)
		if s.Port != "" {
			f.unique(prefix+".port", s.Port, ports, prefix)
		}
	}
	return errors.Join(f.list...)
}

// unique faults a value that another entry has.
func (f *faults) unique(field, value string, seen map[string]string, entry string) {
	if first, ok := seen[value]; ok {
		f.add(field, "%q is taken by %s; give every entry its own %s", value, first, field[len(entry)+1:])
		return
	}
	seen[value] = entry
}

// Validate checks the spool's options.
func (c *SpoolConfig) Validate() error {
	var f faults
	s := c.filled()
	if s.Path == "" {
		f.add("path", "a folder for the segments is needed")
	}
	f.size("segment_bytes", s.SegmentBytes, 4<<10, 2<<30)
	if s.MaxBytes != 0 {
		f.size("max_bytes", s.MaxBytes, 64<<10, 1<<50)
	}
	f.size("min_free", s.MinFree, 0, 1<<50)
	if s.WhenFull != whenFullBlock && s.WhenFull != whenFullDropAcked && s.WhenFull != whenFullDrop {
		f.add("when_full", "%q is not known; use block, drop_oldest_acked or drop_oldest", s.WhenFull)
	}
	if s.RotateEvery != 0 {
		f.span("rotate_every", s.RotateEvery, time.Second, 366*24*time.Hour)
	}
	f.span("commit_interval", s.CommitInterval, time.Millisecond, 10*time.Second)
	f.size("commit_bytes", s.CommitBytes, 1, 64<<20)
	if s.FilePermissions > 0o777 || s.FilePermissions&0o600 != 0o600 {
		f.add("file_permissions", "%04o: at least 0600 and at most 0777 is needed", s.FilePermissions)
	}
	return errors.Join(f.list...)
}

// Validate checks an MQTT session's options.
func (c *MQTTConfig) Validate() error {
	var f faults
	m := c.filled()
	f.name(m.Name)
	m.validateHosts(&f)
	m.validateTopics(&f)
	m.validateSession(&f)
	m.validateVersion(&f, c)
	f.under("ssl", m.SSL.Validate())
	f.span("keepalive", m.KeepAlive, time.Second, 65535*time.Second)
	f.span("connect_timeout", m.ConnectTimeout, 100*time.Millisecond, 10*time.Minute)
	f.backoff(m.Backoff)
	if m.SilenceTimeout != 0 {
		f.span("silence_timeout", m.SilenceTimeout, time.Second, 366*24*time.Hour)
	}
	f.size("max_payload", m.MaxPayload, 1, 256<<20)
	f.queue(m.QueueBytes, m.QueueRecords)
	f.format(m.Format)
	return errors.Join(f.list...)
}

func (c *MQTTConfig) validateHosts(f *faults) {
	if len(c.Hosts) == 0 {
		f.add("hosts", "at least one broker is needed, such as mqtts://broker.example:8883")
	}
	secure := false
	for i, h := range c.Hosts {
		b, err := parseBroker(h)
		if err != nil {
			f.add("hosts", "entry %d: %s", i+1, err)
			continue
		}
		secure = secure || b.secure
	}
	if len(f.list) == 0 && !secure && len(c.SSL.CertificateAuthorities) > 0 && c.SSL.IsEnabled() {
		f.add("hosts", "ssl.certificate_authorities is set, but no host is encrypted; write mqtts:// instead of mqtt://")
	}
}

func (c *MQTTConfig) validateTopics(f *faults) {
	if *c.QoS < 0 || *c.QoS > 2 {
		f.add("qos", "%d: 0, 1 or 2 is allowed", *c.QoS)
	}
	if len(c.Topics) == 0 {
		f.add("topics", "at least one topic is needed; \"#\" is all of them")
	}
	var seen []string
	for i, t := range c.Topics {
		if err := checkFilter(t.Topic); err != nil {
			f.add("topics", "entry %d: %s", i+1, err)
		}
		if t.QoS != nil && (*t.QoS < 0 || *t.QoS > 2) {
			f.add("topics", "entry %d: qos %d: 0, 1 or 2 is allowed", i+1, *t.QoS)
		}
		if slices.Contains(seen, t.Topic) {
			f.add("topics", "entry %d: %q is listed twice", i+1, t.Topic)
		}
		seen = append(seen, t.Topic)
	}
	for i, e := range c.Exclude {
		if err := checkFilter(e); err != nil {
			f.add("exclude", "entry %d: %s", i+1, err)
		}
	}
}

func (c *MQTTConfig) validateSession(f *faults) {
	for name, v := range map[string]string{"client_id": c.ClientID, "username": c.Username, "password": c.Password} {
		if len(v) > 65535 || !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			f.add(name, "up to 65535 bytes of UTF-8 without NUL are allowed")
		}
	}
	if c.Password != "" && c.Username == "" {
		f.add("username", "is needed with a password")
	}
}

// validateVersion checks the version and the options that hang on it; set are
// the options as they were given.
func (c *MQTTConfig) validateVersion(f *faults, set *MQTTConfig) {
	d := DefaultMQTTConfig()
	switch {
	case c.Version != version3 && c.Version != version5:
		f.add("version", "%q is not known; use %s or %s", c.Version, version3, version5)
		return
	case c.Version == version3:
		if given(set.SessionExpiry, d.SessionExpiry) {
			f.add("session_expiry", "is an option of MQTT 5; add version: %s, or take it out", version5)
		}
		if given(set.ReceiveMaximum, d.ReceiveMaximum) {
			f.add("receive_maximum", "is an option of MQTT 5; add version: %s, or take it out", version5)
		}
		return
	case c.CleanSession && given(set.SessionExpiry, d.SessionExpiry):
		f.add("session_expiry", "has no meaning with clean_session: true, which ends the session with the connection; take one of them out")
	}
	// One of them alone is 0 only if it was given so.
	if set.SessionExpiry == 0 && set.ReceiveMaximum != 0 {
		f.add("session_expiry", "0 would end the session with the connection; give at least 1s, or clean_session: true and no session_expiry")
	}
	if set.ReceiveMaximum == 0 && set.SessionExpiry != 0 {
		f.add("receive_maximum", "0 would let no message come; give 1 to %d", math.MaxUint16)
	}
	f.span("session_expiry", c.SessionExpiry, time.Second, math.MaxUint32*time.Second)
	if c.ReceiveMaximum < 1 || c.ReceiveMaximum > math.MaxUint16 {
		f.add("receive_maximum", "%d is outside 1 to %d", c.ReceiveMaximum, math.MaxUint16)
	}
}

// given tells whether an option has another value than none and its default.
func given[T comparable](v, otherwise T) bool { return or(v, otherwise) != otherwise }

// filled returns the options with defaults in place of zero values that make
// no sense.
func (c *SpoolConfig) filled() SpoolConfig {
	s, d := *c, DefaultConfig().Spool
	s.SegmentBytes = or(s.SegmentBytes, d.SegmentBytes)
	s.WhenFull = or(s.WhenFull, d.WhenFull)
	s.CommitInterval = or(s.CommitInterval, d.CommitInterval)
	s.CommitBytes = or(s.CommitBytes, d.CommitBytes)
	s.FilePermissions = or(s.FilePermissions, d.FilePermissions)
	return s
}

// filled is as SpoolConfig.filled; it also derives the client id.
func (c *MQTTConfig) filled() MQTTConfig {
	m, d := *c, DefaultMQTTConfig()
	m.Name = or(m.Name, d.Name)
	m.Version = or(m.Version, d.Version)
	m.SessionExpiry = or(m.SessionExpiry, d.SessionExpiry)
	m.ReceiveMaximum = or(m.ReceiveMaximum, d.ReceiveMaximum)
	m.KeepAlive = or(m.KeepAlive, d.KeepAlive)
	m.ConnectTimeout = or(m.ConnectTimeout, d.ConnectTimeout)
	m.Backoff = m.Backoff.filled(d.Backoff)
	m.MaxPayload = or(m.MaxPayload, d.MaxPayload)
	m.QueueBytes = or(m.QueueBytes, d.QueueBytes)
	m.QueueRecords = or(m.QueueRecords, d.QueueRecords)
	m.Format = or(m.Format, d.Format)
	m.ClientID = or(m.ClientID, defaultClientID(m.Name))
	if m.QoS == nil {
		m.QoS = d.QoS
	}
	return m
}

func (b BackoffConfig) filled(d BackoffConfig) BackoffConfig {
	b.Init = or(b.Init, d.Init)
	b.Max = or(b.Max, max(d.Max, b.Init))
	return b
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// defaultClientID is stable for a machine and a series.
func defaultClientID(name string) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "gateway"
	}
	return "sluice-" + host + "-" + name
}

func validName(name string) bool {
	if name == "" || len(name) > 100 || name[0] == '.' {
		return false
	}
	for _, r := range name {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r)
		if !ok {
			return false
		}
	}
	return true
}
