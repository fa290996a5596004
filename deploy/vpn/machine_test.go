// Package vpn_test runs the scripts of this folder, and a gateway behind the VPNs
// that they set up: two network namespaces stand for the gateway and the server, a
// pair of veth for the Internet between them. Real OpenVPN, WireGuard, Mosquitto and
// sluice run in them; a raw socket reads what passes inside and outside the tunnel.
package vpn_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var sluice string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "vpn")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		sluice = filepath.Join(dir, "sluice")
		build := exec.Command("go", "build", "-o", sluice, "sluice/cmd/sluice")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
			return 1
		}
		// The tests wait for clocks, not for processors.
		flag.Parse()
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// skip skips, loudly; in CI it fails.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("must be tested in CI: "+format, args...)
	}
	t.Skipf("NOT TESTED: "+format, args...)
}

// needs skips unless this is root with namespaces and the PROGRAM:PACKAGE pairs.
func needs(t *testing.T, pairs ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "only root can make network namespaces")
	}
	for _, pair := range append(pairs, "ip:iproute2", "nsenter:util-linux", "setpriv:util-linux") {
		program, pkg, _ := strings.Cut(pair, ":")
		if _, err := exec.LookPath(program); err != nil {
			skip(t, "%s is missing; on Debian: apt-get install %s", program, pkg)
		}
	}
	if out, err := exec.Command("unshare", "--net", "--mount", "true").CombinedOutput(); err != nil {
		skip(t, "no namespaces here: %v: %s", err, out)
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		skip(t, "/dev/net/tun is missing: modprobe tun")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// script is the path of one of this folder.
func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	must(t, err)
	return path
}

// machine is a network namespace with a file system of its own where it matters:
// /run, the configurations of the VPNs, /dev/net with the modes of udev, /etc/hosts.
type machine struct {
	t    *testing.T
	name string
	pid  int
}

// It ends with its standard input, so also when the test is killed, and ends
// everything in its network then. $PPID, the test, visits it with single threads.
const holder = `set -eu
mount --make-rprivate /
for dir in /run /etc/openvpn /etc/wireguard /dev/net; do
	mkdir -p $dir
	mount -t tmpfs tmpfs $dir
done
mkdir -p /run/openvpn-server /run/wireguard /run/vpn /etc/openvpn/server
chmod 700 /etc/wireguard
mknod -m 666 /dev/net/tun c 10 200
echo "127.0.0.1 localhost
$1 logstash.plant.example" >/run/hosts
mount --bind /run/hosts /etc/hosts
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip link set lo up
echo ready
read -r end || true
here=$(readlink /proc/self/ns/net)
for p in /proc/[0-9]*; do
	[ "$(readlink "$p/ns/net")" = "$here" ] || continue
	case ${p#/proc/} in $$ | $PPID) ;; *) kill -9 "${p#/proc/}" || true ;; esac
done 2>/dev/null`

// newMachine starts one, for which logstash.plant.example has the given address.
func newMachine(t *testing.T, name, logstash string) *machine {
	t.Helper()
	cmd := exec.Command("sh", "-c", holder, "machine", logstash)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	if ready, _ := io.ReadAll(io.LimitReader(stdout, 6)); string(ready) != "ready\n" {
		t.Fatalf("the namespaces of %s were not made", name)
	}
	return &machine{t: t, name: name, pid: cmd.Process.Pid}
}

// newPair is a gateway and a server with a cable between them: 192.0.2.1 and .2.
func newPair(t *testing.T, logstash string) (gateway, server *machine) {
	t.Helper()
	gateway, server = newMachine(t, "gateway", logstash), newMachine(t, "server", logstash)
	out, err := exec.Command("ip", "link", "add", "wan", "netns", strconv.Itoa(gateway.pid), "type", "veth",
		"peer", "name", "wan", "netns", strconv.Itoa(server.pid)).CombinedOutput()
	if err != nil {
		t.Fatalf("ip link add: %v: %s", err, out)
	}
	for i, m := range []*machine{gateway, server} {
		m.run("ip", "addr", "add", fmt.Sprintf("192.0.2.%d/24", i+1), "dev", "wan")
		m.run("ip", "link", "set", "wan", "up")
	}
	return gateway, server
}

// path is the name of one of the machine's files outside of it.
func (m *machine) path(name string) string { return fmt.Sprintf("/proc/%d/root%s", m.pid, name) }

func (m *machine) command(name string, args ...string) *exec.Cmd {
	ns := fmt.Sprintf("/proc/%d/ns/", m.pid)
	cmd := exec.Command("nsenter", append([]string{"--net=" + ns + "net", "--mount=" + ns + "mnt", "--", name}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	return cmd
}

// try runs a command to its end. Daemons that it leaves may hold the file of its output.
func (m *machine) try(name string, args ...string) (string, error) {
	m.t.Helper()
	out, err := os.CreateTemp(m.t.TempDir(), "out")
	must(m.t, err)
	defer out.Close()
	cmd := m.command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	failed := cmd.Run()
	text, err := os.ReadFile(out.Name())
	must(m.t, err)
	return string(text), failed
}

func (m *machine) run(name string, args ...string) string {
	m.t.Helper()
	out, err := m.try(name, args...)
	if err != nil {
		m.t.Fatalf("%s: %s %s: %v\n%s", m.name, name, strings.Join(args, " "), err, out)
	}
	return out
}

// in does something with the calling thread in the machine's network: sockets stay
// where they were made.
func (m *machine) in(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			home, err := os.Open("/proc/thread-self/ns/net")
			if err != nil {
				return err
			}
			defer home.Close()
			there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", m.pid))
			if err != nil {
				return err
			}
			defer there.Close()
			if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			err = do()
			if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
				panic(back)
			}
			runtime.UnlockOSThread()
			return err
		}()
	}()
	return <-done
}

func (m *machine) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = m.in(func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

func (m *machine) listen(address string) net.Listener {
	m.t.Helper()
	var l net.Listener
	must(m.t, m.in(func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	}))
	return l
}

// service is a process that is started again 5 s after its end, as by its unit.
type service struct {
	t    *testing.T
	log  journal
	mu   sync.Mutex
	cmd  *exec.Cmd
	stop chan struct{}
	done chan struct{}
}

func (m *machine) serve(name string, args ...string) *service {
	s := &service{t: m.t, stop: make(chan struct{}), done: make(chan struct{})}
	up := make(chan error, 1)
	go func() {
		defer close(s.done)
		for first := true; ; first = false {
			s.mu.Lock()
			s.cmd = m.command(name, args...)
			s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
			err := s.cmd.Start()
			s.mu.Unlock()
			if first {
				up <- err
			}
			if err == nil {
				_ = s.cmd.Wait()
			}
			select {
			case <-s.stop:
				return
			case <-time.After(5 * time.Second):
			}
		}
	}()
	must(m.t, <-up)
	m.t.Cleanup(func() {
		close(s.stop)
		s.signal(syscall.SIGTERM)
		<-s.done
		if m.t.Failed() {
			text := s.log.String()
			m.t.Logf("%s: %s said:\n%s", m.name, filepath.Base(name), text[max(0, len(text)-8000):])
		}
	})
	return s
}

// signal goes to the process that runs now, if any.
func (s *service) signal(sig os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.cmd.Process.Signal(sig)
}

func (s *service) kill() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Errorf("%s had ended by itself: %v", s.cmd, err)
	}
}

func (s *service) says(text string) bool { return strings.Contains(s.log.String(), text) }

// journal keeps what a process says.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
