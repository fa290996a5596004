package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"

	"sluice/internal/durable"
	"sluice/internal/keystore"
	"sluice/internal/pki"
)

const (
	// brokerKeystore is where the recorder of the same machine finds its password.
	brokerKeystore = gatewayCredentials + "/keystore"
	// checkPattern lets every user talk to himself.
	checkPattern = "pattern readwrite " + checkTopic + "%u/#"
	// installTimeout is for apt-get on a slow card.
	installTimeout = 20 * time.Minute
)

// BrokerOptions say how Mosquitto is set up.
type BrokerOptions struct {
	// PKI is the folder, or the bundle, with the certificates; empty: the folder
	// pki.DefaultDir. Where neither has the broker's, those that are installed
	// stay.
	PKI string
	// Port of the listener; 0: as installed, else BrokerPort.
	Port int
	// Bind is the address that it listens on; empty: all.
	Bind string
	// ClientCerts lets in only clients that show a certificate, too; nil: as
	// installed.
	ClientCerts *bool
	// ReadSys lets the recorder read $SYS, the broker's own numbers.
	ReadSys bool
	// Host is the name in the certificate that the checks ask for; empty: the
	// certificate's.
	Host string
	// RecorderPasswordFile is the file with the recorder's password, which is
	// read, or made with mode 600; empty: the keystore has it.
	RecorderPasswordFile string
	// Rotate gives the recorder a new password.
	Rotate bool
	// Install installs Mosquitto with apt-get where it is missing.
	Install bool
	// NoStart neither starts Mosquitto nor tells it to read its files again, and
	// leaves the checks out.
	NoStart bool
}

func (o *BrokerOptions) pkiFolder() string {
	if o.PKI == "" {
		return pki.DefaultDir
	}
	return o.PKI
}

func (o *BrokerOptions) validate() error {
	if o.Port < 0 || o.Port > 65535 {
		return fmt.Errorf("--port %d: it must be 1 to 65535", o.Port)
	}
	if o.Bind != "" && net.ParseIP(o.Bind) == nil {
		return fmt.Errorf("--bind %q: it must be an address of this machine", o.Bind)
	}
	return nil
}

// Broker sets Mosquitto up: configuration, certificates, the recorder's user; and
// tries at the end what must be refused. Run again, it keeps users, passwords and
// rights.
func Broker(ctx context.Context, s *Session, o BrokerOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	if err := installMosquitto(ctx, s, &o); err != nil {
		return err
	}
	b, err := lookAtBroker(s, &o)
	if err != nil {
		return err
	}
	if err := s.Apply(ctx, b.notes...); err != nil {
		return err
	}
	files, err := s.changes(ctx, slices.Concat(b.certificateSteps(), b.userSteps())...)
	if err != nil {
		return err
	}
	config, err := s.changes(ctx, b.configSteps()...)
	if err != nil {
		return err
	}
	if o.NoStart {
		return s.Apply(ctx, Note("not started: run \"systemctl restart mosquitto\", then \"sluice setup broker --check\""))
	}
	view, err := viewBroker(s, &o)
	if err != nil && !s.DryRun {
		return err
	}
	if err := b.start(ctx, view, config, files); err != nil {
		return err
	}
	if view == nil {
		return nil
	}
	return checkView(ctx, s, view)
}

// CheckBroker makes the checks of Broker, and changes nothing.
func CheckBroker(ctx context.Context, s *Session, o BrokerOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	view, err := viewBroker(s, &o)
	if err != nil {
		return err
	}
	return checkView(ctx, s, view)
}

// checkView makes the checks that make sense: where nobody listens on our port,
// the others still tell something.
func checkView(ctx context.Context, s *Session, v *brokerView) error {
	list := v.list()
	if s.DryRun || s.Root != "" || v.listens(ctx, time.Second) {
		return s.attempts(ctx, list)
	}
	closed := attempt{"the broker on " + v.address(), func(ctx context.Context) (string, error) {
		_, err := (mqttTarget{address: v.address()}).dial(ctx)
		return "", v.explain(err)
	}}
	return s.attempts(ctx, append([]attempt{closed}, list[len(list)-len(v.others):]...))
}

// installMosquitto sees to a Mosquitto that knows what we write.
func installMosquitto(ctx context.Context, s *Session, o *BrokerOptions) error {
	_, err := os.Stat(s.Path(mosquittoProgram))
	if errors.Is(err, fs.ErrNotExist) {
		if !o.Install {
			return fmt.Errorf("%s: Mosquitto is not installed: run \"apt-get install mosquitto mosquitto-clients\", or give --install", s.Path(mosquittoProgram))
		}
		quiet := []string{"DEBIAN_FRONTEND=noninteractive"}
		err = s.Apply(ctx,
			Command{Args: []string{"apt-get", "update", "-q"}, Timeout: installTimeout},
			Command{Args: []string{"apt-get", "install", "-q", "-y", "mosquitto", "mosquitto-clients"}, Env: quiet, Timeout: installTimeout})
	}
	if err != nil || s.Root != "" || s.DryRun {
		return err
	}
	_, err = mosquittoVersion()
	return err
}

// broker is one setup of a broker.
type broker struct {
	o *BrokerOptions
	s *Session

	scan   mosquittoScan
	remove []mosquittoLine
	notes  []Step
	owner  Owner // as whom Mosquitto runs
	config mosquittoConfig

	ca, crl, cert, key []byte // PEM
	passwd, acl        []byte // as they shall be
	password           string // the recorder's; empty: not known
	changedPassword    bool   // it was another one, which the recorder may have
}

// lookAtBroker finds out what there is, and refuses what can't work, before
// anything is changed.
func lookAtBroker(s *Session, o *BrokerOptions) (*broker, error) {
	b := &broker{o: o, s: s}
	if err := b.lookAtConfig(); err != nil {
		return nil, err
	}
	if err := b.lookAtCertificate(); err != nil {
		return nil, err
	}
	return b, b.lookAtUsers()
}

func (b *broker) lookAtConfig() error {
	var err error
	b.scan, err = scanMosquitto(b.s)
	if errors.Is(err, fs.ErrNotExist) && b.s.DryRun && b.o.Install {
		b.scan, err = mosquittoScan{included: true}, nil // it comes with the package
	}
	if err != nil {
		return err
	}
	installed := brokerView{port: BrokerPort, bind: b.o.Bind}
	installed.readInstalled(b.s, b.o)
	var notes []string
	if b.remove, notes, err = b.scan.contradictions(installed.port); err != nil {
		return err
	}
	for _, n := range notes {
		b.notes = append(b.notes, Note(n))
	}
	for _, l := range b.remove {
		b.notes = append(b.notes, Note(fmt.Sprintf("%v: is taken out: beside our listener it would contradict, or open another one", l)))
		if l.key == "password_file" {
			b.notes = append(b.notes, Note(fmt.Sprintf("the users of %s are not taken over: run \"sluice setup device NAME\" for each", l.value)))
		}
	}
	user := b.scan.value("user")
	if user == "" {
		user = mosquittoUser
	}
	b.owner = Owner{User: user, Group: user}
	location := b.scan.value("persistence_location") == ""
	b.config = mosquittoConfig{port: installed.port, bind: installed.bind, clientCerts: installed.wantCert, location: location}
	if b.o.ClientCerts != nil {
		b.config.clientCerts = *b.o.ClientCerts
	}
	return nil
}

// lookAtCertificate reads the broker's certificate, its key and the authority.
func (b *broker) lookAtCertificate() error {
	place := b.s.Path(b.o.pkiFolder())
	if info, err := os.Stat(place); err == nil && !info.IsDir() {
		data, err := os.ReadFile(place)
		if err != nil {
			return err
		}
		bundle, err := pki.ParseBundle(place, data)
		if err != nil {
			return err
		}
		return b.take(place, bundle)
	}
	pair, err := pki.Read(place, brokerName)
	if errors.Is(err, fs.ErrNotExist) {
		if old, oldErr := pki.Read(b.s.Path(brokerFolder), brokerName); oldErr == nil {
			place, pair, err = b.s.Path(brokerFolder), old, nil
		}
	}
	if err != nil {
		return fmt.Errorf("%w; or give --pki FOLDER", err)
	}
	authority, err := pki.Open(place)
	if err != nil {
		return err
	}
	return b.take(place, &pki.Bundle{Pair: *pair, CA: authority.Cert, CRL: authority.CRL})
}

func (b *broker) take(place string, from *pki.Bundle) (err error) {
	if err := pki.CheckSigned(place, from.Cert, from.CA); err != nil {
		return err
	}
	switch left := pki.Left(from.Cert, time.Now()); {
	case pki.UseOf(from.Cert)&pki.Server == 0:
		return fmt.Errorf("%s: the certificate of %s is not for a server: make one with \"sluice setup pki issue %s\"", place, from.Name, brokerName)
	case left <= 0:
		return fmt.Errorf("%s: the certificate of %s has expired: \"sluice setup pki renew %s\" makes a new one", place, from.Name, from.Name)
	}
	b.ca, b.crl, b.cert = from.CAPEM(), from.CRLPEM(), from.CertPEM()
	b.key, err = from.KeyPEM()
	b.config.crl = len(b.crl) > 0
	return err
}

// lookAtUsers decides about the recorder's password. What is stored where the
// recorder finds it counts; a hash alone is kept.
func (b *broker) lookAtUsers() (err error) {
	if b.passwd, err = b.s.readOr(brokerUsers, nil); err != nil {
		return err
	}
	start := []byte("# Users and their rights: \"sluice setup device\" adds to them. Lines of your own stay.\n\n" +
		"# Each user may talk to himself, where nothing is recorded: for checks.\n" + checkPattern + "\n")
	if b.acl, err = b.s.readOr(brokerRights, start); err != nil {
		return err
	}
	if !slices.Contains(lines(b.acl), checkPattern) {
		b.acl = slices.Concat([]byte(checkPattern+"\n"), b.acl)
	}
	rights := []right{{"read", "#"}}
	if b.o.ReadSys {
		rights = append(rights, right{"read", "$SYS/#"})
	}
	b.acl = withRights(b.acl, RecorderUser, "the recorder", rights)

	if b.password, err = b.o.storedPassword(b.s); err != nil {
		return err
	}
	hash, known := userHash(b.passwd, RecorderUser)
	switch {
	case b.o.Rotate, !known && b.password == "":
		b.password = newPassword()
	case b.password != "" && known && passwordFits(hash, b.password):
		return nil
	case b.password == "":
		b.notes = append(b.notes, Note(fmt.Sprintf("the password of %s is kept; only its hash is known here (--rotate makes a new one)", RecorderUser)))
		return nil
	}
	b.changedPassword = known
	if hash, err = hashPassword(b.password); err != nil {
		return err
	}
	b.passwd = withUser(b.passwd, RecorderUser, hash)
	return nil
}

// readOr reads a file of the machine that may be missing.
func (s *Session) readOr(path string, otherwise []byte) ([]byte, error) {
	content, err := s.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return otherwise, nil
	}
	return content, err
}

// storedPassword reads the recorder's password from where it was put; "": it is
// not there.
func (o *BrokerOptions) storedPassword(s *Session) (string, error) {
	if o.RecorderPasswordFile != "" {
		return readPasswordFile(o.RecorderPasswordFile)
	}
	store, err := keystore.Open(s.Path(brokerKeystore))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	password, _ := store.Get(MQTTPasswordKey)
	return password, nil
}

// readPasswordFile reads a password, but for a line end; "" where there is no
// file.
func readPasswordFile(path string) (string, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	password := string(bytes.TrimRight(content, "\r\n"))
	if password == "" || bytes.ContainsAny([]byte(password), "\x00\r\n") {
		return "", fmt.Errorf("%s: it must hold one line, the password", path)
	}
	return password, nil
}

func (b *broker) certificateSteps() []Step {
	steps := []Step{
		Dir{Path: brokerFolder, Mode: 0o750, Owner: Owner{Group: b.owner.Group}},
		File{Path: brokerCA, Content: b.ca, Mode: 0o644},
		File{Path: brokerCert, Content: b.cert, Mode: 0o644},
		// Mosquitto reads the key when it is root no more.
		File{Path: brokerKey, Content: b.key, Mode: 0o400, Owner: b.owner, Secret: true, NoBackup: true},
	}
	if len(b.crl) > 0 {
		steps = append(steps, File{Path: brokerCRL, Content: b.crl, Mode: 0o644, NoBackup: true})
	}
	return steps
}

// userSteps: the password is where the recorder finds it before the broker wants
// it. Mosquitto warns of lists that are not its own or that others may read, and
// says that it will refuse them.
func (b *broker) userSteps() (steps []Step) {
	switch {
	case b.password == "":
	case b.o.RecorderPasswordFile != "":
		steps = append(steps, ownFile{path: b.o.RecorderPasswordFile, content: []byte(b.password + "\n"), show: "(secret)"})
	default:
		steps = append(steps, someEtcSluice{}, Dir{Path: gatewayCredentials, Mode: 0o700},
			secret{Keystore: brokerKeystore, Name: MQTTPasswordKey, Value: b.password})
	}
	return append(steps,
		File{Path: brokerRights, Content: b.acl, Mode: 0o600, Owner: b.owner},
		File{Path: brokerUsers, Content: b.passwd, Mode: 0o600, Owner: b.owner, Secret: true})
}

func (b *broker) configSteps() (steps []Step) {
	for i, l := range b.remove {
		if slices.ContainsFunc(b.remove[:i], func(other mosquittoLine) bool { return other.file == l.file }) {
			continue
		}
		mine := slices.DeleteFunc(slices.Clone(b.remove), func(other mosquittoLine) bool { return other.file != l.file })
		content, err := b.s.ReadFile(l.file)
		if err != nil {
			return []Step{failed{err}}
		}
		steps = append(steps, File{Path: l.file, Content: commentOut(content, mine), Mode: 0o644})
	}
	return append(steps, File{Path: mosquittoOurs, Content: b.config.text(), Mode: 0o644})
}

// ownFile is a file of who runs setup: his, mode 600, wherever he wants it, and
// not below Root.
type ownFile struct {
	path    string
	content []byte
	show    string // instead of the content, in a dry run
}

func (f ownFile) do(_ context.Context, s *Session) (report, error) {
	r := report{verb: "write", line: fmt.Sprintf("%s  (600)", f.path), detail: "    | " + f.show + "\n"}
	old, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return report{}, err
	}
	if err == nil && bytes.Equal(old, f.content) {
		r.verb = "same"
		return r, os.Chmod(f.path, 0o600)
	}
	r.changed = true
	backup := ""
	if err == nil {
		backup = f.path + ".bak-" + s.now().UTC().Format(backupTime)
		r.line += "  old: " + backup
	}
	if s.DryRun {
		return r, nil
	}
	if backup != "" {
		if err := f.write(backup, old); err != nil {
			return report{}, err
		}
	}
	return r, f.write(f.path, f.content)
}

func (f ownFile) write(path string, content []byte) error {
	if err := durable.WriteFile(path, 0o600, writeAll(content)); err != nil {
		return err
	}
	if uid, gid, ok := caller(); ok {
		return os.Chown(path, uid, gid)
	}
	return nil
}
