// Package nspawn boots whole systems for tests: a systemd of its own in a
// container (systemd-nspawn), on an overlay of this machine's root or of another
// tree. Nothing of it stays on the machine.
//
// A test makes a root with Overlay, puts files into it, and boots a Machine with a
// probe: a bash script that runs as root in the container, looks at what the
// services do, and prints a line "ok NAME" or "FAIL NAME: what was seen" for each
// thing it looks at. checks.sh has the words for that (check, await, is, prop);
// Report hands the lines to the test. A boot takes two to four seconds, and needs
// root.
package nspawn

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

//go:embed checks.sh
var checks string

// Skip ends a test that can't run here. With CI=true in the environment it fails:
// where everything is installed, nothing may be left out in silence.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("NOT TESTED: " + why)
	}
	t.Skip("NOT TESTED: " + why)
}

// Needs skips without root, or without a program. Each is PROGRAM or, where the
// Debian package has another name, PROGRAM:PACKAGE.
func Needs(t testing.TB, tools ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		Skip(t, "only root can boot a container")
	}
	for _, tool := range append(tools, "systemd-nspawn:systemd-container") {
		name, pkg, ok := strings.Cut(tool, ":")
		if !ok {
			pkg = name
		}
		if _, err := exec.LookPath(name); err != nil {
			Skip(t, name+" is missing; on Debian: apt-get install "+pkg)
		}
	}
}

// leftovers are files of the machine that a fresh one would not have, or that cost
// time: the index of manual pages is made anew by every package.
var leftovers = []string{
	"/etc/sluice", "/var/lib/sluice", "/var/log/sluice", "/usr/bin/sluice",
	"/usr/sbin/policy-rc.d", "/var/lib/man-db/auto-update",
}

// Overlay makes a writable view of a tree, "/" for this machine's own, without
// anything of ours. It goes away with the test.
func Overlay(t testing.TB, tree string) (root string) {
	t.Helper()
	dir := t.TempDir()
	mount := func(args ...string) {
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			Skip(t, "mount "+strings.Join(args, " ")+": "+string(out))
		}
		t.Cleanup(func() {
			if out, err := exec.Command("umount", args[len(args)-1]).CombinedOutput(); err != nil {
				t.Errorf("umount: %s", out)
			}
		})
	}
	mount("-t", "tmpfs", "tmpfs", dir)
	root = filepath.Join(dir, "root")
	for _, name := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount("-t", "overlay", "-o", "lowerdir="+tree+",upperdir="+dir+"/upper,workdir="+dir+"/work", "overlay", root)
	Write(t, root+"/etc/machine-id", "", 0o644)
	for _, name := range leftovers {
		if err := os.RemoveAll(root + name); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Write makes a file, and its folders.
func Write(t testing.TB, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// Machine is a system to boot.
type Machine struct {
	Root  string        // its files
	Out   string        // folder that it sees as /out; where the results go
	Probe string        // bash script, run as root after multi-user.target's services
	Args  []string      // more arguments of systemd-nspawn
	Limit time.Duration // after which it is ended; 100 s by default
	// Network is the file of a network namespace to run in. Default: one of its own,
	// with nothing but its loopback.
	Network string
}

const probeUnit = `[Unit]
After=basic.target network.target
[Service]
Type=oneshot
ExecStart=/bin/bash -c 'exec bash /out/run.sh >/out/checks 2>/out/errors'
ExecStopPost=/bin/bash -c 'journalctl -o short-monotonic > /out/journal'
ExecStopPost=systemctl start --no-block poweroff.target
`

// Units of this machine that a test's system does without.
var masked = []string{"getty@tty1", "postgresql", "openvpn", "apache2", "docker", "containerd", "ssh", "cron"}

// Boot starts the system, and waits until the probe is through and the system off.
// A probe may also end with a reboot ("trap ” TERM; systemctl reboot --no-block"):
// the next Boot is what comes after it.
func (m Machine) Boot(t testing.TB) {
	t.Helper()
	if err := os.Chmod(m.Out, 0o755); err != nil {
		t.Fatal(err)
	}
	Write(t, m.Out+"/run.sh", checks+m.Probe+"\necho done\n", 0o644)
	Write(t, m.Root+"/etc/systemd/system/probe.service", probeUnit, 0o644)
	Write(t, m.Root+"/etc/systemd/system/multi-user.target.d/probe.conf", "[Unit]\nWants=probe.service\n", 0o644)
	args := []string{"-D", m.Root, "-b", "-q", "--register=no", "--keep-unit", "--console=read-only", "--bind=" + m.Out + ":/out"}
	if m.Network == "" {
		args = append(args, "--private-network")
	} else {
		args = append(args, "--network-namespace-path="+m.Network)
	}
	args = append(append(args, m.Args...), "systemd.unit=multi-user.target", "systemd.firstboot=off")
	for _, unit := range masked {
		args = append(args, "systemd.mask="+unit+".service")
	}
	defer unlock(t, m.Root)
	limit := m.Limit
	if limit == 0 {
		limit = 100 * time.Second
	}
	ctx, end := context.WithTimeout(context.Background(), limit)
	defer end()
	nspawn := exec.CommandContext(ctx, "systemd-nspawn", args...)
	nspawn.Cancel = func() error { return endSystem(nspawn.Process.Pid) }
	nspawn.WaitDelay = 5 * time.Second
	console, err := nspawn.CombinedOutput()
	if _, missing := os.Stat(m.Out + "/checks"); missing != nil {
		t.Fatalf("the container did not boot: %v\n%s", err, console)
	}
}

// endSystem kills the container's first process, and with it all others there, which
// would outlive systemd-nspawn itself.
func endSystem(nspawn int) error {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nspawn, nspawn))
	for child := range strings.FieldsSeq(string(children)) {
		if pid, bad := strconv.Atoi(child); bad == nil {
			err = errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
		}
	}
	return err
}

// unlock deletes what systemd-nspawn leaves: its lock, and folders where no other
// container has one.
func unlock(t testing.TB, root string) {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(root, &st); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fmt.Sprintf("locks/inode-%d:%d", st.Dev, st.Ino), "locks", "propagate", "unix-export", ""} {
		_ = os.Remove(filepath.Join("/run/systemd/nspawn", name)) // not an empty one
	}
}

// Report makes the probe's lines results of the test, and shows what the machine
// has written where one failed.
func (m Machine) Report(t testing.TB) {
	t.Helper()
	complete, failed := false, false
	for line := range strings.Lines(m.Read("checks")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "done":
			complete = true
		case strings.HasPrefix(line, "ok "):
			t.Log(line)
		default:
			failed = true
			t.Error(line)
		}
	}
	if !complete {
		t.Errorf("the probe did not come to its end: %s", m.Read("errors"))
	}
	if failed || !complete {
		t.Logf("journal:\n%s\ntrace:\n%s", m.Read("journal"), m.Read("trace"))
	}
}

// Read returns the text of a file of the results, or "".
func (m Machine) Read(name string) string {
	text, _ := os.ReadFile(filepath.Join(m.Out, name))
	return string(text)
}
