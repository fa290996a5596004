package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Control packet types with their flags (MQTT 3.1.1, section 2.2).
const (
	connack  = 0x20
	publish1 = 0x32 // QoS 1, neither DUP nor RETAIN
	puback   = 0x40
)

const (
	// unanswered is how many PUBLISH may wait for their PUBACK.
	unanswered = 2000
	// burst is how many PUBLISH go out in one write at most.
	burst = 64
	// silence is how long a PUBACK may take.
	silence = 20 * time.Second
)

// Publisher publishes readings of 64 sensors with QoS 1.
type Publisher struct {
	// Numbered adds "#" and the message's number, from 1, to each payload.
	Numbered bool

	conn     net.Conn
	out      *bufio.Writer
	packet   []byte
	sent     int64
	answered atomic.Int64
	ended    chan struct{} // closed when no PUBACK can come any more
	err      error         // why
}

// NewPublisher connects to the broker.
func NewPublisher(address string) (*Publisher, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Publisher{conn: c, out: bufio.NewWriter(c), ended: make(chan struct{})}
	hello := []byte("\x10\x00\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench") // clean session, no keepalive
	hello[1] = byte(len(hello) - 2)
	if _, err = c.Write(hello); err == nil {
		var answer [4]byte
		if _, err = io.ReadFull(c, answer[:]); err == nil && (answer[0] != connack || answer[3] != 0) {
			err = fmt.Errorf("the broker answers %x to CONNECT", answer)
		}
	}
	if err != nil {
		_ = c.Close() // never used
		return nil, err
	}
	go p.answers()
	return p, nil
}

// answers counts PUBACKs.
func (p *Publisher) answers() {
	defer close(p.ended)
	r := bufio.NewReader(p.conn)
	var packet [4]byte
	for {
		if _, p.err = io.ReadFull(r, packet[:]); p.err != nil {
			return
		}
		if packet[0] != puback {
			p.err = fmt.Errorf("the broker sends %x instead of PUBACK", packet)
			return
		}
		p.answered.Add(1)
	}
}

// Sent returns the number of messages published so far.
func (p *Publisher) Sent() int64 { return p.sent }

// Publish publishes n messages, as fast as allowed lets it: that is the number
// of messages of this call that may be out by now. It returns when the broker
// has answered all of them.
func (p *Publisher) Publish(ctx context.Context, n int64, allowed func() int64) error {
	base := p.sent
	moved, answered := time.Now(), p.answered.Load()
	for p.answered.Load() < base+n {
		if now := p.answered.Load(); now != answered || p.sent == now {
			moved, answered = time.Now(), now
		} else if time.Since(moved) > silence {
			return fmt.Errorf("the broker has not answered %d of %d messages for %s", p.sent-now, p.sent, silence)
		}
		k := min(n-(p.sent-base), allowed()-(p.sent-base), unanswered-(p.sent-p.answered.Load()), burst)
		if k > 0 {
			if err := p.write(int(k)); err != nil {
				return err
			}
			continue
		}
		select {
		case <-time.After(200 * time.Microsecond):
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return fmt.Errorf("publisher: %w", p.err)
		}
	}
	return nil
}

// write sends the next k messages in one piece: fixed header, topic, message
// id, payload; at most 127 bytes each, so that the length is one byte.
func (p *Publisher) write(k int) error {
	for range k {
		p.sent++
		b := append(p.packet[:0], publish1, 0, 0, 0)
		b = fmt.Appendf(b, "feeds/%02d/temperature", p.sent%64)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)-4))
		b = binary.BigEndian.AppendUint16(b, uint16(1+p.sent%65535))
		b = fmt.Appendf(b, "%d.%02d", 20+p.sent/100%10, p.sent%100)
		if p.Numbered {
			b = fmt.Appendf(b, "#%d", p.sent)
		}
		b[1] = byte(len(b) - 2)
		p.packet = b
		_, _ = p.out.Write(b) // Flush tells
	}
	return p.out.Flush()
}

// Close ends the connection.
func (p *Publisher) Close() error {
	_, err := p.conn.Write([]byte{0xe0, 0}) // DISCONNECT
	err = errors.Join(err, p.conn.Close())
	<-p.ended
	return err
}
