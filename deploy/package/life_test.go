package packaging_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/nspawn"
)

// blocks returns the shell blocks of README.md in their order.
func blocks(t *testing.T) (all []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(read(t, "README.md"), -1) {
		all = append(all, m[1])
	}
	if len(all) != 6 {
		t.Fatalf("README.md has %d shell blocks, not 6: the tests run them by number", len(all))
	}
	return all
}

// later is the folder of the packages of a later version, from the same binary.
var later = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch, "later")
	tree, err := first()
	if err != nil {
		return "", err
	}
	pack := exec.Command("go", "run", "./deploy/package/pack", "-version", "v1.1.0", "-only", "amd64", "-out", dir)
	pack.Dir = tree
	pack.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch+86400))
	if out, err := pack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("pack: %w\n%s", err, out)
	}
	return dir, nil
})

func newer(t *testing.T) string {
	t.Helper()
	built(t)
	dir, err := later()
	must(t, err)
	return dir
}

// place gives the container a file of this machine.
func place(t *testing.T, from, to string) {
	t.Helper()
	nspawn.Write(t, to, read(t, from), 0o644)
}

// probe is a script of testdata, after the words in gateway.sh.
func probe(t *testing.T, name string) string {
	t.Helper()
	return read(t, "testdata/gateway.sh") + read(t, "testdata/"+name)
}

func TestLifeOfTheDebianPackage(t *testing.T) {
	nspawn.Needs(t, "mosquitto", "mosquitto_pub:mosquitto-clients", "man:man-db", "apt-get:apt")
	out := t.TempDir()
	place(t, deb(t, "amd64"), filepath.Join(out, filepath.Base(deb(t, "amd64"))))
	place(t, filepath.Join(newer(t), "sluice_1.1.0_amd64.deb"), out+"/new.deb")
	readme := blocks(t)
	// Without the network apt-get takes the package from the folder, as it is.
	install := "cd /out\n" + strings.Replace(readme[0], "apt-get ", "apt-get -qq -o Dpkg::Use-Pty=0 ", 1)
	for name, text := range map[string]string{"install.sh": install, "example.sh": readme[1], "restart.sh": readme[2], "serial.sh": readme[3], "forget.sh": readme[4]} {
		nspawn.Write(t, filepath.Join(out, name), text, 0o644)
	}
	root := nspawn.Overlay(t, "/")
	// A database of its own: this machine's may change below the overlay meanwhile.
	output(t, "sh", "-ec", `cd "$1/var/lib"; cp -a dpkg own; rm -rf dpkg; mv own dpkg`, "sh", root)
	machine := nspawn.Machine{Root: root, Out: out, Probe: probe(t, "life.sh"), Limit: 4 * time.Minute, Args: []string{"systemd.mask=mosquitto.service"}}
	machine.Boot(t)
	machine.Report(t)
	if t.Failed() {
		t.Logf("dpkg:\n%s", machine.Read("all"))
	}
}

// The report's unit stMQTT.service has the name of an alias of ours.
func TestDebianPackageBesideTheReportsUnit(t *testing.T) {
	nspawn.Needs(t, "mosquitto", "mosquitto_pub:mosquitto-clients")
	out := t.TempDir()
	place(t, deb(t, "amd64"), out+"/old.deb")
	place(t, filepath.Join(newer(t), "sluice_1.1.0_amd64.deb"), out+"/new.deb")
	root := nspawn.Overlay(t, "/")
	output(t, "sh", "-ec", `cd "$1/var/lib"; cp -a dpkg own; rm -rf dpkg; mv own dpkg`, "sh", root)
	machine := nspawn.Machine{Root: root, Out: out, Probe: probe(t, "report.sh"), Limit: 3 * time.Minute, Args: []string{"systemd.mask=mosquitto.service"}}
	machine.Boot(t)
	machine.Report(t)
}

func TestLifeOfTheRPMPackage(t *testing.T) {
	nspawn.Needs(t, "rpm", "mosquitto", "mosquitto_pub:mosquitto-clients")
	out := t.TempDir()
	place(t, rpm(t, "x86_64"), out+"/old.rpm")
	place(t, filepath.Join(newer(t), "sluice-1.1.0.x86_64.rpm"), out+"/new.rpm")
	machine := nspawn.Machine{Root: nspawn.Overlay(t, "/"), Out: out, Probe: probe(t, "rpm.sh"), Limit: 3 * time.Minute, Args: []string{"systemd.mask=mosquitto.service"}}
	machine.Boot(t)
	machine.Report(t)
}

// The example is one that the program takes.
func TestExampleConfigurationIsGood(t *testing.T) {
	needs(t, "openssl")
	dir := t.TempDir()
	output(t, "tar", "-xzf", filepath.Join(built(t), "sluice-"+version+"-linux-amd64.tar.gz"), "-C", dir, "--strip-components=1")
	output(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=gateway", "-days", "1",
		"-keyout", dir+"/sluice_gateway.key", "-out", dir+"/gateway.crt")
	output(t, "cp", dir+"/gateway.crt", dir+"/ca.crt")
	nspawn.Write(t, dir+"/etc.yml", strings.ReplaceAll(read(t, "sluice.yml"), "/etc/sluice/", dir+"/"), 0o640)
	check := exec.Command(dir+"/bin/sluice", "-c", dir+"/etc.yml", "--path.data", dir+"/data", "test", "config")
	check.Env = append(os.Environ(), "MQTT_PASSWORD=secret", "CREDENTIALS_DIRECTORY="+dir)
	if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "Config OK") {
		t.Errorf("test config: %v\n%s", err, out)
	}
}
