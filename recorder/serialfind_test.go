package recorder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeMachine is a /dev and /sys of our own.
type fakeMachine struct {
	places
	t *testing.T
}

func newFakeMachine(t *testing.T) *fakeMachine {
	dir := t.TempDir()
	return &fakeMachine{places{filepath.Join(dir, "dev"), filepath.Join(dir, "sys")}, t}
}

func (m *fakeMachine) write(path, text string) {
	m.t.Helper()
	must(m.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(m.t, os.WriteFile(path, []byte(text), 0o644))
}

func (m *fakeMachine) link(target, path string) {
	m.t.Helper()
	must(m.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(m.t, os.Symlink(target, path))
}

// usb adds a device as the kernel shows one of ttyUSB (usb-serial) or ttyACM
// (cdc_acm), and udev's link.
func (m *fakeMachine) usb(name, vendor, product, serial, byID string) {
	m.t.Helper()
	device := filepath.Join(m.sys, "devices/usb1", name)
	m.write(filepath.Join(device, "idVendor"), vendor+"\n")
	m.write(filepath.Join(device, "idProduct"), product+"\n")
	m.write(filepath.Join(device, "manufacturer"), "Maker\n")
	m.write(filepath.Join(device, "product"), "Board "+name+"\n")
	if serial != "" {
		m.write(filepath.Join(device, "serial"), serial+"\n")
	}
	at := filepath.Join(device, "1-1:1.0")
	if strings.HasPrefix(name, "ttyUSB") {
		at = filepath.Join(at, name)
	}
	must(m.t, os.MkdirAll(at, 0o755))
	m.link("/drivers/some_driver", filepath.Join(at, "driver"))
	m.tty(name, at)
	if byID != "" {
		m.link("../../"+name, filepath.Join(m.dev, "serial/by-id", byID))
	}
	m.link("../../"+name, filepath.Join(m.dev, "serial/by-path", "pci-"+name))
}

// tty adds a terminal; at is where its device is, if it has one.
func (m *fakeMachine) tty(name, at string) {
	m.t.Helper()
	m.write(filepath.Join(m.dev, name), "")
	must(m.t, os.MkdirAll(filepath.Join(m.sys, "class/tty", name), 0o755))
	if at != "" {
		m.link(at, filepath.Join(m.sys, "class/tty", name, "device"))
	}
}

func TestPortsAreListedAndResolved(t *testing.T) {
	m := newFakeMachine(t)
	if list, err := m.ports(); len(list) > 0 || err != nil {
		t.Errorf("without sysfs: %v, %v", list, err)
	}
	m.usb("ttyUSB0", "0403", "6001", "A50285BI", "usb-FTDI_A50285BI-if00-port0")
	m.usb("ttyUSB1", "0403", "6001", "A50285BJ", "usb-FTDI_A50285BJ-if00-port0")
	m.usb("ttyUSB2", "1a86", "7523", "", "usb-1a86_USB_Serial-if00-port0") // two clones share
	m.usb("ttyUSB3", "1a86", "7523", "", "")                               // one by-id link
	m.usb("ttyACM0", "2341", "0043", "9573:5", "")
	m.tty("tty0", "")
	m.tty("ttyS0", m.sys+"/devices/platform/serial8250")
	must(t, os.MkdirAll(m.sys+"/devices/platform/serial8250", 0o755))
	m.write(filepath.Join(m.sys, "class/tty/ttyS0/type"), "0\n")
	m.tty("ttyAMA0", m.sys+"/devices/platform/uart")
	must(t, os.MkdirAll(m.sys+"/devices/platform/uart", 0o755))
	m.write(filepath.Join(m.sys, "class/tty/ttyAMA0/type"), "32\n")

	list, err := m.ports()
	must(t, err)
	var got []string
	for _, p := range list {
		got = append(got, fmt.Sprintf("%s %s -> %s", strings.TrimPrefix(p.Device, m.dev), p.ID(), strings.TrimPrefix(p.Write, m.dev)))
	}
	if want := []string{
		"/ttyACM0 usb:2341:0043:9573:5 -> /serial/by-path/pci-ttyACM0",
		"/ttyAMA0  -> /ttyAMA0",
		"/ttyUSB0 usb:0403:6001:A50285BI -> /serial/by-id/usb-FTDI_A50285BI-if00-port0",
		"/ttyUSB1 usb:0403:6001:A50285BJ -> /serial/by-id/usb-FTDI_A50285BJ-if00-port0",
		"/ttyUSB2 usb:1a86:7523 -> /serial/by-path/pci-ttyUSB2",
		"/ttyUSB3 usb:1a86:7523 -> /serial/by-path/pci-ttyUSB3",
	}; !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if p := list[2]; p.Name != "Maker Board ttyUSB0" || p.Driver != "some_driver" || len(p.Links) != 2 {
		t.Errorf("%+v", p)
	}
	for port, want := range map[string]string{
		"usb:2341:0043":              "/ttyACM0",
		"usb:2341:0043:9573:5":       "/ttyACM0",
		"usb:0403:6001:A50285BJ":     "/ttyUSB1",
		"usb:::A50285BJ":             "/ttyUSB1",
		"usb:0403::A50285BI":         "/ttyUSB0",
		m.dev + "/ttyUSB3":           "/ttyUSB3",
		list[2].Write:                "/ttyUSB0",
		"usb:0403:6001":              "2 devices have these ids; set port to one of " + list[2].Write + " (usb:0403:6001:A50285BI), " + list[3].Write,
		"usb:1A86:7523":              "2 devices have these ids",
		"usb:ffff:0001":              errAbsent.Error(),
		"usb:::a50285bj":             errAbsent.Error(),
		m.dev + "/serial/by-id/none": errAbsent.Error(),
	} {
		device, err := m.resolve(port)
		if err != nil {
			device = m.dev + err.Error()
		}
		if !strings.HasPrefix(device, m.dev+want) {
			t.Errorf("%s: %s, want %s", port, device, want)
		}
	}
}

// A device is found by its ids wherever it is plugged in.
func TestUSBDeviceIsFoundUnderItsNewName(t *testing.T) {
	t.Parallel()
	m := newFakeMachine(t)
	d := plug(t)
	m.usb("ttyACM0", "2341", "0043", "9573", "")
	must(t, os.Remove(filepath.Join(m.dev, "ttyACM0")))
	m.link(d.path, filepath.Join(m.dev, "ttyACM0"))
	r, log := quietRecorder(t, serialConfig(tempDir(t), "usb:2341:0043:9573"))
	r.lines[0].source.(*serialSource).places = m.places
	x := launch(t, r, log).connected()
	d.say("one\n")
	x.has("one")

	for _, path := range []string{m.dev + "/ttyACM0", m.dev + "/serial/by-path/pci-ttyACM0", m.sys + "/class/tty/ttyACM0", m.sys + "/devices/usb1/ttyACM0"} {
		must(t, os.RemoveAll(path))
	}
	d.unplug()
	x.has(`"event":"gap"`)
	d = plug(t)
	m.usb("ttyACM7", "2341", "0043", "9573", "")
	must(t, os.Remove(filepath.Join(m.dev, "ttyACM7")))
	m.link(d.path, filepath.Join(m.dev, "ttyACM7"))
	x.connected()
	d.say("two\n")
	x.has("two")
	must(t, x.halt())
	var devices []string
	for _, l := range serialLines(t, x.cfg.Spool.Path) {
		if l.Line != "" {
			devices = append(devices, l.Port+" "+filepath.Base(l.Device))
		}
	}
	wantLines(t, devices, "usb:2341:0043:9573 ttyACM0", "usb:2341:0043:9573 ttyACM7")
}

func TestPortInUseIsNotOpened(t *testing.T) {
	t.Parallel()
	d := plug(t)
	first := reads(t, d.path, nil).connected()
	second := reads(t, d.path, nil)
	eventually(t, "the second one is refused", func() bool { return strings.Contains(second.status().LastError, "another program has it open") })
	d.say("one\n")
	first.has("one")
	third := reads(t, d.path, func(c *SerialConfig) { c.Exclusive = false }).connected() // as it was asked for
	must(t, third.halt())
	must(t, first.halt())
	second.connected()
	d.say("two\n")
	second.has("two")
}

// The kernel's own lock, which every program heeds that is not root; on real
// ports only, so that the test has to call a pseudo-terminal one.
func TestPortIsTakenAlone(t *testing.T) {
	if os.Getenv("RECORDER_TEST_OPEN") != "" {
		_, err := os.OpenFile(os.Getenv("RECORDER_TEST_OPEN"), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		fmt.Println("opened:", explainOpen(err))
		os.Exit(0)
	}
	was := isPseudo
	isPseudo = func(int) bool { return false }
	t.Cleanup(func() { isPseudo = was })
	d := plug(t)
	c := serialConfig("/spool", d.path).Serial[0]
	p, err := openSerial(&c, d.path)
	must(t, err)
	if !p.exclusive {
		t.Error("the port is not exclusive")
	}
	if os.Geteuid() == 0 { // root is told by what the kernel says
		other, err := os.OpenFile(d.path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		must(t, err)
		must(t, (&serialPort{File: p.File}).control(func(fd int) error { return unix.Flock(fd, unix.LOCK_UN) }))
		if err := (&serialPort{File: other}).lock(); err != errInUse {
			t.Errorf("root: %v", err)
		}
		other.Close()
		must(t, os.Chmod(d.path, 0o666))
		if out := openAs(t, 65534, d.path); !strings.Contains(out, "opened: "+errInUse.Error()) {
			t.Errorf("another user: %s", out)
		}
	} else {
		t.Log("not root: opening as another user is not tested")
	}
	p.close()
	again, err := openSerial(&c, d.path)
	must(t, err)
	again.close()
	if os.Geteuid() == 0 {
		if out := openAs(t, 65534, d.path); !strings.Contains(out, "opened: <nil>") {
			t.Errorf("another user, afterwards: %s", out)
		}
	}
}

// openAs opens a port in a process of another user.
func openAs(t *testing.T, uid uint32, path string) string {
	t.Helper()
	dir := tempDir(t)
	program := filepath.Join(dir, "opener")
	b, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(program, b, 0o755))
	cmd := exec.Command(program, "-test.run=^TestPortIsTakenAlone$")
	cmd.Env = append(os.Environ(), "RECORDER_TEST_OPEN="+path)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("as %d: %v: %s", uid, err, out)
	}
	return string(out)
}

func TestPortsThatCanNotBeOpenedAreExplained(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o644))
	d := plug(t)
	for _, c := range []struct {
		path   string
		change func(*SerialConfig)
		want   string
	}{
		{dir + "/none", nil, "there is no such device; plug it in"},
		{file, nil, "is no serial port"},
		{dir, nil, "is a directory"},
		{d.path, func(c *SerialConfig) { c.DTR = new(false) }, "has not the lines that dtr and rts set; leave them out"},
		{d.path, func(c *SerialConfig) { c.BaudRate, c.Parity, c.DataBits, c.StopBits = 12345, "even", 7, "2" }, ""},
	} {
		cfg := serialConfig("/spool", c.path).Serial[0]
		if c.change != nil {
			c.change(&cfg)
		}
		p, err := openSerial(&cfg, c.path)
		if err == nil {
			p.close()
		}
		if err == nil && c.want != "" || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %s", c.path, err, c.want)
		}
	}
}

// The mode that was asked for is the terminal's.
func TestModeIsSet(t *testing.T) {
	d := plug(t)
	cfg := serialConfig("/spool", d.path).Serial[0]
	cfg.BaudRate, cfg.Parity, cfg.DataBits, cfg.StopBits = 12345, "odd", 7, "2"
	p, err := openSerial(&cfg, d.path)
	must(t, err)
	defer p.close()
	must(t, p.control(func(fd int) error {
		s, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err != nil {
			return err
		}
		// A pseudo-terminal has eight bits and no parity, whatever is asked.
		if s.Ispeed != 12345 || s.Ospeed != 12345 || s.Cflag&unix.CSTOPB == 0 || s.Lflag&(unix.ICANON|unix.ECHO) != 0 || s.Iflag&(unix.ICRNL|unix.IXON) != 0 {
			t.Errorf("%+v", s)
		}
		return nil
	}))
}
