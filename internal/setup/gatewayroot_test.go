package setup

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/nspawn"
)

// image is a tree as of a mounted Pi OS, with or without systemd.
func image(t *testing.T, systemd bool) (root string) {
	t.Helper()
	if os.Getuid() != 0 {
		nspawn.Skip(t, "only root can make files of other users")
	}
	tool := "systemd-sysusers"
	if _, err := exec.LookPath(tool); err != nil {
		nspawn.Skip(t, tool+" is missing; on Debian: apt-get install systemd")
	}
	root = t.TempDir()
	files := map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\nadm:x:4:\ndialout:x:20:\n",
		"etc/shadow": "root:*::0:::::\n", "etc/gshadow": "root:*::\nadm:*::\ndialout:*::\n", "etc/hostname": "pi-image\n", "usr/bin/sluice": "arm",
	}
	if systemd {
		files["usr/lib/systemd/systemd"] = ""
	}
	for name, text := range files {
		nspawn.Write(t, filepath.Join(root, name), text, 0o644)
	}
	return root
}

// snapshot is a hash of all files with their content, modes and owners.
func snapshot(t *testing.T, root string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(sum, path, info.Mode(), info.ModTime(), groupOf(info))
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			sum.Write(content)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

func imageOptions(t *testing.T) GatewayOptions {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	if err := (PKI{Dir: dir}).Issue(t.Context(), &Session{Out: t.Output()}, Issue{Name: "gateway"}); err != nil {
		t.Fatal(err)
	}
	f := plainFlags()
	f.Name, f.Serial, f.Logstash = "pi-image", []string{"/dev/ttyACM0,115200"}, []string{"10.8.0.1:5044"}
	return GatewayOptions{GatewayFlags: f, Files: GatewayFiles{PKI: dir}, MQTTPassword: "pass word", Program: "/proc/self/exe"}
}

// owns checks mode, owner and group of a file by their names in root.
func owns(t *testing.T, s *Session, path string, mode fs.FileMode, o Owner) {
	t.Helper()
	info, err := os.Stat(s.Path(path))
	if err != nil {
		t.Error(err)
		return
	}
	if info.Mode().Perm() != mode || !s.owned(info, o) {
		t.Errorf("%s: mode %v, owner %v, want %v %s", path, info.Mode(), info.Sys(), mode, o)
	}
}

func TestGatewayOnAnImage(t *testing.T) {
	root, o := image(t, true), imageOptions(t)
	var out bytes.Buffer
	s := &Session{Root: root, Out: &out, DryRun: true}
	before := snapshot(t, root)
	if err := Gateway(t.Context(), s, o); err != nil || snapshot(t, root) != before || strings.Contains(out.String(), "pass word") || strings.Contains(out.String(), "PRIVATE") {
		t.Errorf("dry run: %v, changed the image: %v\n%s", err, snapshot(t, root) != before, out.String())
	}
	s = &Session{Root: root, Out: &out}
	if err := Gateway(t.Context(), s, o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	owns(t, s, GatewayConfig, 0o640, Owner{Group: "sluice"})
	owns(t, s, "/etc/sluice/credentials", 0o700, Owner{})
	owns(t, s, "/etc/sluice/credentials/gateway.key", 0o600, Owner{})
	owns(t, s, "/etc/sluice/credentials/keystore", 0o600, Owner{})
	owns(t, s, gatewayData, 0o750, Owner{User: "sluice", Group: "sluice"})
	owns(t, s, serialDropIn, 0o644, Owner{})
	for _, link := range []string{"multi-user.target.wants/sluice-recorder.service", "multi-user.target.wants/sluice-tailer.service", "timers.target.wants/sluice-cleaner.timer", "stMQTT.service"} {
		if _, err := os.Readlink(s.Path(unitFolder + "/" + link)); err != nil {
			t.Errorf("not enabled: %v", err)
		}
	}
	if program, _ := s.ReadFile(gatewayProgram); string(program) != "arm" {
		t.Error("the program of this machine is on the image")
	}
	if _, _, err := s.ids(Owner{User: "sluice-vpn", Group: "sluice-vpn"}); err != nil {
		t.Error(err)
	}
	before = snapshot(t, root)
	out.Reset()
	s = &Session{Root: root, Out: &out}
	if err := Gateway(t.Context(), s, o); err != nil || s.Changed() || snapshot(t, root) != before {
		t.Errorf("again: %v, changed %v\n%s", err, s.Changed(), out.String())
	}
	o.Serial = []string{None}
	if err := Gateway(t.Context(), s, o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Path(serialDropIn)); err == nil {
		t.Error("the drop-in stays without a serial port")
	}
}

func TestGatewayOnAnImageWithoutSystemd(t *testing.T) {
	root, o := image(t, false), imageOptions(t)
	var out bytes.Buffer
	s := &Session{Root: root, Out: &out}
	if err := Gateway(t.Context(), s, o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	sluice := Owner{User: "sluice", Group: "sluice"}
	owns(t, s, cronScript, 0o755, Owner{})
	owns(t, s, "/etc/sluice/gateway.key", 0o640, Owner{Group: "sluice"})
	owns(t, s, gatewayData+"/filebeat.keystore", 0o600, sluice)
	text, _ := s.ReadFile(GatewayConfig)
	if !strings.Contains(string(text), "key: /etc/sluice/gateway.key\n") {
		t.Errorf("the configuration:\n%s", text)
	}
	if script, _ := s.ReadFile(cronScript); !bytes.HasPrefix(script, []byte("#!/bin/sh\n")) {
		t.Errorf("the script begins %.40q", script)
	}
	for _, group := range []string{"adm", "dialout"} {
		if !s.inGroup("sluice", group) {
			t.Errorf("not in the group %s", group)
		}
	}
	if _, err := os.Stat(s.Path(unitFolder + "/" + recorderUnit)); err == nil {
		t.Error("there are units without systemd")
	}
	again := &Session{Root: root, Out: &out}
	if err := Gateway(t.Context(), again, o); err != nil || again.Changed() {
		t.Errorf("again: %v, changed %v\n%s", err, again.Changed(), out.String())
	}
}

// What is missing is told before anything is done, with the mend.
func TestGatewayTellsWhatIsMissing(t *testing.T) {
	for want, change := range map[string]func(t *testing.T, o *GatewayOptions){
		"give --bundle FILE or --pki FOLDER":        func(_ *testing.T, o *GatewayOptions) { o.Files = GatewayFiles{} },
		"is not known here: run sluice setup":       func(_ *testing.T, o *GatewayOptions) { o.MQTTPassword = "" },
		"--bundle and --pki exclude each other":     func(_ *testing.T, o *GatewayOptions) { o.Files.Bundle = "x" },
		"--pki: open /nowhere/ca.crt":               func(_ *testing.T, o *GatewayOptions) { o.Files.PKI = "/nowhere" },
		"--vpn: line 1: up":                         func(_ *testing.T, o *GatewayOptions) { o.OpenVPN = []byte("up x\nremote a\n") },
		"--vpn: there is no /usr/sbin/openvpn":      func(_ *testing.T, o *GatewayOptions) { o.OpenVPN = []byte("remote a\n") },
		"--wireguard: there is no /usr/bin/wg":      func(_ *testing.T, o *GatewayOptions) { o.WireGuard = []byte(goodWireGuard) },
		"these flags make no good configuration":    func(_ *testing.T, o *GatewayOptions) { o.Logstash = []string{"a:b:c"} },
		"recorder.mqtt.0.format: \"%y\"":            func(_ *testing.T, o *GatewayOptions) { o.Format = "%y" },
		"recorder.serial.0.port":                    func(_ *testing.T, o *GatewayOptions) { o.Serial = []string{"ttyUSB0"} },
		"nothing to do for this gateway":            func(_ *testing.T, o *GatewayOptions) { o.Broker, o.Serial, o.Logstash = None, nil, nil },
		"the private key can't be read as PKCS#8":   damage("gateway.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
		"ca.crt: there is no certificate in it":     damage("ca.crt", "none"),
		"gateway.crt: another authority has signed": foreign,
	} {
		root, o := image(t, true), imageOptions(t)
		change(t, &o)
		before := snapshot(t, root)
		err := Gateway(t.Context(), &Session{Root: root, Out: t.Output()}, o)
		if err == nil || !strings.Contains(err.Error(), want) || snapshot(t, root) != before {
			t.Errorf("%s: %v; changed: %v", want, err, snapshot(t, root) != before)
		}
	}
}

func damage(name, text string) func(*testing.T, *GatewayOptions) {
	return func(t *testing.T, o *GatewayOptions) { nspawn.Write(t, filepath.Join(o.Files.PKI, name), text, 0o600) }
}

// foreign puts the authority of another folder into this one.
func foreign(t *testing.T, o *GatewayOptions) {
	other, err := os.ReadFile(imageOptions(t).Files.PKI + "/ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	nspawn.Write(t, o.Files.PKI+"/ca.crt", string(other), 0o644)
}

// A bundle brings all; the authority on a machine is not replaced by one that
// happens to lie there.
func TestGatewayTakesABundle(t *testing.T) {
	root, o := image(t, true), imageOptions(t)
	bundle := filepath.Join(t.TempDir(), "bundle")
	pki := PKI{Dir: o.Files.PKI}
	if err := pki.Issue(t.Context(), &Session{Out: t.Output()}, Issue{Name: "line2"}); err != nil {
		t.Fatal(err)
	}
	if err := pki.Bundle(t.Context(), &Session{Out: t.Output()}, "line2", bundle); err != nil {
		t.Fatal(err)
	}
	theirs, _ := os.ReadFile(o.Files.PKI + "/ca.crt")
	o.Files = GatewayFiles{Bundle: bundle}
	s := &Session{Root: root, Out: t.Output()}
	if err := Gateway(t.Context(), s, o); err != nil {
		t.Fatal(err)
	}
	owns(t, s, "/etc/sluice/credentials/line2.key", 0o600, Owner{})
	if err := os.CopyFS(root+"/etc/sluice/pki", os.DirFS(imageOptions(t).Files.PKI)); err != nil {
		t.Fatal(err)
	}
	o.Files, o.Cert = GatewayFiles{}, "line2"
	again := &Session{Root: root, Out: t.Output()}
	if err := Gateway(t.Context(), again, o); err != nil || again.Changed() {
		t.Errorf("with another authority beside it: %v, changed %v", err, again.Changed())
	}
	if ca, _ := s.ReadFile(gatewayCA); !bytes.Equal(ca, theirs) {
		t.Error("the authority is another one")
	}
}

func TestGatewayTellsOfLogsThatNobodyMayRead(t *testing.T) {
	root := image(t, true)
	g := &gateway{s: &Session{Root: root}}
	nspawn.Write(t, root+"/srv/open.log", "", 0o644)
	nspawn.Write(t, root+"/srv/group.log", "", 0o640)
	if err := os.Chown(root+"/srv/group.log", 0, 4); err != nil {
		t.Fatal(err)
	}
	if text := g.unreadable("/srv/*.log"); text != "" {
		t.Errorf("readable ones: %s", text)
	}
	nspawn.Write(t, root+"/srv/shut.log", "", 0o640)
	if text := g.unreadable("/srv/*.log"); !strings.Contains(text, "can't read /srv/shut.log: ") {
		t.Errorf("one that is not: %s", text)
	}
	if text := g.unreadable("/nowhere/*"); !strings.Contains(text, "fits no file") {
		t.Errorf("none: %s", text)
	}
}

// A configuration by hand counts, whatever the flags say; --no-units leaves
// systemd alone.
func TestGatewayWithAConfigurationByHand(t *testing.T) {
	const byHand = "recorder.serial: [{port: /dev/ttyS0}]\noutput.file.path: ${WHERE}\n"
	for _, noUnits := range []bool{false, true} {
		root, o := image(t, true), imageOptions(t)
		nspawn.Write(t, root+GatewayConfig, byHand, 0o640)
		o.Broker, o.Serial, o.Logstash, o.NoUnits = None, nil, nil, noUnits
		s := &Session{Root: root, Out: t.Output()}
		if err := Gateway(t.Context(), s, o); err != nil {
			t.Fatal(err)
		}
		if text, _ := s.ReadFile(GatewayConfig); string(text) != byHand {
			t.Errorf("it became %q", text)
		}
		for _, path := range []string{serialDropIn, unitFolder + "/" + tailerUnit, unitFolder + "/multi-user.target.wants/" + tailerUnit} {
			if _, err := os.Lstat(s.Path(path)); (err == nil) == noUnits {
				t.Errorf("no units %v: %s: %v", noUnits, path, err)
			}
		}
	}
}

// The broker may be set up before the gateway and after it.
func TestBrokerLeavesTheFolderAsGatewayAndPackageWantIt(t *testing.T) {
	s, _ := machine(t)
	mode := func() fs.FileMode {
		info, err := os.Stat(s.Path(gatewayFolder))
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	apply(t, s, someEtcSluice{})
	if mode() != 0o755 {
		t.Errorf("before the gateway: %o", mode())
	}
	if err := os.Chmod(s.Path(gatewayFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	apply(t, s, someEtcSluice{})
	if mode() != 0o700 {
		t.Errorf("an administrator's mode became %o", mode())
	}
	apply(t, s, File{Path: "/etc/passwd", Content: []byte("root:x:0:0::/:\n"), Mode: 0o644}, File{Path: "/etc/group", Content: []byte("sluice:x:4321:\n"), Mode: 0o644})
	for _, step := range []Step{someEtcSluice{}, etcSluice, someEtcSluice{}} {
		apply(t, s, step)
		if mode() != 0o750 {
			t.Errorf("with the group, after %T: %o", step, mode())
		}
	}
	again := &Session{Root: s.Root, Out: s.Out}
	apply(t, again, someEtcSluice{}, etcSluice, someEtcSluice{})
	if again.Changed() {
		t.Error("the two change it back and forth")
	}
}
