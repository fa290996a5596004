package setup

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// attempt is a try of a broker: what says what is tried, do says what came of it,
// or why that is wrong.
type attempt struct {
	what string
	do   func(ctx context.Context) (string, error)
}

// errNotTried wraps why something could not be tried: it is told, and is not
// wrong.
var errNotTried = errors.New("not tried")

var errNoCert = fmt.Errorf("%w: the broker wants a certificate, too, and the authority that could make one is not here", errNotTried)

// attempts makes all of them, and tells each in a line, whatever came of the
// others. Its error says how many are wrong.
func (s *Session) attempts(ctx context.Context, list []attempt) error {
	wrong, first := 0, ""
	for _, a := range list {
		verb, line := "check", a.what
		said, err := "", errNotTried
		if s.DryRun || s.Root != "" {
			verb = "skip"
		} else {
			said, err = a.do(ctx)
		}
		switch {
		case err == nil:
			line += ": " + said
		case errors.Is(err, errNotTried) && verb != "skip":
			verb, line = "skip", line+": "+err.Error()
		case verb != "skip":
			verb, line = "WRONG", line+": "+err.Error()
			if wrong++; first == "" {
				first = line
			}
		}
		if _, err := fmt.Fprintf(s.Out, "%-6s %s\n", verb, line); err != nil {
			return fmt.Errorf("print the checks: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d checks of the broker went wrong, the first: %s", wrong, len(list), first)
	}
	return nil
}

// list is what is tried of a broker.
func (v *brokerView) list() []attempt {
	list := []attempt{
		{"the certificate on " + v.address(), v.tryCertificate},
		{"a client that trusts another authority", v.tryOtherCA},
		{"TLS 1.1", v.tryOldTLS},
		{"a client without a password", v.tryAnonymous},
		{"a wrong password", v.tryWrongPassword},
		{"the recorder's password, with a message there and back", v.tryRecorder},
		{"a topic that the recorder may not write", v.tryForbidden},
	}
	if v.wantCert {
		list = append(list, attempt{"a client without a certificate", v.tryWithoutCert})
	}
	for _, port := range v.others {
		list = append(list, attempt{fmt.Sprintf("port %d", port), func(ctx context.Context) (string, error) { return tryPort(ctx, port) }})
	}
	return list
}

// listens waits for the broker, which may have been started just now.
func (v *brokerView) listens(ctx context.Context, wait time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		conn, err := (mqttTarget{address: v.address()}).dial(ctx)
		if err == nil {
			_ = conn.Close()
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (v *brokerView) tryCertificate(ctx context.Context) (string, error) {
	switch {
	case v.roots == nil:
		return "", fmt.Errorf("%w: there is no ca.crt to check it with: give --pki", errNotTried)
	case v.host == "":
		return "", fmt.Errorf("%w: the name in the certificate is not known: give --host", errNotTried)
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	state, err := v.handshake(ctx)
	for end := time.Now().Add(reloadTime); err == nil && v.stale(state) && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
		state, err = v.handshake(ctx)
	}
	if err != nil {
		return "", v.explain(err)
	}
	if v.stale(state) {
		return "", fmt.Errorf("is another one than %s: run \"systemctl restart mosquitto\"", brokerCert)
	}
	left := int(time.Until(state.PeerCertificates[0].NotAfter).Hours() / 24)
	return fmt.Sprintf("is %s's, by our authority, for %d more days; %s", v.host, left, tls.VersionName(state.Version)), nil
}

func (v *brokerView) handshake(ctx context.Context) (state tls.ConnectionState, err error) {
	conn, err := v.strict().dial(ctx)
	if err != nil {
		return state, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState(), nil
}

// stale tells whether the broker shows another certificate than the installed one:
// it reads a new one some time after the signal.
func (v *brokerView) stale(state tls.ConnectionState) bool {
	return v.cert != nil && !bytes.Equal(v.cert, state.PeerCertificates[0].Raw)
}

// explain adds the mend to an error of a connection.
func (v *brokerView) explain(err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "dial" {
		return fmt.Errorf("nobody listens there: does Mosquitto run, with the configuration that is on the disk? See: journalctl -u %s (%w)", mosquittoUnit, err)
	}
	return err
}

func (v *brokerView) tryOtherCA(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	t := v.strict()
	t.tls.RootCAs = x509.NewCertPool()
	conn, err := t.dial(ctx)
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		_ = conn.Close()
		return "", errors.New("trusts the broker")
	case errors.As(err, &unknown):
		return "does not talk to the broker", nil
	}
	return "", fmt.Errorf("%w: %w", errNotTried, err)
}

func (v *brokerView) tryOldTLS(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	t := v.loose()
	t.tls.MinVersion, t.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	conn, err := t.dial(ctx)
	var alert tls.AlertError
	switch {
	case err == nil:
		_ = conn.Close()
		return "", fmt.Errorf("is accepted: set tls_version tlsv1.2 in %s", mosquittoOurs)
	case errors.As(err, &alert), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return "refused", nil
	}
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "remote error" {
		return "refused", nil
	}
	return "", fmt.Errorf("%w: %w", errNotTried, err)
}

// refusedAs tells whether the end of a connection is the refusal that it must be.
func refusedAs(c *mqttTry, err error, otherwise string) (string, error) {
	var no refused
	switch {
	case err == nil:
		c.close()
		return "", errors.New(otherwise)
	case errors.As(err, &no):
		return no.Error(), nil
	}
	return "", err
}

// loosely connects without a look at the broker's certificate.
func (v *brokerView) loosely(ctx context.Context, user, password string) (*mqttTry, error) {
	if v.wantCert && len(v.clients) == 0 {
		return nil, errNoCert
	}
	return v.loose().connect(ctx, user, password)
}

func (v *brokerView) tryAnonymous(ctx context.Context) (string, error) {
	c, err := v.loosely(ctx, "", "")
	return refusedAs(c, err, "is let in: the broker accepts anonymous clients")
}

func (v *brokerView) tryWrongPassword(ctx context.Context) (string, error) {
	c, err := v.loosely(ctx, RecorderUser, newPassword())
	return refusedAs(c, err, "is let in: the broker does not look at passwords")
}

// asRecorder connects with the recorder's password. Right after a change of the
// list of users the broker may still have the old one.
func (v *brokerView) asRecorder(ctx context.Context) (*mqttTry, error) {
	if v.wantCert && len(v.clients) == 0 {
		return nil, errNoCert
	}
	if v.password == "" {
		return nil, fmt.Errorf("%w: the recorder's password is not known here: give --recorder-password-file", errNotTried)
	}
	return v.strict().login(ctx, RecorderUser, v.password)
}

// login connects, and tries again for a while when it is refused.
func (t mqttTarget) login(ctx context.Context, user, password string) (*mqttTry, error) {
	for end := time.Now().Add(reloadTime); ; {
		c, err := t.connect(ctx, user, password)
		var no refused
		if err == nil || !errors.As(err, &no) || time.Now().After(end) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (v *brokerView) tryRecorder(ctx context.Context) (string, error) {
	c, err := v.asRecorder(ctx)
	var never unreachable
	switch {
	case errors.As(err, &never):
		return "", fmt.Errorf("%w: %w", errNotTried, err)
	case err != nil:
		return "", err
	}
	defer c.close()
	return c.echo(RecorderUser)
}

// echo sends a user's message to himself.
func (c *mqttTry) echo(user string) (string, error) {
	topic, payload := checkTopic+user+"/echo", newPassword()
	if err := c.subscribe(topic); err != nil {
		return "", fmt.Errorf("subscribe to %s: %w", topic, err)
	}
	if err := c.publish(topic, payload); err != nil {
		return "", fmt.Errorf("publish on %s: %w: does %s have the line \"%s\"?", topic, err, brokerRights, checkPattern)
	}
	if err := c.receive(topic, payload); err != nil {
		return "", fmt.Errorf("the message on %s did not come back: %w", topic, err)
	}
	return "it came", nil
}

func (v *brokerView) tryForbidden(ctx context.Context) (string, error) {
	c, err := v.asRecorder(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNotTried, err)
	}
	defer c.close()
	return c.forbidden()
}

func (c *mqttTry) forbidden() (string, error) {
	err := c.publish(forbiddenTopic, "")
	var no refused
	switch {
	case err == nil:
		return "", fmt.Errorf("is accepted: the broker does not use %s", brokerRights)
	case errors.As(err, &no):
		return no.Error(), nil
	}
	return "", err
}

// tryWithoutCert: with TLS 1.3 the refusal comes after the handshake.
func (v *brokerView) tryWithoutCert(ctx context.Context) (string, error) {
	t := v.loose()
	t.tls.Certificates = nil
	c, err := t.connect(ctx, "", "")
	var no refused
	var operation *net.OpError
	switch {
	case err == nil, errors.As(err, &no):
		if c != nil {
			c.close()
		}
		return "", errors.New("may talk to the broker: require_certificate is not in force")
	case errors.As(err, &operation) && operation.Op == "dial":
		return "", fmt.Errorf("%w: %w", errNotTried, err)
	}
	return "refused", nil
}

// tryPort looks at a port that is not for sluice: nobody outside may get in there
// without a password, or send one that others can read.
func tryPort(ctx context.Context, port int) (string, error) {
	number := strconv.Itoa(port)
	for _, host := range outsideAddresses() {
		said, err := tryAddress(ctx, net.JoinHostPort(host, number))
		if err != nil {
			return "", fmt.Errorf("on %s: %w: take that listener out of the configuration (see %s and %s)", host, err, mosquittoMain, mosquittoInclude)
		}
		if said != "" {
			return said, nil
		}
	}
	said, err := tryAddress(ctx, net.JoinHostPort("127.0.0.1", number))
	switch {
	case err != nil:
		return "can be reached from this machine only: " + err.Error(), nil
	case said != "":
		return "can be reached from this machine only: " + said, nil
	}
	return "closed", nil
}

// tryAddress looks who is let in; "" says that nobody listens.
func tryAddress(ctx context.Context, address string) (string, error) {
	c, err := (mqttTarget{address: address}).connect(ctx, "", "")
	var no refused
	var never unreachable
	switch {
	case err == nil:
		c.close()
		return "", errors.New("accepts anonymous clients, without TLS")
	case errors.As(err, &no):
		return "", errors.New("has no TLS: passwords can be read on the way")
	case errors.As(err, &never):
		return "", nil
	}
	c, err = (mqttTarget{address, &tls.Config{InsecureSkipVerify: true}}).connect(ctx, "", "") //nolint:gosec // nothing is said there that is secret
	switch {
	case err == nil:
		c.close()
		return "", errors.New("accepts anonymous clients, over TLS")
	case errors.As(err, &no):
		return "TLS; anonymous clients are refused", nil
	}
	return "open, and does not speak MQTT", nil
}

// outsideAddresses are those by which others reach this machine.
func outsideAddresses() (list []string) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			list = append(list, n.IP.String())
		}
	}
	return list
}
