package gateway

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// server is a Logstash over TLS that behaves as a test says.
type server struct {
	t    *testing.T
	ca   string
	tls  *tls.Config
	addr string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	received map[string]int // message → how often
	latest   string         // the document that came last
	opened   int
	// answer plays the server for one window; false ends the connection.
	answer func(*peer, []string) bool

	running sync.WaitGroup
}

// peer is the server's end of one connection.
type peer struct {
	*tls.Conn
	raw     *net.TCPConn
	r       *bufio.Reader
	windows int // that came
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, ca: filepath.Join(t.TempDir(), "ca.pem"), addr: "127.0.0.1:0", conns: map[net.Conn]bool{}, received: map[string]int{}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	t.Cleanup(s.stop)
	s.start()
	return s
}

func (s *server) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.listener, s.addr = l, l.Addr().String()
	s.mu.Unlock()
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = true
			s.opened++
			s.mu.Unlock()
			s.running.Go(func() { s.serve(c.(*net.TCPConn)) })
		}
	})
}

// stop ends the server with all its connections, as kill -9 does.
func (s *server) stop() {
	s.mu.Lock()
	_ = s.listener.Close()
	for c := range s.conns {
		reset(c.(*net.TCPConn))
	}
	s.mu.Unlock()
	s.running.Wait()
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

func (s *server) serve(c *net.TCPConn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		_ = c.Close()
	}()
	t := tls.Server(c, s.tls)
	p := &peer{Conn: t, raw: c, r: bufio.NewReader(t)}
	for {
		docs, err := p.window()
		if err != nil {
			return
		}
		p.windows++
		messages := make([]string, len(docs))
		for i, d := range docs {
			var e struct{ Message string }
			if err := json.Unmarshal(d, &e); err != nil {
				s.t.Errorf("%s: %v", d, err)
			}
			messages[i] = e.Message
		}
		s.mu.Lock()
		s.latest = string(docs[len(docs)-1])
		answer := s.answer
		s.mu.Unlock()
		if !answer(p, messages) {
			return
		}
	}
}

// take processes documents.
func (s *server) take(messages []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		s.received[m]++
	}
}

func (s *server) play(answer func(*peer, []string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// well takes and acknowledges a window.
func (s *server) well(p *peer, messages []string) bool {
	s.take(messages)
	return p.ack(len(messages)) == nil
}

// last returns the document that came last.
func (s *server) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// count returns how many different messages came, and how many in all.
func (s *server) count() (different, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.received {
		all += n
	}
	return len(s.received), all
}

func (p *peer) ack(n int) error {
	_, err := p.Write(binary.BigEndian.AppendUint32([]byte("2A"), uint32(n)))
	return err
}

// window reads the documents of one window.
func (p *peer) window() ([][]byte, error) {
	kind, count, err := frame(p.r)
	if err != nil {
		return nil, err
	}
	if kind != 'W' {
		return nil, fmt.Errorf("frame %q where a window begins", kind)
	}
	kind, n, err := frame(p.r)
	if err != nil {
		return nil, err
	}
	if kind != 'C' {
		return nil, fmt.Errorf("frame %q: the tests compress", kind)
	}
	packed := make([]byte, n)
	if _, err := io.ReadFull(p.r, packed); err != nil {
		return nil, err
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	var docs [][]byte
	for range count {
		if _, _, err := frame(z); err != nil {
			return nil, err
		}
		var size [4]byte
		if _, err := io.ReadFull(z, size[:]); err != nil {
			return nil, err
		}
		doc := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(z, doc); err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

func frame(r io.Reader) (kind byte, n uint32, err error) {
	var head [6]byte
	_, err = io.ReadFull(r, head[:])
	return head[1], binary.BigEndian.Uint32(head[2:]), err
}
