// Package systemd_test checks the units of a gateway with systemd's own tools,
// and boots them: systemd-nspawn on an overlay of this machine's root, where
// README.md's commands install them and testdata/probe.sh looks at what they do.
package systemd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/nspawn"
)

// needs skips, loudly, without systemd-analyze.
func needs(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		nspawn.Skip(t, "systemd-analyze is missing; on Debian: apt-get install systemd")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func copyTo(t *testing.T, folder string, files ...string) {
	t.Helper()
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		nspawn.Write(t, filepath.Join(folder, filepath.Base(file)), string(text), 0o644)
	}
}

func units(t *testing.T) []string {
	t.Helper()
	services, _ := filepath.Glob("*.service")
	timers, _ := filepath.Glob("*.timer")
	if len(services) != 4 || len(timers) != 1 {
		t.Fatalf("units: found %v and %v", services, timers)
	}
	return append(services, timers...)
}

// systemd knows every line of the units, and says nothing about them.
func TestUnitsAreVerified(t *testing.T) {
	needs(t)
	for _, serial := range []bool{false, true} {
		root := t.TempDir()
		folder := filepath.Join(root, "etc/systemd/system")
		copyTo(t, folder, units(t)...)
		if serial {
			copyTo(t, filepath.Join(folder, "sluice-recorder.service.d"), "sluice-recorder-serial.conf")
		}
		for _, target := range []string{"sysinit", "basic", "shutdown", "timers", "multi-user", "network"} {
			nspawn.Write(t, filepath.Join(folder, target+".target"), "[Unit]\n", 0o644)
		}
		nspawn.Write(t, filepath.Join(folder, "modprobe@.service"), "[Service]\nType=oneshot\nExecStart=/usr/bin/sluice\n", 0o644)
		for _, binary := range []string{"usr/bin/sluice", "usr/sbin/openvpn"} {
			nspawn.Write(t, filepath.Join(root, binary), "", 0o755)
		}
		args := []string{"verify", "--man=no", "--root=" + root}
		if out := output(t, "systemd-analyze", append(args, units(t)...)...); out != "" {
			t.Errorf("systemd-analyze verify, serial %v: %s", serial, out)
		}
	}
}

// The numbers of README.md hold.
func TestExposureIsAsTheReadmeSays(t *testing.T) {
	needs(t)
	for _, c := range []struct{ unit, dropIn, threshold string }{
		{"sluice-recorder.service", "", "14"},
		{"sluice-recorder.service", "sluice-recorder-serial.conf", "17"},
		{"sluice-tailer.service", "", "12"},
		{"sluice-vpn.service", "", "15"},
		{"sluice-cleaner.service", "", "4"},
	} {
		dir := t.TempDir()
		copyTo(t, dir, c.unit)
		if c.dropIn != "" {
			copyTo(t, filepath.Join(dir, c.unit+".d"), c.dropIn)
		}
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+c.threshold, filepath.Join(dir, c.unit)).CombinedOutput()
		if err != nil {
			t.Errorf("%s %s is more exposed than %s/10: %v\n%s", c.unit, c.dropIn, c.threshold, err, out)
		}
	}
}

func TestTimerIsWeekly(t *testing.T) {
	needs(t)
	text, err := os.ReadFile("sluice-cleaner.timer")
	must(t, err)
	m := regexp.MustCompile(`(?m)^OnCalendar=(.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatal("no OnCalendar=")
	}
	if out := output(t, "systemd-analyze", "calendar", string(m[1])); !strings.Contains(out, "Normalized form: Mon *-*-* 00:00:00") {
		t.Errorf("calendar: %s", out)
	}
}

// The recorder asks the kernel whether the clock is right. When adjtimex(2) is
// forbidden, as it is in a container too, it takes every clock for right.
func TestRecorderMayAskTheClock(t *testing.T) {
	text, err := os.ReadFile("sluice-recorder.service")
	must(t, err)
	asks := regexp.MustCompile(`(?m)^SystemCallFilter=adjtimex clock_adjtime clock_adjtime64$`)
	forbids := regexp.MustCompile(`(?m)^(ProtectClock=(yes|true|on|1)|SystemCallFilter=~.*(@clock|adjtime).*)$`)
	if !asks.Match(text) || forbids.Match(text) {
		t.Error("sluice-recorder.service forbids adjtimex(2)")
	}
}

// blocks returns the shell blocks of README.md that stand at the margin.
func blocks(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	must(t, err)
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllSubmatch(text, -1) {
		all = append(all, string(m[1]))
	}
	if len(all) != 4 {
		t.Fatalf("README.md has %d shell blocks, not 4", len(all))
	}
	return all
}

const configuration = `recorder:
  mqtt:
    - hosts: ["mqtts://127.0.0.1:8883"]
      ssl.certificate_authorities: ["${CREDENTIALS_DIRECTORY}/sluice_broker.crt"]
      ssl.certificate: ${CREDENTIALS_DIRECTORY}/sluice_broker.crt
      ssl.key: ${CREDENTIALS_DIRECTORY}/sluice_broker.key
      username: ${MQTT_USER}
      password: ${MQTT_PASSWORD}
      topics: ["#"]
      qos: 1
      backoff: {init: 100ms, max: 300ms}
  serial:
    - {port: /dev/ttyTEST, baud_rate: 115200}
output.file: {path: /var/lib/sluice/out, rotate_on_startup: false}
filebeat.registry.flush: 0s
cleaner.older_than: 0s
`

const mosquitto = `listener 8883 127.0.0.1
certfile /out/broker.crt
keyfile /run/broker.key
cafile /out/broker.crt
require_certificate true
allow_anonymous false
password_file /run/passwords
`

// certificate makes the broker's certificate, which is its own CA and that of the
// recorder, too.
func certificate(t *testing.T) (crt, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// source is a copy of what README.md's commands use: this folder, and the binary
// beside it.
func source(t *testing.T, root string) {
	t.Helper()
	must(t, os.CopyFS(root+"/src/systemd", os.DirFS(".")))
	must(t, os.Chmod(root+"/src/systemd/cron.weekly/sluice", 0o755))
	build := exec.Command("go", "build", "-o", root+"/src/bin/sluice", "sluice/cmd/sluice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the binary: %v\n%s", err, out)
	}
}

// boot runs the probe in a container with a systemd of its own.
func boot(t *testing.T, root string) nspawn.Machine {
	t.Helper()
	out := t.TempDir()
	readme := blocks(t)
	crt, key := certificate(t)
	for name, text := range map[string]string{
		"install.sh": readme[0], "enable.sh": readme[1], "serial.sh": readme[2], "config.sh": readme[3],
		"sluice.yml": configuration, "mosquitto.conf": mosquitto, "broker.crt": crt, "broker.key": key,
	} {
		nspawn.Write(t, filepath.Join(out, name), text, 0o644)
	}
	probe, err := os.ReadFile("testdata/probe.sh")
	must(t, err)
	machine := nspawn.Machine{Root: root, Out: out, Probe: string(probe)}
	if _, err := os.Stat("/dev/net/tun"); err == nil {
		if _, err := exec.LookPath("openvpn"); err == nil {
			nspawn.Write(t, filepath.Join(out, "vpn"), "yes\n", 0o644)
			node := root + "/src/tun" // with the mode that udev gives it
			must(t, syscall.Mknod(node, syscall.S_IFCHR, 10<<8|200))
			must(t, os.Chmod(node, 0o666))
			machine.Args = []string{"--capability=CAP_NET_ADMIN", "--bind=" + node + ":/dev/net/tun"}
		}
	}
	machine.Args = append(machine.Args, "systemd.mask=mosquitto.service")
	machine.Boot(t)
	return machine
}

func TestUnitsInABootedSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a system")
	}
	nspawn.Needs(t, "systemctl:systemd", "mosquitto", "mosquitto_pub:mosquitto-clients", "mosquitto_passwd:mosquitto", "setpriv:util-linux",
		"nsenter:util-linux", "script:bsdutils")
	root := nspawn.Overlay(t, "/")
	source(t, root)
	machine := boot(t, root)
	machine.Report(t)
	if machine.Read("vpn") == "" {
		t.Log("NOT TESTED: sluice-vpn.service, for want of openvpn or /dev/net/tun")
	}
	if !t.Failed() {
		cron(t, root)
	}
}

// cron runs the weekly script as cron does where systemd does not run: on the
// files that the booted system left.
func cron(t *testing.T, root string) {
	t.Helper()
	nspawn.Write(t, root+"/etc/sluice/environment", "MQTT_USER=pi\nMQTT_PASSWORD='pass word'\nCREDENTIALS_DIRECTORY=/etc/sluice\n", 0o600)
	segments, _ := filepath.Glob(root + "/var/lib/sluice/spool/*.log")
	must(t, os.RemoveAll(root+"/run/systemd/system"))
	if out := output(t, "chroot", root, "/src/systemd/cron.weekly/sluice"); out != "" {
		t.Errorf("the script of cron said: %s", out)
	}
	left, _ := filepath.Glob(root + "/var/lib/sluice/spool/*.log")
	if len(left) >= len(segments) {
		t.Errorf("cron: of %d segments, %d are left", len(segments), len(left))
	}
	must(t, os.Remove(root+"/usr/bin/sluice"))
	nspawn.Write(t, root+"/usr/bin/sluice", "#!/bin/sh\nid -un; echo $MQTT_USER: $*\n", 0o755)
	const want = "sluice\npi: cleaner --quiet\n" // files of root's the tailer couldn't write
	if out := output(t, "chroot", root, "/src/systemd/cron.weekly/sluice"); out != want {
		t.Errorf("the script of cron ran %q, not %q", out, want)
	}
}
