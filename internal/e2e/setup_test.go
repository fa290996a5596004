package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/nspawn"
)

// insideProgram names the binary to a test that runs in a container.
const insideProgram = "SLUICE_E2E_PROGRAM"

// From empty folders to data, on a system of its own that is thrown away: this
// test boots it, and runs itself in it.
func TestSetupFromEmptyFoldersToData(t *testing.T) {
	nspawn.Needs(t, "mosquitto_pub:mosquitto-clients", "mosquitto_passwd:mosquitto", "ip:iproute2")
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := nspawn.Machine{Root: nspawn.Overlay(t, "/"), Out: t.TempDir(), Limit: 5 * time.Minute}
	for from, to := range map[string]string{own: "/root/e2e", binary: "/root/sluice"} {
		program, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(m.Root+to, program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The folders of the machine are as after the installation of Mosquitto.
	for _, name := range []string{"/etc/mosquitto/sluice", "/etc/mosquitto/conf.d", "/var/lib/mosquitto/mosquitto.db"} {
		if err := os.RemoveAll(m.Root + name); err != nil {
			t.Fatal(err)
		}
	}
	nspawn.Write(t, m.Root+"/etc/mosquitto/conf.d/README", "", 0o644)
	m.Probe = `export ` + insideProgram + `=/root/sluice HOME=/root
ip link set lo up && ip addr add 192.168.0.4/32 dev lo
check inside bash -c '/root/e2e -test.v -test.run "^TestInside" >/out/inside 2>&1'
`
	m.Boot(t)
	m.Report(t)
	inside := m.Read("inside")
	for _, name := range []string{"TestInsideEmptyFoldersToData", "TestInsideTheReportsConfiguration"} {
		if !strings.Contains(inside, "--- PASS: "+name) {
			t.Errorf("%s did not pass", name)
		}
	}
	if t.Failed() || os.Getenv("E2E_LOGS") != "" {
		t.Logf("inside:\n%s", inside)
	}
}

// inside is for tests that change the machine they run on.
func inside(t *testing.T) {
	t.Helper()
	if os.Getenv(insideProgram) == "" {
		t.Skip("runs in the container of TestSetupFromEmptyFoldersToData")
	}
	t.Chdir(t.TempDir())
}

// call runs a command as a user would; want is its exit status.
func call(t *testing.T, want int, args ...string) string {
	t.Helper()
	out, err := exec.Command(binary, args...).CombinedOutput()
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	t.Logf("sluice %s: %d\n%s", strings.Join(args, " "), status, out)
	if status != want {
		t.Fatalf("sluice %s ended with %d, not %d", strings.Join(args, " "), status, want)
	}
	return string(out)
}

func systemctl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("systemctl", args...).CombinedOutput(); err != nil {
		t.Fatalf("systemctl %v: %v\n%s", args, err, out)
	}
}

// publisher is mosquitto_pub as a device.
type publisher struct {
	args []string
}

// send publishes lines on a topic, and returns the exit status.
func (p publisher) send(topic string, qos int, lines ...string) int {
	cmd := exec.Command("mosquitto_pub", append(slices.Clone(p.args), "-t", topic, "-q", fmt.Sprint(qos), "-l")...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	return exitStatus(cmd.Run())
}

// try publishes one message, and returns the exit status: 5 is a refusal by MQTT
// 3.1.1.
func (p publisher) try(topic string) int {
	return exitStatus(exec.Command("mosquitto_pub", append(slices.Clone(p.args), "-t", topic, "-q", "1", "-m", "x")...).Run())
}

func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

func payloads(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, payload(i))
	}
	return list
}

var headerPassword = regexp.MustCompile(`(?m)^#define PASSWORD "(.*)"$`)

// device sets a device up, and is it: with the password of its header.
func device(t *testing.T, name string, args ...string) publisher {
	t.Helper()
	said := call(t, 0, append([]string{"setup", "device", name}, args...)...)
	header, err := os.ReadFile(name + "-secrets.h")
	if err != nil {
		t.Fatal(err)
	}
	m := headerPassword.FindSubmatch(header)
	if m == nil || strings.Contains(said, string(m[1])) {
		t.Fatalf("no password in the header, or it was printed:\n%s", said)
	}
	return publisher{[]string{"-h", "192.168.0.4", "-p", "8883", "--cafile", "/etc/sluice/pki/ca.crt", "-u", name, "-P", string(m[1])}}
}

// forwarding is a gateway on what setup has made, with a receiver that asks for its
// certificate.
func forwarding(t *testing.T) (*gateway, *receiver) {
	t.Helper()
	const dir = "/etc/sluice/pki"
	ca, err := os.ReadFile(dir + "/ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(dir+"/logstash.crt", dir+"/logstash.key")
	if err != nil {
		t.Fatal(err)
	}
	p := &pki{caFile: dir + "/ca.crt", pool: x509.NewCertPool(), server: pair}
	p.pool.AppendCertsFromPEM(ca)
	r := newReceiver(t, p)
	r.startWith(&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: p.pool, ClientAuth: tls.RequireAndVerifyClientCert})
	g := configured(t, t.TempDir(), fmt.Sprintf(`
keystore.path: /etc/sluice/credentials/keystore
recorder.mqtt:
  - hosts: ["mqtts://192.168.0.4:8883"]
    username: recorder
    password: ${MQTT_PASSWORD}
    topics: ["#"]
    ssl.certificate_authorities: [%[1]s/ca.crt]
    backoff: {init: 100ms, max: 500ms}
output.logstash:
  hosts: [%[2]q]
  ssl.certificate_authorities: [%[1]s/ca.crt]
  ssl.certificate: %[1]s/gateway.crt
  ssl.key: %[1]s/gateway.key
  backoff: {init: 100ms, max: 500ms}
filebeat.registry.flush: 1s
`, dir, r.addr()))
	return g, r
}

func (g *gateway) connected(times int) {
	g.t.Helper()
	eventually(g.t, "the recorder has subscribed", func() bool { return strings.Count(g.said("recorder"), `"connected"`) >= times })
}

func TestInsideEmptyFoldersToData(t *testing.T) {
	inside(t)
	if _, err := os.Stat("/etc/sluice"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("/etc/sluice is there already: %v", err)
	}
	call(t, 0, "setup", "pki", "init")
	call(t, 0, "setup", "pki", "issue", "broker", "--host", "192.168.0.4", "--host", "localhost")
	call(t, 0, "setup", "pki", "issue", "logstash", "--host", "127.0.0.1")
	call(t, 0, "setup", "pki", "issue", "gateway")
	said := call(t, 0, "setup", "broker")
	if strings.Count(said, "\ncheck ") != 8 || strings.Contains(said, "WRONG") || strings.Contains(said, "\nskip ") {
		t.Errorf("not all was checked:\n%s", said)
	}
	sensor := device(t, "sensor0")

	g, r := forwarding(t)
	g.start("recorder")
	g.connected(1)
	g.start("tailer")
	if status := sensor.send("sensor0/feeds/0/temp", 1, payloads(0, 400)...); status != 0 {
		t.Fatalf("mosquitto_pub ended with %d", status)
	}
	r.await(400)

	// The recorder is away, and the broker starts anew meanwhile: nothing is lost,
	// of QoS 0 neither.
	g.stop("recorder")
	sensor.send("sensor0/feeds/0/temp", 1, payloads(400, 3000)...)
	sensor.send("sensor0/feeds/0/temp", 0, payloads(3000, 3400)...)
	systemctl(t, "restart", "mosquitto")
	eventually(t, "the broker is back", func() bool { return sensor.try("nothing") == 0 })
	// A device comes meanwhile. A mere reload would now cost the recorder's session
	// its rights, and this reading with them.
	nspawn.Write(t, "/etc/systemd/system/sluice-recorder.service", "[Service]\nExecStart=/bin/true\n", 0o644)
	systemctl(t, "daemon-reload")
	device(t, "meanwhile")
	sensor.send("sensor0/feeds/0/temp", 1, payload(3400))
	if err := os.Remove("/etc/systemd/system/sluice-recorder.service"); err != nil {
		t.Fatal(err)
	}
	g.start("recorder")
	g.connected(2)
	r.await(3401)

	refusals(t, sensor, r.addr())
	sensor.try("sensor1/feeds/0/temp") // the broker acknowledges, and forgets it
	later := call(t, 0, "setup", "broker")
	if regexp.MustCompile(`(?m)^(write|make|own|run) `).MatchString(later) {
		t.Errorf("a second time something changed:\n%s", later)
	}
	changes(t, sensor)
	if status := sensor.send("sensor0/feeds/0/temp", 1, payload(3401)); status != 0 {
		t.Errorf("after all that: %d", status)
	}
	r.await(3402)
	g.stop("recorder")
	g.stop("tailer")
	r.prove(3402)
}

// refusals are what must not get in, by mosquitto_pub and at the receiver.
func refusals(t *testing.T, sensor publisher, receiver string) {
	t.Helper()
	if out, err := exec.Command(binary, "setup", "pki", "init", "--dir", "/root/other").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	replaced := func(old, text string) publisher {
		args := slices.Clone(sensor.args)
		args[slices.Index(args, old)+1] = text
		return publisher{args}
	}
	for name, c := range map[string]struct {
		p    publisher
		want []int // for a certificate that it refuses, mosquitto_pub has two
	}{
		"anonymous":         {publisher{sensor.args[:6]}, []int{5}},
		"a wrong password":  {replaced("-P", "wrong"), []int{5}},
		"another authority": {replaced("--cafile", "/root/other/ca.crt"), []int{1, 8}},
		"another name":      {replaced("-h", "127.0.0.2"), []int{1, 8}},
		"without TLS":       {publisher{[]string{"-h", "192.168.0.4", "-p", "1883"}}, []int{1}},
	} {
		if got := c.p.try("sensor0/feeds/0/temp"); !slices.Contains(c.want, got) {
			t.Errorf("%s: mosquitto_pub ended with %d, not %v", name, got, c.want)
		}
	}
	c, err := tls.Dial("tcp", receiver, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		_, err = c.Read(make([]byte, 1))
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("the receiver talks without a certificate: %v", err)
	}
}

// changes of a second device: a new password, and its end.
func changes(t *testing.T, sensor publisher) {
	t.Helper()
	first := device(t, "sensor1", "--read", "sensor1/cmd/#")
	second := device(t, "sensor1", "--rotate")
	if first.try("sensor1/status") == 0 {
		t.Error("the old password is good after --rotate")
	}
	if out := call(t, 0, "setup", "device", "--list"); !strings.Contains(out, "sensor1: write sensor1/feeds/+/+, write sensor1/health, write sensor1/status, read sensor1/cmd/#\n") {
		t.Errorf("list: %s", out)
	}
	call(t, 0, "setup", "device", "--remove", "sensor1")
	eventually(t, "the removed device is refused", func() bool { return second.try("x") == 5 })
	if sensor.try("sensor0/x") != 0 {
		t.Error("the first device is refused, too")
	}
	// A new certificate of the broker is in use without a restart.
	pid := mainPID(t)
	call(t, 0, "setup", "pki", "renew", "broker")
	if out := call(t, 0, "setup", "broker"); !strings.Contains(out, "run    systemctl") || mainPID(t) != pid {
		t.Errorf("renewed: process %s, was %s", mainPID(t), pid)
	}
}

func mainPID(t *testing.T) string {
	t.Helper()
	pid, err := exec.Command("systemctl", "show", "-p", "MainPID", "--value", "mosquitto").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(pid))
}

// reportLines are what the report's commands append to mosquitto.conf.
const reportLines = `allow_anonymous false
password_file /etc/mosquitto/mqttpwdfile
cafile /etc/mosquitto/ca_certificates/ca.crt
certfile /etc/mosquitto/certs/broker.crt
keyfile /etc/mosquitto/certs/broker.key
tls_version tlsv1.2
`

// The report's configuration lets everybody in. That is seen, and mended.
func TestInsideTheReportsConfiguration(t *testing.T) {
	inside(t)
	const main, pkiDir = "/etc/mosquitto/mosquitto.conf", "/etc/sluice/pki"
	before, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.RemoveAll("/etc/mosquitto/conf.d/sluice.conf"))
	must(os.WriteFile(main, append(before, reportLines...), 0o644))
	run(t, "mosquitto_passwd", "-b", "-c", "/etc/mosquitto/mqttpwdfile", "user", "passwd")
	run(t, "chown", "mosquitto", "/etc/mosquitto/mqttpwdfile")
	for from, to := range map[string]string{"ca.crt": "ca_certificates/ca.crt", "broker.crt": "certs/broker.crt", "broker.key": "certs/broker.key"} {
		content, err := os.ReadFile(filepath.Join(pkiDir, from))
		must(err)
		must(os.WriteFile("/etc/mosquitto/"+to, content, 0o600))
		run(t, "chown", "mosquitto", "/etc/mosquitto/"+to)
	}
	systemctl(t, "restart", "mosquitto")
	anonymous := publisher{[]string{"-h", "192.168.0.4", "-p", "1883", "--cafile", pkiDir + "/ca.crt"}}
	eventually(t, "the report's broker takes an anonymous message", func() bool { return anonymous.try("x") == 0 })

	said := call(t, 1, "setup", "broker", "--check")
	if !regexp.MustCompile(`(?m)^WRONG +port 1883: on 192\.168\.0\.4: accepts anonymous clients, over TLS`).MatchString(said) {
		t.Errorf("the anonymous clients are not named:\n%s", said)
	}
	if said := call(t, 1, "setup", "broker", "--check", "--port", "1883"); !regexp.MustCompile(`(?m)^WRONG +a client without a password: is let in`).MatchString(said) {
		t.Errorf("the anonymous clients are not named:\n%s", said)
	}

	mended := call(t, 0, "setup", "broker")
	if !strings.Contains(mended, "is taken out") {
		t.Errorf("not told:\n%s", mended)
	}
	if status := anonymous.try("x"); status == 0 {
		t.Error("anonymous clients are still let in")
	}
	after, err := os.ReadFile(main)
	must(err)
	if want := string(before) + "#sluice# " + strings.ReplaceAll(strings.TrimSuffix(reportLines, "\n"), "\n", "\n#sluice# ") + "\n"; string(after) != want {
		t.Errorf("mosquitto.conf:\n%s", after)
	}
	call(t, 0, "setup", "broker", "--check")
}
