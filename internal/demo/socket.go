package demo

import (
	"fmt"
	"net"
	"sync"
)

// sockets is a listener on a loopback port that knows its open connections, so
// that they can be cut as a crash or a pulled plug would do it.
type sockets struct {
	net.Listener
	mu   sync.Mutex
	open map[string]*socket // by remote address; nil once killed
}

// socket is one accepted connection.
type socket struct {
	*net.TCPConn
	owner *sockets
}

// listen opens addr, or a free loopback port when addr is empty.
func listen(addr string) (*sockets, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open a loopback port: %w", err)
	}
	return &sockets{Listener: l, open: map[string]*socket{}}, nil
}

// Accept returns the next connection and remembers it until it is closed.
func (s *sockets) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("accepted a %T on a TCP port", conn)
	}
	c := &socket{TCPConn: tcp, owner: s}
	s.mu.Lock()
	killed := s.open == nil
	if !killed {
		s.open[c.RemoteAddr().String()] = c
	}
	s.mu.Unlock()
	if killed {
		c.reset()
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close forgets the connection and closes it.
func (c *socket) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.open, c.RemoteAddr().String())
	c.owner.mu.Unlock()
	return c.TCPConn.Close()
}

// cut resets the connection of one remote address without a TLS farewell, and
// drops what is still in its buffers.
func (s *sockets) cut(remote string) {
	s.mu.Lock()
	c := s.open[remote]
	s.mu.Unlock()
	if c != nil {
		c.reset()
	}
}

// kill closes the port and resets all connections.
func (s *sockets) kill() error {
	err := s.Listener.Close()
	s.mu.Lock()
	all := s.open
	s.open = nil
	s.mu.Unlock()
	for _, c := range all {
		c.reset()
	}
	if err != nil {
		return fmt.Errorf("close the port: %w", err)
	}
	return nil
}

// reset makes close send RST. Both errors mean that the connection has ended
// already, which is what is wanted.
func (c *socket) reset() {
	_ = c.SetLinger(0)
	_ = c.Close()
}
