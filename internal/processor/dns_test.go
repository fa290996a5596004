package processor

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sluice/internal/event"
)

// nameServer answers by UDP and TCP on one port, and counts the questions.
type nameServer struct {
	address string
	asked   atomic.Int64
	answer  func(m *dnsmessage.Message, tcp bool)
}

func startNameServer(t *testing.T, answer func(m *dnsmessage.Message, tcp bool)) *nameServer {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		udp.Close()
		t.Skip("the port is taken for TCP")
	}
	s := &nameServer{address: udp.LocalAddr().String(), answer: answer}
	var running sync.WaitGroup
	t.Cleanup(func() {
		udp.Close()
		tcp.Close()
		running.Wait()
	})
	running.Go(func() {
		b := make([]byte, 512)
		for {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			for _, reply := range s.reply(b[:n], false) {
				_, _ = udp.WriteTo(reply, from)
			}
		}
	})
	running.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			if b, err := readDNS(conn, true); err == nil {
				reply := s.reply(b, true)[0]
				_, _ = conn.Write(append([]byte{byte(len(reply) >> 8), byte(len(reply))}, reply...))
			}
			conn.Close()
		}
	})
	return s
}

// reply packs the answer; by UDP a forged one goes before it.
func (s *nameServer) reply(b []byte, tcp bool) [][]byte {
	s.asked.Add(1)
	var m dnsmessage.Message
	if m.Unpack(b) != nil {
		return nil
	}
	m.Response = true
	s.answer(&m, tcp)
	packed, err := m.Pack()
	if err != nil {
		panic(err)
	}
	forged := slices.Clone(packed)
	forged[0]++
	if tcp {
		return [][]byte{packed}
	}
	return [][]byte{[]byte("x"), forged, packed}
}

// zone knows a few names.
func zone(m *dnsmessage.Message, tcp bool) {
	q := m.Questions[0]
	add := func(body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 300}, Body: body})
	}
	switch name := q.Name.String(); name {
	case "1.2.0.192.in-addr.arpa.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.":
		add(&dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("gateway.example.")})
		add(&dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("second.example.")})
	case "host.example.":
		switch q.Type {
		case dnsmessage.TypeA:
			add(&dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}})
			add(&dnsmessage.AResource{A: [4]byte{192, 0, 2, 2}})
		case dnsmessage.TypeAAAA:
			add(&dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 15: 1}})
		}
	case "text.example.":
		if !tcp {
			m.Truncated = true
			return
		}
		add(&dnsmessage.TXTResource{TXT: []string{"v=1", strings.Repeat("x", 200)}})
	case "broken.example.":
		m.RCode = dnsmessage.RCodeServerFailure
	default:
		m.RCode = dnsmessage.RCodeNameError
	}
}

func dnsFor(t *testing.T, kind string, servers ...string) *dns {
	return with(t, "dns", func(o *dns) {
		o.Type, o.Fields, o.Nameservers, o.Timeout = kind, map[string]any{"a": map[string]any{"b": "x.y"}}, servers, 5*time.Second
		o.TagOnFailure = []string{"no_name", "old"}
	})
}

func TestDNS(t *testing.T) {
	s := startNameServer(t, zone)
	for name, c := range map[string]struct {
		options       *dns
		before, after string
		err           string
	}{
		"reverse":                 {dnsFor(t, "reverse", s.address), `{"a": {"b": "192.0.2.1"}}`, `{"a": {"b": "192.0.2.1"}, "x": {"y": "gateway.example"}}`, ""},
		"PTR of IPv6, appended":   {dnsFor(t, "PTR", s.address), `{"a": {"b": "2001:db8::1"}, "x": {"y": "old"}}`, `{"a": {"b": "2001:db8::1"}, "x": {"y": ["old", "gateway.example"]}}`, ""},
		"A":                       {dnsFor(t, "A", s.address), `{"a": {"b": "host.example"}}`, `{"a": {"b": "host.example"}, "x": {"y": ["192.0.2.1", "192.0.2.2"]}}`, ""},
		"AAAA, the second server": {dnsFor(t, "AAAA", "127.0.0.1:1", s.address), `{"a": {"b": "host.example."}}`, `{"a": {"b": "host.example."}, "x": {"y": ["2001::1"]}}`, ""},
		"TXT by TCP":              {dnsFor(t, "TXT", s.address), `{"a": {"b": "text.example"}}`, `{"a": {"b": "text.example"}, "x": {"y": ["v=1", "` + strings.Repeat("x", 200) + `"]}}`, ""},
		"no such name":            {dnsFor(t, "A", s.address, "127.0.0.1:1"), `{"a": {"b": "nope.example"}, "tags": ["old"]}`, `{"a": {"b": "nope.example"}, "tags": ["old", "no_name"]}`, "NameError"},
		"no such record":          {dnsFor(t, "TXT", s.address), `{"a": {"b": "host.example"}, "tags": ["old"]}`, `{"a": {"b": "host.example"}, "tags": ["old", "no_name"]}`, "no such record"},
		"a broken server":         {dnsFor(t, "A", s.address), `{"a": {"b": "broken.example"}, "tags": ["old"]}`, `{"a": {"b": "broken.example"}, "tags": ["old", "no_name"]}`, "ServerFailure"},
		"no address":              {dnsFor(t, "reverse", s.address), `{"a": {"b": "host"}, "tags": ["old"]}`, `{"a": {"b": "host"}, "tags": ["old", "no_name"]}`, "no IP address"},
		"too long a name":         {dnsFor(t, "A", s.address), `{"a": {"b": "` + strings.Repeat("x", 300) + `"}, "tags": ["old"]}`, `{"a": {"b": "` + strings.Repeat("x", 300) + `"}, "tags": ["old", "no_name"]}`, "no host name"},
		"missing":                 {dnsFor(t, "A", s.address), `{"a": 1}`, `{"a": 1}`, ""},
		"replace": {func() *dns { o := dnsFor(t, "reverse", s.address); o.Action = "replace"; return o }(),
			`{"a": {"b": "192.0.2.1"}, "x": {"y": "old"}}`, `{"a": {"b": "192.0.2.1"}, "x": {"y": "gateway.example"}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			after, _, err := run(t, c.options, c.before)
			same(t, after, c.after)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestDNSCaches(t *testing.T) {
	for _, enabled := range []bool{true, false} {
		s := startNameServer(t, zone)
		o := dnsFor(t, "A", s.address)
		o.SuccessCache.Enabled, o.FailureCache.Enabled = enabled, enabled
		compiled, err := o.compile(Env{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"host.example", "nope.example"} {
			for range 3 {
				e := &event.Event{Fields: map[string]any{"a": map[string]any{"b": name}}}
				if _, err := compiled.run(e); (err == nil) != (name == "host.example") {
					t.Error(err)
				}
			}
		}
		want := int64(6)
		if enabled {
			want = 2
		}
		if got := s.asked.Load(); got != want {
			t.Errorf("cache %v: asked %d times, want %d", enabled, got, want)
		}
	}
}

func TestDNSCacheForgets(t *testing.T) {
	c := newDNSCache(true, dnsCapacity{0, 2})
	now := start
	for i, key := range []string{"a", "b", "c"} {
		c.put(key, dnsEntry{until: now.Add(time.Duration(i+1) * time.Second)})
	}
	if len(c.entries) != 2 {
		t.Errorf("%d entries", len(c.entries))
	}
	if _, ok := c.get("c", now.Add(2*time.Second)); !ok {
		t.Error("c is gone too early")
	}
	if _, ok := c.get("c", now.Add(3*time.Second)); ok {
		t.Error("c is still there")
	}
}

func TestNameServers(t *testing.T) {
	o := dnsFor(t, "A", "192.0.2.1", "[2001:db8::1]", "fe80::1%eth0", "dns.example:5353", "[2001:db8::1]:54")
	got, err := o.servers(true)
	want := []string{"192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%eth0]:53", "dns.example:5353", "[2001:db8::1]:54"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	o.Transport, o.Nameservers = "tls", []string{"dns.example"}
	if got, err := o.servers(true); err != nil || got[0] != "dns.example:853" {
		t.Errorf("%q, %v", got, err)
	}
	path := filepath.Join(t.TempDir(), "resolv.conf")
	for text, want := range map[string]string{"# x\nnameserver 192.0.2.1\nsearch a\n nameserver\t192.0.2.2 \n": "192.0.2.1 192.0.2.2", "search a\n": ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readResolvConf(path)
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
