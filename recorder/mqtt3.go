package recorder

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"sluice/internal/tlsconfig"
)

// client3 speaks MQTT 3.1.1 by paho.mqtt.golang.
type client3 struct {
	paho paho.Client
	link *link
}

// request3 is a request of client3.
type request3 struct{ paho.Token }

func (r request3) codes() (map[string]byte, string) {
	if t, ok := r.Token.(*paho.SubscribeToken); ok {
		return t.Result(), ""
	}
	return nil, ""
}

func (c client3) subscribe(topics, _ map[string]byte, _ bool) request {
	c.link.expect.Store(int32(len(topics)))
	return request3{c.paho.SubscribeMultiple(topics, nil)}
}

func (c client3) unsubscribe(topics []string) request { return request3{c.paho.Unsubscribe(topics...)} }

func (c client3) disconnect() { c.paho.Disconnect(1000) }

// connect3 connects with MQTT 3.1.1.
func (m *mqttSource) connect3(ctx context.Context, b broker) (*link, client, bool, error) {
	var made atomic.Pointer[link]
	var dialErr error
	opts := m.options3(b)
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
		l := newLink(conn, sessionKey{b.String(), m.cfg.ClientID}, &m.cfg, m.queue, m.receive)
		made.Store(l)
		return l, nil
	})
	c := client3{paho.NewClient(opts), nil}
	token := c.paho.Connect().(*paho.ConnectToken)
	if !finished(ctx, token, made.Load) {
		return nil, nil, false, fmt.Errorf("%s: no answer within %s", b.addr, m.cfg.ConnectTimeout)
	}
	switch l := made.Load(); {
	case token.Error() == nil:
		c.link = l
		return l, c, token.SessionPresent(), nil
	case l == nil:
		return nil, nil, false, dialErr
	case refusals3[token.ReturnCode()] != 0:
		_ = l.Close()
		return nil, nil, false, m.explainRefusal(b, refusals3[token.ReturnCode()], "")
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

// options3 are paho's for one connection: what the link does is switched off.
func (m *mqttSource) options3(b broker) *paho.ClientOptions {
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

// refusals3 are the return codes of CONNACK (3.2.2.3) as MQTT 5 has them.
var refusals3 = map[byte]byte{
	packets.ErrRefusedBadProtocolVersion:    0x84,
	packets.ErrRefusedIDRejected:            0x85,
	packets.ErrRefusedServerUnavailable:     0x88,
	packets.ErrRefusedBadUsernameOrPassword: 0x86,
	packets.ErrRefusedNotAuthorised:         0x87,
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
