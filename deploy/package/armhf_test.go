package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sluice/internal/nspawn"
)

const binfmt = "/proc/sys/fs/binfmt_misc"

// emulate has the kernel run armhf programs, and takes it back after the test.
func emulate(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(binfmt + "/register"); err != nil {
		output(t, "mount", "-t", "binfmt_misc", "binfmt_misc", binfmt)
		t.Cleanup(func() { output(t, "umount", binfmt) })
	}
	if _, err := os.Stat(binfmt + "/qemu-arm"); err == nil {
		return
	}
	format, err := os.ReadFile("/usr/lib/binfmt.d/qemu-arm.conf")
	if err != nil {
		nspawn.Skip(t, err.Error()+"; on Debian: apt-get install qemu-user-static")
	}
	must(t, os.WriteFile(binfmt+"/register", bytes.TrimSpace(format), 0o200))
	t.Cleanup(func() { must(t, os.WriteFile(binfmt+"/qemu-arm", []byte("-1"), 0o200)) })
}

// What an emulator of programs (not of machines) can't do: users and a network of a
// process's own, and systemd's way to hand over credentials, which fails for units
// of systemd itself there, too. Other tests have them.
const unemulated = "[Service]\nPrivateUsers=no\nPrivateNetwork=no\nLoadCredential=\n"

// The slow tier, which "make test-arm-package" runs: ARM_TREE is a Debian for
// armhf, as scripts/armhf-tree makes it.
func TestArmhfPackageOnAnEmulatedPi(t *testing.T) {
	tree := os.Getenv("ARM_TREE")
	if tree == "" {
		t.Skip("minutes long: run by make test-arm-package")
	}
	nspawn.Needs(t, "qemu-arm-static:qemu-user-static")
	file := deb(t, "armhf")
	emulate(t)
	root := nspawn.Overlay(t, tree)
	place(t, file, root+"/sluice.deb")
	begin := time.Now()
	install := exec.Command("chroot", root, "dpkg", "-i", "/sluice.deb")
	install.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}
	said, err := install.CombinedOutput()
	if err != nil {
		t.Fatalf("dpkg -i: %v\n%s", err, said)
	}
	t.Logf("installed in %s:\n%s", time.Since(begin).Round(time.Second), said)
	// Before the boot, so that it also shows a gateway that was switched off.
	output(t, "chroot", root, "bash", "-ec", "systemd-run() { :; }; await() { :; }\n"+probe(t, "gateway.sh")+"\nconfigure")
	for _, unit := range []string{"recorder", "tailer", "cleaner"} {
		nspawn.Write(t, root+"/etc/systemd/system/sluice-"+unit+".service.d/unemulated.conf", unemulated, 0o644)
	}
	nspawn.Write(t, root+"/etc/mosquitto/conf.d/test.conf", "listener 1883 127.0.0.1\nallow_anonymous true\n", 0o644)
	machine := nspawn.Machine{Root: root, Out: filepath.Join(t.TempDir(), "out"), Probe: probe(t, "armhf.sh"), Limit: 10 * time.Minute}
	must(t, os.Mkdir(machine.Out, 0o755))
	begin = time.Now()
	machine.Boot(t)
	t.Logf("booted, worked, powered off in %s", time.Since(begin).Round(time.Second))
	machine.Report(t)
}
