package logstash

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/tlsconfig"
	"sluice/internal/tlsconfig/tlstest"
)

func TestSteadyLinkSlowerThanTheTimeout(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() { time.Sleep(3 * time.Hour) })
			ca := tlstest.NewCA(t, "Plant CA")
			server := ca.Issue(nil, "10.0.0.1")
			c, _ := newClient(t, func(cfg *Config) {
				if secure {
					cfg.SSL = &tlsconfig.Config{CertificateAuthorities: []string{string(ca.PEM)}}
				}
			}, oneHost...)
			pipes(t, c, always(func(p *peer) {
				slow := &slowConn{Conn: p.Conn, most: 20 << 10}
				p.Conn = slow
				if secure {
					conn := tls.Server(slow, &tls.Config{Certificates: []tls.Certificate{server.TLS}, SessionTicketsDisabled: true})
					if err := conn.Handshake(); err != nil {
						t.Error(err)
					}
					p.Conn = conn
				}
				slow.wait = 20 * time.Second
				p.ack(uint32(len(p.expect())))
				p.drain()
			}))
			conn := bubbleConnect(t, c)
			started := time.Now()
			doc := randomText(400 << 10)
			if _, err := conn.Send(t.Context(), doc, []int{len(doc)}); err != nil {
				t.Fatal(err)
			}
			awaitAcks(t, conn, 1)
			if took := time.Since(started); took < 5*time.Minute {
				t.Errorf("the link was not slow: %v", took)
			}
		})
	}
}

// randomText returns a document that hardly compresses.
func randomText(n int) []byte {
	text := make([]byte, n)
	state := uint32(1)
	for i := range text {
		state = state*1664525 + 1013904223
		text[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[state>>26]
	}
	return text
}

func TestServerThatStopsReading(t *testing.T) {
	bubble(t, nil, oneHost, always(func(p *peer) {
		_, _ = p.Read(make([]byte, 100))
		time.Sleep(time.Hour)
	}), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		started := time.Now()
		buf, ends := documents(10)
		n, err := conn.Send(t.Context(), buf, ends)
		checkText(t, err, "10.0.0.1:5044: the server took no byte for 30s (timeout); look at the network and the server")
		// One timeout after the 100 bytes, one without any, and the look for an alert.
		if took := time.Since(started); n != 10 || took > 62*time.Second {
			t.Errorf("%d documents, after %v", n, took)
		}
	})
}

// A server that is busy does not read, but it is alive.
func TestServerThatReadsLateButSendsKeepalives(t *testing.T) {
	bubble(t, nil, oneHost, always(func(p *peer) {
		for range 20 {
			time.Sleep(5 * time.Second)
			p.ack(0)
		}
		p.ack(uint32(len(p.expect())))
		p.drain()
	}), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		mustSend(t, conn, 10)
		awaitAcks(t, conn, 10)
	})
}

// The kernel takes a whole window at once; a slow link needs longer than the
// timeout to carry it, while the server has no reason to say anything.
func TestSlowLinkMayTakeLongerThanTheTimeout(t *testing.T) {
	for _, tc := range []struct {
		name     string
		carried  time.Duration // when the kernel's queue is empty
		ack      time.Duration
		wantAcks int
		wantEnd  time.Duration
	}{
		{"the ack comes when all is carried", 10 * time.Minute, 10*time.Minute + 20*time.Second, 10, 0},
		{"carried, but no ack", 2*time.Minute - time.Second, time.Hour, 0, 2*time.Minute + 30*time.Second},
		{"nothing is carried", 0, time.Hour, 0, time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(cfg *Config) { cfg.Hosts = append(cfg.Hosts, hostB) }, oneHost, always(delays(tc.ack)), func(t *testing.T, c *Client, _ *logBuffer) {
				conn := bubbleConnect(t, c)
				started := time.Now()
				conn.mu.Lock()
				conn.raw.queue = func() (int, bool) {
					if tc.carried == 0 {
						return 1000, true
					}
					return max(0, int((tc.carried-time.Since(started))/time.Millisecond)), true
				}
				conn.mu.Unlock()
				mustSend(t, conn, 10)
				if tc.wantAcks > 0 {
					awaitAcks(t, conn, tc.wantAcks)
					return
				}
				_, reason := awaitEnd(t, conn)
				checkText(t, reason, "no sign of life from the server for 30s with 10 documents unacknowledged (timeout)")
				if took := time.Since(started); took != tc.wantEnd {
					t.Errorf("left after %v, want %v", took, tc.wantEnd)
				}
			})
		})
	}
}

// Keepalives don't make up for a server that takes nothing out of the socket.
func TestStuckServerWithAFullSocketIsLeft(t *testing.T) {
	bubble(t, nil, []string{hostA, hostB}, always(keepalives(time.Hour)), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		conn.mu.Lock()
		conn.raw.queue = func() (int, bool) { return 1000, true }
		conn.mu.Unlock()
		started := time.Now()
		mustSend(t, conn, 10)
		_, reason := awaitEnd(t, conn)
		if took := time.Since(started); !errors.Is(reason, ErrNoProgress) || took != 10*time.Minute {
			t.Errorf("left after %v: %v", took, reason)
		}
	})
}

func TestSendQueueIsWhatThePeerHasNotTaken(t *testing.T) {
	if _, ok := newSendQueue(&net.TCPConn{})(); ok {
		t.Error("an unconnected socket has a send queue")
	}
	read := make(chan struct{})
	addr := serve(t, nil, func(p *peer) {
		<-read
		p.drain()
	})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	queue := newSendQueue(conn)
	if n, ok := queue(); n != 0 || !ok {
		t.Errorf("at first %d, %v", n, ok)
	}
	n := 0
	for wait := 100 * time.Millisecond; n == 0 && wait < time.Minute; wait *= 2 { // a busy machine may let a deadline pass first
		_ = conn.SetWriteDeadline(time.Now().Add(wait))
		n, _ = conn.Write(make([]byte, 64<<20)) // until all buffers are full
	}
	if queued, ok := queue(); queued <= 0 || queued > n || !ok {
		t.Errorf("%d of %d bytes queued, %v", queued, n, ok)
	}
	close(read)
	for queued := n; queued > 0; queued, _ = queue() {
		time.Sleep(time.Millisecond) // poll: the peer takes it all
	}
}

// slowConn reads little and waits before each read.
type slowConn struct {
	net.Conn
	wait time.Duration
	most int // bytes of one read
}

func (s *slowConn) Read(b []byte) (int, error) {
	time.Sleep(s.wait) // the link's slowness is what is tested
	return s.Conn.Read(b[:min(len(b), s.most)])
}
