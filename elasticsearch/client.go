package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sluice/internal/failover"
	"sluice/internal/tlsconfig"
)

// Client knows the hosts of one output.elasticsearch section. It is safe for
// concurrent use.
type Client struct {
	cfg      Config
	log      zerolog.Logger
	nodes    []*node
	lanes    []*lane
	counters counters
	troubles troubles
}

// lane is one Conn after the other.
type lane struct {
	client  *Client
	route   *failover.Route
	encoder *encoder

	mu      sync.Mutex
	node    *node // of the open Conn, for Status
	lastErr error
}

// New checks cfg and reads the certificate files; it does not connect.
// agentVersion is what %{[agent.version]} stands for. The logger gets what
// happens to hosts, so that the caller need not log errors again.
func New(cfg Config, agentVersion string, log zerolog.Logger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: log}
	endpoints, err := cfg.endpoints()
	if err != nil {
		return nil, err
	}
	loader, err := c.loadTLS(endpoints)
	if err != nil {
		return nil, err
	}
	hosts := make([]*failover.Host, len(endpoints))
	for i, e := range endpoints {
		n, err := newNode(&c.cfg, e, i, loader, &c.counters)
		if err != nil {
			return nil, err
		}
		c.nodes, hosts[i] = append(c.nodes, n), n.Host
	}
	lanes := cfg.workers()
	if cfg.LoadBalance {
		lanes *= len(c.nodes)
	}
	for i := range lanes {
		home := failover.Anywhere
		if cfg.LoadBalance {
			home = i % len(hosts)
		}
		encoder, err := newEncoder(&c.cfg, agentVersion)
		if err != nil {
			return nil, err
		}
		route := failover.NewRoute(hosts, home, failover.Backoff{Init: cfg.Backoff.Init, Max: cfg.Backoff.Max})
		c.lanes = append(c.lanes, &lane{client: c, route: route, encoder: encoder})
	}
	return c, nil
}

// loadTLS reads the files of ssl if a host has https.
func (c *Client) loadTLS(endpoints []endpoint) (*tlsconfig.Loader, error) {
	secure := false
	for _, e := range endpoints {
		secure = secure || e.scheme == "https"
	}
	if !secure {
		return nil, nil
	}
	ssl := c.cfg.SSL
	if ssl == nil || !ssl.IsEnabled() {
		defaults := tlsconfig.DefaultConfig()
		ssl = &defaults
	}
	loader, err := ssl.Load()
	if err != nil {
		return nil, tlsconfig.InSection(err)
	}
	for _, text := range loader.Warnings() {
		c.log.Warn().Msg(text)
	}
	loader.OnWarning(func(text string) { c.log.Warn().Msg(text) })
	return loader, nil
}

// Lanes returns how many lanes are to be used side by side: worker, or with
// loadbalance worker for each host.
func (c *Client) Lanes() int { return len(c.lanes) }

// Connect chooses the host for a lane (0 to Lanes-1), whose Conn before must have
// ended, and waits as backoff says. It sends nothing: whether the host works shows
// when documents are sent. It returns an error only when ctx ends.
func (c *Client) Connect(ctx context.Context, index int) (*Conn, error) {
	if index < 0 || index >= len(c.lanes) {
		return nil, fmt.Errorf("connect lane %d of %d", index, len(c.lanes))
	}
	l := c.lanes[index]
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		host, wait := l.route.Next(time.Now())
		if host != nil {
			n := c.nodes[host.Index()]
			l.mu.Lock()
			l.node = n
			l.mu.Unlock()
			return newConn(l, n), nil
		}
		if err := failover.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// Hurry makes the next wait of a lane as short as the first one.
func (c *Client) Hurry(lane int) {
	if lane >= 0 && lane < len(c.lanes) {
		c.lanes[lane].route.Hurry()
	}
}

// Close closes idle connections.
func (c *Client) Close() {
	for _, n := range c.nodes {
		n.http.CloseIdleConnections()
	}
}

func (l *lane) failed(n *node, err error) {
	l.mu.Lock()
	l.lastErr, l.node = err, nil
	l.mu.Unlock()
	l.route.Failed(n.Host)
	n.Failed(l.client.log, "publish events", err, time.Now())
}

func (l *lane) worked(n *node, stored int) {
	k := &l.client.counters
	k.acked.Add(int64(stored))
	k.lastAck.Store(time.Now().UnixNano())
	l.route.Worked()
	n.Worked(l.client.log)
}

// counters are the Client's totals since New.
type counters struct {
	connects, connectErrors, requestErrors atomic.Int64
	windows, documents, acked, refused     atomic.Int64
	bytesWritten, bytesRead                atomic.Int64
	lastAck                                atomic.Int64 // Unix ns, 0 = never
}

// Status is a snapshot of totals since New, and of hosts and lanes.
type Status struct {
	Connects      int64     // sockets opened
	ConnectErrors int64     // sockets that could not be opened
	RequestErrors int64     // requests without an answer
	Windows       int64     // windows done
	Documents     int64     // documents handed to Send, those sent again included
	Stored        int64     // documents that the server has
	Refused       int64     // documents set aside
	BytesWritten  int64     // to sockets, after compression and TLS
	BytesRead     int64     // from sockets
	LastAck       time.Time // zero: none yet
	Hosts         []HostStatus
	Lanes         []LaneStatus
}

// HostStatus says whether a host is in an outage.
type HostStatus struct {
	Host      string        // URL
	Down      time.Duration // 0: it is not
	LastError string        // the last failure of the outage
}

// LaneStatus is the state of one lane.
type LaneStatus struct {
	Host      string // URL; empty without a Conn
	LastError string // the last failure, empty without one
}

// Status returns a snapshot. It may be called at any time.
func (c *Client) Status() Status {
	k := &c.counters
	s := Status{
		Connects: k.connects.Load(), ConnectErrors: k.connectErrors.Load(), RequestErrors: k.requestErrors.Load(),
		Windows: k.windows.Load(), Documents: k.documents.Load(), Stored: k.acked.Load(), Refused: k.refused.Load(),
		BytesWritten: k.bytesWritten.Load(), BytesRead: k.bytesRead.Load(),
	}
	if ns := k.lastAck.Load(); ns != 0 {
		s.LastAck = time.Unix(0, ns)
	}
	for _, n := range c.nodes {
		down, last := n.Down(time.Now())
		s.Hosts = append(s.Hosts, HostStatus{n.String(), down, last})
	}
	for _, l := range c.lanes {
		l.mu.Lock()
		var lane LaneStatus
		if l.node != nil {
			lane.Host = l.node.String()
		}
		if l.lastErr != nil {
			lane.LastError = l.lastErr.Error()
		}
		l.mu.Unlock()
		s.Lanes = append(s.Lanes, lane)
	}
	return s
}

// unmarshal tells whether data is such a JSON object.
func unmarshal(data []byte, v any) bool { return json.Unmarshal(data, v) == nil }

// troubles tells once what holds up documents while the host works.
type troubles struct {
	mu   sync.Mutex
	open map[string]int // windows that have it
}

func (t *troubles) begin(log zerolog.Logger, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[string]int{}
	}
	if t.open[text]++; t.open[text] == 1 {
		log.Warn().Msg(text)
	}
}

func (t *troubles) end(log zerolog.Logger, text string, solved bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[text]--; t.open[text] > 0 {
		return
	}
	delete(t.open, text)
	if solved {
		log.Info().Msg("Documents are stored again that waited: " + text)
	}
}
