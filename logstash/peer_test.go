package logstash

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	lumberlog "github.com/elastic/go-lumber/log"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	lumberlog.Logger = quiet{}
	goleak.VerifyTestMain(m)
}

// quiet keeps go-lumber's server from logging every connection.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
func (quiet) Print(...any)          {}

// peer is the server's end of one connection, played by a test.
type peer struct {
	net.Conn
	t testing.TB
}

// window reads one window and returns its documents, or the error of the
// connection.
func (p *peer) window() ([]string, error) {
	var head [6]byte
	if _, err := io.ReadFull(p, head[:]); err != nil {
		return nil, err
	}
	if head[0] != '2' || head[1] != 'W' {
		return nil, fmt.Errorf("frame %q is no window", head)
	}
	count := int(binary.BigEndian.Uint32(head[2:]))
	if count == 0 {
		return nil, errors.New("window of 0")
	}
	docs, err := readDocuments(p, count)
	if err == nil && len(docs) != count {
		err = fmt.Errorf("%d documents in a window of %d", len(docs), count)
	}
	return docs, err
}

func readDocuments(r io.Reader, count int) ([]string, error) {
	var docs []string
	for len(docs) < count {
		var head [6]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return docs, err
		}
		if head[0] != '2' {
			return docs, fmt.Errorf("version %q", head[0])
		}
		n := binary.BigEndian.Uint32(head[2:])
		switch head[1] {
		case 'C':
			packed := make([]byte, n)
			if _, err := io.ReadFull(r, packed); err != nil {
				return docs, err
			}
			z, err := zlib.NewReader(bytes.NewReader(packed))
			if err != nil {
				return docs, err
			}
			plain, err := io.ReadAll(z) // checks the adler sum
			if err != nil {
				return docs, err
			}
			rest := bytes.NewReader(plain)
			docs, err = readDocuments(rest, count)
			if err != nil || rest.Len() > 0 {
				return docs, fmt.Errorf("in C: %w, %d bytes left", err, rest.Len())
			}
		case 'J':
			if int(n) != len(docs)+1 {
				return docs, fmt.Errorf("seq %d of document %d", n, len(docs)+1)
			}
			var size [4]byte
			if _, err := io.ReadFull(r, size[:]); err != nil {
				return docs, err
			}
			doc := make([]byte, binary.BigEndian.Uint32(size[:]))
			if _, err := io.ReadFull(r, doc); err != nil {
				return docs, err
			}
			docs = append(docs, string(doc))
		default:
			return docs, fmt.Errorf("frame type %q", head[1])
		}
	}
	return docs, nil
}

// expect reads one window and fails the test on an error.
func (p *peer) expect() []string {
	docs, err := p.window()
	if err != nil {
		p.t.Errorf("server: read window: %v", err)
	}
	return docs
}

func (p *peer) ack(seq uint32) { p.send(ackBytes('2', seq)) }

func (p *peer) send(b []byte) {
	if _, err := p.Write(b); err != nil {
		p.t.Logf("server: write: %v", err)
	}
}

func ackBytes(version byte, seq uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{version, 'A'}, seq)
}

// drain reads until the client closes.
func (p *peer) drain() { _, _ = io.Copy(io.Discard, p) }

// reset closes the connection with RST.
func (p *peer) reset() {
	if tcp, ok := p.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	p.Close()
}

// serve runs play for each connection to a new loopback address.
func serve(t testing.TB, cfg *tls.Config, play func(*peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, cfg, play)
	return l.Addr().String()
}

func serveOn(t testing.TB, l net.Listener, cfg *tls.Config, play func(*peer)) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			wg.Go(func() {
				defer c.Close()
				if cfg != nil {
					c = tls.Server(c, cfg)
				}
				play(&peer{c, t})
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
}

// logBuffer keeps log lines for tests.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) lines(level, part string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
	for line := range strings.Lines(b.buf.String()) {
		if strings.Contains(line, `"level":"`+level+`"`) && strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}

// newClient makes a client for addrs with short backoffs.
func newClient(t testing.TB, change func(*Config), addrs ...string) (*Client, *logBuffer) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Hosts = addrs
	cfg.Backoff = BackoffConfig{Init: 5 * time.Millisecond, Max: 50 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	log := &logBuffer{}
	c, err := New(cfg, zerolog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	return c, log
}

// connect opens lane 0 and closes it at the end of the test.
func connect(t testing.TB, c *Client) *Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := c.Connect(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// documents returns n different documents as Send takes them.
func documents(n int) (buf []byte, ends []int) {
	for i := range n {
		buf = fmt.Appendf(buf, `{"@timestamp":"2024-01-01T00:00:00.000Z","@metadata":{"beat":"filebeat","type":"_doc"},"message":"line %d"}`, i)
		ends = append(ends, len(buf))
	}
	return buf, ends
}

// mustSend sends n documents as one window.
func mustSend(t testing.TB, c *Conn, n int) {
	t.Helper()
	buf, ends := documents(n)
	if got, err := c.Send(t.Context(), buf, ends); got != n || err != nil {
		t.Fatalf("Send took %d of %d documents: %v", got, n, err)
	}
}

// awaitAcks adds up acks until want documents are acknowledged or the
// connection ends.
func awaitAcks(t testing.TB, c *Conn, want int) {
	t.Helper()
	sum := 0
	timeout := time.After(10 * time.Hour) // of the bubble's clock, or the test's end
	for sum < want {
		select {
		case n, ok := <-c.Acks():
			if !ok {
				t.Fatalf("connection ended after %d of %d acks: %v", sum, want, c.Err())
			}
			sum += n
		case <-timeout:
			t.Fatalf("%d of %d acks", sum, want)
		}
	}
	if sum != want {
		t.Fatalf("%d acks, want %d", sum, want)
	}
}

// awaitEnd adds up acks until the connection ends.
func awaitEnd(t testing.TB, c *Conn) (acked int, reason error) {
	t.Helper()
	timeout := time.After(10 * time.Hour) // of the bubble's clock, or the test's end
	for {
		select {
		case n, ok := <-c.Acks():
			if !ok {
				return acked, c.Err()
			}
			acked += n
		case <-timeout:
			t.Fatal("the connection does not end")
		}
	}
}

func checkText(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("\n got: %v\nwant: %s", err, want)
	}
}

// pipes lets a client dial net.Pipe, inside a synctest bubble. play is called
// for each connection with the address that was dialled; nil refuses it.
func pipes(t testing.TB, c *Client, play func(addr string) func(*peer)) {
	c.dialer.lookup = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
	}
	c.dialer.dialSocket = func(ctx context.Context, _, addr string) (net.Conn, error) {
		fn := play(addr)
		if fn == nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused by the test")}
		}
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			fn(&peer{server, t})
		}()
		return client, nil
	}
}
