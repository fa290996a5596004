package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/config"
	"sluice/internal/pki"
)

// Where things are on a gateway.
const (
	gatewayFolder      = "/etc/sluice"
	gatewayCA          = gatewayFolder + "/ca.crt"
	gatewayCredentials = gatewayFolder + "/credentials"
	gatewayProfile     = gatewayFolder + "/client.ovpn"
	gatewayData        = "/var/lib/sluice"
	gatewayProgram     = "/usr/bin/sluice"
	wireGuardFile      = "/etc/wireguard/sluice.conf"

	recorderUnit  = "sluice-recorder.service"
	tailerUnit    = "sluice-tailer.service"
	timerUnit     = "sluice-cleaner.timer"
	vpnUnit       = "sluice-vpn.service"
	wireGuardUnit = "wg-quick@sluice.service"

	// GatewayConfig is the configuration that Gateway writes.
	GatewayConfig = gatewayFolder + "/sluice.yml"
	// MQTTPasswordKey is the recorder's password in the keystore.
	MQTTPasswordKey = "MQTT_PASSWORD"
)

// GatewayOptions say what a gateway records, where it ships to, and how it gets
// there.
type GatewayOptions struct {
	GatewayFlags

	// Files are the gateway's certificates; the zero value: those that are on
	// the machine already.
	Files GatewayFiles
	// MQTTPassword is the password of MQTTUser; empty: the keystore has it.
	MQTTPassword string
	// OpenVPN and WireGuard are profiles to install; empty: what is installed
	// stays.
	OpenVPN, WireGuard []byte
	// Program is the file of this program, which is installed where no package
	// did; empty: not.
	Program string
	// Overwrite replaces a configuration that was edited by hand.
	Overwrite bool
	// NoStart enables the services, and starts none.
	NoStart bool
	// NoUnits installs, enables and starts no service.
	NoUnits bool
}

// gateway is one setup of a gateway.
type gateway struct {
	o    GatewayOptions
	s    *Session
	text []byte // the configuration, without its first line

	systemd  bool       // systemd starts what runs here
	packaged bool       // units and program are a package's
	taken    pki.Bundle // certificates that come with this setup; nil: none
	hasCA    bool       // /etc/sluice/ca.crt is there, or will be
	cert     string     // the name of the gateway's certificate
	hasCert  bool       // the same of the certificate and its key

	began  time.Time
	use    use
	failed int // checks at the end
}

// use is what a configuration makes the services do.
type use struct{ record, serial, ship bool }

// Gateway sets a gateway up: program, units, users, certificates, secrets,
// configuration, services. What can't be reached at the end, such as a broker, is
// told and is the error; the services go on trying by themselves.
func Gateway(ctx context.Context, s *Session, o GatewayOptions) error {
	g := &gateway{o: o, s: s, began: time.Now()}
	if err := g.look(); err != nil {
		return err
	}
	steps := slices.Concat(g.program(), g.accounts(), g.folders(), g.certificates(), g.secrets(), g.configuration())
	if err := s.Apply(ctx, steps...); err != nil {
		return err
	}
	g.inspect()
	if err := s.Apply(ctx, slices.Concat(g.dropIn(), g.vpn(), g.services())...); err != nil {
		return err
	}
	if err := s.Apply(ctx, g.checks()...); err != nil {
		return err
	}
	if err := s.Apply(ctx, g.closing()...); err != nil {
		return err
	}
	if g.failed > 0 {
		return errors.New("the gateway is set up and goes on trying by itself, but not all works yet: see the lines with FAIL")
	}
	return nil
}

// look finds out what the machine has, and refuses what can't work.
func (g *gateway) look() error {
	g.systemd = g.there("/run/systemd/system")
	if g.s.Root != "" {
		g.systemd = g.there("/usr/lib/systemd/systemd") || g.there("/lib/systemd/systemd")
	}
	g.packaged = g.packageUnit(recorderUnit) != ""
	if err := g.o.validate(); err != nil {
		return err
	}
	if err := g.lookForCertificates(); err != nil {
		return err
	}
	if err := g.lookForVPN(); err != nil {
		return err
	}
	g.text = g.render()
	var err error
	if g.use, err = inspect(g.text); err != nil {
		return fmt.Errorf("these flags make no good configuration: %w", err)
	}
	if err := g.lookForPassword(); err != nil {
		return err
	}
	if !g.use.record && !g.use.ship && !g.usedByHand() {
		return errors.New("nothing to do for this gateway: give --broker URL or --serial PORT to record, --logstash HOST:PORT to ship")
	}
	return nil
}

// there tells whether a file of the machine exists.
func (g *gateway) there(path string) bool {
	_, err := os.Stat(g.s.Path(path))
	return err == nil
}

// packageUnit returns where a package has put a unit; empty: none has.
func (g *gateway) packageUnit(unit string) string {
	for _, folder := range []string{"/usr/lib/systemd/system", "/lib/systemd/system"} {
		if g.there(folder + "/" + unit) {
			return folder + "/" + unit
		}
	}
	return ""
}

// missing is an error, but in a dry run only a hint: what an earlier command
// would make is not there then.
func (g *gateway) missing(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if !g.s.DryRun {
		return err
	}
	return g.s.Apply(context.Background(), Note(err.Error()))
}

// etcSluice is the folder of configuration and certificates.
var etcSluice = Dir{Path: gatewayFolder, Mode: 0o750, Owner: Owner{Group: "sluice"}}

// someEtcSluice is etcSluice for who may come before the group, which gateway and
// package make: until then the folder only is there.
type someEtcSluice struct{}

func (someEtcSluice) do(ctx context.Context, s *Session) (report, error) {
	if _, err := s.id("/etc/group", "sluice", "group"); err == nil {
		return etcSluice.do(ctx, s)
	}
	info, err := os.Stat(s.Path(gatewayFolder))
	if err != nil {
		return Dir{Path: gatewayFolder, Mode: 0o755}.do(ctx, s)
	}
	return report{verb: "same", line: fmt.Sprintf("%s/  (%o)", gatewayFolder, info.Mode().Perm())}, nil
}

func (g *gateway) folders() []Step {
	sluice := Owner{User: "sluice", Group: "sluice"}
	return []Step{
		etcSluice,
		Dir{Path: gatewayCredentials, Mode: 0o700},
		Dir{Path: gatewayData, Mode: 0o750, Owner: sluice},
		Dir{Path: "/var/log/sluice", Mode: 0o750, Owner: sluice},
	}
}

func (g *gateway) configuration() []Step {
	return []Step{kept{Path: GatewayConfig, Text: g.text, Mode: 0o640, Owner: Owner{Group: "sluice"}, Overwrite: g.o.Overwrite}}
}

// inspect looks at the configuration that counts: one that was edited by hand
// may have other sources.
func (g *gateway) inspect() {
	text, err := g.s.ReadFile(GatewayConfig)
	if err != nil || g.s.DryRun && (g.o.Overwrite || !edited(text)) {
		return // a dry run has written none
	}
	// A faulty one is told by the check before the start.
	if found, err := inspect(text); err == nil {
		g.use = found
	}
}

// usedByHand tells whether there is a configuration by hand that does something.
func (g *gateway) usedByHand() bool {
	text, err := g.s.ReadFile(GatewayConfig)
	if err != nil || !edited(text) || g.o.Overwrite {
		return false
	}
	found, err := inspect(text)
	return err == nil && (found.record || found.ship)
}

// inspect reads a configuration, in which any text stands for what it refers to.
func inspect(text []byte) (use, error) {
	cfg, err := config.Parse(filepath.Base(GatewayConfig), withoutReferences(text))
	if err != nil {
		return use{}, err
	}
	u := use{record: cfg.NothingToRecord() == nil, ship: cfg.NothingToShip() == nil}
	u.serial = cfg.Recorder != nil && len(cfg.Recorder.Serial) > 0
	return u, nil
}

// closing says what is left to do.
func (g *gateway) closing() (notes []Step) {
	if !g.use.ship {
		notes = append(notes, Note("nothing is shipped yet: run this again with --logstash HOST:PORT"))
	}
	if !g.use.record {
		notes = append(notes, Note("nothing is recorded: run this again with --broker URL or --serial PORT"))
	}
	for _, glob := range g.o.Logs {
		if text := g.unreadable(glob); text != "" {
			notes = append(notes, Note(text))
		}
	}
	if g.systemd && !g.o.NoUnits && g.s.Root == "" && !g.s.DryRun && !g.o.NoStart {
		notes = append(notes, Note("how it is: systemctl status 'sluice-*'; what it says: journalctl -u 'sluice-*'"))
	}
	return notes
}

// unreadable tells of files that the tailer, which is in the group adm, can't
// read; empty: none.
func (g *gateway) unreadable(glob string) string {
	found, _ := filepath.Glob(g.s.Path(glob)) // a bad one was refused before
	if len(found) == 0 {
		return "--logs " + glob + " fits no file now; files that come later are shipped"
	}
	adm, _ := g.s.id("/etc/group", "adm", "group") // none: nobody is in it
	var closed []string
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && !readable(info, adm) {
			closed = append(closed, strings.TrimPrefix(path, g.s.Root))
		}
	}
	if len(closed) == 0 {
		return ""
	}
	return fmt.Sprintf("the tailer, which is in the group adm, can't read %s: give them to that group, or name theirs by SupplementaryGroups= (systemctl edit %s)",
		strings.Join(closed, ", "), tailerUnit)
}

// readable tells whether the group or everybody may read a file.
func readable(info fs.FileInfo, group int) bool {
	return info.Mode()&0o004 != 0 || info.Mode()&0o040 != 0 && groupOf(info) == group
}
