package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sluice/internal/pki"
)

// DeviceOptions say what a device is called and may do.
type DeviceOptions struct {
	// Name is the device's user at the broker, and the first level of its topics;
	// required: 1 to 64 letters, digits, _ . -, the first a letter or a digit.
	Name string
	// Topics are further topic filters that it may write, beside deviceTopics.
	Topics []string
	// Reads are topic filters that it may read, such as commands to it.
	Reads []string
	// Header is the file for the ESP8266's sketch; empty: NAME-secrets.h in the
	// current folder.
	Header string
	// WLANName and WLANPasswordFile are for the header; empty: what an old one
	// has, else a place to fill in.
	WLANName, WLANPasswordFile string
	// Host is the broker's name for the header, one of its certificate's; empty:
	// an address in the certificate, else the first name.
	Host string
	// Rotate gives it a new password.
	Rotate bool
	// NoStart does not tell the broker, and leaves the checks out.
	NoStart bool
}

// deviceTopics are what the sketches of firmware publish.
func deviceTopics(name string) []right {
	return []right{{"write", name + "/feeds/+/+"}, {"write", name + "/health"}, {"write", name + "/status"}}
}

func deviceComment(name string) string { return "device " + name }

// checkDevice tells whether a device can have this name.
func checkDevice(name string) error {
	switch {
	case !userName.MatchString(name):
		return fmt.Errorf("device %q: the name must have 1 to 64 letters, digits, _ . -, and begin with a letter or a digit", name)
	case name == RecorderUser:
		return fmt.Errorf("device %q: this is the recorder's name, who may read everything", name)
	}
	return nil
}

// device is one setup of a device.
type device struct {
	o *DeviceOptions
	s *Session

	view        *brokerView
	scan        mosquittoScan
	owner       Owner
	ca          []byte
	fingerprint string

	passwd, acl []byte
	password    string // empty: only its hash is known
	header      []byte // nil: it can't be made
	path        string // of the header
}

// Device makes a user of the broker for a device, with rights to its own topics,
// and the header for its sketch. Run again, it keeps the password; and the
// rights, to which it adds.
func Device(ctx context.Context, s *Session, o DeviceOptions) error {
	d, err := lookAtDevice(s, &o)
	if err != nil {
		return err
	}
	if err := s.Apply(ctx, d.headerSteps()...); err != nil {
		return err
	}
	// The rights come first: a user without them can do nothing.
	changed, err := s.changes(ctx,
		File{Path: brokerRights, Content: d.acl, Mode: 0o600, Owner: d.owner},
		File{Path: brokerUsers, Content: d.passwd, Mode: 0o600, Owner: d.owner, Secret: true})
	if err != nil {
		return err
	}
	return d.finish(ctx, changed, d.attempts())
}

// finish tells the broker, and makes the checks.
func (d *device) finish(ctx context.Context, changed bool, list []attempt) error {
	if d.o.NoStart {
		return d.s.Apply(ctx, Note("the broker is not told: \"systemctl reload mosquitto\" does"))
	}
	if changed {
		if err := reloadMosquitto(ctx, d.s, &d.scan); err != nil {
			return err
		}
	}
	if d.s.DryRun || d.s.Root != "" || d.view.listens(ctx, startTime) {
		return d.s.attempts(ctx, list)
	}
	_, err := (mqttTarget{address: d.view.address()}).dial(ctx)
	return fmt.Errorf("the broker on %s: %w", d.view.address(), d.view.explain(err))
}

// lookAtDevice decides what is to be written, and refuses what can't work, before
// anything is changed.
func lookAtDevice(s *Session, o *DeviceOptions) (*device, error) {
	d := &device{o: o, s: s}
	if err := d.lookAtBroker(); err != nil {
		return nil, err
	}
	rights := deviceTopics(o.Name)
	for _, group := range []struct {
		access string
		list   []string
	}{{"write", o.Topics}, {"read", o.Reads}} {
		for _, filter := range group.list {
			if err := checkFilter(filter); err != nil {
				return nil, err
			}
			rights = append(rights, right{group.access, filter})
		}
	}
	d.acl = withRights(d.acl, o.Name, deviceComment(o.Name), rights)
	return d, d.lookAtPassword()
}

// lookAtBroker reads what a broker has that was set up.
func (d *device) lookAtBroker() (err error) {
	if err := checkDevice(d.o.Name); err != nil {
		return err
	}
	for _, f := range []struct {
		path string
		into *[]byte
	}{{brokerUsers, &d.passwd}, {brokerRights, &d.acl}, {brokerCA, &d.ca}} {
		if *f.into, err = d.s.ReadFile(f.path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: run \"sluice setup broker\" on this machine first", err)
		}
		if err != nil {
			return err
		}
	}
	pair, err := pki.Read(d.s.Path(brokerFolder), brokerName)
	if pair == nil || pair.Cert == nil {
		return err
	}
	d.fingerprint = strings.ReplaceAll(pki.SHA1(pair.Cert), ":", " ")
	if d.o.Host != "" && !slices.Contains(pair.Cert.DNSNames, d.o.Host) {
		return fmt.Errorf("--host %q is not among the DNS names of the broker's certificate (%s), and the ESP8266 looks at no others: make it anew with \"sluice setup pki\"", d.o.Host, strings.Join(pair.Cert.DNSNames, ", "))
	}
	if d.scan, err = scanMosquitto(d.s); err != nil {
		return err
	}
	user := d.scan.value("user")
	if user == "" {
		user = mosquittoUser
	}
	d.owner = Owner{User: user, Group: user}
	d.view, err = viewBroker(d.s, &BrokerOptions{Host: d.o.Host})
	return err
}

// lookAtPassword finds or makes the password, and the header with it. Of a
// password there is only the hash here; an old header has it.
func (d *device) lookAtPassword() error {
	d.path = d.o.Header
	if d.path == "" {
		d.path = d.o.Name + "-secrets.h"
	}
	path, err := filepath.Abs(d.path)
	if err != nil {
		return err
	}
	d.path = path
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	before := parseHeader(old)
	hash, known := userHash(d.passwd, d.o.Name)
	switch {
	case !known || d.o.Rotate:
		d.password = newPassword()
		if hash, err = hashPassword(d.password); err != nil {
			return err
		}
		d.passwd = withUser(d.passwd, d.o.Name, hash)
	case before.user == d.o.Name && passwordFits(hash, before.password):
		d.password = before.password
	case d.o.Header != "" || d.o.WLANName != "" || d.o.WLANPasswordFile != "":
		return fmt.Errorf("%s has a password already, of which the broker knows the hash only, and %s does not hold it: --rotate makes a new one for the header (the device must then be flashed)", d.o.Name, path)
	default:
		return nil
	}
	h := deviceHeader{user: d.o.Name, password: d.password, wlan: d.o.WLANName, host: d.view.host, port: d.view.port, ca: string(d.ca), fingerprint: d.fingerprint}
	if h.wlanPassword, err = d.wlanPassword(); err != nil {
		return err
	}
	d.header = h.after(before).text()
	return nil
}

func (d *device) wlanPassword() (string, error) {
	if d.o.WLANPasswordFile == "" {
		return "", nil
	}
	password, err := readPasswordFile(d.o.WLANPasswordFile)
	if err == nil && password == "" {
		err = fmt.Errorf("--wlan-password-file: %s is missing", d.o.WLANPasswordFile)
	}
	return password, err
}

func (d *device) headerSteps() (steps []Step) {
	if d.header == nil {
		return []Step{Note(fmt.Sprintf("%s keeps its password, of which only the hash is known: no header is written (--rotate makes a new password, --header FILE names the old header)", d.o.Name))}
	}
	if parseHeader(d.header).wlan == wlanPlace {
		steps = append(steps, Note("fill in name and password of the WLAN in "+d.path+", or give --wlan-ssid and --wlan-password-file"))
	}
	return append(steps, ownFile{path: d.path, content: d.header, show: "(secret)"})
}

// attempts are what is tried as the device. No reading is sent: the recorder would
// keep it.
func (d *device) attempts() []attempt {
	name := d.o.Name
	connect := func(ctx context.Context) (*mqttTry, error) {
		switch {
		case d.view.wantCert && len(d.view.clients) == 0:
			return nil, errNoCert
		case d.password == "":
			return nil, fmt.Errorf("%w: its password is not known here", errNotTried)
		}
		return d.view.strict().login(ctx, name, d.password)
	}
	return []attempt{
		{name + " with its password, and a message there and back", func(ctx context.Context) (string, error) {
			c, err := connect(ctx)
			if err != nil {
				return "", err
			}
			defer c.close()
			return c.echo(name)
		}},
		{name + " on a topic that it may not write", func(ctx context.Context) (string, error) {
			c, err := connect(ctx)
			if err != nil {
				return "", fmt.Errorf("%w: %w", errNotTried, err)
			}
			defer c.close()
			return c.forbidden()
		}},
		{name + " with a wrong password", func(ctx context.Context) (string, error) {
			c, err := d.view.loosely(ctx, name, newPassword())
			return refusedAs(c, err, "is let in: the broker does not look at passwords")
		}},
	}
}

// RemoveDevice takes a device's user and rights out. Its header stays where it is,
// and is good for nothing any more.
func RemoveDevice(ctx context.Context, s *Session, o DeviceOptions) error {
	d := &device{o: &o, s: s}
	if err := d.lookAtBroker(); err != nil {
		return err
	}
	_, known := userHash(d.passwd, o.Name)
	if !known && len(rightsOf(d.acl, o.Name)) == 0 {
		return fmt.Errorf("there is no device %q; \"sluice setup device --list\" tells which there are", o.Name)
	}
	// The user goes first: rights without a user are nobody's.
	changed, err := s.changes(ctx,
		File{Path: brokerUsers, Content: withoutUser(d.passwd, o.Name), Mode: 0o600, Owner: d.owner, Secret: true},
		File{Path: brokerRights, Content: withoutRights(d.acl, o.Name, deviceComment(o.Name)), Mode: 0o600, Owner: d.owner})
	if err != nil {
		return err
	}
	return d.finish(ctx, changed, nil)
}

// Devices prints the users of the broker with their rights, a line each.
func Devices(s *Session) error {
	passwd, err := s.ReadFile(brokerUsers)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: run \"sluice setup broker\" on this machine first", err)
	}
	if err != nil {
		return err
	}
	acl, err := s.readOr(brokerRights, nil)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, user := range users(passwd) {
		var parts []string
		for _, r := range rightsOf(acl, user) {
			parts = append(parts, r.access+" "+r.filter)
		}
		if len(parts) == 0 {
			parts = []string{"no rights"}
		}
		fmt.Fprintf(&out, "%s: %s\n", user, strings.Join(parts, ", "))
	}
	_, err = s.Out.Write(out.Bytes())
	return err
}
