package recorder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"sluice/internal/tlsconfig"
)

// client5 speaks MQTT 5. The packets that are seldom come and go by paho.golang;
// the link does the rest.
type client5 struct {
	link      *link
	maxPacket int // the broker takes no longer one, in bytes; 0: any

	mu      sync.Mutex
	lastID  uint16
	waiting map[uint16]*part5 // for SUBACK and UNSUBACK, by packet id
}

// part5 is a packet of a request.
type part5 struct {
	topics  []string
	request *request5
}

// request5 is a SUBSCRIBE or UNSUBSCRIBE, in as many packets as the broker's
// limit asks for. client5.mu guards it until it is done.
type request5 struct {
	done    chan struct{}
	pending int // packets that are not answered
	err     error
	granted map[string]byte
	says    string
}

func (r *request5) Done() <-chan struct{}            { return r.done }
func (r *request5) Error() error                     { return r.err }
func (r *request5) codes() (map[string]byte, string) { return r.granted, r.says }

// connect5 connects with MQTT 5.
func (m *mqttSource) connect5(ctx context.Context, b broker) (*link, client, bool, error) {
	conn, err := m.openConn(ctx, b)
	if err != nil {
		return nil, nil, false, err
	}
	l := newLink(conn, sessionKey{b.String(), m.cfg.ClientID}, &m.cfg, m.queue, m.receive)
	c := &client5{link: l, waiting: map[uint16]*part5{}}
	stop := context.AfterFunc(ctx, func() { _ = l.fail(fmt.Errorf("no answer to CONNECT: %w", ctx.Err())) })
	ack, err := c.hello(&m.cfg)
	if !stop() {
		err = l.fail(ctx.Err())
	}
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, errGone) {
			err = fmt.Errorf("%w; if it does not speak MQTT 5, set version: %s", errGone, version3)
		}
		return nil, nil, false, tlsconfig.Explain(l.leave(err), b.addr)
	}
	if ack.ReasonCode >= 0x80 {
		_ = l.Close()
		return nil, nil, false, m.explainRefusal(b, ack.ReasonCode, saying(ack.Properties))
	}
	m.welcome(c, ack.Properties)
	l.begin(ack.SessionPresent)
	l.keepAlong.Go(c.serve)
	return l, c, ack.SessionPresent, nil
}

// hello sends CONNECT (3.1) and returns CONNACK (3.2).
func (c *client5) hello(cfg *MQTTConfig) (*packets.Connack, error) {
	maximum := uint16(cfg.ReceiveMaximum)
	p := packets.Connect{
		ProtocolName: "MQTT", ProtocolVersion: 5, CleanStart: cfg.CleanSession, ClientID: cfg.ClientID,
		Username: cfg.Username, UsernameFlag: cfg.Username != "", Password: []byte(cfg.Password), PasswordFlag: cfg.Password != "",
		Properties: &packets.Properties{ReceiveMaximum: &maximum},
	}
	if !cfg.CleanSession {
		expiry := uint32(cfg.SessionExpiry / time.Second)
		p.Properties.SessionExpiryInterval = &expiry
	}
	if err := c.send(p.WriteTo); err != nil {
		return nil, err
	}
	kind, body, err := c.link.control()
	if err != nil {
		return nil, err
	}
	if kind != typeConnack {
		return nil, c.handle(kind, body)
	}
	ack := &packets.Connack{Properties: &packets.Properties{}}
	if len(body) == 2 && body[1] == 1 { // as MQTT 3.1.1 says it
		ack.ReasonCode = 0x84
		return ack, nil
	}
	return ack, c.unpack(ack.Unpack, "CONNACK", body, 2)
}

// welcome takes in what the broker has decided (3.2.2.3).
func (m *mqttSource) welcome(c *client5, p *packets.Properties) {
	l := c.link
	if p.AssignedClientID != "" && p.AssignedClientID != m.cfg.ClientID {
		l.key.ClientID = p.AssignedClientID
		m.once(fmt.Sprintf("client_id: the broker uses %q instead; what it keeps while the recorder is away hangs on that", p.AssignedClientID))
	}
	if p.ServerKeepAlive != nil && *p.ServerKeepAlive > 0 {
		l.keepAlive = min(l.keepAlive, time.Duration(*p.ServerKeepAlive)*time.Second)
	}
	if p.MaximumPacketSize != nil {
		c.maxPacket = int(min(*p.MaximumPacketSize, 1<<30))
	}
	if p.SessionExpiryInterval != nil && !m.cfg.CleanSession {
		if granted := time.Duration(*p.SessionExpiryInterval) * time.Second; granted < m.cfg.SessionExpiry.Truncate(time.Second) {
			m.once(fmt.Sprintf("session_expiry: the broker keeps the session for %s, not %s; what comes during a longer absence is lost; raise the broker's limit", granted, m.cfg.SessionExpiry))
		}
	}
}

// serve reads what the broker sends until the connection ends.
func (c *client5) serve() {
	for {
		kind, body, err := c.link.control()
		if err == nil {
			err = c.handle(kind, body)
		}
		if err != nil {
			_ = c.link.leave(err)
			return
		}
	}
}

// control reads the next control packet whole.
func (l *link) control() (kind byte, body []byte, err error) {
	first, length, err := l.frame()
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(l.in, body)
	return first >> 4, body, err
}

// leave ends the connection; a broker that broke the protocol is told so.
func (l *link) leave(err error) error {
	if l.version == version5 && errors.Is(err, errProtocol) {
		l.mu.Lock()
		if l.Conn.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
			_, _ = l.Conn.Write([]byte{typeDisconnect << 4, 2, 0x82, 0})
		}
		l.mu.Unlock()
	}
	return l.fail(err)
}

func (c *client5) handle(kind byte, body []byte) error {
	switch kind {
	case typePubrel:
		_, err := c.link.Write([]byte{0x70, 2, body[0], body[1]}) // PUBCOMP
		return err
	case typeSuback:
		p := packets.Suback{Properties: &packets.Properties{}}
		if err := c.unpack(p.Unpack, "SUBACK", body, 2); err != nil {
			return err
		}
		return c.answered("SUBACK", p.PacketID, p.Reasons, saying(p.Properties))
	case typeUnsuback:
		p := packets.Unsuback{Properties: &packets.Properties{}}
		if err := c.unpack(p.Unpack, "UNSUBACK", body, 2); err != nil {
			return err
		}
		return c.answered("UNSUBACK", p.PacketID, p.Reasons, saying(p.Properties))
	case typeAuth:
		return errors.New("the broker asks for enhanced authentication, which is not supported; let it accept username and password, or a client certificate (ssl.certificate)")
	case typeDisconnect:
		return c.dismissed(body)
	}
	return c.link.breach("unexpected packet type %d", kind)
}

// dismissed tells why the broker ends the connection (3.14).
func (c *client5) dismissed(body []byte) error {
	p := packets.Disconnect{Properties: &packets.Properties{}}
	if len(body) > 0 {
		if err := c.unpack(p.Unpack, "DISCONNECT", body, 1); err != nil {
			return err
		}
	}
	switch p.ReasonCode {
	case 0:
		return errGone
	case 0x8e:
		return fmt.Errorf("the broker ended the connection: %w", errTakenOver)
	}
	return fmt.Errorf("the broker ended the connection: %s", explain(p.ReasonCode, saying(p.Properties)))
}

// unpack decodes a packet whose properties begin at an offset. The library
// trusts their length: on 32 bits a large one makes it fail.
func (c *client5) unpack(decode func(*bytes.Buffer) error, name string, body []byte, at int) error {
	if len(body) > at {
		rest := body[at:]
		length, n := binary.Uvarint(rest[:min(len(rest), 4)])
		if n <= 0 || length > uint64(len(rest)-n) {
			return c.link.breach("a %s with properties of a wrong length", name)
		}
	}
	if err := decode(bytes.NewBuffer(body)); err != nil {
		return c.link.breach("%s: %s", name, err)
	}
	return nil
}

// saying is what the broker says to its reason code.
func saying(p *packets.Properties) string {
	if p.ServerReference == "" {
		return p.ReasonString
	}
	return p.ReasonString + " (server " + p.ServerReference + ")"
}

// answered enters the reason codes of an answer.
func (c *client5) answered(name string, id uint16, codes []byte, says string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	part := c.waiting[id]
	if part == nil || len(codes) != len(part.topics) {
		return c.link.breach("a %s with %d reason codes that do not fit what was asked", name, len(codes))
	}
	delete(c.waiting, id)
	r := part.request
	for i, topic := range part.topics {
		r.granted[topic] = codes[i]
	}
	r.says = or(r.says, says)
	if r.pending--; r.pending == 0 {
		close(r.done)
	}
	return nil
}

// send writes a packet in one piece.
func (c *client5) send(encode func(io.Writer) (int64, error)) error {
	var b bytes.Buffer
	if _, err := encode(&b); err != nil {
		return err
	}
	if c.maxPacket > 0 && b.Len() > c.maxPacket {
		return fmt.Errorf("a packet of %d bytes is longer than the %d that the broker allows; shorten the list of topics, or raise the broker's limit", b.Len(), c.maxPacket)
	}
	_, err := c.link.Write(b.Bytes())
	return err
}

// parts are the topics for each packet: one, unless the broker has a limit.
func (c *client5) parts(topics []string) (parts [][]string) {
	const frame, perTopic = 5 + 2 + 1, 2 + 1
	size := 0
	for _, t := range topics {
		n := perTopic + len(t)
		if len(parts) == 0 || c.maxPacket > 0 && size+n > c.maxPacket {
			parts, size = append(parts, nil), frame
		}
		last := len(parts) - 1
		parts[last], size = append(parts[last], t), size+n
	}
	return parts
}

// ask sends the parts of a request.
func (c *client5) ask(topics []string, packet func(id uint16, part []string) error) request {
	parts := c.parts(topics)
	r := &request5{done: make(chan struct{}), pending: len(parts), granted: map[string]byte{}}
	for _, part := range parts {
		c.mu.Lock()
		c.lastID++
		id := c.lastID
		c.waiting[id] = &part5{part, r}
		c.mu.Unlock()
		if err := packet(id, part); err != nil {
			_ = c.link.fail(err) // the answer never comes
			break
		}
	}
	return r
}

func (c *client5) subscribe(topics, remembered map[string]byte, kept bool) request {
	return c.ask(sorted(topics), func(id uint16, part []string) error {
		p := packets.Subscribe{PacketID: id, Properties: &packets.Properties{}}
		for _, t := range part {
			o := packets.SubOptions{Topic: t, QoS: topics[t]}
			if _, ok := remembered[t]; ok && kept && o.QoS > 0 {
				// The broker kept for us what came meanwhile: no retained message
				// is to come for that again (3.8.3.1).
				o.RetainHandling = packets.RetainSendOnSubscribeIfNew
			}
			p.Subscriptions = append(p.Subscriptions, o)
		}
		return c.send(p.WriteTo)
	})
}

func (c *client5) unsubscribe(topics []string) request {
	return c.ask(topics, func(id uint16, part []string) error {
		p := packets.Unsubscribe{PacketID: id, Topics: part, Properties: &packets.Properties{}}
		return c.send(p.WriteTo)
	})
}

func (c *client5) disconnect() {
	timer := time.AfterFunc(time.Second, func() { _ = c.link.Close() })
	defer timer.Stop()
	_, _ = c.link.Write([]byte{typeDisconnect << 4, 2, 0, 0})
}
