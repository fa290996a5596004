package recorder

import (
	"context"
	"fmt"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// answerTimeout is how long SUBACK and UNSUBACK may take while the link reads.
const answerTimeout = 30 * time.Second

// wanted are the configured topics with their QoS.
func (m *mqttSource) wanted() map[string]byte {
	topics := map[string]byte{}
	for _, t := range m.cfg.Topics {
		qos := *m.cfg.QoS
		if t.QoS != nil {
			qos = *t.QoS
		}
		topics[t.Topic] = byte(qos)
	}
	return topics
}

// subscribe ends the subscriptions that are no longer configured and makes the
// configured ones, on every connection: a broker may have lost them. A refused
// topic does not stop the others.
func (m *mqttSource) subscribe(ctx context.Context, client paho.Client, l *link, present bool) error {
	topics := m.wanted()
	var dropped []string
	if present {
		for _, t := range sorted(m.sessions.topics(l.key)) {
			if _, ok := topics[t]; !ok {
				dropped = append(dropped, t)
			}
		}
	}
	if len(dropped) > 0 {
		if _, err := m.answer(ctx, l, "UNSUBSCRIBE", func() paho.Token { return client.Unsubscribe(dropped...) }); err != nil {
			return err
		}
		m.log.Info().Strs("topics", dropped).Msg("unsubscribed from topics that are no longer configured")
	}
	l.expect.Store(int32(len(topics)))
	token, err := m.answer(ctx, l, "SUBSCRIBE", func() paho.Token { return client.SubscribeMultiple(topics, nil) })
	if err != nil {
		return err
	}
	granted := m.checkGranted(topics, token.(*paho.SubscribeToken).Result())
	if err := m.sessions.setTopics(l.key, granted); err != nil {
		m.log.Warn().Err(err).Msg("the subscriptions can't be remembered; topics that are dropped from the configuration may stay subscribed")
	}
	return nil
}

// answer sends a packet and waits for the broker's answer. While the link does
// not read, because the queue is full, the answer can't come: that time does
// not count.
func (m *mqttSource) answer(ctx context.Context, l *link, what string, send func() paho.Token) (paho.Token, error) {
	sent := make(chan paho.Token, 1)
	go func() { sent <- send() }() // paho may block here for a while when the connection is lost
	var token paho.Token
	var done <-chan struct{}
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	for {
		select {
		case token = <-sent:
			done = token.Done()
		case <-done:
			if err := token.Error(); err != nil {
				return nil, fmt.Errorf("%s: %w", strings.ToLower(what), err)
			}
			return token, nil
		case <-l.done:
			return nil, l.reason
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			if !l.paused.Load() {
				return nil, fmt.Errorf("the broker did not answer %s within %s", what, answerTimeout)
			}
			timer.Reset(answerTimeout)
		}
	}
}

// checkGranted looks at the return codes of SUBACK (MQTT 3.1.1, 3.9.3) and
// returns what the broker granted.
func (m *mqttSource) checkGranted(wanted, codes map[string]byte) map[string]byte {
	granted := map[string]byte{}
	var refused []string
	for _, topic := range sorted(wanted) {
		code, ok := codes[topic]
		switch {
		case !ok || code > 2:
			refused = append(refused, topic)
			if !m.refused[topic] {
				m.log.Error().Str("topic", topic).Str("user", m.cfg.Username).
					Msg("the broker refuses the subscription; allow it in the broker's access list (ACL) for this user, or take the topic out of the configuration")
			}
			m.refused[topic] = true
			continue
		case code < wanted[topic] && !m.lessQoS[topic]:
			m.log.Warn().Str("topic", topic).Uint8("asked", wanted[topic]).Uint8("granted", code).Msg("the broker grants a lower qos")
			m.lessQoS[topic] = true
		}
		delete(m.refused, topic)
		granted[topic] = code
	}
	m.stats.update(func(s *SeriesStatus) { s.Refused = refused })
	if len(refused) > 0 {
		m.stats.fault(fmt.Errorf("the broker refuses the subscription to %s", strings.Join(refused, ", ")))
	}
	return granted
}
