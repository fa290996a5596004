package logstash

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/failover"
	"sluice/internal/tlsconfig"
)

// hostState is one of the hosts.
type hostState struct {
	*failover.Host
	host host
}

// Client knows the servers of one output.logstash section. It is safe for
// concurrent use and has no goroutine of its own; connections have one each.
type Client struct {
	cfg      Config
	log      zerolog.Logger
	hosts    []*hostState
	lanes    []*lane
	dialer   dialer
	counters counters

	mu       sync.Mutex
	encoders []*encoder // of ended connections, for the next ones
}

// New checks cfg and reads the certificate files; it does not connect. The
// logger gets what happens to connections, so that the caller need not log
// their errors again.
func New(cfg Config, log zerolog.Logger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: log}
	for i, s := range cfg.Hosts {
		h, err := parseHost(s)
		if err != nil {
			return nil, fieldErrorf("hosts", "%w", err)
		}
		c.hosts = append(c.hosts, &hostState{Host: failover.NewHost(i, h.String()), host: h})
	}
	var err error
	if c.dialer, err = newDialer(&c.cfg, &c.counters); err != nil {
		return nil, err
	}
	if err := c.loadTLS(); err != nil {
		return nil, err
	}
	n := cfg.workers()
	if cfg.LoadBalance {
		n *= len(c.hosts)
	}
	for i := range n {
		c.lanes = append(c.lanes, newLane(c, i))
	}
	return c, nil
}

func (c *Client) loadTLS() error {
	if !c.cfg.SSL.IsEnabled() {
		return nil
	}
	loader, err := c.cfg.SSL.Load()
	if err != nil {
		return tlsconfig.InSection(err)
	}
	for _, text := range loader.Warnings() {
		c.log.Warn().Msg(text)
	}
	loader.OnWarning(func(text string) { c.log.Warn().Msg(text) })
	c.dialer.tls = loader
	return nil
}

// Lanes returns how many connections are to be used side by side: worker, or
// with loadbalance worker for each host.
func (c *Client) Lanes() int { return len(c.lanes) }

// Connect returns a new connection for a lane (0 to Lanes-1), whose previous one
// must have ended. It tries the hosts by the rules of the package documentation,
// waits as backoff says between rounds, logs an outage once, and returns an error
// only when ctx ends.
func (c *Client) Connect(ctx context.Context, lane int) (*Conn, error) {
	if lane < 0 || lane >= len(c.lanes) {
		return nil, fmt.Errorf("connect lane %d of %d", lane, len(c.lanes))
	}
	return c.lanes[lane].connect(ctx)
}

func (c *Client) takeEncoder() *encoder {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.encoders); n > 0 {
		e := c.encoders[n-1]
		c.encoders = c.encoders[:n-1]
		return e
	}
	return newEncoder(c.cfg.CompressionLevel)
}

func (c *Client) putEncoder(e *encoder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.encoders) < len(c.lanes) {
		c.encoders = append(c.encoders, e)
	}
}

// counters are the Client's totals since New.
type counters struct {
	connects, windows, documents, acked, keepalives atomic.Int64
	connectErrors                                   atomic.Int64
	bytesWritten, bytesRead                         atomic.Int64
	writeErrors, readErrors                         atomic.Int64
	lastAck                                         atomic.Int64 // Unix ns, 0 = never
}

func (c *Client) countError(verb string) {
	if verb == "write" {
		c.counters.writeErrors.Add(1)
		return
	}
	c.counters.readErrors.Add(1)
}

// Status is a snapshot of totals since New, and of the lanes.
type Status struct {
	Connects      int64     // connections made
	ConnectErrors int64     // connections that could not be made
	Windows       int64     // windows wholly written
	Documents     int64     // documents written, those sent again included
	Acked         int64     // documents acknowledged
	Keepalives    int64     // acks of 0
	BytesWritten  int64     // bytes handed to sockets, after compression and TLS
	BytesRead     int64     // bytes read from sockets
	WriteErrors   int64     // connections that ended by a write error
	ReadErrors    int64     // connections that ended by a read error
	LastAck       time.Time // zero: none yet
	Lanes         []LaneStatus
	Hosts         []HostStatus
}

// HostStatus says whether a host is in an outage: it begins with the first
// failure to connect or to publish, and ends with the next acknowledgement.
type HostStatus struct {
	Host      string        // host:port
	Down      time.Duration // how long the outage lasts; 0: there is none
	LastError string        // the last failure of the outage
}

// Hosts returns the state of each host of the configuration. It waits for
// nothing.
func (c *Client) Hosts() []HostStatus {
	list := make([]HostStatus, len(c.hosts))
	for i, h := range c.hosts {
		down, last := h.Down(time.Now())
		list[i] = HostStatus{Host: h.String(), Down: down, LastError: last}
	}
	return list
}

// LaneStatus is the state of one lane.
type LaneStatus struct {
	Host      string    // host:port of the open connection, empty without one
	Since     time.Time // when it was opened
	LastError string    // the last failure, empty without one
}

// Status returns a snapshot. It may be called at any time.
func (c *Client) Status() Status {
	k := &c.counters
	s := Status{
		Connects: k.connects.Load(), Windows: k.windows.Load(), Documents: k.documents.Load(), Acked: k.acked.Load(),
		ConnectErrors: k.connectErrors.Load(), Hosts: c.Hosts(),
		Keepalives: k.keepalives.Load(), BytesWritten: k.bytesWritten.Load(), BytesRead: k.bytesRead.Load(),
		WriteErrors: k.writeErrors.Load(), ReadErrors: k.readErrors.Load(),
	}
	if ns := k.lastAck.Load(); ns != 0 {
		s.LastAck = time.Unix(0, ns)
	}
	for _, l := range c.lanes {
		s.Lanes = append(s.Lanes, l.status())
	}
	return s
}

func (l *lane) status() LaneStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s LaneStatus
	if l.conn != nil {
		s.Host, s.Since = l.conn.addr, l.conn.born
	}
	if l.lastErr != nil {
		s.LastError = l.lastErr.Error()
	}
	return s
}
