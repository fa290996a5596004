package demo

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Sizes and times of the sensors.
const (
	sensorCount    = 5
	sensorInflight = 64 // readings of one sensor without PUBACK
	sensorRetry    = 100 * time.Millisecond
	sensorTimeout  = 30 * time.Second // to connect; long for slow machines
	handover       = 2 * time.Second  // of a reading to paho, which nobody takes from it once the connection is lost
)

// schedule says when readings are due, for all sensors together.
type schedule struct {
	start    time.Time
	messages int64         // 0: no limit
	rate     float64       // per second; 0: at once
	lasting  time.Duration // 0: no limit
	drawn    atomic.Int64
	held     atomic.Int64 // readings from this number on have to wait; 0: none
}

// next draws the next reading; ok is false when there is none any more.
func (s *schedule) next() (d draw, ok bool) {
	d.n = s.drawn.Add(1) - 1
	if s.messages > 0 && d.n >= s.messages {
		return d, false
	}
	d.due = s.start
	if s.rate > 0 {
		d.due = d.due.Add(time.Duration(float64(d.n) / s.rate * float64(time.Second)))
	}
	if s.lasting > 0 && max(d.due.Sub(s.start), time.Since(s.start)) >= s.lasting {
		return d, false
	}
	return d, true
}

// draw is a reading to be taken: the n-th of all sensors.
type draw struct {
	n   int64
	due time.Time
}

// wait is how long the reading has to wait yet; 0 or less: not at all.
func (s *schedule) wait(d draw) time.Duration {
	if held := s.held.Load(); held > 0 && d.n >= held {
		return chaosLook
	}
	return time.Until(d.due)
}

// sensor publishes the readings of its quantities in turn, each until the
// broker has acknowledged it. It holds at most sensorInflight of them and does
// not use paho's own store: a paho token also completes without a PUBACK when
// the connection has been replaced.
type sensor struct {
	id       int
	url      string
	password string
	tls      *tls.Config
	ledger   *ledger
	schedule *schedule
	random   *rand.Rand
	walks    []walk
	numbers  []uint32
	turn     int

	client  paho.Client
	lost    chan struct{} // closed when the connection is lost
	pending []*sent       // in the order of publishing
	waiting atomic.Int64  // len(pending), for the stall watch
}

// sent is a reading without PUBACK.
type sent struct {
	reading reading
	topic   string
	payload []byte
	token   paho.Token
}

// newSensor returns a sensor for the broker at addr.
func newSensor(id int, b *broker, trust *tls.Config, s *schedule) *sensor {
	one := &sensor{
		id: id, url: "ssl://" + b.addr, password: b.password, tls: trust, ledger: b.ledger, schedule: s,
		random: rand.New(rand.NewPCG(uint64(id), 1)), numbers: make([]uint32, len(quantities)),
	}
	for _, q := range quantities {
		one.walks = append(one.walks, walk{q, q.start})
	}
	return one
}

// run publishes until the schedule ends or stop is closed, and then until every
// reading is acknowledged. It ends early, with readings pending, only with ctx.
func (s *sensor) run(ctx context.Context, stop <-chan struct{}) {
	defer s.disconnect()
	next, more := s.schedule.next()
	for ctx.Err() == nil {
		s.collect()
		if s.broken() && !s.reconnect(ctx) {
			return
		}
		switch {
		case more && len(s.pending) < sensorInflight && s.schedule.wait(next) <= 0:
			select {
			case <-stop:
				more = false
				continue
			default:
			}
			if s.publish(s.read()); s.numbers[0] >= maxNumber-1 {
				more = false
				continue
			}
			next, more = s.schedule.next()
		case !more && len(s.pending) == 0:
			return
		default:
			more = s.wait(ctx, stop, next, more)
		}
	}
}

// wait waits until something is to be done, and tells whether more readings are
// to come.
func (s *sensor) wait(ctx context.Context, stop <-chan struct{}, next draw, more bool) bool {
	var acked <-chan struct{}
	if len(s.pending) > 0 {
		acked = s.pending[0].token.Done()
	}
	var timer <-chan time.Time
	if more && len(s.pending) < sensorInflight {
		timer = time.After(s.schedule.wait(next))
	}
	if !more {
		stop = nil
	}
	select {
	case <-acked:
	case <-timer:
	case <-s.lost:
	case <-ctx.Done():
	case <-stop:
		return false
	}
	return more
}

// read takes the next reading.
func (s *sensor) read() *sent {
	q := s.turn % len(s.walks)
	s.turn++
	n := s.numbers[q]
	s.numbers[q]++
	return &sent{
		reading: reading{uint32(s.id*len(quantities) + q), n},
		topic:   topicName(s.id, quantities[q]),
		payload: appendPayload(nil, s.walks[q].step(s.random), n),
	}
}

func (s *sensor) publish(m *sent) {
	m.token = s.client.Publish(m.topic, 1, false, m.payload)
	s.pending = append(s.pending, m)
	s.waiting.Store(int64(len(s.pending)))
}

// collect takes acknowledged readings off the front.
func (s *sensor) collect() {
	for len(s.pending) > 0 {
		m := s.pending[0]
		select {
		case <-m.token.Done():
		default:
			return
		}
		if m.token.Error() != nil {
			return
		}
		s.ledger.publish(m.reading)
		s.pending[0] = nil
		s.pending = s.pending[1:]
		s.waiting.Store(int64(len(s.pending)))
	}
}

// broken tells whether there is no connection that can be used on.
func (s *sensor) broken() bool {
	if s.client == nil || !s.client.IsConnected() {
		return true
	}
	select {
	case <-s.lost:
		return true
	default:
	}
	if len(s.pending) == 0 {
		return false
	}
	select {
	case <-s.pending[0].token.Done():
		return s.pending[0].token.Error() != nil
	default:
		return false
	}
}

// reconnect makes new connections until one is accepted, and publishes what is
// pending again; false when ctx has ended.
func (s *sensor) reconnect(ctx context.Context) bool {
	for {
		s.disconnect()
		s.connect()
		token := s.client.Connect()
		<-token.Done() // bounded by sensorTimeout
		if token.Error() == nil {
			break
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(sensorRetry):
		}
	}
	for _, m := range s.pending {
		m.token = s.client.Publish(m.topic, 1, false, m.payload)
	}
	return true
}

// connect prepares a client. Every connection is a new, clean session; pings
// are off since on an emulated machine an answer may take long.
func (s *sensor) connect() {
	lost := make(chan struct{})
	o := paho.NewClientOptions()
	o.AddBroker(s.url)
	o.SetClientID(fmt.Sprintf("sensor-%d", s.id))
	o.SetUsername(sensorUser)
	o.SetPassword(s.password)
	o.SetCleanSession(true)
	o.SetAutoReconnect(false)
	o.SetKeepAlive(0)
	o.SetProtocolVersion(4)
	o.SetConnectTimeout(sensorTimeout)
	o.SetWriteTimeout(handover)
	gone := sync.OnceFunc(func() { close(lost) })
	o.SetConnectionLostHandler(func(paho.Client, error) { gone() })
	o.SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: sensorTimeout}, Config: s.tls}
		ctx, cancel := context.WithTimeout(context.Background(), sensorTimeout)
		defer cancel()
		return d.DialContext(ctx, "tcp", u.Host)
	})
	s.client, s.lost = paho.NewClient(o), lost
}

// disconnect ends the connection and paho's goroutines.
func (s *sensor) disconnect() {
	if s.client != nil {
		s.client.Disconnect(0)
	}
}
