package recorder

import (
	"context"
	"fmt"
	"strings"
	"time"
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
func (m *mqttSource) subscribe(ctx context.Context, c client, l *link, present bool) error {
	topics, remembered := m.wanted(), m.sessions.topics(l.key)
	var dropped []string
	if present {
		for _, t := range sorted(remembered) {
			if _, ok := topics[t]; !ok {
				dropped = append(dropped, t)
			}
		}
	}
	if len(dropped) > 0 {
		r, err := m.answer(ctx, l, "UNSUBSCRIBE", func() request { return c.unsubscribe(dropped) })
		if err != nil {
			return err
		}
		m.checkDropped(dropped, r)
	}
	r, err := m.answer(ctx, l, "SUBSCRIBE", func() request { return c.subscribe(topics, remembered, present) })
	if err != nil {
		return err
	}
	granted := m.checkGranted(topics, r)
	if err := m.sessions.setTopics(l.key, granted); err != nil {
		m.log.Warn().Err(err).Msg("the subscriptions can't be remembered; topics that are dropped from the configuration may stay subscribed")
	}
	return nil
}

// answer sends a packet and waits for the broker's answer. While the link does
// not read, because the queue is full, the answer can't come: that time does
// not count.
func (m *mqttSource) answer(ctx context.Context, l *link, what string, send func() request) (request, error) {
	sent := make(chan request, 1)
	go func() { sent <- send() }() // it may block for a while when the connection is lost
	var r request
	var done <-chan struct{}
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	for {
		select {
		case r = <-sent:
			done = r.Done()
		case <-done:
			if err := r.Error(); err != nil {
				return nil, fmt.Errorf("%s: %w", strings.ToLower(what), err)
			}
			return r, nil
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

// checkDropped looks at the answer to UNSUBSCRIBE, which has reason codes in
// MQTT 5 only.
func (m *mqttSource) checkDropped(topics []string, r request) {
	codes, says := r.codes()
	var gone []string
	for _, t := range topics {
		if code := codes[t]; code >= 0x80 {
			m.log.Warn().Str("topic", t).Str("reason", explain(code, says)).
				Msg("the broker does not end the subscription to a topic that is no longer configured; its messages are recorded on")
			continue
		}
		gone = append(gone, t)
	}
	if len(gone) > 0 {
		m.log.Info().Strs("topics", gone).Msg("unsubscribed from topics that are no longer configured")
	}
}

// checkGranted looks at the return codes of SUBACK (3.9.3) and returns what the
// broker granted.
func (m *mqttSource) checkGranted(wanted map[string]byte, r request) map[string]byte {
	granted := map[string]byte{}
	codes, says := r.codes()
	var refused []string
	for _, topic := range sorted(wanted) {
		code, ok := codes[topic]
		switch {
		case !ok || code > 2:
			refused = append(refused, topic)
			if !m.refused[topic] {
				m.log.Error().Str("topic", topic).Str("user", m.cfg.Username).
					Msg("the broker refuses the subscription" + explainTopic(code, says))
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
