package recorder

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

func (x *running) logged(times int, texts ...string) {
	x.t.Helper()
	log := x.log.String()
	for _, text := range texts {
		if n := strings.Count(log, text); n != times {
			x.t.Errorf("%q is logged %d times, want %d, in\n%s", text, n, times, log)
		}
	}
}

func TestNothingIsAcknowledgedBeforeItIsSynced(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		s := startScript(t, config(dir, "mqtt://script"))
		p := s.session(false)
		failing := failUntilCleared(s)
		p.send(1, "a")
		p.send(2, "b", exactly)
		p.send(3, "c")
		p.quiet(5 * time.Second)
		if st := s.status(); !st.Blocked || st.LastError == "" || st.Recorded != 0 || st.QueueRecords == 0 {
			t.Errorf("status while the disk fails: %+v", st)
		}
		if line := s.Status().String(); !strings.Contains(line, "BLOCKED: ") {
			t.Errorf("status line %q", line)
		}
		failing.Store(false)
		p.acked(1, 2, 3)
		p.release(2)
		s.bye(p)
		s.want("a", "b", "c")
		s.logged(1, "recording stops", "recording resumes")
		if st := s.status(); st.Blocked || st.Recorded != 3 {
			t.Errorf("status after it: %+v", st)
		}
	})
}

// After a failed fsync the kernel may have dropped the pages: the group goes
// into a new segment, and the old one ends where it was confirmed.
func TestFailedSyncWritesTheGroupIntoANewSegment(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		inBubble(t, func(t *testing.T, dir string) {
			c := config(dir, "mqtt://script")
			s := startScript(t, c)
			p := s.session(false)
			p.send(1, "a")
			p.acked(1)
			series, failures := s.lines0(), 2
			series.fail = func(step string) error {
				if step == "write" && failures > 0 {
					failures--
					return errno
				}
				return nil
			}
			p.send(2, "b")
			p.acked(2)
			s.bye(p)
			s.want("a", "b")
			names, err := filepath.Glob(filepath.Join(c.Spool.Path, "*.log"))
			must(t, err)
			want := 2
			if errno == syscall.ENOSPC {
				want = 1 // space comes back: nothing was lost in between
			}
			if len(names) != want {
				t.Errorf("%v: segments %v, want %d", errno, names, want)
			}
		})
	}
}

func TestStalledDiskBeyondKeepaliveKeepsTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].QueueRecords = 10
		c.MQTT[0].KeepAlive = 20 * time.Second
		s := startScript(t, c)
		p := s.session(false)
		failing := failUntilCleared(s)
		const n = 100
		go func() { // the connection itself holds this back
			for id := uint16(1); id <= n; id++ {
				m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
				m.TopicName, m.Payload, m.MessageID, m.Qos = "t", fmt.Append(nil, id), id, 1
				if p.put(m) != nil {
					return
				}
			}
		}()
		for range 10 { // ten times the keepalive: only pings come, unanswered
			if _, ok := p.read().(*packets.PingreqPacket); !ok {
				t.Fatal("something else than a ping is sent while the disk stalls")
			}
		}
		if st := s.status(); st.QueueRecords > 15 || !st.Connected || st.Connects != 1 {
			t.Errorf("while the disk stalls: %+v", st)
		}
		failing.Store(false)
		for id := uint16(1); id <= n; id++ {
			p.acked(id)
		}
		s.bye(p)
		if len(s.lines()) != n || s.status().Connects != 1 {
			t.Errorf("%d lines over %d connections", len(s.lines()), s.status().Connects)
		}
	})
}

func TestPingsKeepAnIdleConnectionAndFindADeadOne(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].KeepAlive = 20 * time.Second
		s := startScript(t, c)
		p := s.session(false)
		start := time.Now()
		for range 3 {
			if _, ok := p.read().(*packets.PingreqPacket); !ok {
				t.Fatal("no ping")
			}
			p.write(packets.NewControlPacket(packets.Pingresp))
		}
		if d := time.Since(start); d < 60*time.Second || d > 61*time.Second {
			t.Errorf("three pings in %s", d)
		}
		if _, ok := p.read().(*packets.PingreqPacket); !ok {
			t.Fatal("no ping")
		}
		p2 := s.session(true) // no answer: a new connection
		if d := time.Since(start); d < 90*time.Second || d > 92*time.Second {
			t.Errorf("the dead connection is left after %s", d)
		}
		s.bye(p2)
		s.logged(1, "the broker did not answer a ping within 10s", "connected again")
	})
}

func TestConnectTellsTheBrokerTheKeepalive(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].KeepAlive, c.MQTT[0].Username, c.MQTT[0].Password = 45*time.Second, "u", "p"
		s := startScript(t, c)
		p := s.accepted()
		m := p.read().(*packets.ConnectPacket)
		if m.Keepalive != 45 || m.CleanSession || m.ClientIdentifier != "recorder-under-test" || m.ProtocolVersion != map[string]byte{version3: 4, version5: 5}[s.cfg.MQTT[0].Version] || m.Username != "u" || string(m.Password) != "p" {
			t.Errorf("CONNECT %+v", m)
		}
		p.connack(false, 0)
		p.granted()
		s.bye(p)
	})
}

func TestSilenceWatchdogConnectsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].SilenceTimeout = 10 * time.Minute
		c.MQTT[0].KeepAlive = time.Hour
		s := startScript(t, c)
		p := s.session(false)
		time.Sleep(9 * time.Minute)
		p.send(1, "a")
		p.acked(1)
		start := time.Now()
		p = s.session(true)
		if d := time.Since(start); d < 10*time.Minute-time.Second || d > 10*time.Minute+3*time.Second {
			t.Errorf("connected anew after %s", d)
		}
		s.bye(p)
		s.logged(1, "connected, but no message came for 10m0s")
	})
}

func TestRefusedLoginsNameTheCauseOnce(t *testing.T) {
	for code, text := range map[byte]string{
		1: "does not speak MQTT ",
		2: `rejects client_id \"recorder-under-test\"`,
		3: "service is not available",
		4: "bad user name or password; check username and password",
		5: `refuses the login as user \"rec\": not authorised; check username, password`,
	} {
		inBubble(t, func(t *testing.T, dir string) {
			c := config(dir, "mqtt://script")
			c.MQTT[0].Username = "rec"
			s := startScript(t, c)
			for range 3 {
				p := s.connect()
				p.connack(false, code)
				p.conn.Close()
			}
			s.bye(s.session(false))
			s.logged(1, text, "connected again")
		})
	}
}

func TestRefusedTopicIsNamedAndTheOthersGoOn(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].Topics = []TopicConfig{{Topic: "a/#"}, {Topic: "secret/#"}, {Topic: "c", QoS: new(2)}}
		s := startScript(t, c)
		var p *peer
		for range 2 {
			p = s.connect()
			p.connack(false, 0)
			sub := p.read().(*packets.SubscribePacket)
			ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			ack.MessageID = sub.MessageID
			for i, topic := range sub.Topics {
				code := sub.Qoss[i]
				switch topic {
				case "secret/#":
					code = 0x80
				case "c":
					code = 1
				}
				ack.ReturnCodes = append(ack.ReturnCodes, code)
			}
			p.write(ack)
			p.send(1, "x")
			p.acked(1)
			if st := s.status(); !slices.Equal(st.Refused, []string{"secret/#"}) {
				t.Errorf("refused: %v", st.Refused)
			}
			if p.conn.Close(); t.Failed() {
				return
			}
		}
		s.bye(s.session(false))
		s.logged(1, "the broker refuses the subscription; allow it in the broker's access list (ACL)", "the broker grants a lower qos")
		if st := s.status(); len(st.Refused) != 0 {
			t.Errorf("still refused: %v", st.Refused)
		}
	})
}

func TestTopicsDroppedFromTheConfigurationAreUnsubscribed(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].Topics = []TopicConfig{{Topic: "old/#"}, {Topic: "kept"}}
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "x") // the session is remembered with its first records
		p.acked(1)
		s.bye(p)
		c.MQTT[0].Topics = []TopicConfig{{Topic: "kept"}, {Topic: "new"}}
		s = startScript(t, c)
		p = s.connect()
		p.connack(true, 0)
		u, ok := p.read().(*packets.UnsubscribePacket)
		if !ok || !slices.Equal(u.Topics, []string{"old/#"}) {
			t.Fatalf("no UNSUBSCRIBE of old/#: %v", u)
		}
		a := packets.NewControlPacket(packets.Unsuback).(*packets.UnsubackPacket)
		a.MessageID = u.MessageID
		p.write(a)
		if sub := p.granted(); len(sub.Topics) != 2 {
			t.Errorf("SUBSCRIBE %v", sub.Topics)
		}
		s.bye(p)
	})
}

func TestBrokerThatBreaksTheProtocolIsLeft(t *testing.T) {
	for name, raw := range map[string][]byte{
		"QoS 3":             {0x36, 5, 0, 1, 't', 0, 1},
		"PUBLISH too short": {0x32, 3, 0, 200, 't'},
		"a second CONNACK":  {0x20, 2, 0, 0},
		"endless length":    {0x30, 0xff, 0xff, 0xff, 0xff, 1},
		"surplus SUBACK":    {0x90, 6, 0, 1, 1, 1, 1, 1},
		"a long PINGRESP":   {0xd0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, dir string) {
				s := startScript(t, config(dir, "mqtt://script"))
				p := s.session(false)
				_, _ = p.conn.Write(raw)
				s.bye(s.session(false))
				s.logged(1, "the broker breaks MQTT "+or(s.cfg.MQTT[0].Version, version3))
			})
		})
	}
}

func TestTooLongPayloadIsCutBeforeItIsInMemory(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].MaxPayload = 10
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "0123456789")
		p.send(2, strings.Repeat("x", 300000))
		p.send(3, "0123456789A")
		p.send(4, "after")
		p.acked(1, 2, 3, 4)
		p.send(2, strings.Repeat("x", 300000), dup)
		p.acked(2)
		s.bye(p)
		lines := s.lines()
		for i, want := range []jsonLine{{Payload: "0123456789"}, {Payload: "xxxxxxxxxx", Truncated: true, Size: 300000}, {Payload: "0123456789", Truncated: true, Size: 11}, {Payload: "after"}} {
			if l := lines[i]; l.Payload != want.Payload || l.Truncated != want.Truncated || l.Size != want.Size {
				t.Errorf("line %d: %+v", i, l)
			}
		}
		if st := s.status(); st.Truncated != 2 || len(lines) != 4 {
			t.Errorf("truncated %d, lines %d", st.Truncated, len(lines))
		}
	})
}

func TestExcludedTopicsAreAcknowledgedInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].Exclude = []string{"noise/#"}
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "a")
		p.send(2, "n", func(m *packets.PublishPacket) { m.TopicName = "noise/x" })
		p.send(3, "b")
		p.acked(1, 2, 3)
		s.bye(p)
		s.want("a", "b")
		if st := s.status(); st.Excluded != 1 || st.Received != 3 {
			t.Errorf("%+v", st)
		}
	})
}

func TestStopRecordsWhatWasReceived(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.Spool.CommitInterval = 10 * time.Second
		s := startScript(t, c)
		p := s.session(false)
		p.send(1, "a")
		synctest.Wait()
		s.stop()
		p.acked(1)
		s.bye(p)
		s.want("a")
		if sealed, segment, err := Sealed(filepath.Join(c.Spool.Path, "mqtt-0000000001.log")); !sealed || !segment || err != nil {
			t.Errorf("after the stop: sealed %v, segment %v, %v", sealed, segment, err)
		}
	})
}

func TestBackoffGrowsToItsLimitAndTriesEveryHost(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://one", "mqtt://two")
		c.MQTT[0].Backoff = BackoffConfig{Init: time.Second, Max: 30 * time.Second}
		s := startScript(t, c)
		start := time.Now()
		for range 40 { // twenty rounds over two hosts
			(<-s.accept).Close()
		}
		d := time.Since(start)
		if d < 4*time.Minute || d > 9*time.Minute { // 481 s without chance, half of it at least
			t.Errorf("twenty rounds took %s", d)
		}
		s.bye(s.session(false))
		s.logged(2, "can't connect, trying on") // once for each host
	})
}

func TestFullQueueOfRedeliveriesStillAnswersSubscribe(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].QueueRecords = 2
		s := startScript(t, c)
		p := s.session(false)
		failing := failUntilCleared(s)
		for id := range uint16(2) {
			p.send(id+1, "x")
		}
		synctest.Wait()
		p.conn.Close()
		p = s.connect()
		p.connack(true, 0)
		if _, ok := p.read().(*packets.SubscribePacket); !ok {
			t.Fatal("no SUBSCRIBE")
		}
		go func() { // SUBACK stands behind a PUBLISH that is not read now
			m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
			m.TopicName, m.Payload, m.MessageID, m.Qos, m.Dup = "feeds/t", []byte("x"), 1, 1, true
			_ = p.put(m)
			a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			a.MessageID, a.ReturnCodes = 1, []byte{1}
			_ = p.put(a)
		}()
		for range 4 {
			if _, ok := p.read().(*packets.PingreqPacket); !ok {
				t.Fatal("no ping")
			}
		}
		failing.Store(false)
		p.acked(1)
		s.bye(p)
		if st := s.status(); st.Connects != 2 {
			t.Errorf("%d connections", st.Connects)
		}
	})
}

func TestReadOnlySpoolNamesFolderAndMend(t *testing.T) {
	dir := tempDir(t)
	blocker := filepath.Join(dir, "file")
	must(t, os.WriteFile(blocker, nil, 0o644))
	c := config(dir, "mqtt://127.0.0.1:1")
	c.Spool.Path = filepath.Join(blocker, "spool")
	err := run(t, c).halt()
	if err == nil || !strings.Contains(err.Error(), "spool.path: ") || !strings.Contains(err.Error(), "is not a folder") {
		t.Errorf("a file in the way: %v", err)
	}
	if os.Geteuid() != 0 {
		ro := filepath.Join(dir, "ro")
		must(t, os.Mkdir(ro, 0o500))
		c.Spool.Path = ro
		err = run(t, c).halt()
	} else {
		err = explainFolder("/var/spool", &os.PathError{Op: "open", Path: "/var/spool/x", Err: syscall.EACCES})
	}
	for _, text := range []string{"spool.path: user ", " can't write in ", "permission denied; run \"chown "} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("no write permission: %v, want %q", err, text)
		}
	}
}

func TestSecondRecorderOnOneSpoolIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		s := startScript(t, c)
		p := s.session(false)
		err := run(t, c).halt()
		want := fmt.Sprintf("another recorder (process %d) writes mqtt in %s; stop it", os.Getpid(), c.Spool.Path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		s.bye(p)
	})
}
