package logstash

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// farm plays several hosts, each up or down.
type farm struct {
	mu    sync.Mutex
	down  map[string]bool
	dials []string
}

func (f *farm) play(addr string) func(*peer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials = append(f.dials, addr)
	if f.down[addr] {
		return nil
	}
	return delays()
}

func (f *farm) set(addr string, down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down[addr] = down
}

const (
	hostA = "10.0.0.1:5044"
	hostB = "10.0.0.2:5044"
	hostC = "10.0.0.3:5044"
)

func TestDeadHostIsSkippedAtOnce(t *testing.T) {
	f := &farm{down: map[string]bool{hostA: true, hostC: true}}
	bubble(t, nil, []string{hostA, hostB, hostC}, f.play, func(t *testing.T, c *Client, log *logBuffer) {
		started := time.Now()
		for range 20 {
			conn := bubbleConnect(t, c)
			if conn.Addr() != hostB || time.Since(started) != 0 {
				t.Fatalf("%s after %v", conn.Addr(), time.Since(started))
			}
			conn.Close()
		}
		for _, addr := range f.dials[slices.Index(f.dials, hostB):] {
			if addr != hostB {
				t.Errorf("left the good host: %q", f.dials)
				break
			}
		}
	})
}

func TestFirstHostIsRandomWithoutLoadbalance(t *testing.T) {
	f := &farm{down: map[string]bool{}}
	seen := map[string]bool{}
	for range 60 {
		bubble(t, nil, []string{hostA, hostB, hostC}, f.play, func(t *testing.T, c *Client, _ *logBuffer) {
			seen[bubbleConnect(t, c).Addr()] = true
			if c.Lanes() != 1 {
				t.Errorf("%d lanes", c.Lanes())
			}
		})
	}
	if len(seen) != 3 {
		t.Errorf("only %v is used", slices.Collect(maps.Keys(seen)))
	}
}

func TestErrorLeadsToAnotherHost(t *testing.T) {
	bubble(t, nil, []string{hostA, hostB}, always(func(p *peer) {
		p.expect()
		p.ack(1)
	}), func(t *testing.T, c *Client, log *logBuffer) {
		before, started := "", time.Now()
		for range 6 {
			conn := bubbleConnect(t, c)
			if conn.Addr() == before {
				t.Errorf("the same host again")
			}
			before = conn.Addr()
			buf, ends := documents(2)
			_, _ = conn.Send(t.Context(), buf, ends) // ends in the middle of the window
			if acked, reason := awaitEnd(t, conn); acked != 1 || errors.Is(reason, ErrExpired) {
				t.Errorf("%d acks, %v", acked, reason)
			}
		}
		if time.Since(started) != 0 {
			t.Errorf("waited %v", time.Since(started))
		}
	})
}

func TestLoadbalanceGivesEachLaneItsHost(t *testing.T) {
	f := &farm{down: map[string]bool{}}
	bubble(t, func(cfg *Config) { cfg.LoadBalance, cfg.Workers = true, 2 }, []string{hostA, hostB, hostC}, f.play, func(t *testing.T, c *Client, _ *logBuffer) {
		if c.Lanes() != 6 {
			t.Fatalf("%d lanes", c.Lanes())
		}
		for lane := range 6 {
			conn, err := c.Connect(t.Context(), lane)
			if err != nil {
				t.Fatal(err)
			}
			if want := c.hosts[lane%3].host.String(); conn.Addr() != want || c.Status().Lanes[lane].Host != want {
				t.Errorf("lane %d is on %s, want %s", lane, conn.Addr(), want)
			}
			conn.Close()
		}
	})
}

func TestLoadbalanceLaneOfADeadHostUsesAnother(t *testing.T) {
	f := &farm{down: map[string]bool{hostA: true}}
	bubble(t, func(cfg *Config) { cfg.LoadBalance, cfg.IdleTimeout = true, 0 }, []string{hostA, hostB}, f.play, func(t *testing.T, c *Client, _ *logBuffer) {
		started := time.Now()
		conn := bubbleConnect(t, c)
		if took := time.Since(started); conn.Addr() != hostB || took < 10*time.Second || took > 30*time.Second {
			t.Errorf("on %s after %v", conn.Addr(), took)
		}
		mustSend(t, conn, 1)
		acked, reason := awaitEnd(t, conn)
		if took := time.Since(started); acked != 1 || !errors.Is(reason, ErrExpired) || took < 5*time.Minute {
			t.Errorf("%d acks, left the other host after %v: %v", acked, took, reason)
		}
		started = time.Now()
		conn = bubbleConnect(t, c)
		if took := time.Since(started); conn.Addr() != hostB || took != 0 {
			t.Errorf("its own host is still down: on %s after %v", conn.Addr(), took)
		}
		f.set(hostA, false)
		mustSend(t, conn, 1)
		awaitEnd(t, conn)
		if conn = bubbleConnect(t, c); conn.Addr() != hostA {
			t.Errorf("not back on its own host but on %s", conn.Addr())
		}
	})
}

// An unreachable Logstash that recovers is two lines in the log, whatever the
// number of tries; another reason is one more.
func TestOutageIsLoggedOnce(t *testing.T) {
	tries := 0
	bubble(t, nil, oneHost, func(string) func(*peer) {
		switch tries++; {
		case tries < 50:
			return nil
		case tries < 60:
			return func(p *peer) {} // hangs up
		}
		return delays()
	}, func(t *testing.T, c *Client, log *logBuffer) {
		for acked := 0; acked == 0; {
			conn := bubbleConnect(t, c)
			if h := c.Hosts()[0]; h.Host != hostA || h.Down < time.Minute || h.LastError == "" {
				t.Errorf("during the outage: %+v", h)
			}
			buf, ends := documents(1)
			_, _ = conn.Send(t.Context(), buf, ends)
			acked = <-conn.Acks()
			conn.Close()
		}
		for _, what := range []string{"connect", "publish events"} {
			if lines := log.lines("error", "Failed to "+what+" to "+hostA+": "); len(lines) != 1 {
				t.Errorf("%d lines: %q", len(lines), lines)
			}
		}
		if lines := log.lines("info", "Connection to "+hostA+" established again, documents are acknowledged"); len(lines) != 1 || !strings.Contains(lines[0], `"tries":59`) {
			t.Errorf("%q", lines)
		}
		if s := c.Status(); s.Lanes[0].LastError == "" || s.Connects != 11 || s.ConnectErrors != 49 || s.Hosts[0] != (HostStatus{Host: hostA}) {
			t.Errorf("status %+v", s)
		}
	})
}

func TestSlowStart(t *testing.T) {
	bubble(t, func(cfg *Config) { cfg.SlowStart, cfg.BulkMaxSize, cfg.TTL = true, 50, time.Minute }, oneHost, always(func(p *peer) {
		for {
			docs, err := p.window()
			if err != nil || len(docs) == 7 {
				return // 7 documents are the test's word for an error
			}
			p.ack(uint32(len(docs)))
		}
	}), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		for i, want := range []int{10, 15, 23, 35, 50, 50} {
			if got := conn.Room(); got != want {
				t.Errorf("window %d holds %d, want %d", i, got, want)
			}
			mustSend(t, conn, conn.Room())
			awaitAcks(t, conn, want)
		}
		mustSend(t, conn, 3)
		awaitAcks(t, conn, 3)
		buf, ends := documents(7)
		_, _ = conn.Send(t.Context(), buf, ends)
		awaitEnd(t, conn)
		conn = bubbleConnect(t, c)
		if got := conn.Room(); got != 25 {
			t.Errorf("after an error %d, want 25", got)
		}
		mustSend(t, conn, 24)
		awaitAcks(t, conn, 24)
		if got := conn.Room(); got != 25 {
			t.Errorf("a window that was not full made it grow to %d", got)
		}
		awaitEnd(t, conn)
		if got := bubbleConnect(t, c).Room(); got != 10 {
			t.Errorf("after the ttl %d, want 10", got)
		}
	})
}

func TestNamesAreResolvedAnewAndAllAddressesUsed(t *testing.T) {
	seen := map[string]bool{}
	bubble(t, nil, []string{"logstash.plant"}, func(addr string) func(*peer) {
		seen[addr] = true
		return delays()
	}, func(t *testing.T, c *Client, _ *logBuffer) {
		lookups := 0
		c.dialer.lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
			lookups++
			if name != "logstash.plant" {
				t.Errorf("looked up %q", name)
			}
			if lookups > 60 {
				return []netip.Addr{netip.MustParseAddr("10.0.0.9")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::2")}, nil
		}
		for range 61 {
			bubbleConnect(t, c).Close()
		}
		if want := []string{"10.0.0.1:5044", "10.0.0.9:5044", "[fd00::2]:5044"}; !slices.Equal(slices.Sorted(maps.Keys(seen)), want) {
			t.Errorf("dialled %v, want %v", slices.Sorted(maps.Keys(seen)), want)
		}
	})
}

func TestDeadAddressOfANameIsPassedOver(t *testing.T) {
	bubble(t, nil, []string{"logstash.plant"}, func(addr string) func(*peer) { return delays() }, func(t *testing.T, c *Client, log *logBuffer) {
		c.dialer.lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}, nil
		}
		dial := c.dialer.dialSocket
		c.dialer.dialSocket = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == hostA { // a black hole
				<-ctx.Done()
				return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
			}
			return dial(ctx, network, addr)
		}
		for range 10 {
			started := time.Now()
			bubbleConnect(t, c).Close()
			if took := time.Since(started); took != 0 && took != 15*time.Second {
				t.Errorf("took %v", took)
			}
		}
		if lines := log.lines("error", ""); len(lines) > 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

func TestSOCKS5Proxy(t *testing.T) {
	server := serve(t, nil, func(p *peer) {
		p.ack(uint32(len(p.expect())))
		p.drain()
	})
	asked := make(chan string, 1)
	proxyAddr := serve(t, nil, func(p *peer) { socks5(p, server, asked) })
	for _, tc := range []struct {
		local bool
		want  string
	}{{false, "logstash.plant"}, {true, "10.1.2.3"}} {
		c, _ := newClient(t, func(cfg *Config) {
			cfg.ProxyURL, cfg.ProxyUseLocalResolver = "socks5://user:secret@"+proxyAddr, tc.local
		}, "logstash.plant:5044")
		c.dialer.lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("10.1.2.3")}, nil
		}
		conn := connect(t, c)
		if got := <-asked; got != tc.want {
			t.Errorf("the proxy was asked for %q, want %q", got, tc.want)
		}
		mustSend(t, conn, 5)
		awaitAcks(t, conn, 5)
		if _, ok := conn.raw.queue(); !ok {
			t.Error("the socket below the proxy's connection is not known")
		}
		conn.Close()
	}
}

// socks5 is a proxy (RFC 1928, RFC 1929) that connects to server whatever it is
// asked for.
func socks5(p *peer, server string, asked chan<- string) {
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(p, b); err != nil {
			p.t.Errorf("proxy: %v", err)
		}
		return b
	}
	read(int(read(2)[1]))
	p.send([]byte{5, 2}) // user and password
	user := string(read(int(read(2)[1])))
	if pass := string(read(int(read(1)[0]))); user != "user" || pass != "secret" {
		p.t.Errorf("proxy: user %q, password %q", user, pass)
	}
	p.send([]byte{1, 0})
	switch read(4)[3] {
	case 1:
		asked <- net.IP(read(4)).String()
	case 3:
		asked <- string(read(int(read(1)[0])))
	}
	read(2)
	up, err := net.Dial("tcp", server)
	if err != nil {
		p.t.Errorf("proxy: %v", err)
		return
	}
	defer up.Close()
	p.send([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(up, p)
		up.Close()
	}()
	_, _ = io.Copy(p, up)
	p.Close()
	<-done
}
