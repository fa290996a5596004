package vpn_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/elastic/go-lumber/lj"
	lumberlog "github.com/elastic/go-lumber/log"
	"github.com/elastic/go-lumber/server/v2"

	"sluice/internal/tlsconfig/tlstest"
)

const (
	user     = "gateway"
	password = "s3cret-word"
	host     = "logstash.plant.example"
	tunnel   = "10.8.0.1"
)

func init() { lumberlog.Logger = stdlog.New(io.Discard, "", 0) }

// payload is a reading that occurs once and is found in a packet.
func payload(i int) string { return fmt.Sprintf("boiler-temperature-%06d", i) }

// chain is all but the VPN: Mosquitto, recorder and tailer on the gateway, and a
// Lumberjack receiver on the server.
type chain struct {
	t        *testing.T
	plant    *plant
	gateway  *machine
	receiver *receiver
	recorder *service
	tailer   *service
}

// newChain starts it with the receiver at an address of the server, over TLS with
// client certificates, or, for a control, without. The address must be up.
func newChain(t *testing.T, p *plant, gateway, server *machine, address string, secure bool) *chain {
	t.Helper()
	c := &chain{t: t, plant: p, gateway: gateway}
	c.receiver = newReceiver(t, p, server, address, secure)
	c.broker()
	dir := t.TempDir()
	output := "compression_level: 0\n" // so that payloads are readable
	if secure {
		output = fmt.Sprintf("ssl: {certificate_authorities: [%s], certificate: %s, key: %s}\n", p.file("ca.crt"), p.file("gateway1.crt"), p.file("gateway1.key"))
	}
	conf := tlstest.File(t, filepath.Join(dir, "sluice.yml"), []byte(fmt.Sprintf(`path.data: %s/data
recorder:
  spool.path: %s/spool
  mqtt:
  - name: plant
    hosts: ["mqtts://127.0.0.1:8883"]
    client_id: recorder
    username: %s
    password: %s
    topics: ["plant/#"]
    ssl.certificate_authorities: [%s]
output.logstash:
  hosts: ["%s:5044"]
  backoff: {init: 1s, max: 5s}
  %sfilebeat.registry.flush: 1s
`, dir, dir, user, password, p.file("ca.crt"), host, output)))
	c.recorder = gateway.serve(sluice, "recorder", "-c", conf)
	c.tailer = gateway.serve(sluice, "tailer", "-c", conf)
	// The session must exist before the first reading.
	eventually(t, "the recorder has subscribed", func() bool { return c.recorder.says(`"connected"`) })
	return c
}

// broker is a real Mosquitto with TLS and a password.
func (c *chain) broker() {
	c.t.Helper()
	dir := c.t.TempDir()
	passwords := filepath.Join(dir, "passwords")
	if out, err := exec.Command("mosquitto_passwd", "-b", "-c", passwords, user, password).CombinedOutput(); err != nil {
		c.t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
	conf := tlstest.File(c.t, filepath.Join(dir, "mosquitto.conf"), []byte(fmt.Sprintf(
		"user root\nlistener 8883 127.0.0.1\nallow_anonymous false\npassword_file %s\ncertfile %s\nkeyfile %s\nmax_queued_messages 0\n", passwords, c.plant.file("broker.crt"), c.plant.file("broker.key"))))
	mosquitto := c.gateway.serve("mosquitto", "-c", conf)
	eventually(c.t, "Mosquitto runs", func() bool { return mosquitto.says("running") })
}

// publish sends readings over TLS with QoS 1, one every so often, and returns when
// the broker has acknowledged all of them.
func (c *chain) publish(from, to int, every time.Duration) {
	options := mqtt.NewClientOptions().AddBroker("ssl://127.0.0.1:8883").SetClientID("sensor").
		SetUsername(user).SetPassword(password).SetAutoReconnect(false)
	options.SetCustomOpenConnectionFn(func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
		raw, err := c.gateway.dial(c.t.Context(), "tcp", u.Host)
		if err != nil {
			return nil, err
		}
		return tls.Client(raw, &tls.Config{RootCAs: c.plant.pool(), ServerName: "127.0.0.1"}), nil
	})
	client := mqtt.NewClient(options)
	if k := client.Connect(); k.Wait() && k.Error() != nil {
		c.t.Error(k.Error())
		return
	}
	defer client.Disconnect(250)
	var tokens []mqtt.Token
	pace := time.NewTicker(every)
	defer pace.Stop()
	for i := from; i < to; i++ {
		<-pace.C
		tokens = append(tokens, client.Publish(fmt.Sprintf("plant/%02d/boiler-topic", i%20), 1, false, payload(i)))
	}
	for _, k := range tokens {
		if !k.WaitTimeout(time.Minute) || k.Error() != nil {
			c.t.Errorf("publish: %v", k.Error())
			return
		}
	}
}

// receiver is a Lumberjack server that keeps every event by its id.
type receiver struct {
	t *testing.T

	mu     sync.Mutex
	events int
	byID   map[string]string // @metadata._id → payload
}

func newReceiver(t *testing.T, p *plant, m *machine, address string, secure bool) *receiver {
	t.Helper()
	r := &receiver{t: t, byID: map[string]string{}}
	l := m.listen(address)
	if secure {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{p.pair("logstash")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: p.pool()})
	}
	s, err := v2.NewWithListener(l)
	must(t, err)
	var done sync.WaitGroup
	done.Go(func() {
		for b := range s.ReceiveChan() {
			r.keep(b)
			b.ACK()
		}
	})
	t.Cleanup(func() { _ = s.Close(); done.Wait() })
	return r
}

func (r *receiver) keep(b *lj.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range b.Events {
		event := e.(map[string]any)
		var record struct{ Payload string }
		if err := json.Unmarshal([]byte(event["message"].(string)), &record); err != nil {
			r.t.Errorf("%v: %v", event["message"], err)
		}
		id := event["@metadata"].(map[string]any)["_id"].(string)
		if was, ok := r.byID[id]; ok && was != record.Payload {
			r.t.Errorf("id %s stands for %q and %q", id, was, record.Payload)
		}
		r.byID[id] = record.Payload
		r.events++
	}
}

func (r *receiver) unique() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byID)
}

// prove waits for the readings 0 to n-1, and wants each under exactly one id.
func (r *receiver) prove(n int) {
	r.t.Helper()
	for last, since := -1, time.Now(); r.unique() < n; time.Sleep(50 * time.Millisecond) {
		if now := r.unique(); now != last {
			last, since = now, time.Now()
		} else if time.Since(since) > 2*time.Minute {
			r.t.Fatalf("%d of %d readings have come, and no more do", now, n)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := map[string]int{}
	for _, p := range r.byID {
		ids[p]++
	}
	for i := range n {
		if ids[payload(i)] != 1 {
			r.t.Errorf("reading %d came under %d ids", i, ids[payload(i)])
		}
	}
	if len(ids) != n {
		r.t.Errorf("%d different readings came, not %d", len(ids), n)
	}
	r.t.Logf("%d readings, %d events received", n, r.events)
}

// unreachable wants no way from the gateway to the receiver but the tunnel, which is
// not up: neither by the tunnel's address nor by the server's own.
func unreachable(t *testing.T, gateway *machine) {
	t.Helper()
	if out, err := gateway.try("ip", "route", "get", tunnel); err == nil || !strings.Contains(out, "unreachable") {
		t.Errorf("without the tunnel there is a route: %s", out)
	}
	ctx, end := context.WithTimeout(t.Context(), 10*time.Second)
	defer end()
	if c, err := gateway.dial(ctx, "tcp", "192.0.2.2:5044"); err == nil {
		_ = c.Close()
		t.Error("the receiver can be reached without the tunnel")
	}
}

// The control of all proofs here: without a VPN, and without TLS, the texts that
// they look for are found on the cable.
func TestWithoutVPNEverythingIsReadable(t *testing.T) {
	needs(t, "mosquitto:mosquitto", "mosquitto_passwd:mosquitto")
	t.Parallel()
	gateway, server := newPair(t, "192.0.2.2")
	cable := gateway.capture()
	c := newChain(t, newPlant(t), gateway, server, "192.0.2.2:5044", false)
	c.publish(0, 100, time.Millisecond)
	c.receiver.prove(100)
	for _, text := range []string{"boiler-temperature", "boiler-topic", "@metadata"} {
		if cable.find(outside, text) == 0 {
			t.Errorf("%q was not found on the cable", text)
		}
	}
	if _, err := os.Stat(gateway.path("/etc/openvpn/server/sluice.conf")); err == nil {
		t.Error("a VPN was set up")
	}
}
