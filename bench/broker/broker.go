// Package broker runs a real Mosquitto for a benchmark, on a free loopback
// port and with nothing set but what the benchmark asks for, and publishes to
// it as cheaply as MQTT 3.1.1 allows, so that what is measured is the
// subscriber.
package broker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sluice/bench/child"
)

// startup is how long the broker may take until it accepts connections.
const startup = 10 * time.Second

// Broker is a running Mosquitto.
type Broker struct {
	process *child.Process
	// Port is the port of its listener on 127.0.0.1.
	Port int
}

// Find returns the path of a program, sbin folders included.
func Find(name string) (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is missing", name)
}

// Start starts Mosquitto with its default settings and the given lines added;
// dir takes its configuration and its log.
func Start(dir string, settings ...string) (*Broker, error) {
	program, err := Find("mosquitto")
	if err != nil {
		return nil, fmt.Errorf("%w; run: apt-get install mosquitto", err)
	}
	b := &Broker{}
	if b.Port, err = freePort(); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "mosquitto.conf")
	text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\n%s\n", b.Port, strings.Join(settings, "\n"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if b.process, err = child.Start(filepath.Join(dir, "mosquitto.log"), exec.Command(program, "-c", conf)); err != nil {
		return nil, err
	}
	if err := b.accepts(); err != nil {
		_, serr := b.process.Stop()
		return nil, errors.Join(err, serr)
	}
	return b, nil
}

// accepts waits until the listener is there.
func (b *Broker) accepts() error {
	for end := time.Now().Add(startup); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", b.Address()); err == nil {
			return c.Close()
		}
		select {
		case <-b.process.Done():
			return errors.New("mosquitto ended at its start")
		default:
		}
	}
	return fmt.Errorf("mosquitto accepts no connection after %s", startup)
}

// Address returns host and port.
func (b *Broker) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.Port)) }

// Usage is the broker's own.
func (b *Broker) Usage() (child.Usage, error) { return b.process.Usage() }

// Log is what the broker has logged.
func (b *Broker) Log() string { return b.process.Log() }

// Stop ends the broker.
func (b *Broker) Stop() error {
	_, err := b.process.Stop()
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
