package docs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sluice/internal/nspawn"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// prepare makes the machine that the guide begins on: Debian's packages, the server's
// end of the tunnel, and in root's folder the package of this tree.
func prepare(t *testing.T, server string) nspawn.Machine {
	t.Helper()
	m := nspawn.Machine{Root: nspawn.Overlay(t, "/"), Out: t.TempDir(), Limit: 3 * time.Minute}
	for _, leftover := range []string{"/etc/mosquitto", "/var/lib/mosquitto", "/var/log/mosquitto", "/root/.config"} {
		must(t, os.RemoveAll(m.Root+leftover))
	}
	broker(t, m.Root)
	deb, err := pack()
	must(t, err)
	nspawn.Write(t, filepath.Join(m.Root, "root", debName), string(deb), 0o644)
	self, err := os.Executable()
	must(t, err)
	text, err := os.ReadFile(self)
	must(t, err)
	nspawn.Write(t, m.Out+"/docs.test", string(text), 0o755)
	nspawn.Write(t, m.Root+"/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 gateway\n10.8.0.1 logs.example.com\n", 0o644)
	nspawn.Write(t, m.Root+"/etc/systemd/system/guide-server.service", serverUnit+"Environment="+server+"\n", 0o644)
	nspawn.Write(t, m.Root+"/etc/hostname", "gateway\n", 0o644)
	nspawn.Write(t, m.Root+"/etc/systemd/system/multi-user.target.d/server.conf", "[Unit]\nWants=guide-server.service\n", 0o644)
	return m
}

// broker leaves Mosquitto as its package does.
func broker(t *testing.T, root string) {
	t.Helper()
	nspawn.Write(t, root+"/etc/mosquitto/mosquitto.conf", "persistence true\npersistence_location /var/lib/mosquitto/\n"+
		"log_dest file /var/log/mosquitto/mosquitto.log\ninclude_dir /etc/mosquitto/conf.d\n", 0o644)
	must(t, os.Mkdir(root+"/etc/mosquitto/conf.d", 0o755))
	for _, folder := range []string{"/var/lib/mosquitto", "/var/log/mosquitto"} {
		must(t, os.Mkdir(root+folder, 0o755))
		if out, err := exec.Command("chown", "mosquitto:", root+folder).CombinedOutput(); err != nil {
			t.Fatalf("chown: %s", out)
		}
	}
}

// scratch is a folder for what all tests use; TestMain removes it.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "sluice-docs-") })

// pack makes this machine's package as "make dist" does, and returns its text.
var pack = sync.OnceValues(func() ([]byte, error) {
	binary, err := build()
	if err != nil {
		return nil, err
	}
	bin, dist := filepath.Dir(binary), filepath.Join(filepath.Dir(binary), "dist")
	if err := os.Link(binary, filepath.Join(bin, "sluice-amd64")); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "run", "./deploy/package/pack", "-version", "1.0.0", "-only", "amd64", "-bin", bin, "-out", dist)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make the package: %w\n%s", err, out)
	}
	return os.ReadFile(filepath.Join(dist, debName))
})

const debName = "sluice_1.0.0_amd64.deb"

// The server's end of the tunnel, in the container itself, and the receiver there
// in Logstash's place.
const serverUnit = `[Service]
Environment=GUIDE_EVENTS=/out/events
ExecStartPre=-ip address add 10.8.0.1/32 dev lo
ExecStart=/out/docs.test
Restart=always
RestartSec=200ms
`

// run boots the machine, where the plan is followed.
func run(t *testing.T, m *nspawn.Machine, plan []block) {
	t.Helper()
	text, err := json.Marshal(plan)
	must(t, err)
	nspawn.Write(t, m.Out+"/plan.json", string(text), 0o644)
	m.Probe = "GUIDE_PLAN=/out/plan.json GUIDE_RESULTS=/out/results HOME=/root /out/docs.test"
	m.Boot(t)
}
