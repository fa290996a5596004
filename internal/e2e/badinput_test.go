package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests of this file give the binary what people get wrong, and hold the
// one line that it answers with: it names the place and the mend.

// sluice is a running command whose standard error is kept.
type sluice struct {
	t   *testing.T
	cmd *exec.Cmd
	log log
}

// runSluice starts the binary as the user uid.
func runSluice(t *testing.T, uid int, args ...string) *sluice {
	t.Helper()
	s := &sluice{t: t, cmd: exec.Command(binary, args...)}
	if uid != os.Getuid() {
		s.cmd.Path = publicBinary(t)
		s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.stop()
		}
	})
	return s
}

// publicBinary is a copy of the binary that every user may run.
func publicBinary(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(publicDir(t), "sluice")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// publicDir is a folder that every user may enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "public")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// status waits for the end and returns the exit status.
func (s *sluice) status() int {
	s.t.Helper()
	timer := time.AfterFunc(3*time.Minute, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

func (s *sluice) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if status := s.status(); status != 0 {
		s.t.Errorf("exit status %d after SIGTERM:\n%s", status, s.log.String())
	}
}

// faults are the lines that are no mere information.
func (s *sluice) faults() []string {
	var list []string
	for line := range strings.Lines(s.log.String()) {
		if !strings.Contains(line, `"level":"info"`) && !strings.Contains(line, `"level":"debug"`) {
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}

// complains wants exactly one line of fault with these texts.
func (s *sluice) complains(texts ...string) {
	s.t.Helper()
	faults := s.faults()
	if len(faults) != 1 {
		s.t.Errorf("%d lines of faults, want 1:\n%s", len(faults), strings.Join(faults, "\n"))
		return
	}
	for _, text := range texts {
		if !strings.Contains(faults[0], text) {
			s.t.Errorf("the line\n%s\nlacks\n%s", faults[0], text)
		}
	}
}

// tried waits until something failed n times.
func (s *sluice) tried(n int, text string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%d times %q", n, text), func() bool { return strings.Count(s.log.String(), text) >= n })
}

// settings writes a configuration file and returns its path.
func settings(t *testing.T, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(publicDir(t), "sluice.yml")
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// recording is the configuration of a recorder at a broker.
func recording(t *testing.T, url, ca, user, password string) string {
	t.Helper()
	tls := ""
	if ca != "" {
		tls = "ssl.certificate_authorities: " + ca
	}
	return settings(t, `path.data: %s
recorder.mqtt:
- hosts: [%q]
  username: %s
  password: %s
  topics: ["plant/#", "secret/#"]
  backoff: {init: 20ms, max: 20ms}
  %s
`, filepath.Join(t.TempDir(), "data"), url, user, password, tls)
}

func TestWrongOptions(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown option": {
			"recorder.mqtt:\n- hosts: mqtt://broker\n  pasword: x\n",
			":3:3: recorder.mqtt.0.pasword: unknown option; did you mean password?",
		},
		"wrong type": {
			"recorder.mqtt:\n- hosts: mqtt://broker\n  qos: high\n",
			`:3:8: recorder.mqtt.0.qos: wants a whole number, found "high"`,
		},
		"no certificate at all": {
			"recorder.mqtt:\n- hosts: mqtts://broker\n  ssl.certificate_authorities: /nonexistent/ca.pem\n",
			":3:7: recorder.mqtt.0.ssl.certificate_authorities: /nonexistent/ca.pem does not exist; correct the path: no such file or directory",
		},
		"a folder as certificate": {
			"recorder.mqtt:\n- hosts: mqtts://broker\n  ssl.certificate_authorities: /etc\n",
			":3:7: recorder.mqtt.0.ssl.certificate_authorities: /etc is a directory; name a PEM file in it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := settings(t, "path.data: %s\n%s", t.TempDir(), c.text)
			s := runSluice(t, os.Getuid(), "recorder", "-c", file)
			want := file + strings.Replace(c.want, ":3:", ":4:", 1) + "\n"
			if status := s.status(); status != 1 || s.log.String() != want {
				t.Errorf("exit status %d, %q, want 1, %q", status, s.log.String(), want)
			}
		})
	}
}

// someoneElse is a user without rights: the present one, or nobody for root.
func someoneElse() int {
	if uid := os.Getuid(); uid != 0 {
		return uid
	}
	return 65534
}

func TestCertificateThatMayNotBeRead(t *testing.T) {
	dir := publicDir(t)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, nil, 0o000); err != nil {
		t.Fatal(err)
	}
	file := settings(t, "path.data: %s\nfilebeat.inputs: [{paths: [/x]}]\noutput.logstash:\n  hosts: elk\n  ssl.certificate_authorities: %s\n", dir, ca)
	s := runSluice(t, someoneElse(), "tailer", "-c", file, "--strict.perms=false")
	want := fmt.Sprintf("%s:5:7: output.logstash.ssl.certificate_authorities: %s may not be read by this user; let its group read it or change its owner: permission denied\n", file, ca)
	if status := s.status(); status != 1 || s.log.String() != want {
		t.Errorf("exit status %d, %q, want 1, %q", status, s.log.String(), want)
	}
}

func TestSpoolWithoutWritePermission(t *testing.T) {
	dir := publicDir(t)
	spool := filepath.Join(dir, "spool")
	if err := os.Mkdir(spool, 0o555); err != nil {
		t.Fatal(err)
	}
	uid := someoneElse()
	for path, mend := range map[string]string{
		spool: fmt.Sprintf("can't write in %s: permission denied; run \"chown -R %d %s\", or choose another folder", spool, uid, spool),
		filepath.Join(spool, "new"): fmt.Sprintf("can't create %s/new: permission denied; run \"install -d -o %d %s/new\" as root, or choose another folder",
			spool, uid, spool),
	} {
		file := settings(t, "recorder:\n  spool.path: %s\n  mqtt: [{hosts: ['mqtt://127.0.0.1:1']}]\n", path)
		s := runSluice(t, uid, "recorder", "-c", file, "--strict.perms=false")
		if status := s.status(); status != 1 {
			t.Errorf("exit status %d", status)
		}
		s.complains(fmt.Sprintf("%s:2:9: recorder.spool.path: user %d %s", file, uid, mend))
	}
}

func TestExpiredCertificateOfTheBroker(t *testing.T) {
	p := expired(t)
	b := newBroker(t, p)
	s := runSluice(t, os.Getuid(), "recorder", "--log-level", "debug", "-c", recording(t, b.url(), p.caFile, user, password))
	s.tried(3, "still not connected")
	s.complains(fmt.Sprintf("127.0.0.1:%d: the certificate CN=old expired on ", b.port), " UTC; the server needs a new one")
	s.stop()
}

func TestExpiredCertificateOfLogstash(t *testing.T) {
	p := expired(t)
	r := newReceiver(t, p)
	r.start()
	s := runSluice(t, os.Getuid(), "tailer", "--log-level", "debug", "-c", shipping(t, r, "1"))
	s.tried(3, "Failed to connect to")
	s.complains(fmt.Sprintf("Failed to connect to %s: the certificate CN=old expired on ", r.addr()), " UTC; the server needs a new one")
	s.stop()
}

// shipping is the configuration of a tailer of one file with these payloads.
func shipping(t *testing.T, r *receiver, payloads ...string) string {
	t.Helper()
	dir := t.TempDir()
	input := filepath.Join(dir, "x.log")
	var lines bytes.Buffer
	for _, p := range payloads {
		fmt.Fprintf(&lines, "{\"payload\":%q}\n", p)
	}
	if err := os.WriteFile(input, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return settings(t, `path.data: %s
filebeat.inputs: [{paths: [%s]}]
output.logstash:
  hosts: [%q]
  ssl.certificate_authorities: [%s]
  backoff: {init: 20ms, max: 20ms}
`, filepath.Join(dir, "data"), input, r.addr(), r.pki.caFile)
}

func TestWrongPassword(t *testing.T) {
	p := newPKI(t)
	b := newBroker(t, p)
	s := runSluice(t, os.Getuid(), "recorder", "--log-level", "debug", "-c", recording(t, b.url(), p.caFile, user, "wrong"))
	s.tried(3, "still not connected")
	s.complains(fmt.Sprintf(`127.0.0.1:%d: the broker refuses the login as user \"%s\": not authorised; check username, password and the broker's access list`, b.port, user))
	if strings.Contains(s.log.String(), "wrong") {
		t.Error("the log holds the password")
	}
	s.stop()
}

func TestRefusedTopic(t *testing.T) {
	b := strictBroker(t)
	s := runSluice(t, os.Getuid(), "recorder", "-c", recording(t, fmt.Sprintf("mqtt://127.0.0.1:%d", b.port), "", user, password))
	const text = "the broker refuses the subscription; allow it in the broker's access list (ACL) for this user, or take the topic out of the configuration"
	s.tried(1, `"connected"`)
	s.complains(text, `"topic":"secret/#"`, `"user":"`+user+`"`)
	b.stop()
	s.tried(1, "connection lost")
	b.start()
	s.tried(1, `"connected again"`)
	if n := strings.Count(s.log.String(), text); n != 1 {
		t.Errorf("the refusal is logged %d times over two connections", n)
	}
	s.stop()
}

// strictBroker is a Mosquitto whose dynamic security allows plant/# alone: it
// answers other subscriptions with 0x80.
func strictBroker(t *testing.T) *broker {
	t.Helper()
	plugins, err := filepath.Glob("/usr/lib/*/mosquitto_dynamic_security.so")
	if err != nil || len(plugins) == 0 {
		t.Fatalf("mosquitto_dynamic_security.so is not installed; install it with: apt-get install mosquitto (%v)", err)
	}
	dir := t.TempDir()
	b := &broker{t: t, port: freePort(t), conf: filepath.Join(dir, "mosquitto.conf")}
	rules := filepath.Join(dir, "rules.json")
	run(t, "mosquitto_ctrl", "dynsec", "init", rules, "admin", "admin-word")
	text := fmt.Sprintf("user root\nlistener %d 127.0.0.1\nallow_anonymous false\nplugin %s\nplugin_opt_config_file %s\n", b.port, plugins[0], rules)
	if err := os.WriteFile(b.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(b.stop)
	for _, args := range [][]string{
		{"createClient", user, "-p", password}, {"createRole", "r"}, {"addClientRole", user, "r"},
		{"addRoleACL", "r", "subscribePattern", "plant/#", "allow"}, {"setDefaultACLAccess", "subscribe", "deny"},
	} {
		run(t, "mosquitto_ctrl", append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(b.port), "-u", "admin", "-P", "admin-word", "dynsec"}, args...)...)
	}
	return b
}

func TestRegistryWithGarbage(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"zeros after a power cut": func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, "log.json"), make([]byte, 4096)) },
		"a torn line":             func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, "log.json"), []byte(`{"op":"se`)) },
		"half a checkpoint": func(t *testing.T, dir string) {
			appendTo(t, filepath.Join(dir, "999.json"), []byte(`[{"_key":"fileb`))
			appendTo(t, filepath.Join(dir, "active.dat"), []byte("999.json"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPKI(t)
			r := newReceiver(t, p)
			r.start()
			file := shipping(t, r, "0", "1", "2")
			first := runSluice(t, os.Getuid(), "tailer", "-c", file)
			eventually(t, "all lines have come", func() bool { return r.unique() == 3 })
			first.stop()
			out, err := exec.Command(binary, "registry", "sync", "-c", file).Output()
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Dir(string(out))
			damage(t, dir)
			second := runSluice(t, os.Getuid(), "tailer", "-c", file)
			second.tried(1, "Loading and starting Inputs completed")
			second.stop()
			second.complains(`"level":"warn"`, "could not be read to its end: set aside, the newest good state is used", `"file":"`+dir+"/")
			if aside, err := filepath.Glob(filepath.Join(dir, "*.bad-*")); err != nil || len(aside) != 1 {
				t.Errorf("set aside: %v, %v", aside, err)
			}
			third := runSluice(t, os.Getuid(), "tailer", "-c", file)
			third.tried(1, "Loading and starting Inputs completed")
			third.stop()
			if faults := third.faults(); len(faults) != 0 {
				t.Errorf("the next start still says %q", faults)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.events != 3 {
				t.Errorf("%d events came, want each of 3 once", r.events)
			}
		})
	}
}

func appendTo(t *testing.T, path string, data []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSignalsStopInGoodOrder(t *testing.T) {
	// Under nohup, children inherit that SIGHUP is ignored, and promise to ignore
	// it as well. A signal that is handled here has its default there.
	hangups := make(chan os.Signal, 1)
	ossignal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { ossignal.Stop(hangups) })
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		dir := t.TempDir()
		file := settings(t, "path.data: %s\nrecorder.mqtt: [{hosts: ['mqtt://127.0.0.1:1']}]\noutput.logstash: {hosts: ['127.0.0.1:1']}\n", dir)
		for _, name := range []string{"recorder", "tailer"} {
			s := runSluice(t, os.Getuid(), name, "-c", file)
			s.tried(1, "starts")
			_ = s.cmd.Process.Signal(signal)
			if status := s.status(); status != 0 || !strings.Contains(s.log.String(), "sluice "+name+" stopped") {
				t.Errorf("%s after %v: exit status %d\n%s", name, signal, status, s.log.String())
			}
		}
	}
}

func TestNohupKeepsItsPromise(t *testing.T) {
	file := settings(t, "path.data: %s\noutput.logstash: {hosts: ['127.0.0.1:1']}\nfilebeat.inputs: [{paths: [/nonexistent/*.log]}]\n", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var l log
	cmd := exec.CommandContext(ctx, lookPath(t, "nohup"), binary, "tailer", "-c", file)
	cmd.Stderr = &l
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the tailer starts", func() bool { return strings.Contains(l.String(), "Inputs completed") })
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var ignored uint64
	_, mask, _ := strings.Cut(string(status), "SigIgn:\t")
	if _, err := fmt.Sscanf(mask, "%x", &ignored); err != nil || ignored&1 == 0 {
		t.Errorf("SIGHUP is not ignored: %x, %v", ignored, err)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, l.String())
	}
}
