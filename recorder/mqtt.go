package recorder

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/rs/zerolog"

	"sluice/internal/tlsconfig"
)

// mqttSource keeps one MQTT session and queues what the broker sends.
type mqttSource struct {
	cfg      MQTTConfig
	brokers  []broker
	tls      *tlsconfig.Loader // nil without an encrypted host
	queue    *queue
	sessions *sessions
	stats    *stats
	log      zerolog.Logger

	link     atomic.Pointer[link] // of the present connection
	paused   chan struct{}        // closed by pause
	pausing  sync.Once
	outage   outage
	refused  map[string]bool // topics whose refusal was logged
	lessQoS  map[string]bool // topics whose lower QoS was logged
	openConn func(ctx context.Context, b broker) (net.Conn, error)
}

func newMQTTSource(cfg MQTTConfig, q *queue, st *stats, log zerolog.Logger) (*mqttSource, error) {
	m := &mqttSource{
		cfg: cfg, queue: q, stats: st, log: log, paused: make(chan struct{}),
		refused: map[string]bool{}, lessQoS: map[string]bool{},
	}
	m.outage.log = log
	secure := false
	for _, h := range cfg.Hosts {
		b, err := parseBroker(h)
		if err != nil {
			return nil, &FieldError{"hosts", err.Error()}
		}
		m.brokers = append(m.brokers, b)
		secure = secure || b.secure
	}
	if secure {
		loader, err := cfg.SSL.Load()
		if err != nil {
			return nil, fmt.Errorf("ssl: %w", err)
		}
		for _, text := range loader.Warnings() {
			log.Warn().Msg(text)
		}
		loader.OnWarning(func(text string) { log.Warn().Msg(text) })
		m.tls = loader
	}
	m.openConn = func(ctx context.Context, b broker) (net.Conn, error) { return b.dial(ctx, m.tls) }
	m.warn()
	return m, nil
}

// warn tells what is allowed but not safe.
func (m *mqttSource) warn() {
	if m.cfg.Quiet {
		return
	}
	best := *m.cfg.QoS
	for _, t := range m.cfg.Topics {
		if t.QoS != nil {
			best = max(best, *t.QoS)
		}
	}
	if best > 0 && m.cfg.CleanSession {
		m.log.Warn().Msg("clean_session: the broker forgets what comes while the recorder is away; qos 1 and 2 are meant for a session that stays")
	}
	if best == 0 {
		m.log.Warn().Msg("qos 0: messages that are lost on the way, or come while the recorder is away, are not delivered again; qos 1 is safe")
	}
}

// pause stops receiving; the present connection stays for acknowledgements.
func (m *mqttSource) pause() { m.pausing.Do(func() { close(m.paused) }) }

// run keeps the session until ctx ends or, without a connection, until pause.
func (m *mqttSource) run(ctx context.Context) {
	backoff := m.cfg.Backoff.Init
	for turn, tried := 0, 0; ; {
		b := m.brokers[turn%len(m.brokers)]
		m.stats.update(func(s *SeriesStatus) { s.Broker = b.String() })
		began := time.Now()
		accepted, err := m.connection(ctx, b)
		if ctx.Err() != nil {
			return
		}
		m.stats.fault(err)
		m.outage.failed(b, err, accepted)
		if accepted && time.Since(began) > m.cfg.Backoff.Max {
			backoff = m.cfg.Backoff.Init
		}
		if accepted {
			tried = 0
		} else {
			turn++
			tried++
		}
		if tried%len(m.brokers) != 0 {
			continue // another broker at once
		}
		if !m.rest(ctx, backoff) {
			return
		}
		backoff = min(2*backoff, m.cfg.Backoff.Max)
	}
}

// rest waits between half and all of d; false when there is nothing to go on
// for.
func (m *mqttSource) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-m.paused:
		return false
	case <-timer.C:
		return true
	}
}

// connection makes one connection and serves it to its end. accepted tells
// whether the broker had taken the session.
func (m *mqttSource) connection(ctx context.Context, b broker) (accepted bool, err error) {
	l, client, present, err := m.connect(ctx, b)
	if err != nil {
		return false, err
	}
	m.link.Store(l)
	defer m.closed(l)
	m.stats.update(func(s *SeriesStatus) { s.Connects++ })
	if err := m.subscribe(ctx, client, l, present); err != nil && ctx.Err() == nil {
		return true, tlsconfig.Explain(l.fail(err), b.addr)
	}
	m.stats.update(func(s *SeriesStatus) { s.Connected = true })
	m.outage.over(b, present)
	select {
	case <-l.done:
		return true, tlsconfig.Explain(l.reason, b.addr)
	case <-ctx.Done():
		client.Disconnect(1000) // DISCONNECT leaves the session as it is (3.14)
		return true, ctx.Err()
	}
}

// closed ends the link's part in the status.
func (m *mqttSource) closed(l *link) {
	_ = l.Close()
	l.keepAlong.Wait()
	m.link.Store(nil)
	m.stats.update(func(s *SeriesStatus) {
		s.Connected = false
		s.BytesReceived += l.received.Load()
	})
}

// connect dials, and does CONNECT and CONNACK.
func (m *mqttSource) connect(ctx context.Context, b broker) (*link, paho.Client, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.ConnectTimeout)
	defer cancel()
	var made atomic.Pointer[link]
	var dialErr error
	opts := m.options(b)
	opts.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		conn, err := m.openConn(ctx, b)
		if err == nil && ctx.Err() != nil {
			_ = conn.Close()
			err = ctx.Err()
		}
		if err != nil {
			dialErr = err
			return nil, err
		}
		l := newLink(conn, sessionKey{b.String(), m.cfg.ClientID}, &m.cfg, m.queue, nil)
		l.onSession = func(present bool) {
			m.queue.put(Record{kind: kindConnected, Time: time.Now(), Retained: present, from: l})
		}
		made.Store(l)
		return l, nil
	})
	opts.SetDefaultPublishHandler(func(_ paho.Client, msg paho.Message) { m.receive(made.Load(), msg) })
	client := paho.NewClient(opts)
	token := client.Connect().(*paho.ConnectToken)
	if !finished(ctx, token, made.Load) {
		return nil, nil, false, fmt.Errorf("%s: no answer within %s", b.addr, m.cfg.ConnectTimeout)
	}
	switch l := made.Load(); {
	case token.Error() == nil:
		return l, client, token.SessionPresent(), nil
	case l == nil:
		return nil, nil, false, dialErr
	case token.ReturnCode() >= 1 && token.ReturnCode() <= 5:
		_ = l.Close()
		return nil, nil, false, m.explainRefusal(b, token.ReturnCode())
	default:
		return nil, nil, false, tlsconfig.Explain(l.fail(token.Error()), b.addr)
	}
}

// finished waits for CONNACK. When ctx ends first the connection is closed, and
// paho's goroutine gets a moment to see it; a websocket that is being dialled
// can't be interrupted and ends by its own timeout.
func finished(ctx context.Context, token paho.Token, made func() *link) bool {
	select {
	case <-token.Done():
		return true
	case <-ctx.Done():
	}
	if l := made(); l != nil {
		_ = l.fail(fmt.Errorf("no answer to CONNECT: %w", ctx.Err()))
	}
	select {
	case <-token.Done():
		return true
	case <-time.After(time.Second):
		return false
	}
}

// options are paho's for one connection: what the link does is switched off.
func (m *mqttSource) options(b broker) *paho.ClientOptions {
	return paho.NewClientOptions().
		AddBroker(b.String()).
		SetClientID(m.cfg.ClientID).
		SetUsername(m.cfg.Username).
		SetPassword(m.cfg.Password).
		SetCleanSession(m.cfg.CleanSession).
		SetProtocolVersion(4).
		SetConnectTimeout(m.cfg.ConnectTimeout).
		SetWriteTimeout(writeTimeout).
		SetKeepAlive(0).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true).
		SetAutoAckDisabled(true).
		SetStore(noStore{})
}

// receive queues one message. It must not block: paho calls it while it holds
// up everything else.
func (m *mqttSource) receive(l *link, msg paho.Message) {
	r := Record{
		Time: time.Now(), Topic: msg.Topic(), Payload: msg.Payload(), Size: len(msg.Payload()),
		ID: msg.MessageID(), QoS: msg.Qos(), Retained: msg.Retained(), Duplicate: msg.Duplicate(), from: l,
	}
	if int64(r.Size) > m.cfg.MaxPayload {
		r.Size = int(l.cut.pop())
		r.Payload = r.Payload[:m.cfg.MaxPayload]
	}
	for _, filter := range m.cfg.Exclude {
		if matches(filter, r.Topic) {
			r.kind, r.Payload = kindExcluded, nil
			break
		}
	}
	if m.queue.put(r) {
		m.stats.update(func(s *SeriesStatus) { s.Received++ })
	}
}

// explainRefusal tells what a CONNACK return code means (3.2.2.3) and what to
// do.
func (m *mqttSource) explainRefusal(b broker, code byte) error {
	user := "without user name"
	if m.cfg.Username != "" {
		user = fmt.Sprintf("as user %q", m.cfg.Username)
	}
	text := map[byte]string{
		packets.ErrRefusedBadProtocolVersion:    "the broker does not speak MQTT 3.1.1",
		packets.ErrRefusedIDRejected:            fmt.Sprintf("the broker rejects client_id %q; choose another client_id", m.cfg.ClientID),
		packets.ErrRefusedServerUnavailable:     "the broker says that its service is not available; it is tried again",
		packets.ErrRefusedBadUsernameOrPassword: "the broker refuses the login " + user + ": bad user name or password; check username and password",
		packets.ErrRefusedNotAuthorised:         "the broker refuses the login " + user + ": not authorised; check username, password and the broker's access list",
	}[code]
	return fmt.Errorf("%s: %s", b.addr, text)
}

// outage logs the loss of the broker once, its reasons as they change, and the
// recovery once.
type outage struct {
	log      zerolog.Logger
	since    time.Time // zero: there is none
	attempts int
	texts    map[string]bool // broker and reason that were logged
}

// maxReasons bounds the different reasons that are logged within one outage.
const maxReasons = 8

func (o *outage) failed(b broker, err error, accepted bool) {
	if o.since.IsZero() {
		o.since, o.attempts, o.texts = time.Now(), 0, map[string]bool{}
	}
	o.attempts++
	key := b.addr + " " + err.Error()
	if o.texts[key] || len(o.texts) >= maxReasons {
		o.log.Debug().Err(err).Stringer("broker", b).Int("attempt", o.attempts).Msg("still not connected")
		return
	}
	o.texts[key] = true
	switch {
	case errors.Is(err, errSilent):
		o.log.Warn().Err(err).Stringer("broker", b).Msg("connecting anew: the broker may have forgotten the subscription")
	case accepted:
		o.log.Warn().Err(err).Stringer("broker", b).Msg("connection lost, connecting again")
	default:
		o.log.Error().Err(err).Stringer("broker", b).Msg("can't connect, trying on")
	}
}

func (o *outage) over(b broker, present bool) {
	event := o.log.Info().Stringer("broker", b).Bool("session_kept", present)
	if o.since.IsZero() {
		event.Msg("connected")
		return
	}
	event.Dur("after", time.Since(o.since)).Int("attempts", o.attempts).Msg("connected again")
	o.since = time.Time{}
}

// noStore is paho's message store: a recorder sends nothing that would have to
// be sent again, and what it receives is safe in the segments.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}

// sorted returns a map's keys in order.
func sorted(topics map[string]byte) []string {
	keys := make([]string, 0, len(topics))
	for k := range topics {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
