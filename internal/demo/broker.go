package demo

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// The accounts of the broker. Sensors may write below /feeds, the recorder may
// read there.
const (
	sensorUser   = "sensor"
	recorderUser = "recorder"
	recorderID   = "sluice-demo" // client id of the recorder's session
	feeds        = "/feeds/"
	recordFilter = feeds + "#"
)

// recorderWindow is the most messages that the broker holds for the recorder.
// Beyond it a sensor has to wait for its PUBACK: mochi would drop the message
// instead, at 8,192 of them.
const recorderWindow = 4096

// broker is an MQTT broker on a loopback port, with TLS and passwords.
type broker struct {
	server   *mqtt.Server
	tls      *tls.Config
	ledger   *ledger
	password string // of both accounts

	// gate is held while one message is taken in, and while the recorder's
	// session moves to a new connection. In mochi both at once can lose a message
	// (it is stored in the old session, which is dropped) or deliver it twice.
	gate    sync.Mutex
	room    *sync.Cond                  // on gate: the recorder's window has room, or down
	waiting atomic.Int32                // sensors that wait for room
	down    bool                        // with gate
	holder  atomic.Pointer[mqtt.Client] // who holds gate
	lastID  uint16                      // newest message id of the recorder's session; with gate

	subscribeIDs sync.Map // id that a SUBSCRIBE has within mochi → its own, both uint16

	dropped    atomic.Int64 // messages that mochi dropped; must stay 0
	subscribed chan struct{}
	subscribe  sync.Once

	sockets *sockets
	addr    string
	clients sync.WaitGroup // accept loop and connections
}

// newBroker starts a broker on a free loopback port.
func newBroker(t *tls.Config, l *ledger) (*broker, error) {
	capabilities := mqtt.NewDefaultServerCapabilities()
	b := &broker{
		tls: t, ledger: l, password: rand.Text(), subscribed: make(chan struct{}),
		server: mqtt.New(&mqtt.Options{
			Capabilities:             capabilities,
			Logger:                   slog.New(slog.DiscardHandler),
			SysTopicResendInterval:   24 * 60 * 60, // seconds; reading them stops the world
			ClientNetReadBufferSize:  16 << 10,
			ClientNetWriteBufferSize: 16 << 10,
		}),
	}
	b.room = sync.NewCond(&b.gate)
	if err := b.server.AddHook(&hook{broker: b}, nil); err != nil {
		return nil, fmt.Errorf("prepare the broker: %w", err)
	}
	if err := b.server.Serve(); err != nil {
		return nil, fmt.Errorf("start the broker: %w", err)
	}
	return b, b.open()
}

// open listens, at the port of the last time, and serves the connections.
func (b *broker) open() error {
	s, err := listen(b.addr)
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	b.sockets, b.addr = s, s.Addr().String()
	b.gate.Lock()
	b.down = false
	b.gate.Unlock()
	b.clients.Go(func() { b.serve(s) })
	return nil
}

// serve hands each connection to the MQTT server. Its errors are the ends of
// connections, which their clients see as well.
func (b *broker) serve(s *sockets) {
	for {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		b.clients.Go(func() {
			secure := tls.Server(conn, b.tls)
			_ = b.server.EstablishConnection("demo", secure)
			if cl := b.holder.Load(); cl != nil && cl.Net.Conn == secure {
				b.release(cl)
			}
			_ = conn.Close()
		})
	}
}

// kill closes the port and resets all connections at once, whatever was on its
// way; only the sessions survive, as Mosquitto's do with "persistence true".
// A message counts as taken when it is stored in the recorder's session; one
// without PUBACK is sent again by its sensor.
func (b *broker) kill() error {
	if b.sockets == nil {
		return nil
	}
	err := b.sockets.kill()
	b.gate.Lock()
	b.down = true
	b.room.Broadcast()
	b.gate.Unlock()
	b.clients.Wait()
	b.sockets = nil
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	return nil
}

// restart opens the port again.
func (b *broker) restart() error { return b.open() }

// close ends the broker for good.
func (b *broker) close() error {
	return errors.Join(b.kill(), b.server.Close())
}

// outstanding is the number of messages that the recorder has not yet
// acknowledged.
func (b *broker) outstanding() int {
	cl, ok := b.server.Clients.Get(recorderID)
	if !ok {
		return 0
	}
	return cl.State.Inflight.Len()
}

// take waits for room in the recorder's window and holds the gate; false if the
// broker is being killed.
func (b *broker) take(cl *mqtt.Client) bool {
	b.gate.Lock()
	b.holder.Store(cl)
	for !b.down {
		if b.outstanding() < recorderWindow {
			return true
		}
		b.waiting.Add(1) // before the second look: acked looks after it has made room
		if b.outstanding() >= recorderWindow {
			b.holder.Store(nil)
			b.room.Wait()
			b.holder.Store(cl)
		}
		b.waiting.Add(-1)
	}
	return false
}

// release gives the gate back if cl holds it.
func (b *broker) release(cl *mqtt.Client) {
	if b.holder.CompareAndSwap(cl, nil) {
		b.gate.Unlock()
	}
}

// acked lets sensors go on that wait for room.
func (b *broker) acked() {
	if b.waiting.Load() == 0 {
		return
	}
	b.gate.Lock()
	b.room.Broadcast()
	b.gate.Unlock()
}
