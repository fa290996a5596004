package esp8266

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pulling the plug makes the broker publish the will.
func TestWill(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	s := boot(t, b.config(), Options{Speed: 20})
	sub.await("status", "online")
	sub.await("feeds/0/humid", "50.0")
	s.Kill()
	sub.await("status", "offline")
	for _, m := range sub.all() {
		if m.payload == "offline" && m.qos != 1 {
			t.Errorf("the will came with QoS %d", m.qos)
		}
	}
	// A sensor that comes back is online again, and sends its values anew.
	boot(t, b.config(), Options{Speed: 20})
	sub.await("status", "online")
	if !strings.Contains(b.log.String(), "'sensor0/status', ... (7 bytes)") {
		t.Error("no will in the broker's log")
	}
}

func TestWrongPassword(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Password = "wrong"
	s := boot(t, c, Options{Speed: 100})
	prints(t, s, "mqtt: refused, not authorised", 2)
	if got := sub.all(); len(got) != 0 {
		t.Errorf("received %v", got)
	}
	// Only a person can mend it: the waits are long at once.
	for _, ms := range waits(s) {
		if ms < 100_000 {
			t.Errorf("tries again after %d ms", ms)
		}
	}
}

// What the ACL refuses reaches nobody. MQTT 3.1.1 has no way to tell the sketch.
func TestACL(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"PREFIX": `"sensor1"`}
	s := boot(t, c, Options{Speed: 50})
	prints(t, s, "sent: humidity", 1)
	if !strings.Contains(b.log.String(), "Denied PUBLISH from esp8266-") {
		t.Error("the broker's log does not tell that it refused a topic")
	}
	if got := sub.all(); len(got) != 0 {
		t.Errorf("received %v", got)
	}
}

func TestWrongCA(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	c := b.config()
	c.CA = newAuthority(t).pem
	s := boot(t, c, Options{Speed: 100})
	// 62: the chain does not end at a trust anchor.
	prints(t, s, "error 62", 2)
	if strings.Contains(b.log.String(), "New client connected") {
		t.Error("the sketch has spoken to a broker that it cannot trust")
	}
}

// A name that the certificate does not have.
func TestWrongName(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	c := b.config()
	c.Host = "localhost"
	s := boot(t, c, Options{Speed: 100})
	// 56: not the expected name.
	prints(t, s, "error 56", 2)
}

// A renewed certificate of the same CA changes nothing for the sketch, whether
// the broker starts anew or only reads it again.
func TestCertificateRenewal(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	s := boot(t, b.config(), Options{Speed: 50, Reading: "50.0 20.0"})
	sub.await("feeds/0/temp", "20.0")
	b.kill()
	b.renew(90)
	b.start()
	must(t, s.SetReading(50, 21))
	sub.await("feeds/0/temp", "21.0")
	b.renew(90)
	b.signal(syscall.SIGHUP)
	must(t, s.SetWiFi(false))
	prints(t, s, "wifi: lost", 1)
	must(t, s.SetWiFi(true))
	must(t, s.SetReading(50, 22))
	sub.await("feeds/0/temp", "22.0")
	// An expired one is refused, until it is renewed.
	b.kill()
	b.renew(-1)
	b.start()
	prints(t, s, "error 54", 1)
	b.kill()
	b.renew(90)
	b.start()
	must(t, s.SetReading(50, 23))
	eventually(t, "23.0 over the renewed certificate", func() bool { return sub.last("feeds/0/temp") == "23.0" })
}

// The broker dies with a message on its way: it is sent again, as a duplicate,
// until it is acknowledged.
func TestBrokerRestart(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"SLEEP_TIME": "5000"}
	s := boot(t, c, Options{Speed: 20, Reading: "50.0 20.0"})
	sub.await("feeds/0/temp", "20.0")
	sub.await("feeds/0/humid", "50.0")
	prints(t, s, "sent: temperature", 1)
	// Halted, it takes bytes and answers nothing.
	b.signal(syscall.SIGSTOP)
	must(t, s.SetReading(50, 21))
	prints(t, s, "link: lost (no puback)", 1)
	if n := strings.Count(s.Output(), "sent: temperature"); n != 1 {
		t.Errorf("%d temperatures count as sent, but one was acknowledged", n)
	}
	b.kill()
	must(t, s.SetReading(50, 22))
	b.start()
	// First the one that was lost, then the newest.
	sub.await("feeds/0/temp", "22.0")
	got := strings.Join(sub.payloads("feeds/0/temp"), " ")
	if got != "20.0 21.0 22.0" {
		t.Errorf("temperatures are %s", got)
	}
	if !strings.Contains(b.log.String(), "(d1, q1, r0, m5, 'sensor0/feeds/0/temp'") {
		t.Errorf("it was not sent again with its own id and the duplicate flag")
	}
	sub.await("status", "online")
}

// waits are the milliseconds that the sketch says it lets pass before its next
// tries.
func waits(s *Sensor) (all []int) {
	for _, line := range strings.Split(s.Output(), "\n") {
		if _, text, ok := strings.Cut(line, "next try in "); ok {
			var ms int
			if _, err := fmt.Sscanf(text, "%d ms", &ms); err == nil {
				all = append(all, ms)
			}
		}
	}
	return all
}

// doubling checks that waits double from 1 s, each cut by up to a half by chance.
func doubling(t *testing.T, waits []int) {
	t.Helper()
	for i, ms := range waits {
		if least := min(500<<i, 150_000); ms < least || ms > 2*least {
			t.Errorf("wait %d is %d ms, want %d to %d", i, ms, least, 2*least)
		}
	}
}

// A broker that is away for long is asked ever more seldom.
func TestBackoff(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	b.kill()
	// millis() wraps while it waits.
	s := boot(t, b.config(), Options{Speed: 200, Millis: 1<<32 - 60_000})
	prints(t, s, "link: lost (tcp), next try in", 8)
	doubling(t, waits(s)[:8])
	// WiFi that comes back is a reason to try at once, not after the minutes that
	// are left.
	must(t, s.SetSpeed(1))
	b.start()
	must(t, s.SetWiFi(false))
	prints(t, s, "wifi: lost", 1)
	must(t, s.SetWiFi(true))
	prints(t, s, "mqtt: connected", 1)
	// After a connection that was good for a while, the next wait is short.
	must(t, s.SetSpeed(200))
	up := awaitHealth(t, sub, "a connection", func(h health) bool { return h.MQTT == 1 }).Up
	awaitHealth(t, sub, "a minute and more of it", func(h health) bool { return h.Up > up+60 })
	b.kill()
	prints(t, s, "link: lost (ended)", 1)
	_, after, _ := strings.Cut(s.Output(), "link: lost (ended), next try in ")
	var ms int
	if _, err := fmt.Sscanf(after, "%d ms", &ms); err != nil || ms > 1000 {
		t.Errorf("the wait after a good connection is %d ms", ms)
	}
}

// With a clock that is years off, dates of certificates mean nothing: the sketch
// waits for one that can be right, and takes no expired certificate.
func TestWrongClock(t *testing.T) {
	needTools(t)
	t.Parallel()
	const year = 365 * 24 * time.Hour
	b := newBroker(t)
	sub := b.subscribe()
	s := boot(t, b.config(), Options{Speed: 100, NoNTP: true})
	prints(t, s, "clock: not set", 2)
	must(t, s.SetClock(-4*year))
	must(t, s.SetNTP(true))
	prints(t, s, "clock: not set", 4)
	if strings.Contains(s.Output(), "error") {
		t.Error("the sketch has tried to connect without a clock")
	}
	must(t, s.SetClock(4*year))
	prints(t, s, "error 54", 2)
	if strings.Contains(b.log.String(), "as esp8266-") {
		t.Error("the sketch has connected with a wrong clock")
	}
	must(t, s.SetClock(0))
	sub.await("feeds/0/humid", "50.0")
	// A clock that jumps while connected changes nothing.
	must(t, s.SetClock(-30*year))
	must(t, s.SetReading(60, 20))
	sub.await("feeds/0/humid", "60.0")
}

// With CLOCK_WAIT the time of the build stands in for NTP.
func TestBuildTimeAsClock(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"CLOCK_WAIT": "120000"}
	s := boot(t, c, Options{Speed: 100, NoNTP: true})
	prints(t, s, "clock: not set", 1)
	sub.await("feeds/0/humid", "50.0")
}

// The report's way: only the SHA-1 of the certificate. It needs no clock, and
// dies with the certificate.
func TestFingerprint(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.CA, c.Fingerprint = "", b.fingerprint
	s := boot(t, c, Options{Speed: 100, NoNTP: true})
	prints(t, s, "tls: only a SHA-1 fingerprint is checked", 1)
	sub.await("feeds/0/humid", "50.0")
	b.kill()
	b.renew(90)
	b.start()
	prints(t, s, "error 62", 2)
}

// A quiet sensor keeps its connection, and sees when the broker has gone silent.
func TestKeepAlive(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"KEEPALIVE": "2", "HEALTH_TIME": "3600000"}
	s := boot(t, c, Options{Speed: 1})
	sub.await("feeds/0/humid", "50.0")
	eventually(t, "pings, each with its answer", func() bool { return strings.Count(b.log.String(), "Sending PINGRESP to esp8266-") >= 2 })
	if strings.Contains(b.log.String(), "exceeded timeout") || strings.Count(s.Output(), "mqtt: connected") != 1 {
		t.Error("the connection was lost")
	}
	b.signal(syscall.SIGSTOP)
	must(t, s.SetSpeed(50))
	prints(t, s, "link: lost (no pingresp)", 1)
	b.signal(syscall.SIGCONT)
	prints(t, s, "mqtt: connected", 2)
	sub.await("status", "online")
}

func TestWiFiLost(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"HEALTH_TIME": "30000"}
	s := boot(t, c, Options{Speed: 50})
	sub.await("status", "online")
	must(t, s.SetWiFi(false))
	sub.await("status", "offline")
	prints(t, s, "wifi: begin again", 2)
	must(t, s.SetReading(60, 20))
	must(t, s.SetWiFi(true))
	sub.await("status", "online")
	sub.await("feeds/0/humid", "60.0")
	awaitHealth(t, sub, "two WiFi connections", func(h health) bool { return h.WiFi == 2 && h.MQTT == 2 })
	must(t, s.StickWiFi())
	awaitHealth(t, sub, "a third one, begun anew", func(h health) bool { return h.WiFi == 3 && h.MQTT == 3 })
}

// Without a broker for RESTART_AFTER the chip starts anew and keeps its counts.
func TestRestart(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"RESTART_AFTER": "300000"}
	s := boot(t, c, Options{Speed: 200, Reading: "checksum"})
	awaitHealth(t, sub, "checksum errors", func(h health) bool { return h.Checksum >= 3 })
	must(t, s.SetWiFi(false))
	prints(t, s, "link: no broker for too long, restart", 2)
	must(t, s.SetWiFi(true))
	awaitHealth(t, sub, "the restart", func(h health) bool {
		return h.Reset == "software restart" && h.Checksum >= 6 && h.MQTT >= 2 && h.Up > 600
	})
}

// A reset by the watchdog must not bring back what a restart long ago has saved:
// the value that was sent last then is not what the broker has now.
func TestResetByWatchdog(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"RESTART_AFTER": "300000", "SLEEP_TIME": "10000", "MAX_AGE": "0"}
	s := boot(t, c, Options{Speed: 100, Reading: "50.0 20.0"})
	sub.await("feeds/0/temp", "20.0")
	prints(t, s, "sent: temperature", 1)
	must(t, s.SetWiFi(false))
	prints(t, s, "link: no broker for too long, restart", 1)
	must(t, s.SetWiFi(true))
	must(t, s.SetReading(50, 25))
	sub.await("feeds/0/temp", "25.0")
	must(t, s.SetReading(50, 20))
	must(t, s.Reset(1))
	sub.await("feeds/0/temp", "20.0")
	h := awaitHealth(t, sub, "the watchdog", func(h health) bool { return h.Reset == "hardware watchdog" })
	if h.Up > 300 || h.MQTT != 1 {
		t.Errorf("counts of before the reset: %+v", h)
	}
}

// For batteries: the chip sleeps between readings, and switches the radio on
// only when there is something to say.
func TestDeepSleep(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	c := b.config()
	c.Settings = map[string]string{"DEEP_SLEEP": "1", "SLEEP_TIME": "60000", "HEALTH_TIME": "1200000", "MAX_AGE": "0", "AWAKE_TIME": "150000"}
	s := boot(t, c, Options{Speed: 300, Reading: "50.0 20.0"})
	sub.await("status", "asleep")
	sub.await("feeds/0/temp", "20.0")
	prints(t, s, "host: reset 5", 4)
	if n := strings.Count(s.Output(), "wifi asked for"); n != 1 {
		t.Errorf("the radio was on %d times, but only the first waking had news", n)
	}
	must(t, s.SetReading(50, 20.1))
	sub.await("feeds/0/temp", "20.1")
	if n := len(sub.payloads("feeds/0/humid")); n != 1 {
		t.Errorf("the humidity did not change, but was sent %d times", n)
	}
	h := awaitHealth(t, sub, "many wakings", func(h health) bool { return h.Up >= 1200 })
	if h.Reset != "deep sleep" || h.OK < 15 || h.MQTT > 3 {
		t.Errorf("health is %+v", h)
	}
	if strings.Contains(b.log.String(), "closed its connection") || sub.last("status") != "asleep" {
		t.Error("it has gone to sleep without a word")
	}
	// No broker: it does not empty its battery by trying.
	b.kill()
	must(t, s.SetReading(70, 20.1))
	before := strings.Count(s.Output(), "host: reset 5")
	tries := strings.Count(s.Output(), "wifi asked for")
	prints(t, s, "host: reset 5", before+8)
	if n := strings.Count(s.Output(), "wifi asked for") - tries; n > 4 {
		t.Errorf("%d tries in 8 wakings", n)
	}
	b.start()
	sub.await("feeds/0/humid", "70.0")
}

// The birth message of a sleeper is told when there is a broker at last, not only at
// power-on, and then not again.
func TestBirthOfASleeper(t *testing.T) {
	needTools(t)
	t.Parallel()
	b := newBroker(t)
	sub := b.subscribe()
	b.kill()
	c := b.config()
	c.Settings = map[string]string{"DEEP_SLEEP": "1", "SLEEP_TIME": "10000", "AWAKE_TIME": "150000"}
	s := boot(t, c, Options{Speed: 300})
	prints(t, s, "host: reset 5", 1)
	b.start()
	sub.await("status", "asleep")
	sub.await("feeds/0/humid", "50.0")
	prints(t, s, "host: reset 5", strings.Count(s.Output(), "host: reset 5")+1)
	must(t, s.SetReading(60, 20))
	sub.await("feeds/0/humid", "60.0")
	if got := sub.payloads("status"); len(got) != 1 {
		t.Errorf("the status was told as %v", got)
	}
}

// A broker that is none: after the handshake it sends whatever it likes.
func TestHostileBroker(t *testing.T) {
	needTools(t)
	t.Parallel()
	ca := newAuthority(t)
	certPEM, keyPEM, _ := ca.issue(90)
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	must(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	must(t, err)
	defer l.Close()
	go func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go torment(conn, n)
		}
	}()
	c := Config{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: user, Password: password, CA: ca.pem, Sanitize: true,
		Settings: map[string]string{"RESTART_AFTER": "0"}}
	s := boot(t, c, Options{Speed: 300})
	prints(t, s, "link: lost (protocol)", 10)
	prints(t, s, "link: lost (", 16)
	// One that throws us out at once is no good connection: the waits grow.
	doubling(t, waits(s)[:16])
}

// torment plays the n-th connection of a hostile broker.
func torment(conn net.Conn, n int) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	hello := make([]byte, 256)
	if _, err := conn.Read(hello); err != nil {
		return
	}
	noise := make([]byte, 20000)
	_, _ = rand.Read(noise)
	switch n % 4 {
	case 0: // nothing but noise
	case 1: // accepted, then noise
		_, _ = conn.Write([]byte{0x20, 2, 0, 0})
	case 2: // a packet of 256 MB
		noise = append([]byte{0x20, 2, 0, 0, 0x30, 0xFF, 0xFF, 0xFF, 0x7F}, noise...)
	case 3: // PUBACKs for everything
		_, _ = conn.Write([]byte{0x20, 2, 0, 0})
		noise = noise[:0]
		for id := range 100 {
			noise = append(noise, 0x40, 2, byte(id>>8), byte(id))
		}
		noise = append(noise, 0x20, 2, 0, 0)
	}
	_, _ = conn.Write(noise)
	_, _ = io.Copy(io.Discard, conn)
}
