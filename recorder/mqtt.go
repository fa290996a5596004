package recorder

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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

	link    atomic.Pointer[link] // of the present connection
	paused  chan struct{}        // closed by pause
	pausing sync.Once
	outage  outage
	refused map[string]bool // topics whose refusal was logged
	lessQoS map[string]bool // topics whose lower QoS was logged

	told     map[string]bool // other warnings that were given
	openConn func(ctx context.Context, b broker) (net.Conn, error)
}

func newMQTTSource(cfg MQTTConfig, q *queue, st *stats, log zerolog.Logger) (*mqttSource, error) {
	m := &mqttSource{
		cfg: cfg, queue: q, stats: st, log: log, paused: make(chan struct{}),
		refused: map[string]bool{}, lessQoS: map[string]bool{}, told: map[string]bool{},
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

// resume takes over the sessions of the last run.
func (m *mqttSource) resume(known *sessions) { m.sessions = known }

// received is what came over the present connection, in bytes.
func (m *mqttSource) received() int64 {
	if l := m.link.Load(); l != nil {
		return l.received.Load()
	}
	return 0
}

// pause stops receiving; the present connection stays for acknowledgements.
func (m *mqttSource) pause() { m.pausing.Do(func() { close(m.paused) }) }

// run keeps the session until ctx ends or, without a connection, until pause.
func (m *mqttSource) run(ctx context.Context) {
	backoff := m.cfg.Backoff.Init
	for turn, tried := 0, 0; ; {
		b := m.brokers[turn%len(m.brokers)]
		m.stats.update(func(s *SeriesStatus) { s.Broker = b.String() })
		began, received := time.Now(), m.stats.get().Received
		accepted, err := m.connection(ctx, b)
		if ctx.Err() != nil {
			return
		}
		m.stats.fault(err)
		m.outage.failed(b, err, accepted)
		useful := time.Since(began) > m.cfg.Backoff.Max || m.stats.get().Received > received
		if accepted && useful && !errors.Is(err, errTakenOver) {
			backoff = m.cfg.Backoff.Init // it was of use
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
		client.disconnect()
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

// client speaks one version of MQTT over a link. It is all that differs between
// the versions, beside how a client is made (connect3, connect5).
type client interface {
	// subscribe asks for topics with their QoS; kept says that the broker kept
	// the session, in which remembered were subscribed to.
	subscribe(topics, remembered map[string]byte, kept bool) request
	unsubscribe(topics []string) request
	// disconnect says goodbye; the broker keeps the session (3.14).
	disconnect()
}

// request waits for the broker's answer.
type request interface {
	Done() <-chan struct{}
	Error() error
	// codes are the reason codes of the answer by topic, and what the broker said
	// to them, if it did.
	codes() (codes map[string]byte, says string)
}

// connect dials, and does CONNECT and CONNACK.
func (m *mqttSource) connect(ctx context.Context, b broker) (*link, client, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.ConnectTimeout)
	defer cancel()
	if m.cfg.Version == version5 {
		return m.connect5(ctx, b)
	}
	return m.connect3(ctx, b)
}

// receive queues one message. It must not block: the link calls it while it
// holds up everything else.
func (m *mqttSource) receive(r Record) {
	for _, filter := range m.cfg.Exclude {
		if matches(filter, r.Topic) {
			r.kind, r.Payload, r.Properties = kindExcluded, nil, nil
			break
		}
	}
	if r.PropertiesCut {
		m.once("properties of a message are longer than 256 KiB and were cut; further ones are flagged in their lines only")
	}
	took := m.queue.put(r)
	m.stats.update(func(s *SeriesStatus) {
		switch {
		case took:
			s.Received++
		case r.once():
			s.Lost++ // the recorder stops
		}
	})
}

// once logs a warning for the first time only. It is called by the goroutine
// that connects, and by the one that reads, which ends before the next connection.
func (m *mqttSource) once(text string) {
	if !m.told[text] {
		m.told[text] = true
		m.log.Warn().Msg(text)
	}
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

// sorted returns a map's keys in order.
func sorted(topics map[string]byte) []string {
	keys := make([]string, 0, len(topics))
	for k := range topics {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
