package logstash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPartialAcksAreCounted(t *testing.T) {
	addr := serve(t, nil, func(p *peer) {
		p.expect()
		for _, seq := range []uint32{0, 3, 0, 3, 7, 0, 0, 10, 0} {
			p.ack(seq)
		}
		p.drain()
	})
	c, _ := newClient(t, nil, addr)
	conn := connect(t, c)
	mustSend(t, conn, 10)
	awaitAcks(t, conn, 10)
	if conn.Addr() != addr || conn.Err() != nil {
		t.Errorf("Addr %s, Err %v", conn.Addr(), conn.Err())
	}
}

func TestAcksByteByByteWithKeepalivesBetween(t *testing.T) {
	addr := serve(t, nil, func(p *peer) {
		for range 3 {
			p.expect()
			for seq := range uint32(8) {
				for _, b := range append(ackBytes('2', 0), ackBytes('1', seq)...) {
					p.send([]byte{b})
				}
			}
		}
		p.drain()
	})
	c, _ := newClient(t, nil, addr)
	conn := connect(t, c)
	for range 3 {
		mustSend(t, conn, 7)
		awaitAcks(t, conn, 7)
	}
}

// A server that acknowledges documents of windows that nobody fetches the
// counts of must not block, and nothing may be lost.
func TestUnfetchedAcksAddUp(t *testing.T) {
	addr := serve(t, nil, func(p *peer) {
		for range 20 {
			for seq := range uint32(len(p.expect())) {
				p.ack(seq + 1)
			}
		}
		p.drain()
	})
	c, _ := newClient(t, nil, addr)
	conn := connect(t, c)
	for range 20 {
		for conn.Room() == 0 && conn.Err() == nil {
			time.Sleep(time.Millisecond) // poll: nobody reads Acks in this test
		}
		mustSend(t, conn, 50)
	}
	for c.Status().Acked < 1000 {
		time.Sleep(time.Millisecond) // poll: nobody reads Acks in this test
	}
	conn.Close()
	if acked, reason := awaitEnd(t, conn); acked != 1000 || reason != ErrClosed {
		t.Errorf("%d acks, want 1000; reason %v", acked, reason)
	}
	if s := c.Status(); s.Acked != 1000 || s.Documents != 1000 || s.Windows != 20 || s.Connects != 1 || s.LastAck.IsZero() || s.BytesRead != 6000 {
		t.Errorf("status %+v", s)
	}
}

func TestAnswersThatBreakTheProtocol(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		answer     []byte
		acked      int
	}{
		{"ack goes backwards", ": the server acknowledges 4 after 6", slices.Concat(ackBytes('2', 6), ackBytes('2', 4)), 6},
		{"ack beyond the window", ": the server acknowledges 11 of a window of 10 documents", slices.Concat(ackBytes('2', 2), ackBytes('2', 11)), 2},
		{"highest possible ack", ": the server acknowledges 4294967295 of a window of 10 documents", ackBytes('2', 1<<32-1), 0},
		{"stale ack", ": the server acknowledges 10 although nothing is in flight", slices.Concat(ackBytes('2', 10), ackBytes('2', 10)), 10},
		{"unknown version", ": the server answers with byte 0x33 where an ack should be; is Logstash's beats input on this port?", ackBytes('3', 10), 0},
		{"unknown frame", ": the server answers with byte 0x57 where an ack should be; is Logstash's beats input on this port?", []byte("2W\x00\x00\x00\x01"), 0},
		{"web server", ": the server answers like a web server (HTTP); correct the port to that of Logstash's beats input", []byte("HTTP/1.1 400 Bad Request\r\n"), 0},
		{"TLS alert", ": the server speaks TLS on this port; set ssl.enabled: true (and ssl.certificate_authorities)", []byte{0x15, 3, 3, 0, 2, 2, 10}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := serve(t, nil, func(p *peer) {
				p.expect()
				p.send(tc.answer)
				p.drain()
			})
			c, _ := newClient(t, nil, addr)
			conn := connect(t, c)
			buf, ends := documents(10)
			_, _ = conn.Send(t.Context(), buf, ends) // the answer may end it before it returns
			acked, reason := awaitEnd(t, conn)
			if acked != tc.acked {
				t.Errorf("%d acks before the error, want %d", acked, tc.acked)
			}
			checkText(t, reason, addr+tc.want)
			if errors.Is(reason, ErrExpired) || conn.Room() != 0 {
				t.Errorf("the connection may be used again: %v, room %d", reason, conn.Room())
			}
			if n, err := conn.Send(t.Context(), []byte("{}"), []int{2}); n != 0 || err == nil {
				t.Errorf("Send after the end: %d, %v", n, err)
			}
		})
	}
}

func TestConnectionLostInTheMiddleOfAWindow(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		end        func(*peer)
	}{
		{"EOF", ": the server closed the connection with 4 documents unacknowledged (EOF)", func(p *peer) { p.Close() }},
		{"RST", ": the server closed the connection with 4 documents unacknowledged (connection reset by peer)", (*peer).reset},
	} {
		t.Run(tc.name, func(t *testing.T) {
			seen := make(chan struct{})
			addr := serve(t, nil, func(p *peer) {
				p.expect()
				p.ack(6)
				<-seen // RST may overtake data that the client has not read yet
				tc.end(p)
			})
			c, log := newClient(t, nil, addr)
			conn := connect(t, c)
			mustSend(t, conn, 10)
			awaitAcks(t, conn, 6)
			close(seen)
			acked, reason := awaitEnd(t, conn)
			if acked != 0 {
				t.Errorf("%d acks more", acked)
			}
			checkText(t, reason, addr+tc.want)
			if lines := log.lines("error", "Failed to publish events to "+addr); len(lines) != 1 {
				t.Errorf("log lines %q", lines)
			}
		})
	}
}

func TestServerThatTakesConnectionsAndHangsUp(t *testing.T) {
	addr := serve(t, nil, func(p *peer) {})
	c, log := newClient(t, nil, addr)
	_, reason := awaitEnd(t, connect(t, c))
	checkText(t, reason, addr+": the server closed the connection (EOF); look into its log, and that ssl.enabled and the port fit the server's")
	if errors.Is(reason, ErrExpired) {
		t.Error("counts as an expected idle close")
	}
	for range 5 {
		awaitEnd(t, connect(t, c))
	}
	if lines := log.lines("error", "Failed to publish events to "+addr); len(lines) != 1 {
		t.Errorf("an outage is logged %d times: %q", len(lines), lines)
	}
}

func TestSendRefusesBadDocumentsAndEndedContexts(t *testing.T) {
	addr := serve(t, nil, func(p *peer) {
		p.ack(uint32(len(p.expect())))
		p.drain()
	})
	c, _ := newClient(t, nil, addr)
	conn := connect(t, c)
	for _, ends := range [][]int{{0}, {2, 2}, {2, 1}, {3}} {
		if n, err := conn.Send(t.Context(), []byte("{}"), ends); n != 0 || err == nil || conn.Err() != nil {
			t.Errorf("ends %v: %d, %v; connection %v", ends, n, err, conn.Err())
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := conn.Send(ended, []byte("{}"), []int{2}); n != 0 || !errors.Is(err, context.Canceled) || conn.Err() != nil {
		t.Errorf("%d, %v; connection %v", n, err, conn.Err())
	}
	if n, err := conn.Send(t.Context(), nil, nil); n != 0 || !errors.Is(err, ErrNoDocuments) {
		t.Errorf("no documents: %d, %v", n, err)
	}
	mustSend(t, conn, 1)
	awaitAcks(t, conn, 1)
}

func TestCancelDuringABlockedWrite(t *testing.T) {
	blocked := make(chan struct{})
	addr := serve(t, nil, func(p *peer) { <-blocked })
	c, log := newClient(t, func(cfg *Config) { cfg.CompressionLevel = 0 }, addr)
	conn := connect(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	doc := []byte(`{"message":"` + strings.Repeat("x", 64<<20) + `"}`) // more than all socket buffers
	sent := make(chan error)
	go func() {
		_, err := conn.Send(ctx, doc, []int{len(doc)})
		sent <- err
	}()
	for c.Status().BytesWritten == 0 {
		time.Sleep(time.Millisecond) // poll: the write has begun
	}
	cancel()
	if err := <-sent; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if lines := log.lines("error", ""); len(lines) > 0 {
		t.Errorf("a stop is logged as an error: %q", lines)
	}
	close(blocked)
}

func TestCloseDuringABlockedWriteAndTwice(t *testing.T) {
	blocked := make(chan struct{})
	addr := serve(t, nil, func(p *peer) { <-blocked })
	c, _ := newClient(t, func(cfg *Config) { cfg.CompressionLevel = 0 }, addr)
	conn := connect(t, c)
	doc := []byte(`{"message":"` + strings.Repeat("x", 64<<20) + `"}`)
	sent := make(chan error)
	go func() {
		_, err := conn.Send(t.Context(), doc, []int{len(doc)})
		sent <- err
	}()
	for c.Status().BytesWritten == 0 {
		time.Sleep(time.Millisecond) // poll: the write has begun
	}
	for range 2 {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-sent; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	close(blocked)
}

func TestWindowsAreBoundedByCountAndBytes(t *testing.T) {
	sizes := make(chan int, 100)
	addr := serve(t, nil, func(p *peer) {
		for {
			docs, err := p.window()
			if err != nil {
				return
			}
			sizes <- len(docs)
			p.ack(uint32(len(docs)))
		}
	})
	c, _ := newClient(t, func(cfg *Config) { cfg.BulkMaxSize, cfg.MaxWindowBytes = 100, 1000 }, addr)
	conn := connect(t, c)
	for _, tc := range []struct{ docs, size, want int }{
		{150, 1, 100}, // by count: 100 * 9 = 900 bytes
		{150, 2, 100}, // 1000 bytes exactly
		{150, 3, 90},  // 11 bytes each
		{3, 992, 1},
		{3, 993, 1}, // one that is too large alone
		{3, 100_000, 1},
	} {
		var buf []byte
		var ends []int
		for range tc.docs {
			buf = append(buf, strings.Repeat("1", tc.size)...)
			ends = append(ends, len(buf))
		}
		n, err := conn.Send(t.Context(), buf, ends)
		if err != nil || n != tc.want {
			t.Fatalf("%d of %d bytes: took %d, want %d (%v)", tc.docs, tc.size, n, tc.want, err)
		}
		awaitAcks(t, conn, n)
		if got := <-sizes; got != n {
			t.Errorf("server got %d, want %d", got, n)
		}
	}
}

// Documents of all sizes around the write chunk arrive as they were, at every
// level; the test's peer checks seq, lengths and the zlib checksum.
func TestDocumentsArriveUnchangedAtEveryLevel(t *testing.T) {
	for level := range 10 {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			got := make(chan []string, 10)
			addr := serve(t, nil, func(p *peer) {
				for {
					docs, err := p.window()
					if err != nil {
						if err != io.EOF {
							t.Errorf("server: %v", err)
						}
						return
					}
					got <- docs
					p.ack(uint32(len(docs)))
				}
			})
			c, _ := newClient(t, func(cfg *Config) { cfg.CompressionLevel = level }, addr)
			conn := connect(t, c)
			for _, size := range []int{1, 50, chunkSize - 17, chunkSize - 16, chunkSize - 15, chunkSize, 3*chunkSize + 7, 300_000} {
				var want []string
				var buf []byte
				var ends []int
				for i := range 3 {
					doc := strings.Repeat(fmt.Sprint(i+size), size/2+1)[:size]
					want = append(want, doc)
					buf = append(buf, doc...)
					ends = append(ends, len(buf))
				}
				if n, err := conn.Send(t.Context(), buf, ends); n != 3 || err != nil {
					t.Fatalf("size %d: %d, %v", size, n, err)
				}
				awaitAcks(t, conn, 3)
				if docs := <-got; !slices.Equal(docs, want) {
					t.Errorf("size %d: documents changed", size)
				}
			}
		})
	}
}

func TestDurationsOfAnOutageReadTheSame(t *testing.T) {
	for d, want := range map[time.Duration]string{
		2001 * time.Millisecond:           "2s",
		250 * time.Millisecond:            "300ms",
		30*time.Second + 12345678:         "30s",
		75*time.Second + time.Millisecond: "1m15s",
	} {
		if got := about(d).String(); got != want {
			t.Errorf("%v reads %s, want %s", d, got, want)
		}
	}
}
