package demo

import (
	"crypto/subtle"
	"fmt"
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hook is what the broker adds to mochi: accounts, back-pressure, and the
// ledger's entries.
type hook struct {
	mqtt.HookBase
	broker *broker
}

// ID names the hook in mochi's log.
func (h *hook) ID() string { return "demo" }

// Provides lists the events that the hook takes part in.
func (h *hook) Provides(event byte) bool {
	switch event {
	case mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnSessionEstablish, mqtt.OnSessionEstablished,
		mqtt.OnSubscribed, mqtt.OnPublish, mqtt.OnPublished, mqtt.OnPacketProcessed, mqtt.OnQosComplete,
		mqtt.OnQosPublish, mqtt.OnPacketRead, mqtt.OnPacketEncode, mqtt.OnPublishDropped, mqtt.OnPacketIDExhausted:
		return true
	}
	return false
}

// OnConnectAuthenticate checks user and password, and that nobody but the
// recorder takes the recorder's session.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	user := string(pk.Connect.Username)
	known := user == sensorUser || user == recorderUser
	right := subtle.ConstantTimeCompare(pk.Connect.Password, []byte(h.broker.password)) == 1
	return known && right && (user == recorderUser) == (cl.ID == recorderID)
}

// OnACLCheck lets sensors write and the recorder read below /feeds.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	return strings.HasPrefix(topic, feeds) && write == (string(cl.Properties.Username) == sensorUser)
}

// OnSessionEstablish closes the gate while the recorder's session moves to
// its new connection. The message ids go on where they were, as Mosquitto's do;
// mochi would begin at 1 again.
func (h *hook) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	if cl.ID != recorderID {
		return
	}
	h.broker.gate.Lock()
	h.broker.holder.Store(cl)
	for range h.broker.lastID {
		// Without a session yet, no id is taken, and there is no error.
		_, _ = cl.NextPacketID()
	}
}

// OnQosPublish notes the newest message id of the recorder's session.
func (h *hook) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	if cl.ID == recorderID && pk.FixedHeader.Type == packets.Publish && !pk.FixedHeader.Dup {
		h.broker.lastID = pk.PacketID
	}
}

// OnPacketRead gives a SUBSCRIBE an id that is free among the broker's own:
// mochi takes both directions for one space of ids, contrary to MQTT 3.1.1,
// section 2.3.1, and refuses a subscription whose id is on its way as a PUBLISH.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type != packets.Subscribe || cl.ID != recorderID {
		return pk, nil
	}
	free, err := cl.NextPacketID()
	if err != nil {
		return pk, fmt.Errorf("find a free message id: %w", err)
	}
	h.broker.subscribeIDs.Store(uint16(free), pk.PacketID)
	pk.PacketID = uint16(free)
	return pk, nil
}

// OnPacketEncode gives the SUBACK the id of its SUBSCRIBE.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Suback && cl.ID == recorderID {
		if id, ok := h.broker.subscribeIDs.LoadAndDelete(pk.PacketID); ok {
			pk.PacketID = id.(uint16)
		}
	}
	return pk
}

// OnSessionEstablished opens the gate: what was stored has been sent again.
func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	h.broker.release(cl)
}

// OnSubscribed tells the demo that sensors may start.
func (h *hook) OnSubscribed(cl *mqtt.Client, _ packets.Packet, codes []byte) {
	if cl.ID == recorderID && len(codes) > 0 && codes[0] <= packets.CodeGrantedQos2.Code {
		h.broker.subscribe.Do(func() { close(h.broker.subscribed) })
	}
}

// OnPublish takes a reading in, one at a time. A reading that the broker has
// already (its PUBACK was lost) is acknowledged and not delivered again, so
// that a double at the far end can only be the gateway's.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if !h.broker.take(cl) {
		return pk, packets.ErrRejectPacket
	}
	r, err := h.broker.ledger.reading(pk.TopicName, pk.Payload)
	if err == nil && h.broker.ledger.retry(r) {
		return pk, packets.CodeSuccessIgnore
	}
	return pk, nil
}

// OnPublished is called when a message is in the sessions of its subscribers.
func (h *hook) OnPublished(_ *mqtt.Client, pk packets.Packet) {
	if r, err := h.broker.ledger.reading(pk.TopicName, pk.Payload); err == nil && !pk.Ignore {
		h.broker.ledger.accept(r)
	}
}

// OnPacketProcessed ends what OnPublish began, whether it went well or not.
func (h *hook) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, _ error) {
	if pk.FixedHeader.Type == packets.Publish {
		h.broker.release(cl)
	}
}

// OnQosComplete is called for each PUBACK of the recorder, among others.
func (h *hook) OnQosComplete(cl *mqtt.Client, _ packets.Packet) {
	if cl.ID == recorderID {
		h.broker.acked()
	}
}

// OnPublishDropped counts what mochi could not queue.
func (h *hook) OnPublishDropped(*mqtt.Client, packets.Packet) { h.broker.dropped.Add(1) }

// OnPacketIDExhausted counts what found no message id.
func (h *hook) OnPacketIDExhausted(*mqtt.Client, packets.Packet) { h.broker.dropped.Add(1) }
