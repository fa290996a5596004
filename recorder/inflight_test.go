package recorder

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// table opens the redelivery table in dir as a new process does.
func table(t testing.TB, dir string, present bool) *inflight {
	t.Helper()
	tab, err := openInflight(filepath.Join(dir, "x.inflight"), filepath.Join(dir, "x.session.json"), 0o640, zerolog.Nop())
	must(t, err)
	must(t, tab.settle(1<<40, nil)) // nothing was open
	must(t, tab.connected(sessionKey{"b", "c"}, present))
	t.Cleanup(tab.ring.close)
	return tab
}

// enter notes records and makes them durable in a segment.
func enter(t testing.TB, tab *inflight, records ...Record) {
	t.Helper()
	first := tab.next
	ends := make([]int, len(records))
	for i := range records {
		tab.note(&records[i], hashRecord(&records[i]))
		ends[i] = i + 1
	}
	must(t, tab.ring.write(tab.slots(nil, first, ends, 1, 0)))
	tab.acked(records)
}

func message(id uint16, payload string) Record {
	return Record{Topic: "t", Payload: []byte(payload), Size: len(payload), ID: id, QoS: 1}
}

func redelivered(id uint16, payload string) *Record {
	r := message(id, payload)
	r.Duplicate = true
	return &r
}

func TestSlotsOutliveTheProcessUpToTheWindow(t *testing.T) {
	dir := tempDir(t)
	tab := table(t, dir, false)
	id := uint16(60000)
	ids := []uint16{}
	var group []Record
	for n := range slotCount + 100 {
		ids = append(ids, id)
		group = append(group, message(id, fmt.Sprint(n)))
		if id++; id == 0 {
			id = 1
		}
		if len(group) == 700 || n == slotCount+99 {
			enter(t, tab, group...)
			group = group[:0]
		}
	}
	tab.ring.close()
	tab = table(t, dir, true)
	for n, id := range ids {
		r := redelivered(id, fmt.Sprint(n))
		if got, want := tab.seen(r, hashRecord(r)), n > 100; got != want {
			t.Fatalf("message %d of %d is known: %v", n, len(ids), got)
		}
	}
}

func TestDamagedSlotsAreNotKnown(t *testing.T) {
	dir := tempDir(t)
	tab := table(t, dir, false)
	enter(t, tab, message(1, "a"), message(2, "b"), message(3, "c"))
	_, err := tab.ring.file.WriteAt([]byte{0xff}, 2*slotSize+9) // sequence number 2
	must(t, err)
	tab.ring.close()
	tab = table(t, dir, true)
	for id, want := range map[uint16]bool{1: true, 2: false, 3: true} {
		r := redelivered(id, string(rune('a'+id-1)))
		if got := tab.seen(r, hashRecord(r)); got != want {
			t.Errorf("id %d is known: %v", id, got)
		}
	}
	if tab.next != 4 {
		t.Errorf("the next sequence number is %d", tab.next)
	}
}

func TestSlotIsThirtyTwoBytesAsDocumented(t *testing.T) {
	s := slot{seq: 0x0102030405060708, hash: 0x1112131415161718, segment: 0x21222324, end: 0x31323334, id: 0x4142, flags: 0x51, session: 0x61}
	b := make([]byte, slotSize)
	s.encode(b)
	want := []byte{8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 0x34, 0x33, 0x32, 0x31, 0x42, 0x41, 0x51, 0x61}
	if !bytes.Equal(b[:28], want) {
		t.Errorf("% x", b)
	}
	if back, ok := decodeSlot(b); !ok || back != s {
		t.Errorf("%+v", back)
	}
	if _, ok := decodeSlot(make([]byte, slotSize)); ok {
		t.Error("an empty slot counts")
	}
}

// TestRandomBrokerAgainstAModel plays a broker with a counter over lost
// connections, lost acknowledgements and new processes: what was recorded is
// known, what was not is not.
func TestRandomBrokerAgainstAModel(t *testing.T) {
	dir := tempDir(t)
	tab := table(t, dir, false)
	rnd := rand.New(rand.NewPCG(1, 2))
	type sent struct {
		id       uint16
		payload  string
		recorded bool
	}
	var inFlight []sent
	counter := uint16(0)
	for range 3000 {
		for range rnd.IntN(6) {
			if counter++; counter == 0 {
				counter = 1
			}
			m := sent{counter, fmt.Sprint(rnd.IntN(3)), rnd.IntN(3) > 0}
			if m.recorded && (len(inFlight) == 0 || inFlight[len(inFlight)-1].recorded) {
				enter(t, tab, message(m.id, m.payload))
			} else {
				m.recorded = false // lost on the way, as all that follow
			}
			inFlight = append(inFlight, m)
		}
		// The connection is lost; some acknowledgements arrived.
		if acked := rnd.IntN(len(inFlight) + 1); acked > 0 {
			n := 0
			for n < acked && inFlight[n].recorded {
				n++
			}
			inFlight = inFlight[n:]
		}
		if rnd.IntN(50) == 0 {
			tab.ring.close()
			tab = table(t, dir, true)
		} else {
			must(t, tab.connected(sessionKey{"b", "c"}, true))
		}
		for i, m := range inFlight {
			r := redelivered(m.id, m.payload)
			if got := tab.seen(r, hashRecord(r)); got != m.recorded {
				t.Fatalf("message %d %q is known: %v, was recorded: %v", m.id, m.payload, got, m.recorded)
			}
			if !m.recorded {
				enter(t, tab, *r)
				inFlight[i].recorded = true
			}
		}
	}
}

func FuzzRing(f *testing.F) {
	good := make([]byte, 2*slotSize)
	(&slot{seq: 1, id: 1, segment: 1, end: 10}).encode(good[slotSize:])
	f.Add(good)
	f.Fuzz(func(t *testing.T, content []byte) {
		for ; len(content) >= slotSize; content = content[slotSize:] {
			s, ok := decodeSlot(content)
			if !ok {
				continue
			}
			b := make([]byte, slotSize)
			if s.encode(b); !bytes.Equal(b, content[:slotSize]) {
				t.Fatalf("% x is read as %+v", content[:slotSize], s)
			}
		}
	})
}

// feed is a connection from which foreign bytes come.
type feed struct {
	net.Conn
	r io.Reader
}

func (f feed) Read(p []byte) (int, error)       { return f.r.Read(p) }
func (f feed) Write(p []byte) (int, error)      { return len(p), nil }
func (f feed) Close() error                     { return nil }
func (f feed) SetWriteDeadline(time.Time) error { return nil }

// FuzzLink: whatever a broker sends, the link hands on whole frames of bounded
// size and messages within the limits, or ends the connection.
func FuzzLink(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0, 0x32, 6, 0, 1, 't', 0, 1, 'x', 0xd0, 0, 0x90, 3, 0, 1, 0})
	f.Add([]byte{0x20, 2, 1, 0, 0x30, 0x80, 1, 0, 1, 't'})
	f.Fuzz(func(t *testing.T, content []byte) {
		cfg := DefaultMQTTConfig()
		l := feedLink(t, &cfg, content)
		l.expect.Store(1)
		out, err := io.ReadAll(l)
		if err == nil {
			t.Fatal("the end of the connection is no error")
		}
		l.keepAlong.Wait()
		if len(out) > len(content)+9 {
			t.Fatalf("%d bytes are handed on of %d", len(out), len(content))
		}
	})
}

// FuzzClient5 does so with the whole of MQTT 5.
func FuzzClient5(f *testing.F) {
	hello := []byte{0x20, 3, 0, 0, 0}
	f.Add([]byte{0x20, 8, 1, 0, 5, 17, 0, 0, 0, 9})
	f.Add([]byte{0x20, 2, 0, 1})
	f.Add([]byte{0xf0, 0})
	f.Add(append(hello, 0x32, 12, 0, 1, 't', 0, 1, 6, 38, 0, 1, 'a', 0, 0, 0x90, 4, 0, 1, 0, 1))
	f.Add(append(hello, 0x62, 2, 0, 1, 0xe0, 2, 0x8e, 0))
	f.Add(append(hello, 0xb0, 8, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0))
	f.Fuzz(func(t *testing.T, content []byte) {
		cfg := DefaultMQTTConfig()
		cfg.Version = version5
		cfg = cfg.filled()
		m := &mqttSource{cfg: cfg, told: map[string]bool{}, log: zerolog.Nop()}
		l := feedLink(t, &cfg, content)
		c := &client5{link: l, waiting: map[uint16]*part5{}}
		ack, err := c.hello(&cfg)
		if err == nil && ack.ReasonCode < 0x80 {
			m.welcome(c, ack.Properties)
			l.begin(ack.SessionPresent)
			c.subscribe(map[string]byte{"a": 1}, nil, false)
			c.serve()
		}
		_ = l.Close()
		l.keepAlong.Wait()
	})
}

// feedLink is a link to a broker that sends content.
func feedLink(t *testing.T, cfg *MQTTConfig, content []byte) *link {
	cfg.MaxPayload = 8
	return newLink(feed{r: bytes.NewReader(content)}, sessionKey{}, cfg, newQueue(1<<20, 1000, 1<<20), func(r Record) {
		if len(r.Payload) > 8 || len(r.Topic)+len(r.Payload)+len(r.Properties) > len(content) || r.Size < len(r.Payload) || r.QoS > 2 {
			t.Fatalf("%d bytes bring %+v", len(content), r)
		}
		if whole, fault := properties(r.Properties).check(); whole != len(r.Properties) || fault != "" {
			t.Fatalf("properties %q: %s", r.Properties, fault)
		}
	})
}
