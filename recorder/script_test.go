package recorder

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	packets5 "github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/rs/zerolog"
)

// script is a recorder in a synctest bubble, whose broker is the test itself,
// packet by packet.
type script struct {
	*running
	accept chan net.Conn
	cfg    Config
}

// peer is one connection of the scripted broker.
type peer struct {
	t       *testing.T
	conn    net.Conn
	version string
}

// folder5 makes config choose MQTT 5 for what is in it.
const folder5 = "mqtt5"

// inBubble runs fn in a synctest bubble, once for each version of MQTT. The
// script speaks both: its packets are those of 3.1.1, and translated.
func inBubble(t *testing.T, fn func(t *testing.T, dir string)) {
	t.Helper()
	eachVersion(t, func(t *testing.T, dir string) {
		synctest.Test(t, func(t *testing.T) { fn(t, dir) })
	})
}

// inBubble5 is for what only MQTT 5 has.
func inBubble5(t *testing.T, fn func(t *testing.T, dir string)) {
	t.Helper()
	dir := filepath.Join(tempDir(t), folder5)
	must(t, os.Mkdir(dir, 0o755))
	synctest.Test(t, func(t *testing.T) { fn(t, dir) })
}

// eachVersion runs fn once for each version of MQTT.
func eachVersion(t *testing.T, fn func(t *testing.T, dir string)) {
	for _, version := range []string{version3, version5} {
		t.Run(version, func(t *testing.T) {
			dir := tempDir(t)
			if version == version5 {
				dir = filepath.Join(dir, folder5)
				must(t, os.Mkdir(dir, 0o755))
				must(t, os.Chmod(dir, 0o777))
			}
			fn(t, dir)
		})
	}
}

// startScript starts a recorder against the script.
func startScript(t *testing.T, c Config) *script {
	t.Helper()
	log := &logBuffer{}
	r, err := New(c, zerolog.New(log).Level(zerolog.InfoLevel))
	must(t, err)
	s := &script{accept: make(chan net.Conn), cfg: c}
	r.lines[0].source.(*mqttSource).openConn = func(ctx context.Context, _ broker) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case s.accept <- theirs:
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.running = launch(t, r, log)
	return s
}

// session accepts a connection and a subscription.
func (s *script) session(present bool) *peer {
	s.t.Helper()
	p := s.connect()
	p.connack(present, 0)
	p.granted()
	return p
}

// accepted is the next connection.
func (s *script) accepted() *peer { return &peer{s.t, <-s.accept, s.cfg.MQTT[0].Version} }

// connect accepts a connection up to CONNECT.
func (s *script) connect() *peer {
	s.t.Helper()
	p := s.accepted()
	if _, ok := p.read().(*packets.ConnectPacket); !ok {
		s.t.Fatal("the first packet is not CONNECT")
	}
	return p
}

func (p *peer) read() packets.ControlPacket {
	p.t.Helper()
	packet, err := p.next()
	if err != nil {
		p.t.Fatalf("the broker reads: %v", err)
	}
	return packet
}

func (p *peer) next() (packets.ControlPacket, error) {
	if p.version != version5 {
		return packets.ReadPacket(p.conn)
	}
	packet, err := packets5.ReadPacket(p.conn)
	if err != nil {
		return nil, err
	}
	return from5(packet), nil
}

func (p *peer) write(packet packets.ControlPacket) {
	p.t.Helper()
	if err := p.put(packet); err != nil {
		p.t.Fatalf("the broker writes: %v", err)
	}
}

func (p *peer) put(packet packets.ControlPacket) error {
	if p.version != version5 {
		return packet.Write(p.conn)
	}
	return p.put5(to5(packet))
}

func (p *peer) connack(present bool, code byte) {
	a := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	a.SessionPresent, a.ReturnCode = present, code
	p.write(a)
}

// granted answers a SUBSCRIBE; codes default to what was asked.
func (p *peer) granted(codes ...byte) *packets.SubscribePacket {
	p.t.Helper()
	s, ok := p.read().(*packets.SubscribePacket)
	if !ok {
		p.t.Fatal("no SUBSCRIBE")
	}
	if codes == nil {
		codes = s.Qoss
	}
	a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	a.MessageID, a.ReturnCodes = s.MessageID, codes
	p.write(a)
	return s
}

// send publishes to the recorder.
func (p *peer) send(id uint16, payload string, flags ...func(*packets.PublishPacket)) {
	p.t.Helper()
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.TopicName, m.Payload, m.MessageID, m.Qos = "feeds/t", []byte(payload), id, 1
	for _, f := range flags {
		f(m)
	}
	p.write(m)
}

func dup(m *packets.PublishPacket)      { m.Dup = true }
func exactly(m *packets.PublishPacket)  { m.Qos = 2 }
func retained(m *packets.PublishPacket) { m.Retain = true }
func atMost(m *packets.PublishPacket)   { m.Qos, m.MessageID = 0, 0 }

// acked reads acknowledgements of these ids, in this order.
func (p *peer) acked(ids ...uint16) {
	p.t.Helper()
	for _, id := range ids {
		packet := p.read()
		switch packet.(type) {
		case *packets.PubackPacket, *packets.PubrecPacket:
		default:
			p.t.Fatalf("%s instead of an acknowledgement", packet)
		}
		if got := packet.Details().MessageID; got != id {
			p.t.Fatalf("id %d is acknowledged, not %d", got, id)
		}
	}
}

// quiet checks that the recorder sends nothing for the time.
func (p *peer) quiet(d time.Duration) {
	p.t.Helper()
	must(p.t, p.conn.SetReadDeadline(time.Now().Add(d)))
	if packet, err := p.next(); err == nil {
		p.t.Fatalf("unexpected %s", packet)
	}
	must(p.t, p.conn.SetReadDeadline(time.Time{}))
}

// bye stops the recorder as SIGTERM does: the broker sees DISCONNECT.
func (s *script) bye(p *peer) {
	s.t.Helper()
	s.stop()
	for {
		packet, err := p.next()
		if err != nil {
			s.t.Fatalf("no DISCONNECT: %v", err)
		}
		if _, ok := packet.(*packets.DisconnectPacket); ok {
			break
		}
	}
	p.conn.Close()
	must(s.t, s.halt())
}

// lines are the recorded lines.
func (s *script) lines() []jsonLine { return spoolRecords(s.t, s.cfg.Spool.Path) }

// want checks payloads, in order; a "+" in front means flagged as duplicate.
func (s *script) want(payloads ...string) {
	s.t.Helper()
	lines := s.lines()
	var got []string
	for _, l := range lines {
		if l.Duplicate {
			l.Payload = "+" + l.Payload
		}
		got = append(got, l.Payload)
	}
	if len(got) != len(payloads) {
		s.t.Fatalf("recorded %q, want %q", got, payloads)
	}
	for i := range got {
		if got[i] != payloads[i] {
			s.t.Fatalf("recorded %q, want %q", got, payloads)
		}
	}
}

// release completes a QoS 2 delivery.
func (p *peer) release(id uint16) {
	p.t.Helper()
	r := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	r.MessageID = id
	p.write(r)
	if c, ok := p.read().(*packets.PubcompPacket); !ok || c.MessageID != id {
		p.t.Fatal("no PUBCOMP")
	}
}
