package setup_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"sluice/internal/nspawn"
)

// build makes a program without cgo, as the releases are.
func build(t *testing.T, out, pkg string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
}

func TestGatewayFromABareMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a system")
	}
	nspawn.Needs(t, "systemd-run:systemd", "mosquitto", "mosquitto_pub:mosquitto-clients", "mosquitto_passwd:mosquitto")
	probe, err := os.ReadFile("testdata/gateway.sh")
	if err != nil {
		t.Fatal(err)
	}
	m := nspawn.Machine{Root: nspawn.Overlay(t, "/"), Out: t.TempDir(), Probe: string(probe), Limit: 5 * time.Minute}
	build(t, m.Root+"/root/sluice", "sluice/cmd/sluice")
	build(t, m.Out+"/receiver", "./testdata/receiver")
	m.Boot(t)
	m.Report(t)
}

// Without systemd the files are such that the services can be run by another init:
// the user reads key and keystore himself. The weekly script finds nothing to do.
func TestGatewayWithoutSystemd(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	nspawn.Needs(t, "chroot:coreutils", "setpriv:util-linux", "useradd:passwd")
	root := nspawn.Overlay(t, "/")
	if err := os.RemoveAll(root + "/run/systemd/system"); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "--rbind", "/proc", root+"/proc").CombinedOutput(); err != nil {
		nspawn.Skip(t, "mount /proc: "+string(out))
	}
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", root+"/proc").Run() })
	build(t, root+"/root/sluice", "sluice/cmd/sluice")
	nspawn.Write(t, root+"/root/password", "pass word\n", 0o600)
	const script = `set -e
rm -f $(command -v systemd-sysusers)
export PATH=/usr/sbin:/usr/bin
/root/sluice setup pki issue gateway
set -- --logstash localhost:5044 --serial /dev/ttyACM0 --mqtt-password-file /root/password
/root/sluice setup gateway "$@"
/root/sluice setup gateway "$@" > /root/again
! grep -vE '^(same|note) ' /root/again
id sluice
id -nG sluice | grep -w dialout | grep -w adm
setpriv --reuid=sluice --regid=sluice --init-groups sluice test config | grep 'Config OK'
/etc/cron.weekly/sluice
`
	out, err := exec.Command("chroot", root, "/bin/sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
