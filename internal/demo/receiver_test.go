package demo

import (
	"bytes"
	"compress/zlib"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"
)

// startReceiver starts a receiver that the test's end closes, with a ledger of
// n published readings.
func startReceiver(t *testing.T, n uint32) (*receiver, *tls.Config) {
	t.Helper()
	ca := authorityFor(t)
	server, err := ca.issue(3, "receiver")
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReceiver(server, publishedLedger(n), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	return r, ca.client()
}

// eventOf is an event as the tailer sends it.
func eventOf(id, topic string, payload []byte) string {
	line := fmt.Sprintf(`{"time":"2026-11-21T19:41:17.000000001Z","topic":%q,"qos":1,"retained":false,"duplicate":false,"id":3,"payload":%q,"encoding":"text"}`, topic, payload)
	return fmt.Sprintf(`{"@timestamp":"2026-11-21T19:41:17.123Z","@metadata":{"beat":"filebeat","type":"_doc","version":"9.0.0","_id":%q},"message":%q,"log":{"offset":0}}`, id, line)
}

// script is a Lumberjack v2 client that does what the test says.
type script struct {
	t    *testing.T
	conn *tls.Conn
}

func play(t *testing.T, r *receiver, trust *tls.Config) script {
	t.Helper()
	conn, err := tls.Dial("tcp", r.addr, trust)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return script{t, conn}
}

// window sends documents as one window, compressed or not.
func (s script) window(compressed bool, documents ...string) {
	s.t.Helper()
	var frames bytes.Buffer
	for i, d := range documents {
		frames.WriteString("2J")
		frames.Write(binary.BigEndian.AppendUint32(nil, uint32(i+1)))
		frames.Write(binary.BigEndian.AppendUint32(nil, uint32(len(d))))
		frames.WriteString(d)
	}
	out := append([]byte("2W"), binary.BigEndian.AppendUint32(nil, uint32(len(documents)))...)
	if compressed {
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		if _, err := w.Write(frames.Bytes()); err != nil {
			s.t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			s.t.Fatal(err)
		}
		out = append(binary.BigEndian.AppendUint32(append(out, "2C"...), uint32(z.Len())), z.Bytes()...)
	} else {
		out = append(out, frames.Bytes()...)
	}
	if _, err := s.conn.Write(out); err != nil {
		s.t.Fatal(err)
	}
}

// ack reads acknowledgements until one is not the keepalive 0.
func (s script) ack() (uint32, error) {
	for {
		var frame [6]byte
		if _, err := io.ReadFull(s.conn, frame[:]); err != nil {
			return 0, err
		}
		if n := binary.BigEndian.Uint32(frame[2:]); n > 0 {
			return n, nil
		}
	}
}

func (s script) wantAck(want uint32) {
	s.t.Helper()
	if n, err := s.ack(); err != nil || n != want {
		s.t.Fatalf("ack %d, %v; want %d", n, err, want)
	}
}

func TestReceiverCountsEachEventAndAcknowledgesTheWindow(t *testing.T) {
	r, trust := startReceiver(t, 4)
	s := play(t, r, trust)
	s.window(false, eventOf("a", "/feeds/0/humid", humid(0)), eventOf("b", "/feeds/0/humid", humid(1)))
	s.wantAck(2)
	s.window(true, eventOf("c", "/feeds/0/humid", humid(2)), eventOf("d", "/feeds/0/humid", humid(3)), eventOf("a", "/feeds/0/humid", humid(0)))
	s.wantAck(3)
	if c := r.ledger.counts(); c.received != 5 || c.unique != 4 || c.firstFault != "" {
		t.Errorf("%+v", c)
	}
	if lost, doubled := r.ledger.verdict(); lost != 0 || doubled != 0 {
		t.Errorf("lost %d, doubled %d", lost, doubled)
	}
}

func TestForeignEventsAreCountedAndAcknowledged(t *testing.T) {
	r, trust := startReceiver(t, 1)
	s := play(t, r, trust)
	s.window(false, "no json", `{"message":"no json"}`, `{"@metadata":{"_id":"x"}}`, `[]`, eventOf("a", "/feeds/0/humid", humid(0)))
	s.wantAck(5)
	if c := r.ledger.counts(); c.received != 5 || c.unique != 1 || c.foreign != 4 || c.firstFault == "" {
		t.Errorf("%+v", c)
	}
}

func TestCutTakesTheWindowInAndResetsInsteadOfAcknowledging(t *testing.T) {
	r, trust := startReceiver(t, 2)
	s := play(t, r, trust)
	r.cut()
	s.window(true, eventOf("a", "/feeds/0/humid", humid(0)))
	if n, err := s.ack(); err == nil {
		t.Fatalf("ack %d", n)
	}
	again := play(t, r, trust)
	again.window(true, eventOf("a", "/feeds/0/humid", humid(0)), eventOf("b", "/feeds/0/humid", humid(1)))
	again.wantAck(2)
	if c := r.ledger.counts(); c.received != 3 || c.unique != 2 || r.cuts.Load() != 1 {
		t.Errorf("%+v, %d cuts", c, r.cuts.Load())
	}
}

func TestReceiverComesBackOnItsPortAndRemembers(t *testing.T) {
	r, trust := startReceiver(t, 2)
	s := play(t, r, trust)
	s.window(false, eventOf("a", "/feeds/0/humid", humid(0)))
	s.wantAck(1)
	addr := r.addr
	if err := r.kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ack(); err == nil {
		t.Error("the connection has survived the kill")
	}
	if c, err := tls.Dial("tcp", addr, trust); err == nil {
		c.Close()
		t.Error("the port is open after the kill")
	}
	if err := r.restart(); err != nil {
		t.Fatal(err)
	}
	if r.addr != addr {
		t.Errorf("back on %s instead of %s", r.addr, addr)
	}
	s = play(t, r, trust)
	s.window(false, eventOf("a", "/feeds/0/humid", humid(0)), eventOf("b", "/feeds/0/humid", humid(1)))
	s.wantAck(2)
	if c := r.ledger.counts(); c.received != 3 || c.unique != 2 {
		t.Errorf("%+v", c)
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(eventOf("a", "/feeds/0/humid", humid(0))))
	f.Add([]byte(`{"@metadata":{"_id":7},"message":"{}"}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, document []byte) {
		var slot any
		if err := decodeEvent(document, &slot); err != nil {
			t.Fatalf("the sender would send it for ever: %v", err)
		}
		switch slot.(type) {
		case event, error:
		default:
			t.Fatalf("decoded into %T", slot)
		}
	})
}
