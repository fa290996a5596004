package demo

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// startBroker starts a broker that the test's end closes.
func startBroker(t *testing.T) (*broker, *tls.Config) {
	t.Helper()
	ca := authorityFor(t)
	server, err := ca.issue(2, "broker")
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBroker(server, newLedger(allTopics()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return b, ca.client()
}

// clientOptions are those of a paho client of the broker.
func clientOptions(b *broker, trust *tls.Config, id, user string) *paho.ClientOptions {
	o := paho.NewClientOptions().AddBroker("ssl://" + b.addr).SetClientID(id).SetUsername(user).SetPassword(b.password)
	o.SetAutoReconnect(false).SetKeepAlive(0).SetCleanSession(false).SetProtocolVersion(4)
	o.SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
		return tls.Dial("tcp", u.Host, trust)
	})
	return o
}

// dial connects a client until the test ends.
func dial(t *testing.T, o *paho.ClientOptions) paho.Client {
	t.Helper()
	c := paho.NewClient(o)
	if token := c.Connect(); token.Wait() && token.Error() != nil {
		t.Fatalf("connect: %v", token.Error())
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func publish(t *testing.T, c paho.Client, topic string, payload []byte) {
	t.Helper()
	if token := c.Publish(topic, 1, false, payload); token.Wait() && token.Error() != nil {
		t.Fatalf("publish: %v", token.Error())
	}
}

// standIn is a subscriber in the recorder's place.
type standIn struct {
	mu     sync.Mutex
	got    map[string]int // topics with payloads
	ids    []uint16       // message ids of those that came the first time
	unsent []paho.Message // waiting for an ack
	hold   bool
}

// join connects the stand-in's session.
func (s *standIn) join(t *testing.T, b *broker, trust *tls.Config) paho.Client {
	t.Helper()
	o := clientOptions(b, trust, recorderID, recorderUser).SetAutoAckDisabled(true)
	o.SetDefaultPublishHandler(s.take)
	c := dial(t, o)
	token := c.Subscribe(recordFilter, 1, nil)
	if token.Wait() && token.Error() != nil {
		t.Fatalf("subscribe: %v", token.Error())
	}
	if code := token.(*paho.SubscribeToken).Result()[recordFilter]; code != 1 {
		t.Fatalf("the SUBACK's code is %#x", code)
	}
	return c
}

func (s *standIn) take(_ paho.Client, m paho.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got == nil {
		s.got = map[string]int{}
	}
	s.got[m.Topic()+" "+string(m.Payload())]++
	if !m.Duplicate() {
		s.ids = append(s.ids, m.MessageID())
	}
	if s.hold {
		s.unsent = append(s.unsent, m)
		return
	}
	m.Ack()
}

// release acknowledges what was held.
func (s *standIn) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = false
	for _, m := range s.unsent {
		m.Ack()
	}
	s.unsent = nil
}

func (s *standIn) count(topic string, payload []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[topic+" "+string(payload)]
}

func (s *standIn) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func TestBrokerRefusesWhoHasNoAccount(t *testing.T) {
	b, trust := startBroker(t)
	for name, change := range map[string]func(*paho.ClientOptions){
		"wrong password":                 func(o *paho.ClientOptions) { o.SetPassword("guess") },
		"no password":                    func(o *paho.ClientOptions) { o.SetPassword("") },
		"unknown user":                   func(o *paho.ClientOptions) { o.SetUsername("root") },
		"sensor in the recorder's place": func(o *paho.ClientOptions) { o.SetClientID(recorderID) },
		"recorder under another id":      func(o *paho.ClientOptions) { o.SetUsername(recorderUser) },
	} {
		t.Run(name, func(t *testing.T) {
			o := clientOptions(b, trust, "sensor-0", sensorUser)
			change(o)
			c := paho.NewClient(o)
			if token := c.Connect(); token.Wait() && token.Error() == nil {
				c.Disconnect(0)
				t.Fatal("connected")
			}
		})
	}
	dial(t, clientOptions(b, trust, "sensor-0", sensorUser))
}

func TestBrokerIsTrustedByItsAuthorityOnly(t *testing.T) {
	b, trust := startBroker(t)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		good := trust.Clone()
		good.ServerName = name
		c, err := tls.Dial("tcp", b.addr, good)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.Close()
	}
	if c, err := tls.Dial("tcp", b.addr, authorityFor(t).client()); err == nil {
		c.Close()
		t.Error("another authority is trusted")
	}
}

func TestMessagesForAnAbsentRecorderSurviveAKillOfTheBroker(t *testing.T) {
	b, trust := startBroker(t)
	var s standIn
	s.join(t, b, trust).Disconnect(0)
	sensor := dial(t, clientOptions(b, trust, "sensor-0", sensorUser))
	for n := range uint32(10) {
		publish(t, sensor, "/feeds/0/humid", humid(n))
	}
	// The last PUBACK leaves before the message is in the recorder's session.
	eventually(t, "ten messages in the session", func() bool { return b.outstanding() == 10 })
	if err := b.kill(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", b.addr); err == nil {
		c.Close()
		t.Error("the port is open after the kill")
	}
	eventually(t, "the sensor to notice", func() bool { return !sensor.IsConnected() })
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	s.join(t, b, trust)
	eventually(t, "the messages", func() bool { return s.len() == 10 && b.outstanding() == 0 })
	if c := b.ledger.counts(); c.accepted != 10 || b.dropped.Load() != 0 {
		t.Errorf("%+v, %d dropped", c, b.dropped.Load())
	}
}

func TestReadingSentAgainIsAcknowledgedButDeliveredOnce(t *testing.T) {
	b, trust := startBroker(t)
	var s standIn
	s.join(t, b, trust)
	for range 2 {
		sensor := dial(t, clientOptions(b, trust, "sensor-0", sensorUser))
		publish(t, sensor, "/feeds/0/humid", humid(0))
		sensor.Disconnect(0)
	}
	sensor := dial(t, clientOptions(b, trust, "sensor-0", sensorUser))
	publish(t, sensor, "/feeds/0/humid", humid(1))
	eventually(t, "both readings", func() bool { return s.len() == 2 && b.outstanding() == 0 })
	if n := s.count("/feeds/0/humid", humid(0)); n != 1 {
		t.Errorf("reading 0 was delivered %d times", n)
	}
	if c := b.ledger.counts(); c.accepted != 2 || c.retried != 1 {
		t.Errorf("%+v", c)
	}
}

func TestSensorsWaitWhenTheRecorderAcknowledgesNothing(t *testing.T) {
	b, trust := startBroker(t)
	s := standIn{hold: true}
	s.join(t, b, trust)
	sensor := dial(t, clientOptions(b, trust, "sensor-0", sensorUser))
	tokens := make(chan paho.Token, recorderWindow+10)
	go func() {
		defer close(tokens)
		for n := range uint32(recorderWindow + 10) {
			tokens <- sensor.Publish("/feeds/0/humid", 1, false, humid(n))
		}
	}()
	eventually(t, "the window to fill", func() bool { return s.len() == recorderWindow })
	eventually(t, "a sensor to wait", func() bool { return b.waiting.Load() == 1 && b.ledger.counts().accepted == recorderWindow })
	if c := b.ledger.counts(); c.accepted != recorderWindow {
		t.Errorf("%d readings were taken, want %d", c.accepted, recorderWindow)
	}
	s.release()
	for token := range tokens {
		if token.Wait() && token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	eventually(t, "the rest", func() bool { return s.len() == recorderWindow+10 && b.outstanding() == 0 })
	if b.dropped.Load() != 0 {
		t.Errorf("%d messages were dropped", b.dropped.Load())
	}
}

func TestKillFreesSensorsThatWait(t *testing.T) {
	b, trust := startBroker(t)
	s := standIn{hold: true}
	s.join(t, b, trust)
	sensor := dial(t, clientOptions(b, trust, "sensor-0", sensorUser).SetWriteTimeout(time.Second))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range uint32(recorderWindow + 10) {
			if sensor.Publish("/feeds/0/humid", 1, false, humid(n)); !sensor.IsConnected() {
				return
			}
		}
	}()
	eventually(t, "a sensor to wait", func() bool { return b.waiting.Load() == 1 && b.ledger.counts().accepted == recorderWindow })
	if err := b.kill(); err != nil { // hangs if the waiting one is not freed
		t.Fatal(err)
	}
	<-done
	if c := b.ledger.counts(); c.accepted != recorderWindow {
		t.Errorf("%d readings were taken, want %d", c.accepted, recorderWindow)
	}
	if err := b.restart(); err != nil {
		t.Fatal(err)
	}
	var after standIn
	after.join(t, b, trust)
	eventually(t, "the redelivery", func() bool { return after.len() == recorderWindow && b.outstanding() == 0 })
}

func TestMessageIDsGoOnAndSubscribeIsGrantedWhateverIsOnItsWay(t *testing.T) {
	b, trust := startBroker(t)
	first := standIn{hold: true}
	c := first.join(t, b, trust)
	sensor := dial(t, clientOptions(b, trust, "sensor-0", sensorUser))
	for n := range uint32(5) {
		publish(t, sensor, "/feeds/0/humid", humid(n))
	}
	eventually(t, "five messages", func() bool { return first.len() == 5 })
	c.Disconnect(0)
	// paho gives its SUBSCRIBE id 1; so has one of the five, which come again.
	var second standIn
	second.join(t, b, trust)
	publish(t, sensor, "/feeds/0/humid", humid(5))
	eventually(t, "all six", func() bool { return second.len() == 6 && b.outstanding() == 0 })
	last := first.ids[len(first.ids)-1]
	if len(second.ids) != 1 || second.ids[0] <= last || second.ids[0] > last+3 {
		t.Errorf("message ids %v after %v", second.ids, first.ids)
	}
}

func TestSensorsPublishEachReadingOnceOverKills(t *testing.T) {
	b, trust := startBroker(t)
	var s standIn
	s.join(t, b, trust).Disconnect(0)
	plan := &schedule{start: time.Now(), messages: 3000}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for id := range sensorCount {
		one := newSensor(id, b, trust, plan)
		all.Go(func() { one.run(ctx, nil) })
	}
	for kill := range int64(3) {
		plan.held.Store(900 * (kill + 1)) // readings are on their way at each kill
		eventually(t, "readings", func() bool { return b.ledger.counts().published > 900*kill+100 })
		if err := b.kill(); err != nil {
			t.Fatal(err)
		}
		if err := b.restart(); err != nil {
			t.Fatal(err)
		}
	}
	plan.held.Store(0)
	all.Wait()
	s.join(t, b, trust)
	eventually(t, "the recorder's session to drain", func() bool { return b.outstanding() == 0 })
	if c := b.ledger.counts(); c.published != 3000 || c.accepted != 3000 || s.len() != 3000 {
		t.Errorf("%+v, %d delivered", c, s.len())
	}
	for topic := range b.ledger.marks {
		for n, m := range b.ledger.marks[topic] {
			if !m.published {
				t.Fatalf("reading %d of topic %d has no PUBACK", n, topic)
			}
		}
	}
}

func TestSensorsKeepToTheirRateAndTime(t *testing.T) {
	now := time.Now()
	s := &schedule{start: now, messages: 3, rate: 10}
	for n, want := range []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond} {
		d, ok := s.next()
		if !ok || d.due.Sub(now) != want || d.n != int64(n) {
			t.Errorf("reading %d: %+v, %v", n, d, ok)
		}
	}
	if _, ok := s.next(); ok {
		t.Error("a fourth of three readings")
	}
	s = &schedule{start: now, rate: 1, lasting: 2 * time.Hour}
	s.drawn.Store(2*3600 - 1)
	if _, ok := s.next(); !ok {
		t.Error("the last second has no reading")
	}
	if _, ok := s.next(); ok {
		t.Error("a reading after the time is over")
	}
	s = &schedule{start: now.Add(-time.Hour), lasting: time.Hour}
	if _, ok := s.next(); ok {
		t.Error("a reading after the time is over, at full speed")
	}
}
