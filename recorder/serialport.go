package recorder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// serialPort is an open port. The library sets how the port works; bytes go by
// our own handle, since a read of the library that its Close interrupts may
// still read from the number of the closed handle, which may then be another
// file's.
type serialPort struct {
	*os.File
	device    string // what the port was resolved to
	exclusive bool   // TIOCEXCL is set
}

// openSerial opens and locks a device and sets its mode. The caller names the
// port in errors.
func openSerial(c *SerialConfig, device string) (*serialPort, error) {
	f, err := os.OpenFile(device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, explainOpen(err)
	}
	p := &serialPort{File: f, device: device}
	if err = p.probe(c); err == nil && c.Exclusive {
		err = p.lock()
	}
	if err == nil {
		err = setMode(c, device)
	}
	if err == nil && c.Exclusive {
		err = p.exclude()
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// probe tells what no mode can change.
func (p *serialPort) probe(c *SerialConfig) error {
	return p.control(func(fd int) error {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			return fmt.Errorf("is no serial port: %w", err)
		}
		if c.DTR == nil && c.RTS == nil {
			return nil
		}
		if _, err := unix.IoctlGetInt(fd, unix.TIOCMGET); err != nil {
			return fmt.Errorf("has not the lines that dtr and rts set; leave them out: %w", err)
		}
		return nil
	})
}

var errInUse = errors.New("another program has it open; stop that (fuser -v names it), or set exclusive: false to share what comes")

// lock keeps others off who lock as well, root among them, and finds out
// whether one who does not has asked for the port alone.
func (p *serialPort) lock() error {
	return p.control(func(fd int) error {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return errInUse
		}
		if err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		if taken, err := unix.IoctlGetInt(fd, unix.TIOCGEXCL); err == nil && taken != 0 && !isPseudo(fd) {
			return errInUse
		}
		return nil
	})
}

// exclude lets the kernel refuse everybody else but root. On a pseudo-terminal
// that would outlive a crash of ours, and refuse us too: there the lock must do.
func (p *serialPort) exclude() error {
	return p.control(func(fd int) error {
		if isPseudo(fd) {
			return nil
		}
		if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
			return fmt.Errorf("take the port alone: %w", err)
		}
		p.exclusive = true
		return nil
	})
}

// isPseudo tells a pseudo-terminal, whose other end is a program.
var isPseudo = func(fd int) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false
	}
	major := unix.Major(uint64(st.Rdev))
	return major >= 136 && major <= 143
}

func (p *serialPort) control(do func(fd int) error) error {
	raw, err := p.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// close releases the port.
func (p *serialPort) close() {
	if p.exclusive {
		_ = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCNXCL, 0) })
	}
	_ = p.Close()
}

var (
	parities = map[string]serial.Parity{"none": serial.NoParity, "odd": serial.OddParity, "even": serial.EvenParity, "mark": serial.MarkParity, "space": serial.SpaceParity}
	// With five data bits the hardware makes one and a half of "two".
	stopBits = map[string]serial.StopBits{"1": serial.OneStopBit, "1.5": serial.TwoStopBits, "2": serial.TwoStopBits}
)

// setMode sets speed, character format, raw mode, and the lines that were asked
// for. The settings stay when the library closes its handle, as ours is open.
func setMode(c *SerialConfig, device string) error {
	mode := serial.Mode{BaudRate: c.BaudRate, DataBits: c.DataBits, Parity: parities[c.Parity], StopBits: stopBits[c.StopBits]}
	if c.DTR != nil || c.RTS != nil {
		mode.InitialStatusBits = &serial.ModemOutputBits{DTR: c.DTR == nil || *c.DTR, RTS: c.RTS == nil || *c.RTS}
	}
	port, err := serial.Open(device, &mode)
	if err != nil {
		return explainMode(err)
	}
	if err := port.Close(); err != nil {
		return fmt.Errorf("set the mode: %w", err)
	}
	return nil
}

// explainOpen tells what to do about a port that can't be opened.
func explainOpen(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errAbsent
	case errors.Is(err, syscall.EBUSY):
		return errInUse
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; %s", err, openMend())
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.EIO):
		return fmt.Errorf("there is no device behind it: %w", err)
	}
	return err
}

// openMend is what gives a process the right to open a port.
func openMend() string {
	if os.Getenv("INVOCATION_ID") != "" { // started by systemd
		return "give the service the ports by its drop-in (sluice setup gateway --serial PORT; or sluice-recorder-serial.conf), and its user the device's group"
	}
	return "add the user to the device's group (usermod -aG dialout USER)"
}

var errAbsent = errors.New("there is no such device; plug it in (\"sluice recorder ports\" lists what there is)")

// explainMode tells what the library could not set.
func explainMode(err error) error {
	var port *serial.PortError
	if errors.As(err, &port) && port.Code() == serial.PortBusy {
		return errInUse
	}
	return fmt.Errorf("can't work so; check baud_rate, data_bits, parity and stop_bits: %w", err)
}

// writeWait is how long a device may refuse what is sent to it. It is not read
// meanwhile.
const writeWait = 100 * time.Millisecond

// errRefused tells that the device holds up what is sent.
var errRefused = errors.New("the device does not take what is sent")

// send writes to the device.
func (p *serialPort) send(b []byte) error {
	if err := p.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return err
	}
	_, err := p.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errRefused
	}
	return bare(err)
}

// bare takes the path from an error: the port is named elsewhere. The end of a
// device is an end of file, or an I/O error.
func bare(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV) {
		return errUnplugged
	}
	return err
}

var errUnplugged = errors.New("the device has gone")
