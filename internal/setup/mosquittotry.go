package setup

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

const (
	// tryTimeout bounds a connection to a broker, from dialling to its end.
	tryTimeout = 10 * time.Second
	// tryPacket bounds what a broker, or what else listens there, may send.
	tryPacket = 64 << 10
)

// mqttTarget is a listener of a broker.
type mqttTarget struct {
	address string
	tls     *tls.Config // nil: without TLS
}

// refused is a broker's answer to somebody whom it does not let in, or not do
// something: a reason code of MQTT 5 from 0x80 on.
type refused byte

func (r refused) Error() string {
	switch byte(r) {
	case packets.ConnackNotAuthorized:
		return "refused: not authorised (0x87)"
	case packets.ConnackBadUsernameOrPassword:
		return "refused: bad user name or password (0x86)"
	}
	return fmt.Sprintf("refused: reason 0x%02x", byte(r))
}

// unreachable is an error before a word of MQTT was said.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

// mqttTry is a short connection of MQTT 5 that tries what a broker allows. It is
// for one goroutine.
type mqttTry struct {
	conn net.Conn
	id   uint16
	come []*packets.Publish // that came while something else was awaited
}

// dial connects without a word of MQTT. Its error is unreachable.
func (t mqttTarget) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, unreachable{err}
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if t.tls == nil {
		return conn, nil
	}
	secure := tls.Client(conn, t.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, unreachable{fmt.Errorf("TLS: %w", err)}
	}
	return secure, nil
}

// connect connects as a user; an empty one: anonymous. The error is refused when
// the broker says no.
func (t mqttTarget) connect(ctx context.Context, user, password string) (*mqttTry, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	conn, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &mqttTry{conn: conn}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	hello := packets.NewControlPacket(packets.CONNECT)
	content := hello.Content.(*packets.Connect)
	content.ClientID = "sluice-check-" + hex.EncodeToString(random[:])
	content.CleanStart = true
	content.KeepAlive = 30
	if user != "" {
		content.Username, content.UsernameFlag = user, true
		content.Password, content.PasswordFlag = []byte(password), true
	}
	answer, err := c.ask(hello, packets.CONNACK)
	if err == nil {
		if code := answer.Content.(*packets.Connack).ReasonCode; code != 0 {
			err = refused(code)
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// subscribe asks for a topic.
func (c *mqttTry) subscribe(filter string) error {
	c.id++
	p := packets.NewControlPacket(packets.SUBSCRIBE)
	content := p.Content.(*packets.Subscribe)
	content.PacketID = c.id
	content.Subscriptions = []packets.SubOptions{{Topic: filter, QoS: 1}}
	answer, err := c.ask(p, packets.SUBACK)
	if err != nil {
		return err
	}
	reasons := answer.Content.(*packets.Suback).Reasons
	if len(reasons) != 1 || reasons[0] >= 0x80 {
		return fmt.Errorf("the subscription was refused (%x)", reasons)
	}
	return nil
}

// publish sends a message with QoS 1. The error is refused when the broker does
// not take it.
func (c *mqttTry) publish(topic, payload string) error {
	c.id++
	p := packets.NewControlPacket(packets.PUBLISH)
	content := p.Content.(*packets.Publish)
	content.PacketID, content.QoS = c.id, 1
	content.Topic, content.Payload = topic, []byte(payload)
	answer, err := c.ask(p, packets.PUBACK)
	if err != nil {
		return err
	}
	if code := answer.Content.(*packets.Puback).ReasonCode; code >= 0x80 {
		return refused(code)
	}
	return nil
}

// receive waits for a message.
func (c *mqttTry) receive(topic, payload string) error {
	for {
		for _, p := range c.come {
			if p.Topic == topic && string(p.Payload) == payload {
				return nil
			}
		}
		c.come = nil
		if _, err := c.read(packets.PUBLISH); err != nil {
			return err
		}
	}
}

func (c *mqttTry) ask(p *packets.ControlPacket, answer byte) (*packets.ControlPacket, error) {
	if _, err := p.WriteTo(c.conn); err != nil {
		return nil, err
	}
	return c.read(answer)
}

// read waits for a packet of a kind. Messages that come before are kept.
func (c *mqttTry) read(kind byte) (*packets.ControlPacket, error) {
	for {
		p, err := readPacket(c.conn)
		if err != nil {
			return nil, err
		}
		switch content := p.Content.(type) {
		case *packets.Publish:
			c.come = append(c.come, content)
		case *packets.Disconnect:
			return nil, refused(content.ReasonCode)
		}
		if p.Type == kind {
			return p, nil
		}
		if p.Type != packets.PUBLISH {
			return nil, fmt.Errorf("the broker answered with a %s", p.PacketType())
		}
	}
}

// readPacket reads one packet of at most tryPacket bytes, whatever listens there.
func readPacket(r io.Reader) (*packets.ControlPacket, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return nil, err
	}
	size, n := 0, 1
	for ; ; n++ {
		if n == len(head) {
			return nil, errors.New("what listens there does not speak MQTT")
		}
		if _, err := io.ReadFull(r, head[n:n+1]); err != nil {
			return nil, err
		}
		size |= int(head[n]&0x7f) << (7 * (n - 1))
		if head[n]&0x80 == 0 {
			n++
			break
		}
	}
	if size > tryPacket {
		return nil, fmt.Errorf("a packet of %d bytes: what listens there does not speak MQTT", size)
	}
	frame := make([]byte, n+size)
	copy(frame, head[:n])
	if _, err := io.ReadFull(r, frame[n:]); err != nil {
		return nil, err
	}
	p, err := packets.ReadPacket(bytes.NewReader(frame))
	if err != nil {
		return nil, fmt.Errorf("what listens there does not speak MQTT: %w", err)
	}
	return p, nil
}

// close says good-bye and ends the connection.
func (c *mqttTry) close() {
	_, _ = packets.NewControlPacket(packets.DISCONNECT).WriteTo(c.conn) // it ends anyway
	_ = c.conn.Close()
}
