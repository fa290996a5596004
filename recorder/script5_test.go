package recorder

import (
	"bytes"
	"fmt"

	packets5 "github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// codes5 are the return codes of CONNACK in MQTT 5.
var codes5 = map[byte]byte{1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}

// to5 translates a packet of the script's to MQTT 5.
func to5(packet packets.ControlPacket) *packets5.ControlPacket {
	c := func(content packets5.Packet, kind byte) *packets5.ControlPacket {
		p := packets5.NewControlPacket(kind)
		p.Content = content
		return p
	}
	none := &packets5.Properties{}
	switch p := packet.(type) {
	case *packets.ConnackPacket:
		return c(&packets5.Connack{SessionPresent: p.SessionPresent, ReasonCode: or(codes5[p.ReturnCode], p.ReturnCode), Properties: none}, packets5.CONNACK)
	case *packets.PublishPacket:
		return c(&packets5.Publish{Topic: p.TopicName, Payload: p.Payload, PacketID: p.MessageID, QoS: p.Qos, Retain: p.Retain, Duplicate: p.Dup, Properties: none}, packets5.PUBLISH)
	case *packets.PubrelPacket:
		return c(&packets5.Pubrel{PacketID: p.MessageID, Properties: none}, packets5.PUBREL)
	case *packets.SubackPacket:
		return c(&packets5.Suback{PacketID: p.MessageID, Reasons: p.ReturnCodes, Properties: none}, packets5.SUBACK)
	case *packets.UnsubackPacket:
		return c(&packets5.Unsuback{PacketID: p.MessageID, Reasons: []byte{0}, Properties: none}, packets5.UNSUBACK)
	case *packets.PingrespPacket:
		return c(&packets5.Pingresp{}, packets5.PINGRESP)
	}
	panic(fmt.Sprintf("the script writes %T", packet))
}

// from5 translates a packet of the recorder's to what the script knows.
func from5(packet *packets5.ControlPacket) packets.ControlPacket {
	header := packets.FixedHeader{MessageType: packet.Type}
	switch p := packet.Content.(type) {
	case *packets5.Connect:
		return &packets.ConnectPacket{
			FixedHeader: header, ProtocolVersion: p.ProtocolVersion, ClientIdentifier: p.ClientID, CleanSession: p.CleanStart,
			Keepalive: p.KeepAlive, Username: p.Username, Password: p.Password, UsernameFlag: p.UsernameFlag, PasswordFlag: p.PasswordFlag,
		}
	case *packets5.Subscribe:
		s := &packets.SubscribePacket{FixedHeader: header, MessageID: p.PacketID}
		for _, o := range p.Subscriptions {
			s.Topics, s.Qoss = append(s.Topics, o.Topic), append(s.Qoss, o.QoS)
		}
		return s
	case *packets5.Unsubscribe:
		return &packets.UnsubscribePacket{FixedHeader: header, MessageID: p.PacketID, Topics: p.Topics}
	case *packets5.Puback:
		return &packets.PubackPacket{FixedHeader: header, MessageID: p.PacketID}
	case *packets5.Pubrec:
		return &packets.PubrecPacket{FixedHeader: header, MessageID: p.PacketID}
	case *packets5.Pubcomp:
		return &packets.PubcompPacket{FixedHeader: header, MessageID: p.PacketID}
	case *packets5.Pingreq:
		return &packets.PingreqPacket{FixedHeader: header}
	case *packets5.Disconnect:
		return &packets.DisconnectPacket{FixedHeader: header}
	}
	panic(fmt.Sprintf("the recorder writes %T", packet.Content))
}

// put5 writes a packet in one piece.
func (p *peer) put5(packet *packets5.ControlPacket) error {
	var b bytes.Buffer
	if _, err := packet.WriteTo(&b); err != nil {
		return err
	}
	_, err := p.conn.Write(b.Bytes())
	return err
}

// read5 reads a packet of MQTT 5.
func (p *peer) read5() packets5.Packet {
	p.t.Helper()
	packet, err := packets5.ReadPacket(p.conn)
	if err != nil {
		p.t.Fatalf("the broker reads: %v", err)
	}
	return packet.Content
}

// write5 writes a packet of MQTT 5.
func (p *peer) write5(kind byte, content packets5.Packet) {
	p.t.Helper()
	packet := packets5.NewControlPacket(kind)
	packet.Content = content
	if err := p.put5(packet); err != nil {
		p.t.Fatalf("the broker writes: %v", err)
	}
}
