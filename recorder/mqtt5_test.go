package recorder

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	packets5 "github.com/eclipse/paho.golang/packets"
)

// What only MQTT 5 has, against the script.

// greet accepts a connection with properties of the broker's.
func (s *script) greet(present bool, p *packets5.Properties) *peer {
	s.t.Helper()
	peer := s.connect()
	peer.write5(packets5.CONNACK, &packets5.Connack{SessionPresent: present, Properties: p})
	return peer
}

// deliver publishes with properties.
func (p *peer) deliver(id uint16, payload string, props *packets5.Properties) {
	p.t.Helper()
	p.write5(packets5.PUBLISH, &packets5.Publish{Topic: "feeds/t", Payload: []byte(payload), PacketID: id, QoS: 1, Properties: props})
}

// subscribed reads a SUBSCRIBE and answers it.
func (p *peer) subscribed(props *packets5.Properties, codes ...byte) *packets5.Subscribe {
	p.t.Helper()
	s, ok := p.read5().(*packets5.Subscribe)
	if !ok {
		p.t.Fatal("no SUBSCRIBE")
	}
	for i := len(codes); i < len(s.Subscriptions); i++ {
		codes = append(codes, s.Subscriptions[i].QoS)
	}
	p.write5(packets5.SUBACK, &packets5.Suback{PacketID: s.PacketID, Reasons: codes, Properties: props})
	return s
}

func none() *packets5.Properties { return &packets5.Properties{} }

func TestConnectAsksForALongSessionAndBoundsWhatIsUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		set    func(*MQTTConfig)
		expiry any
		max    uint16
		clean  bool
	}{
		"defaults": {func(*MQTTConfig) {}, uint32(30 * 24 * 3600), 1000, false},
		"set":      {func(m *MQTTConfig) { m.SessionExpiry, m.ReceiveMaximum = time.Hour, 20 }, uint32(3600), 20, false},
		"for ever": {func(m *MQTTConfig) { m.SessionExpiry = 4294967295 * time.Second }, uint32(4294967295), 1000, false},
		"clean":    {func(m *MQTTConfig) { m.CleanSession = true }, nil, 1000, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble5(t, func(t *testing.T, dir string) {
				cfg := config(dir, "mqtt://script")
				c.set(&cfg.MQTT[0])
				s := startScript(t, cfg)
				p := s.accepted()
				m := p.read5().(*packets5.Connect)
				var expiry any
				if m.Properties.SessionExpiryInterval != nil {
					expiry = *m.Properties.SessionExpiryInterval
				}
				if m.ProtocolVersion != 5 || m.CleanStart != c.clean || m.ClientID != "recorder-under-test" || m.KeepAlive != 30 ||
					expiry != c.expiry || *m.Properties.ReceiveMaximum != c.max ||
					m.Properties.TopicAliasMaximum != nil || m.Properties.MaximumPacketSize != nil || m.Properties.AuthMethod != "" {
					t.Errorf("CONNECT %+v, %v", m, m.Properties)
				}
				p.connack(false, 0)
				p.granted()
				s.bye(p)
			})
		})
	}
}

func TestPacketsOfWrongShapeEndTheConnection(t *testing.T) {
	for name, raw := range map[string][]byte{
		"PUBLISH shorter than its properties": {0x30, 4, 0, 1, 't', 9},
		"PUBLISH without topic":               {0x30, 3, 0, 0, 0},
		"properties of an endless length":     {0x90, 8, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1},
		"properties of 2 GiB":                 {0x90, 7, 0, 1, 0x80, 0x80, 0x80, 0x80, 0x08},
		"properties beyond the packet":        {0x90, 4, 0, 1, 9, 1},
		"SUBACK that nobody waits for":        {0x90, 4, 0, 9, 0, 1},
		"UNSUBACK that nobody waits for":      {0xb0, 4, 0, 9, 0, 0},
		"PUBREL of one byte":                  {0x62, 1, 0},
		"PINGREQ":                             {0xc0, 0},
		"a long DISCONNECT":                   {0xe0, 0x80, 0x80, 0x80, 1},
		"DISCONNECT with wrong properties":    {0xe0, 3, 0x8b, 9, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble5(t, func(t *testing.T, dir string) {
				s := startScript(t, config(dir, "mqtt://script"))
				p := s.session(false)
				_, _ = p.conn.Write(raw)
				s.bye(s.session(false))
				s.logged(1, "the broker breaks MQTT 5: ")
			})
		})
	}
}

func TestRefusedConnectionsNameCauseAndMend(t *testing.T) {
	props := &packets5.Properties{ReasonString: "ask \"Bob\"", ServerReference: "other:1883"}
	for code, text := range map[byte]string{
		0x80: "unspecified error; look into the broker's log (reason code 0x80)",
		0x84: "the broker does not speak MQTT 5; set version: 3.1.1",
		0x85: `the broker rejects client_id \"recorder-under-test\"; choose another client_id`,
		0x86: `the broker refuses the login as user \"rec\": bad user name or password; check username and password`,
		0x87: `the broker refuses the login as user \"rec\": not authorised; check username, password and the broker's access list`,
		0x88: `its service is not available; it is tried again; the broker says \"ask`,
		0x8a: "the client is banned; ask whoever runs the broker",
		0x8c: "enhanced authentication is not supported, use username and password",
		0x97: "a quota is exceeded; raise the broker's limit",
		0x9c: `add it to hosts (reason code 0x9c); the broker says \"ask \\\"Bob\\\" (server other:1883)\"`,
		0x9f: "connections come at too high a rate",
		0xee: "an unknown reason; look into the broker's log (reason code 0xee)",
	} {
		t.Run(fmt.Sprintf("%x", code), func(t *testing.T) {
			inBubble5(t, func(t *testing.T, dir string) {
				c := config(dir, "mqtt://script")
				c.MQTT[0].Username = "rec"
				s := startScript(t, c)
				for range 3 {
					p := s.connect()
					p.write5(packets5.CONNACK, &packets5.Connack{ReasonCode: code, Properties: props})
					p.conn.Close()
				}
				s.bye(s.session(false))
				s.logged(1, text, "connected again")
			})
		})
	}
}

// Brokers that know only MQTT 3.1.1 answer in their own way.
func TestBrokerWithoutMQTT5IsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		answer []byte
		want   string
	}{
		"refuses":       {[]byte{0x20, 2, 0, 1}, "the broker does not speak MQTT 5; set version: 3.1.1"},
		"closes":        {nil, "the broker closed the connection; if it does not speak MQTT 5, set version: 3.1.1"},
		"short answer":  {[]byte{0x20, 2, 0, 0}, "the broker breaks MQTT 5: CONNACK"},
		"other packet":  {[]byte{0xd0, 0}, "packet type 13 of 0 bytes instead of CONNACK"},
		"asks for more": {[]byte{0xf0, 2, 0x18, 0}, "enhanced authentication, which is not supported; let it accept username and password, or a client certificate"},
		"sends away":    {[]byte{0xe0, 1, 0x9d}, "the server has moved; correct hosts"},
		"long CONNACK":  {[]byte{0x20, 0x80, 0x80, 0x80, 1}, "instead of CONNACK"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble5(t, func(t *testing.T, dir string) {
				s := startScript(t, config(dir, "mqtt://script"))
				p := s.connect()
				_, _ = p.conn.Write(c.answer)
				if name == "closes" || name == "refuses" {
					p.conn.Close()
				}
				s.bye(s.session(false))
				s.logged(1, c.want)
			})
		})
	}
}

func TestRefusedSubscriptionsNameCauseAndMend(t *testing.T) {
	for code, text := range map[byte]string{
		0x80: "; allow it in the broker's access list (ACL) for this user, or take the topic out",
		0x83: ": it does not accept this for a reason of its own; look into the broker's log (reason code 0x83)",
		0x87: `; allow it in the broker's access list (ACL) for this user, or take the topic out of the configuration; the broker says \"no\"`,
		0x8f: ": it does not allow the topic filter; correct the topic",
		0x91: ": the packet id is in use; it is tried again",
		0x97: ": a quota is exceeded; raise the broker's limit",
		0x9e: ": it does not support shared subscriptions; take $share/NAME/ off the topic",
		0xa1: ": it does not support subscription identifiers",
		0xa2: `: it does not support wildcards; write the topics without \"+\" and \"#\" (reason code 0xa2); the broker says \"no\"`,
	} {
		t.Run(fmt.Sprintf("%x", code), func(t *testing.T) {
			inBubble5(t, func(t *testing.T, dir string) {
				c := config(dir, "mqtt://script")
				c.MQTT[0].Topics = []TopicConfig{{Topic: "a/#"}, {Topic: "b"}, {Topic: "c", QoS: new(2)}}
				s := startScript(t, c)
				for range 2 {
					p := s.greet(false, none())
					p.subscribed(&packets5.Properties{ReasonString: "no"}, code, 1, 1)
					p.send(1, "x")
					p.acked(1)
					if st := s.status(); !slices.Equal(st.Refused, []string{"a/#"}) {
						t.Errorf("refused: %v", st.Refused)
					}
					p.conn.Close()
				}
				s.bye(s.session(false))
				s.logged(1, "the broker refuses the subscription"+text, "the broker grants a lower qos")
			})
		})
	}
}

func TestRefusedUnsubscriptionIsNamed(t *testing.T) {
	inBubble5(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].Topics = []TopicConfig{{Topic: "gone"}, {Topic: "kept"}, {Topic: "stays"}}
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "x")
		p.acked(1)
		s.bye(p)
		c.MQTT[0].Topics = []TopicConfig{{Topic: "kept"}}
		s = startScript(t, c)
		p = s.greet(true, none())
		u := p.read5().(*packets5.Unsubscribe)
		p.write5(packets5.UNSUBACK, &packets5.Unsuback{PacketID: u.PacketID, Reasons: []byte{0x11, 0x87}, Properties: none()})
		p.subscribed(none())
		s.bye(p)
		s.logged(1, `"topics":["gone"],"message":"unsubscribed`, `"topic":"stays","reason":"not authorised`)
	})
}

func TestBrokerThatEndsTheConnectionSaysWhy(t *testing.T) {
	for code, text := range map[byte]string{
		0x00: "the broker closed the connection",
		0x80: "unspecified error",
		0x8b: "the broker ended the connection: it shuts down; it is tried again (reason code 0x8b)",
		0x8d: "it heard nothing for 1.5 times the keepalive time",
		0x8e: "session taken over: another client uses the same client_id; give every recorder a client_id of its own",
		0x93: "more messages are under way than it allows",
		0x95: "the packet is larger than it allows",
		0x98: "an administrator ended it",
		0x9d: `the server has moved; correct hosts (reason code 0x9d); the broker says \" (server new:1883)\"`,
		0xa0: "the connection has lasted as long as it allows",
	} {
		t.Run(fmt.Sprintf("%x", code), func(t *testing.T) {
			inBubble5(t, func(t *testing.T, dir string) {
				s := startScript(t, config(dir, "mqtt://script"))
				p := s.session(false)
				d := &packets5.Disconnect{ReasonCode: code, Properties: none()}
				if code == 0x9d {
					d.Properties.ServerReference = "new:1883"
				}
				p.write5(packets5.DISCONNECT, d)
				s.bye(s.session(true))
				s.logged(1, text, "connected again")
			})
		})
	}
}

// Two recorders with one client id must not throw each other out every second,
// although messages come in between.
func TestTakenOverSessionIsLeftForLongerEachTime(t *testing.T) {
	inBubble5(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].Backoff = DefaultMQTTConfig().Backoff
		s := startScript(t, c)
		began := time.Now()
		for i := range 10 {
			p := s.session(i > 0)
			p.send(uint16(i+1), fmt.Sprint(i))
			p.acked(uint16(i + 1))
			p.write5(packets5.DISCONNECT, &packets5.Disconnect{ReasonCode: 0x8e, Properties: none()})
		}
		if took := time.Since(began); took < time.Minute {
			t.Errorf("ten connections in %s", took)
		}
		s.bye(s.session(true))
	})
}

func TestServersKeepaliveIsHonoured(t *testing.T) {
	for server, want := range map[uint16]time.Duration{5: 5 * time.Second, 0: 30 * time.Second, 600: 30 * time.Second} {
		inBubble5(t, func(t *testing.T, dir string) {
			s := startScript(t, config(dir, "mqtt://script"))
			p := s.greet(false, &packets5.Properties{ServerKeepAlive: &server})
			p.subscribed(none())
			start := time.Now()
			if _, ok := p.read5().(*packets5.Pingreq); !ok {
				t.Fatal("no ping")
			}
			if d := time.Since(start).Round(time.Second); d != want {
				t.Errorf("server's keepalive %d: pinged after %s", server, d)
			}
			p.write5(packets5.PINGRESP, &packets5.Pingresp{})
			s.bye(p)
		})
	}
}

func TestAssignedClientIDNamesTheSession(t *testing.T) {
	inBubble5(t, func(t *testing.T, dir string) {
		s := startScript(t, config(dir, "mqtt://script"))
		for range 2 {
			p := s.greet(false, &packets5.Properties{AssignedClientID: "given"})
			p.subscribed(none())
			p.send(1, "x")
			p.acked(1)
			p.conn.Close()
		}
		s.bye(s.session(false))
		s.logged(1, `client_id: the broker uses \"given\" instead`)
		b, err := os.ReadFile(filepath.Join(s.cfg.Spool.Path, "mqtt.session.json"))
		must(t, err)
		if !strings.Contains(string(b), `"client_id": "given"`) {
			t.Errorf("%s", b)
		}
	})
}

func TestShorterSessionExpiryIsWarnedOfOnce(t *testing.T) {
	for granted, times := range map[uint32]int{3600: 1, 30 * 24 * 3600: 0, 0xffffffff: 0} {
		inBubble5(t, func(t *testing.T, dir string) {
			s := startScript(t, config(dir, "mqtt://script"))
			for range 2 {
				p := s.greet(true, &packets5.Properties{SessionExpiryInterval: &granted})
				p.subscribed(none())
				p.conn.Close()
			}
			s.bye(s.session(true))
			s.logged(times, "session_expiry: the broker keeps the session for 1h0m0s, not 720h0m0s")
		})
	}
}

func TestRequestsKeepToTheBrokersPacketSize(t *testing.T) {
	inBubble5(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].Topics = nil
		for i := range 50 {
			c.MQTT[0].Topics = append(c.MQTT[0].Topics, TopicConfig{Topic: fmt.Sprintf("plant/%02d/%s", i, strings.Repeat("x", i))})
		}
		s := startScript(t, c)
		limit := uint32(100)
		p := s.greet(false, &packets5.Properties{MaximumPacketSize: &limit})
		count := 0
		for count < 50 {
			sub := p.subscribed(none())
			size := 0
			for _, o := range sub.Subscriptions {
				size += 3 + len(o.Topic)
			}
			if size+5 > 100 {
				t.Errorf("a SUBSCRIBE of %d bytes", size)
			}
			count += len(sub.Subscriptions)
		}
		synctest.Wait()
		if st := s.status(); !st.Connected || count != 50 {
			t.Errorf("%d topics, %+v", count, st)
		}
		p.conn.Close()
		limit = 50
		p = s.greet(false, &packets5.Properties{MaximumPacketSize: &limit})
		go func() {
			for {
				if _, err := p.next(); err != nil {
					return
				}
			}
		}()
		s.bye(s.session(false))
		s.logged(1, "is longer than the 50 that the broker allows; shorten the list of topics, or raise the broker's limit")
	})
}

func TestRetainedMessagesAreNotAskedForAgainInAKeptSession(t *testing.T) {
	inBubble5(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].Topics = []TopicConfig{{Topic: "a"}, {Topic: "zero", QoS: new(0)}}
		s := startScript(t, c)
		handling := func(present bool) (got [2]byte) {
			p := s.greet(present, none())
			for i, o := range p.subscribed(none()).Subscriptions {
				got[i] = o.RetainHandling
				if o.NoLocal || o.RetainAsPublished {
					t.Errorf("%+v", o)
				}
			}
			p.send(1, "x")
			p.acked(1)
			p.conn.Close()
			return got
		}
		for i, c := range []struct {
			present bool
			want    [2]byte
		}{
			{true, [2]byte{0, 0}}, // kept, but of another time: nothing is known of it
			{true, [2]byte{1, 0}},
			{false, [2]byte{0, 0}},
			{true, [2]byte{1, 0}},
		} {
			if got := handling(c.present); got != c.want {
				t.Errorf("connection %d: %v, want %v", i, got, c.want)
			}
		}
		s.bye(s.session(true))
	})
}

func TestReleaseWithReasonIsCompleted(t *testing.T) {
	inBubble5(t, func(t *testing.T, dir string) {
		s := startScript(t, config(dir, "mqtt://script"))
		p := s.session(false)
		p.write5(packets5.PUBREL, &packets5.Pubrel{PacketID: 700, ReasonCode: 0x92, Properties: &packets5.Properties{ReasonString: "lost"}})
		if c, ok := p.read5().(*packets5.Pubcomp); !ok || c.PacketID != 700 {
			t.Errorf("no PUBCOMP: %+v", c)
		}
		s.bye(p)
	})
}
