// Package acker is the cheapest Lumberjack v2 server there is: it counts the
// documents that windows announce and acknowledges each window at once,
// without inflating or decoding it, so that a benchmark measures the client.
// For a trial before the measurement it can also look into every window.
package acker

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
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Server counts and acknowledges.
type Server struct {
	listener net.Listener
	check    func(document []byte)
	// Documents and Bytes are what came, Bytes as it was on the wire below TLS.
	Documents, Bytes, Windows atomic.Int64
	// First is when the first window was complete, Unix nanoseconds.
	First atomic.Int64

	running sync.WaitGroup
	mu      sync.Mutex
	conns   map[net.Conn]bool // nil after Close
	err     error
}

// Listen starts a server with TLS on a free loopback port and writes its
// self-signed certificate to caFile. With check every window is inflated, each
// of its documents passed to check, and their number compared with the
// window's.
func Listen(caFile string, check func(document []byte)) (*Server, error) {
	cert, err := selfSigned(caFile)
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l, check: check, conns: make(map[net.Conn]bool)}
	s.running.Go(s.accept)
	return s, nil
}

// Addr returns host and port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Err returns the first fault in what a client sent.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close stops accepting, closes the connections and waits for their ends.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close() // the client sees it
	}
	s.conns = nil
	s.mu.Unlock()
	s.running.Wait()
	return err
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.conns == nil {
			_ = c.Close() // came too late
		} else {
			s.conns[c] = true
			s.running.Go(func() { s.end(c, s.serve(c)) })
		}
		s.mu.Unlock()
	}
}

// end keeps why a connection ended, if that was a fault.
func (s *Server) end(c net.Conn, err error) {
	s.mu.Lock()
	if f := (*Fault)(nil); s.err == nil && errors.As(err, &f) {
		s.err = err
	}
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close() // nothing is left to write
}

// Fault is a breach of the protocol.
type Fault struct{ Text string }

// Error returns the text.
func (f *Fault) Error() string { return f.Text }

func fault(format string, args ...any) error { return &Fault{fmt.Sprintf(format, args...)} }

// serve reads frames: 2W count, 2J seq len json, 2C len zlib (Lumberjack v2).
func (s *Server) serve(c net.Conn) error {
	r := bufio.NewReaderSize(c, 64<<10)
	var window, seen uint32
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		if head[1] != 'W' && window == 0 {
			return fault("frame of kind %q outside of a window", head[1])
		}
		n, err := s.frame(r, head[1], &window, &seen)
		if err != nil {
			return err
		}
		s.Bytes.Add(int64(n) + 2)
		if seen < window || head[1] == 'W' && window > 0 {
			continue
		}
		if seen > window {
			return fault("a window of %d holds %d documents", window, seen)
		}
		s.First.CompareAndSwap(0, time.Now().UnixNano())
		s.Windows.Add(1)
		s.Documents.Add(int64(window))
		if _, err := c.Write(binary.BigEndian.AppendUint32([]byte{'2', 'A'}, window)); err != nil {
			return err
		}
		window, seen = 0, 0
	}
}

// frame reads the rest of one frame and returns its length without the first
// two bytes.
func (s *Server) frame(r *bufio.Reader, kind byte, window, seen *uint32) (int, error) {
	var word [8]byte
	switch kind {
	case 'W':
		_, err := io.ReadFull(r, word[:4])
		*window, *seen = binary.BigEndian.Uint32(word[:4]), 0
		return 4, err
	case 'J':
		if _, err := io.ReadFull(r, word[:]); err != nil {
			return 0, err
		}
		*seen++
		n := int(binary.BigEndian.Uint32(word[4:]))
		return n + 8, s.document(r, n)
	case 'C':
		if _, err := io.ReadFull(r, word[:4]); err != nil {
			return 0, err
		}
		n := int(binary.BigEndian.Uint32(word[:4]))
		if s.check != nil {
			return n + 4, s.inflate(io.LimitReader(r, int64(n)), window, seen)
		}
		*seen = *window // sluice sends a window in one frame; a checked trial proves it
		_, err := r.Discard(n)
		return n + 4, err
	default:
		return 0, fault("frame of unknown kind %q", kind)
	}
}

func (s *Server) document(r *bufio.Reader, n int) error {
	if s.check == nil {
		_, err := r.Discard(n)
		return err
	}
	doc := make([]byte, n)
	_, err := io.ReadFull(r, doc)
	if err == nil {
		s.check(doc)
	}
	return err
}

// inflate reads the frames within a compressed one.
func (s *Server) inflate(r io.Reader, window, seen *uint32) error {
	z, err := zlib.NewReader(r)
	if err != nil {
		return fault("compressed frame: %v", err)
	}
	frames, err := io.ReadAll(z)
	if err != nil {
		return fault("compressed frame: %v", err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	inner := bufio.NewReader(bytes.NewReader(frames))
	for {
		var head [2]byte
		switch _, err := io.ReadFull(inner, head[:]); {
		case err == io.EOF && *seen == *window:
			return nil
		case err == io.EOF:
			return fault("a compressed frame ends after %d documents of a window of %d", *seen, *window)
		case err != nil || head[1] != 'J':
			return fault("frame of kind %q in a compressed one", head[1])
		}
		if _, err := s.frame(inner, 'J', window, seen); err != nil {
			return fault("document in a compressed frame: %v", err)
		}
	}
}

func selfSigned(caFile string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "acker"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
