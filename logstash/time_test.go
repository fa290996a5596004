package logstash

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs fn with fake time and a client whose connections are pipes.
func bubble(t *testing.T, change func(*Config), hosts []string, play func(addr string) func(*peer), fn func(t *testing.T, c *Client, log *logBuffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(3 * time.Hour) }) // let the servers' ends finish
		c, log := newClient(t, func(cfg *Config) {
			cfg.Backoff = DefaultConfig().Backoff
			if change != nil {
				change(cfg)
			}
		}, hosts...)
		pipes(t, c, play)
		fn(t, c, log)
	})
}

var oneHost = []string{"10.0.0.1:5044"}

func always(fn func(*peer)) func(string) func(*peer) {
	return func(string) func(*peer) { return fn }
}

func bubbleConnect(t *testing.T, c *Client) *Conn {
	t.Helper()
	conn, err := c.Connect(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestSilentServerIsLeftAfterTheTimeout(t *testing.T) {
	bubble(t, nil, oneHost, always(func(p *peer) {
		p.expect()
		time.Sleep(29 * time.Second)
		p.ack(0)
		time.Sleep(29 * time.Second)
		p.ack(3)
		p.drain()
	}), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		started := time.Now()
		mustSend(t, conn, 10)
		acked, reason := awaitEnd(t, conn)
		if acked != 3 {
			t.Errorf("%d acks", acked)
		}
		checkText(t, reason, "10.0.0.1:5044: no sign of life from the server for 30s with 7 documents unacknowledged (timeout); look at the network and the server")
		if took := time.Since(started); took != 88*time.Second {
			t.Errorf("left after %v", took)
		}
	})
}

func TestSingleBytesOfAnAckAreSignsOfLife(t *testing.T) {
	bubble(t, nil, oneHost, always(func(p *peer) {
		p.expect()
		for _, b := range ackBytes('2', 10) {
			time.Sleep(25 * time.Second)
			p.send([]byte{b})
		}
		p.drain()
	}), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		mustSend(t, conn, 10)
		awaitAcks(t, conn, 10)
	})
}

// keepalives answers each window with keepalives every 5 s for d, then the ack.
func keepalives(d time.Duration) func(*peer) {
	return func(p *peer) {
		for {
			docs, err := p.window()
			if err != nil {
				return
			}
			for range d / (5 * time.Second) {
				time.Sleep(5 * time.Second)
				if _, err := p.Write(ackBytes('2', 0)); err != nil {
					return
				}
			}
			p.ack(uint32(len(docs)))
		}
	}
}

func TestStuckServerWithoutAnotherHostIsWarnedAboutOnce(t *testing.T) {
	bubble(t, nil, oneHost, always(keepalives(time.Hour)), func(t *testing.T, c *Client, log *logBuffer) {
		conn := bubbleConnect(t, c)
		started := time.Now()
		mustSend(t, conn, 10)
		awaitAcks(t, conn, 10)
		if took := time.Since(started); took != time.Hour {
			t.Errorf("acked after %v", took)
		}
		want := "no documents acknowledged for 5m0s although the server is alive (progress_timeout); it or what it writes to is stuck"
		if lines := log.lines("warn", want); len(lines) != 1 {
			t.Errorf("warnings %q", lines)
		}
		if got := c.Status().Keepalives; got != 720 {
			t.Errorf("%d keepalives", got)
		}
		mustSend(t, conn, 10)
		awaitAcks(t, conn, 10)
		if lines := log.lines("warn", want); len(lines) != 2 {
			t.Errorf("after the second time: warnings %q", lines)
		}
	})
}

func TestStuckServerIsLeftForAnotherHost(t *testing.T) {
	var mu sync.Mutex
	stuck := ""
	bubble(t, nil, []string{"10.0.0.1:5044", "10.0.0.2:5044"}, func(addr string) func(*peer) {
		mu.Lock()
		defer mu.Unlock()
		if stuck == "" {
			stuck = addr
		}
		if addr == stuck {
			return keepalives(time.Hour)
		}
		return keepalives(0)
	}, func(t *testing.T, c *Client, _ *logBuffer) {
		first := bubbleConnect(t, c)
		started := time.Now()
		mustSend(t, first, 10)
		_, reason := awaitEnd(t, first)
		checkText(t, reason, stuck+": no documents acknowledged for 5m0s although the server is alive (progress_timeout); it or what it writes to is stuck, another host is used")
		if !errors.Is(reason, ErrNoProgress) {
			t.Errorf("not ErrNoProgress: %v", reason)
		}
		second := bubbleConnect(t, c)
		if took := time.Since(started); took != 5*time.Minute || second.Addr() == stuck {
			t.Errorf("after %v on %s", took, second.Addr())
		}
		mustSend(t, second, 10)
		awaitAcks(t, second, 10)
	})
}

// delays acknowledges window i after the i-th delay, and then each at once. The
// windows are read as they come, as Logstash does.
func delays(ds ...time.Duration) func(*peer) {
	return func(p *peer) {
		windows := make(chan int, 100)
		go func() {
			defer close(windows)
			for {
				docs, err := p.window()
				if err != nil {
					return
				}
				windows <- len(docs)
			}
		}()
		for n := range windows {
			if len(ds) > 0 {
				time.Sleep(ds[0])
				ds = ds[1:]
			}
			if _, err := p.Write(ackBytes('2', uint32(n))); err != nil {
				break
			}
		}
		p.Close()
		for range windows { // until the reader ended
		}
	}
}

func TestSecondWindowOnlyWhileAcksComeQuickly(t *testing.T) {
	bubble(t, nil, oneHost, always(delays(time.Second, 1900*time.Millisecond, 2*time.Second, 100*time.Millisecond, time.Minute)), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		room := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			if got := conn.Room() > 0; got != want {
				t.Errorf("%s: room %d", when, conn.Room())
			}
		}
		room("at first", true)
		mustSend(t, conn, 1)
		room("before the first ack nothing is known", false)
		if n, err := conn.Send(t.Context(), []byte("{}"), []int{2}); n != 0 || err != ErrNoRoom {
			t.Errorf("Send without room: %d, %v", n, err)
		}
		awaitAcks(t, conn, 1) // after 1 s
		mustSend(t, conn, 2)
		room("one in flight, the server is quick", true)
		mustSend(t, conn, 3)
		room("two in flight", false)
		awaitAcks(t, conn, 2) // after 1.9 s
		room("one in flight, the server is quick", true)
		awaitAcks(t, conn, 3) // after 2 s
		mustSend(t, conn, 4)
		room("the last ack came too late", false)
		awaitAcks(t, conn, 4) // after 0.1 s
		mustSend(t, conn, 5)
		room("quick again", true)
		time.Sleep(2 * time.Second)
		room("the oldest window waits too long", false)
	})
}

func TestKeepaliveMeansNoSecondWindow(t *testing.T) {
	bubble(t, nil, oneHost, always(func(p *peer) {
		p.ack(uint32(len(p.expect())))
		n := len(p.expect())
		p.ack(0)
		time.Sleep(time.Second)
		p.ack(uint32(n))
		p.drain()
	}), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		mustSend(t, conn, 1)
		awaitAcks(t, conn, 1)
		mustSend(t, conn, 2)
		synctest.Wait()
		if got := conn.Room(); got != 0 {
			t.Errorf("room %d after a keepalive", got)
		}
	})
}

func TestSyncModeHasOneWindowInFlight(t *testing.T) {
	for _, pipelining := range []int{0, 1} {
		bubble(t, func(cfg *Config) { cfg.Pipelining = pipelining }, oneHost, always(delays(0, time.Second)), func(t *testing.T, c *Client, _ *logBuffer) {
			conn := bubbleConnect(t, c)
			mustSend(t, conn, 1)
			awaitAcks(t, conn, 1)
			buf, ends := documents(1)
			if _, err := conn.Send(t.Context(), buf, ends); err != nil {
				t.Fatal(err)
			}
			if n, err := conn.Send(t.Context(), buf, ends); err != ErrNoRoom {
				t.Errorf("second window: %d, %v", n, err)
			}
		})
	}
}

// The server read window 2 while it was busy with window 1: no keepalive comes
// for it, and it may take longer than the timeout.
func TestWindowWithoutKeepalivesGetsMoreTime(t *testing.T) {
	for _, tc := range []struct {
		second time.Duration
		want   int
	}{{70 * time.Second, 2}, {80 * time.Second, 0}} {
		bubble(t, nil, oneHost, always(delays(0, time.Second, tc.second)), func(t *testing.T, c *Client, _ *logBuffer) {
			conn := bubbleConnect(t, c)
			mustSend(t, conn, 1)
			awaitAcks(t, conn, 1)
			mustSend(t, conn, 1)
			mustSend(t, conn, 2)
			awaitAcks(t, conn, 1)
			started := time.Now()
			acked := 0
			for n := range conn.Acks() {
				if acked += n; acked == 2 {
					break
				}
			}
			if acked != tc.want {
				t.Errorf("%v: %d acks: %v", tc.second, acked, conn.Err())
			}
			if took := time.Since(started); tc.want == 0 && took != 75*time.Second {
				t.Errorf("left after %v", took)
			}
		})
	}
}

func TestTTLWaitsForWhatIsInFlight(t *testing.T) {
	bubble(t, func(cfg *Config) { cfg.TTL = time.Minute }, oneHost, always(delays(0, 25*time.Second)), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		started := time.Now()
		time.Sleep(10 * time.Second)
		mustSend(t, conn, 1)
		awaitAcks(t, conn, 1)
		time.Sleep(40 * time.Second)
		mustSend(t, conn, 5) // at 50 s
		time.Sleep(15 * time.Second)
		if conn.Room() != 0 || conn.Err() != nil {
			t.Errorf("after the ttl: room %d, %v", conn.Room(), conn.Err())
		}
		acked, reason := awaitEnd(t, conn)
		if acked != 5 || !errors.Is(reason, ErrExpired) || time.Since(started) != 75*time.Second {
			t.Errorf("%d acks after %v: %v", acked, time.Since(started), reason)
		}
		checkText(t, reason, "10.0.0.1:5044: connection is 1m15s old (ttl)")
		started = time.Now()
		bubbleConnect(t, c)
		if time.Since(started) != 0 {
			t.Errorf("waited %v to reconnect", time.Since(started))
		}
	})
}

func TestTTLDoesNotStopAConnectionThatCarriedNothing(t *testing.T) {
	bubble(t, func(cfg *Config) { cfg.TTL, cfg.IdleTimeout = time.Nanosecond, 0 }, oneHost, always(delays()), func(t *testing.T, c *Client, _ *logBuffer) {
		for range 3 {
			conn := bubbleConnect(t, c)
			time.Sleep(2 * time.Minute)
			mustSend(t, conn, 1)
			if acked, reason := awaitEnd(t, conn); acked != 1 || !errors.Is(reason, ErrExpired) {
				t.Errorf("%d acks, %v", acked, reason)
			}
		}
	})
}

func TestTTLEndsAnIdleConnection(t *testing.T) {
	bubble(t, func(cfg *Config) { cfg.TTL = 30 * time.Second }, oneHost, always(delays()), func(t *testing.T, c *Client, _ *logBuffer) {
		conn := bubbleConnect(t, c)
		started := time.Now()
		mustSend(t, conn, 1)
		_, reason := awaitEnd(t, conn)
		if took := time.Since(started); took != 30*time.Second || !errors.Is(reason, ErrExpired) {
			t.Errorf("after %v: %v", took, reason)
		}
	})
}

func TestIdleConnectionIsClosedBeforeLogstashDoes(t *testing.T) {
	bubble(t, nil, oneHost, always(delays()), func(t *testing.T, c *Client, log *logBuffer) {
		conn := bubbleConnect(t, c)
		time.Sleep(40 * time.Second)
		mustSend(t, conn, 1)
		started := time.Now()
		_, reason := awaitEnd(t, conn)
		checkText(t, reason, "10.0.0.1:5044: connection was idle for 45s (idle_timeout)")
		if took := time.Since(started); took != 45*time.Second || !errors.Is(reason, ErrExpired) {
			t.Errorf("after %v: %v", took, reason)
		}
		if n, err := conn.Send(t.Context(), []byte("{}"), []int{2}); n != 0 || !errors.Is(err, ErrExpired) {
			t.Errorf("Send after it: %d, %v", n, err)
		}
		if lines := append(log.lines("error", ""), log.lines("warn", "")...); len(lines) > 0 {
			t.Errorf("an idle close is logged: %q", lines)
		}
	})
}

func TestServerClosesTheIdleConnection(t *testing.T) {
	bubble(t, func(cfg *Config) { cfg.IdleTimeout = 0 }, oneHost, always(func(p *peer) {
		p.ack(uint32(len(p.expect())))
		time.Sleep(time.Minute)
	}), func(t *testing.T, c *Client, log *logBuffer) {
		for range 3 {
			started := time.Now()
			conn := bubbleConnect(t, c)
			mustSend(t, conn, 1)
			_, reason := awaitEnd(t, conn)
			if took := time.Since(started); took != time.Minute || !errors.Is(reason, ErrExpired) {
				t.Errorf("noticed after %v: %v", took, reason)
			}
			checkText(t, reason, "10.0.0.1:5044: the server closed the idle connection")
		}
		if lines := log.lines("error", ""); len(lines) > 0 {
			t.Errorf("an idle close is logged as an error: %q", lines)
		}
	})
}

func TestBackoffGrowsWithJitterAndIsResetByAnAck(t *testing.T) {
	var dials []time.Time
	serveNow := false
	bubble(t, nil, oneHost, func(string) func(*peer) {
		dials = append(dials, time.Now())
		if serveNow {
			return func(p *peer) { p.expect(); p.ack(1) } // of two, and hangs up
		}
		return nil
	}, func(t *testing.T, c *Client, log *logBuffer) {
		checkWaits := func(steps ...time.Duration) {
			t.Helper()
			for i, d := range steps {
				if wait := dials[i+1].Sub(dials[i]); wait < d/2 || wait > d {
					t.Errorf("wait %d is %v, want %v to %v", i+1, wait, d/2, d)
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if conn, err := c.Connect(ctx, 0); err == nil || conn != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", conn, err)
		}
		checkWaits(2*time.Second, 4*time.Second, 8*time.Second, 16*time.Second, 32*time.Second, time.Minute, time.Minute, time.Minute)
		if lines := log.lines("error", "Failed to connect to 10.0.0.1:5044: dial tcp: refused by the test"); len(lines) != 1 {
			t.Errorf("log lines %q", lines)
		}
		serveNow = true
		conn := bubbleConnect(t, c)
		buf, ends := documents(2)
		_, _ = conn.Send(t.Context(), buf, ends) // the server hangs up at once
		awaitEnd(t, conn)
		if lines := log.lines("info", "Connection to 10.0.0.1:5044 established again, documents are acknowledged"); len(lines) != 1 {
			t.Errorf("log lines %q", lines)
		}
		serveNow, dials = false, []time.Time{time.Now()} // the hangup was the first failure
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _ = c.Connect(ctx, 0)
		checkWaits(2*time.Second, 4*time.Second, 8*time.Second)
	})
}

func TestHurryMakesTheNextWaitTheFirst(t *testing.T) {
	var dials []time.Time
	bubble(t, nil, oneHost, func(string) func(*peer) {
		dials = append(dials, time.Now())
		return nil
	}, func(t *testing.T, c *Client, _ *logBuffer) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		_, _ = c.Connect(ctx, 0) // the waits have grown
		c.Hurry(0)
		c.Hurry(7) // no such lane
		dials = nil
		ctx, cancel = context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		_, _ = c.Connect(ctx, 0)
		if len(dials) < 2 || dials[1].Sub(dials[0]) > 4*time.Second {
			t.Errorf("dials at %v", dials)
		}
	})
}

func TestConnectEndsWithItsContext(t *testing.T) {
	bubble(t, nil, oneHost, func(string) func(*peer) { return nil }, func(t *testing.T, c *Client, _ *logBuffer) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		started := time.Now()
		if _, err := c.Connect(ctx, 0); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != 1500*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(started))
		}
		if _, err := c.Connect(ctx, 7); err == nil || !strings.Contains(err.Error(), "lane 7 of 1") {
			t.Errorf("got %v", err)
		}
	})
}
