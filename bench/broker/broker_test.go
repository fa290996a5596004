package broker

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sluice/bench/child"
)

// What the minimal publisher sends is what Mosquitto's own client receives.
func TestMosquittoDeliversWhatIsPublished(t *testing.T) {
	b, err := Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	}()
	program, err := Find("mosquitto_sub")
	if err != nil {
		t.Fatalf("%v; run: apt-get install mosquitto-clients", err)
	}
	const messages = 100
	p, err := NewPublisher(b.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	log := filepath.Join(t.TempDir(), "log")
	// The session outlives its first client, so that nothing is missed.
	session := []string{"-h", "127.0.0.1", "-p", strconv.Itoa(b.Port), "-i", "reader", "-c", "-q", "1", "-t", "feeds/#", "-W", "20"}
	if out, err := exec.Command(program, append(session, "-E")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := p.Publish(t.Context(), messages, func() int64 { return messages }); err != nil {
		t.Fatal(err)
	}
	sub, err := child.Start(log, exec.Command(program, append(session, "-C", strconv.Itoa(messages), "-F", "%q %t %p")...))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Stop()
	select {
	case <-sub.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the subscriber does not end")
	}
	lines := bytes.Split(bytes.TrimSpace([]byte(sub.Log())), []byte("\n"))
	if len(lines) != messages || string(lines[0]) != "1 feeds/01/temperature 20.01" || string(lines[99]) != "1 feeds/36/temperature 21.00" {
		t.Errorf("%d messages, the first %q, the last %q", len(lines), lines[0], lines[len(lines)-1])
	}
}
