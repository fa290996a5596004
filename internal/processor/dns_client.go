package processor

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsClient asks name servers, one after the other.
type dnsClient struct {
	servers []string // host:port
	tls     bool
	timeout time.Duration // for each server
}

var errNoAnswer = errors.New("the answer holds no such record")

// lookup returns the records of a name, or for PTR of an address, and how long
// they hold. A server's word that there are none is final.
func (c *dnsClient) lookup(ctx context.Context, kind dnsmessage.Type, text string) (records []string, ttl time.Duration, err error) {
	name := text
	if kind == dnsmessage.TypePTR {
		if name, err = reverseName(text); err != nil {
			return nil, 0, err
		}
	}
	question, err := newQuestion(kind, name)
	if err != nil {
		return nil, 0, err
	}
	var errs []error
	for _, server := range c.servers {
		reply, err := c.exchange(ctx, server, question)
		if err == nil && reply.RCode == dnsmessage.RCodeSuccess {
			return recordsOf(reply, kind)
		}
		if err == nil {
			err = fmt.Errorf("%s answered %s", server, strings.TrimPrefix(reply.RCode.String(), "RCode"))
			if reply.RCode == dnsmessage.RCodeNameError {
				return nil, 0, err
			}
		}
		errs = append(errs, err)
	}
	return nil, 0, errors.Join(errs...)
}

// reverseName is the name that stands for an address: 1.2.0.192.in-addr.arpa.
func reverseName(text string) (string, error) {
	a, ok := addressOf(text)
	if !ok {
		return "", fmt.Errorf("%q is no IP address", text)
	}
	b := a.AsSlice()
	var s strings.Builder
	for i := len(b) - 1; i >= 0; i-- {
		if a.Is4() {
			fmt.Fprintf(&s, "%d.", b[i])
		} else {
			fmt.Fprintf(&s, "%x.%x.", b[i]&15, b[i]>>4)
		}
	}
	if a.Is4() {
		return s.String() + "in-addr.arpa.", nil
	}
	return s.String() + "ip6.arpa.", nil
}

func newQuestion(kind dnsmessage.Type, name string) (dnsmessage.Message, error) {
	if !strings.HasSuffix(name, ".") {
		name += "."
	}
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return dnsmessage.Message{}, fmt.Errorf("%q is no host name", name)
	}
	return dnsmessage.Message{
		Header:    dnsmessage.Header{RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: n, Type: kind, Class: dnsmessage.ClassINET}},
	}, nil
}

// exchange asks one server; an answer that UDP cuts is asked for again by TCP.
func (c *dnsClient) exchange(ctx context.Context, server string, m dnsmessage.Message) (reply dnsmessage.Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	m.ID = uint16(rand.Uint32())
	packed, err := m.Pack()
	if err != nil {
		return reply, fmt.Errorf("pack the question: %w", err)
	}
	network := "udp"
	if c.tls {
		network = "tls"
	}
	reply, err = c.ask(ctx, network, server, m, packed)
	if err == nil && reply.Truncated && !c.tls {
		reply, err = c.ask(ctx, "tcp", server, m, packed)
	}
	return reply, err
}

func (c *dnsClient) ask(ctx context.Context, network, server string, m dnsmessage.Message, packed []byte) (reply dnsmessage.Message, err error) {
	conn, err := dialDNS(ctx, network, server)
	if err != nil {
		return reply, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return reply, err
		}
	}
	stream := network != "udp"
	if stream {
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	}
	if _, err := conn.Write(packed); err != nil {
		return reply, err
	}
	for {
		b, err := readDNS(conn, stream)
		if err != nil {
			return reply, err
		}
		// What does not belong to the question may be forged.
		if reply.Unpack(b) == nil && reply.ID == m.ID && reply.Response && len(reply.Questions) == 1 && sameQuestion(reply.Questions[0], m.Questions[0]) {
			return reply, nil
		}
		if stream {
			return reply, fmt.Errorf("%s sent no answer to the question", server)
		}
	}
}

func dialDNS(ctx context.Context, network, server string) (net.Conn, error) {
	if network == "tls" {
		return new(tls.Dialer).DialContext(ctx, "tcp", server)
	}
	return new(net.Dialer).DialContext(ctx, network, server)
}

func readDNS(conn net.Conn, stream bool) ([]byte, error) {
	if !stream {
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		return b[:n], err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, b)
	return b, err
}

func sameQuestion(a, b dnsmessage.Question) bool {
	return a.Type == b.Type && a.Class == b.Class && strings.EqualFold(a.Name.String(), b.Name.String())
}

// recordsOf returns the records of a kind and the least of their times.
func recordsOf(reply dnsmessage.Message, kind dnsmessage.Type) (records []string, ttl time.Duration, err error) {
	for _, r := range reply.Answers {
		if r.Header.Type != kind {
			continue
		}
		if d := time.Duration(r.Header.TTL) * time.Second; len(records) == 0 || d < ttl {
			ttl = d
		}
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			records = append(records, netip.AddrFrom4(b.A).String())
		case *dnsmessage.AAAAResource:
			records = append(records, netip.AddrFrom16(b.AAAA).String())
		case *dnsmessage.PTRResource:
			records = append(records, strings.TrimSuffix(b.PTR.String(), "."))
		case *dnsmessage.TXTResource:
			records = append(records, b.TXT...)
		}
	}
	if len(records) == 0 {
		return nil, 0, errNoAnswer
	}
	return records, ttl, nil
}

// readResolvConf returns the servers that the file names.
func readResolvConf(path string) (servers []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the machine's cannot be read: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) >= 2 && words[0] == "nameserver" {
			servers = append(servers, words[1])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("%s names none", path)
	}
	return servers, nil
}

// dnsCache is a bounded map; nil keeps nothing.
type dnsCache struct {
	mu      sync.Mutex
	most    int
	entries map[string]dnsEntry
}

// dnsEntry is an answer or a failure.
type dnsEntry struct {
	answer []string
	err    error
	until  time.Time
}

func newDNSCache(enabled bool, c dnsCapacity) *dnsCache {
	if !enabled {
		return nil
	}
	return &dnsCache{most: c.Max, entries: make(map[string]dnsEntry, c.Initial)}
}

func (c *dnsCache) get(key string, now time.Time) (dnsEntry, bool) {
	if c == nil {
		return dnsEntry{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if ok && !now.Before(e.until) {
		delete(c.entries, key)
		ok = false
	}
	return e, ok
}

func (c *dnsCache) put(key string, e dnsEntry) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.entries {
		if len(c.entries) < c.most {
			break
		}
		delete(c.entries, other)
	}
	c.entries[key] = e
}
