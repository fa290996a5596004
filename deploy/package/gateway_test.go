package packaging_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/go-lumber/server/v2"
	"golang.org/x/sys/unix"

	"sluice/internal/nspawn"
)

// space is a network of its own, with nothing in it but its loopback.
type space struct {
	t   *testing.T
	pid int // of who holds it
}

func newSpace(t *testing.T) space {
	t.Helper()
	holder := exec.Command("sh", "-c", "read -r end") // which comes with the test's end
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	stdin, err := holder.StdinPipe()
	must(t, err)
	if err := holder.Start(); err != nil {
		nspawn.Skip(t, "no network namespaces here: "+err.Error())
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = holder.Wait() })
	s := space{t, holder.Process.Pid}
	s.ip("link", "set", "lo", "up")
	return s
}

func (s space) path() string { return fmt.Sprintf("/proc/%d/ns/net", s.pid) }

func (s space) ip(args ...string) {
	s.t.Helper()
	output(s.t, "nsenter", append([]string{"--net=" + s.path(), "ip"}, args...)...)
}

// listen opens a port there; a socket stays where it was made.
func (s space) listen(addr string) (l net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		var there *os.File
		if there, err = os.Open(s.path()); err != nil {
			return
		}
		defer there.Close()
		if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err == nil {
			l, err = net.Listen("tcp", addr)
		}
	}()
	<-done
	return l, err
}

// outside is a server in Logstash's place, which takes clients of the gateway's
// authority only.
type outside struct {
	mu     sync.Mutex
	events int
	ids    map[string]map[string]bool // by payload
}

// serve acknowledges what comes after it has noted it in a file. The certificates,
// which the gateway makes, are read when the first client comes.
func serve(t *testing.T, l net.Listener, pki, file string) *outside {
	t.Helper()
	server, err := v2.NewWithListener(tls.NewListener(l, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		certificate, err := tls.LoadX509KeyPair(pki+"/logstash.crt", pki+"/logstash.key")
		ca, readErr := os.ReadFile(pki + "/ca.crt")
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca)
		return &tls.Config{Certificates: []tls.Certificate{certificate}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}, errors.Join(err, readErr)
	}}))
	must(t, err)
	notes, err := os.Create(file)
	must(t, err)
	o, done := &outside{ids: map[string]map[string]bool{}}, make(chan struct{})
	go func() {
		defer close(done)
		for batch := range server.ReceiveChan() {
			for _, event := range batch.Events {
				if err := o.note(event, notes); err != nil {
					t.Error(err)
				}
			}
			batch.ACK()
		}
	}()
	t.Cleanup(func() { _ = server.Close(); <-done; _ = notes.Close() })
	return o
}

func (o *outside) note(event any, notes *os.File) error {
	text, err := json.Marshal(event)
	if err != nil {
		return err
	}
	var e struct {
		Metadata struct {
			ID string `json:"_id"`
		} `json:"@metadata"`
		Message string
	}
	var record struct{ Payload string }
	if err := errors.Join(json.Unmarshal(text, &e), json.Unmarshal([]byte(e.Message), &record)); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events++
	if o.ids[record.Payload] == nil {
		o.ids[record.Payload] = map[string]bool{}
	}
	o.ids[record.Payload][e.Metadata.ID] = true
	_, err = fmt.Fprintln(notes, record.Payload)
	return err
}

// prove checks that each of n readings came under one id of its own.
func (o *outside) prove(t *testing.T, n int) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	lost, doubled, all := 0, 0, map[string]bool{}
	for i := 1; i <= n; i++ {
		ids := o.ids[fmt.Sprintf("reading %d", i)]
		if len(ids) == 0 {
			lost++
		} else if len(ids) > 1 {
			doubled++
		}
		for id := range ids {
			all[id] = true
		}
	}
	t.Logf("%d readings in %d events", n, o.events)
	if lost > 0 || doubled > 0 || len(all) != n || all[""] {
		t.Errorf("of %d readings %d are lost, %d doubled; there are %d ids", n, lost, doubled, len(all))
	}
}

// TestGatewayFromThePackage is a gateway's life: set up by our commands from the
// package, its services killed, the machine rebooted while readings come, upgraded,
// purged and installed again. A server on another machine, which is a network
// namespace at the other end of a cable, has every reading once in the end.
func TestGatewayFromThePackage(t *testing.T) {
	nspawn.Needs(t, "mosquitto", "mosquitto_pub:mosquitto-clients", "ip:iproute2", "nsenter:util-linux")
	out := t.TempDir()
	place(t, deb(t, "amd64"), out+"/old.deb")
	place(t, filepath.Join(newer(t), "sluice_1.1.0_amd64.deb"), out+"/new.deb")
	root := nspawn.Overlay(t, "/")
	output(t, "sh", "-ec", `cd "$1/var/lib"; cp -a dpkg own; rm -rf dpkg; mv own dpkg
cd "$1"; rm -rf root/.config var/lib/mosquitto/* etc/mosquitto/sluice etc/mosquitto/conf.d/*`, "sh", root)
	nspawn.Write(t, root+"/etc/mosquitto/mosquitto.conf", "persistence true\npersistence_location /var/lib/mosquitto/\n"+
		"include_dir /etc/mosquitto/conf.d\n", 0o644)

	gateway, server := newSpace(t), newSpace(t)
	output(t, "ip", "link", "add", "wan", "netns", fmt.Sprint(gateway.pid), "type", "veth", "peer", "name", "wan", "netns", fmt.Sprint(server.pid))
	for i, s := range []space{gateway, server} {
		s.ip("addr", "add", fmt.Sprintf("192.0.2.%d/24", i+1), "dev", "wan")
		s.ip("link", "set", "wan", "up")
	}
	l, err := server.listen("192.0.2.2:5044")
	must(t, err)
	o := serve(t, l, out+"/pki", out+"/events")

	for _, life := range []string{"before.sh", "after.sh"} {
		machine := nspawn.Machine{Root: root, Out: out, Network: gateway.path(), Probe: probe(t, "setup.sh") + read(t, "testdata/"+life), Limit: 4 * time.Minute}
		machine.Boot(t)
		machine.Report(t)
		if t.Failed() {
			t.Fatalf("dpkg and setup:\n%s\n%s", machine.Read("all"), machine.Read("setup"))
		}
	}
	sent, err := os.ReadFile(out + "/sent")
	must(t, err)
	var n int
	_, err = fmt.Sscan(strings.TrimSpace(string(sent)), &n)
	must(t, err)
	o.prove(t, n)
}
