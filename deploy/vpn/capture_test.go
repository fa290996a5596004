package vpn_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kinds of interface by which packets are told apart.
const (
	outside = unix.ARPHRD_ETHER // the cable
	inside  = unix.ARPHRD_NONE  // the tunnel
)

// capture keeps every packet of a machine's cable and tunnel.
type capture struct {
	t    *testing.T
	fd   int
	done chan struct{}

	mu      sync.Mutex
	packets map[uint16][]packet
}

type packet struct {
	at   time.Time
	data []byte
	out  bool
}

func (m *machine) capture() *capture {
	m.t.Helper()
	c := &capture{t: m.t, done: make(chan struct{}), packets: map[uint16][]packet{}}
	must(m.t, m.in(func() (err error) {
		c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(big16(unix.ETH_P_ALL)))
		return err
	}))
	must(m.t, unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
	must(m.t, unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}))
	stop := make(chan struct{})
	go c.read(stop)
	m.t.Cleanup(func() {
		close(stop)
		<-c.done
		_ = unix.Close(c.fd)
	})
	return c
}

func big16(n uint16) uint16 { return n<<8 | n>>8 }

func (c *capture) read(stop chan struct{}) {
	defer close(c.done)
	buffer := make([]byte, 1<<17)
	for {
		n, from, err := unix.Recvfrom(c.fd, buffer, 0)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENETDOWN):
		case err != nil:
			c.t.Errorf("capture: %v", err)
			return
		default:
			link := from.(*unix.SockaddrLinklayer)
			p := packet{at: time.Now(), data: bytes.Clone(buffer[:n]), out: link.Pkttype == unix.PACKET_OUTGOING}
			c.mu.Lock()
			c.packets[link.Hatype] = append(c.packets[link.Hatype], p)
			c.mu.Unlock()
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// kept returns the packets so far, and fails if the kernel dropped any.
func (c *capture) kept(kind uint16) []packet {
	c.t.Helper()
	stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	must(c.t, err)
	if stats.Drops != 0 {
		c.t.Errorf("the capture lost %d packets", stats.Drops)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.packets[kind]
}

// find counts the packets that contain a text.
func (c *capture) find(kind uint16, text string) (n int) {
	c.t.Helper()
	for _, p := range c.kept(kind) {
		if bytes.Contains(p.data, []byte(text)) {
			n++
		}
	}
	return n
}

// hidden wants each text in the tunnel, and none of them outside of it.
func (c *capture) hidden(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if c.find(inside, text) == 0 {
			c.t.Errorf("%q was not seen in the tunnel: the proof is blind", text)
		}
		if n := c.find(outside, text); n != 0 {
			c.t.Errorf("%q is readable in %d packets outside of the tunnel", text, n)
		}
	}
	c.t.Logf("%d packets in the tunnel, %d outside", len(c.kept(inside)), len(c.kept(outside)))
}

// onlyUDP wants nothing on the cable but ARP, and UDP of one server port.
func (c *capture) onlyUDP(port uint16) {
	c.t.Helper()
	strange := map[string]int{}
	for _, p := range c.kept(outside) {
		if s := stranger(p.data, port); s != "" {
			strange[s]++
		}
	}
	if len(strange) != 0 {
		c.t.Errorf("outside of the tunnel there were also: %v", strange)
	}
}

// rhythm is how packets go one way in an idle tunnel.
type rhythm struct {
	size  int // with the IP header
	pause time.Duration
}

// rhythm waits for two packets each way, as they come when nobody sends anything;
// the key is whether they go out.
func (c *capture) rhythm() map[bool]rhythm {
	c.t.Helper()
	from, both := len(c.kept(outside)), map[bool]rhythm{}
	eventually(c.t, "two packets each way of an idle tunnel", func() bool {
		last := map[bool]packet{}
		for _, p := range c.kept(outside)[from:] {
			if p.data[12] != 8 || p.data[13] != 0 { // not IP
				continue
			}
			if before, ok := last[p.out]; ok && both[p.out].size == 0 {
				both[p.out] = rhythm{len(p.data) - 14, p.at.Sub(before.at)}
			}
			last[p.out] = p
		}
		return len(both) == 2
	})
	return both
}

// stranger describes an Ethernet frame that is neither ARP nor UDP from or to a port.
func stranger(frame []byte, port uint16) string {
	if len(frame) < 14 {
		return "a short frame"
	}
	switch ether := binary.BigEndian.Uint16(frame[12:]); ether {
	case unix.ETH_P_ARP:
		return ""
	case unix.ETH_P_IP:
	default:
		return fmt.Sprintf("ethertype %#04x", ether)
	}
	ip := frame[14:]
	if len(ip) < 20 || len(ip) < int(ip[0]&15)*4+8 {
		return "a short IP packet"
	}
	ports := ip[int(ip[0]&15)*4:]
	from, to := binary.BigEndian.Uint16(ports), binary.BigEndian.Uint16(ports[2:])
	if ip[9] == unix.IPPROTO_UDP && (from == port || to == port) {
		return ""
	}
	src, _ := netip.AddrFromSlice(ip[12:16])
	dst, _ := netip.AddrFromSlice(ip[16:20])
	return fmt.Sprintf("protocol %d from %v:%d to %v:%d", ip[9], src, from, dst, to)
}

// The proof would see what is not of the tunnel.
func TestStrangersAreSeen(t *testing.T) {
	udp := append(make([]byte, 12), 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0xc0, 0, 0x04, 0xaa, 0, 8, 0, 0)
	tcp := bytes.Clone(udp)
	tcp[23] = unix.IPPROTO_TCP
	for _, c := range []struct {
		frame []byte
		port  uint16
		want  string
	}{
		{udp, 1194, ""},
		{udp, 51820, "protocol 17 from 192.0.2.1:49152 to 192.0.2.2:1194"},
		{tcp, 1194, "protocol 6"},
		{append(make([]byte, 12), 0x86, 0xdd), 1194, "ethertype 0x86dd"},
		{append(make([]byte, 12), 8, 6), 1194, ""},
		{udp[:30], 1194, "short"},
		{nil, 1194, "short"},
	} {
		if got := stranger(c.frame, c.port); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%x: %q, not %q", c.frame, got, c.want)
		}
	}
}
