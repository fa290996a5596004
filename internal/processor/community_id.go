package processor

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"sluice/internal/event"
)

// Adds the Community ID (version 1) of a network flow: both directions of a
// connection have the same one. An event that lacks a part of the flow stays
// as it is. Filebeat: community_id.
type communityID struct {
	// Fields are the names of the fields to read.
	Fields flowFields `config:"fields"`
	// Target is the field that takes the id. Default: network.community_id.
	Target string `config:"target"`
	// Seed changes all ids. Default: 0.
	Seed uint16 `config:"seed"`

	Common `config:",squash"`
}

// flowFields is community_id.fields.
type flowFields struct {
	// SourceIP is the field with the source's address. Default: source.ip.
	SourceIP string `config:"source_ip"`
	// SourcePort is the field with the source's port. Default: source.port.
	SourcePort string `config:"source_port"`
	// DestinationIP is the field with the destination's address. Default:
	// destination.ip.
	DestinationIP string `config:"destination_ip"`
	// DestinationPort is the field with the destination's port. Default:
	// destination.port.
	DestinationPort string `config:"destination_port"`
	// IANANumber is the field with the protocol's number; it is read before
	// transport. Default: network.iana_number.
	IANANumber string `config:"iana_number"`
	// Transport is the field with the protocol's name or number: tcp, udp,
	// icmp, … Default: network.transport.
	Transport string `config:"transport"`
	// ICMPType is the field with the type of ICMP. Default: icmp.type.
	ICMPType string `config:"icmp_type"`
	// ICMPCode is the field with the code of ICMP. Default: icmp.code.
	ICMPCode string `config:"icmp_code"`
}

var defaultFlowFields = flowFields{
	"source.ip", "source.port", "destination.ip", "destination.port",
	"network.iana_number", "network.transport", "icmp.type", "icmp.code",
}

func (*communityID) Validate() error { return nil }

func (o *communityID) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		f, ok := o.Fields.flow(e)
		if !ok {
			return nil
		}
		if _, err := e.Put(o.Target, f.communityID(o.Seed)); err != nil {
			return fmt.Errorf("add the flow's id as %s: %w", o.Target, err)
		}
		return nil
	}), nil
}

// The protocols of which the ports, or what stands for them, count.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// protocols are the names of transport.
var protocols = map[string]uint8{
	"icmp": protoICMP, "igmp": 2, "tcp": protoTCP, "egp": 8, "igp": 9, "pup": 12, "udp": protoUDP, "rdp": 27, "irtp": 28,
	"dccp": 33, "idpr": 35, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": protoICMPv6, "icmp-ipv6": protoICMPv6,
	"icmpv6": protoICMPv6, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": protoSCTP,
}

// flow is what an id is made of.
type flow struct {
	from, to         netip.Addr
	fromPort, toPort uint16
	protocol         uint8
	ports            bool // they count
	oneWay           bool // there is no other direction
}

func (f *flowFields) flow(e *event.Event) (l flow, ok bool) {
	var ok1, ok2 bool
	if l.from, ok1 = flowAddress(e, f.SourceIP); !ok1 {
		return l, false
	}
	if l.to, ok2 = flowAddress(e, f.DestinationIP); !ok2 {
		return l, false
	}
	if l.protocol, ok = f.protocol(e); !ok {
		return l, false
	}
	switch l.protocol {
	case protoTCP, protoUDP, protoSCTP:
		l.ports = true
		l.fromPort, ok1 = smallNumber(e, f.SourcePort, 1<<16-1)
		l.toPort, ok2 = smallNumber(e, f.DestinationPort, 1<<16-1)
		return l, ok1 && ok2 && l.fromPort > 0 && l.toPort > 0
	case protoICMP, protoICMPv6:
		l.ports = true
		kind, ok := smallNumber(e, f.ICMPType, 255)
		if !ok {
			return l, false
		}
		code, _ := smallNumber(e, f.ICMPCode, 255)
		answer, twoWay := icmpAnswers[l.protocol][kind]
		l.fromPort, l.toPort, l.oneWay = kind, answer, !twoWay
		if !twoWay {
			l.toPort = code
		}
	}
	return l, true
}

// icmpAnswers are the types of ICMP that answer each other.
var icmpAnswers = map[uint8]map[uint16]uint16{
	protoICMP:   {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 10: 9, 9: 10, 17: 18, 18: 17},
	protoICMPv6: {128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130, 144: 145, 145: 144},
}

func flowAddress(e *event.Event, field string) (netip.Addr, bool) {
	v, err := e.Get(field)
	if err != nil {
		return netip.Addr{}, false
	}
	return addressOf(v)
}

func (f *flowFields) protocol(e *event.Event) (uint8, bool) {
	if n, ok := smallNumber(e, f.IANANumber, 255); ok {
		return uint8(n), true
	}
	v, err := e.Get(f.Transport)
	if err != nil {
		return 0, false
	}
	if name, ok := v.(string); ok {
		if n, known := protocols[strings.ToLower(name)]; known {
			return n, true
		}
	}
	n, ok := smallNumber(e, f.Transport, 255)
	return uint8(n), ok
}

// smallNumber reads a whole number up to most, or a text that is one.
func smallNumber(e *event.Event, field string, most int64) (uint16, bool) {
	v, err := e.Get(field)
	if err != nil {
		return 0, false
	}
	n, ok := integer(v)
	switch v := v.(type) {
	case string:
		n, err = strconv.ParseInt(v, 10, 64)
		ok = err == nil
	case float64:
		n, ok = int64(v), v == float64(int64(v))
	}
	return uint16(n), ok && n >= 0 && n <= most
}

// communityID hashes the flow, the lesser end first.
func (f flow) communityID(seed uint16) string {
	order := f.from.Compare(f.to)
	if order == 0 {
		order = int(f.fromPort) - int(f.toPort)
	}
	if order > 0 && !f.oneWay {
		f.from, f.to, f.fromPort, f.toPort = f.to, f.from, f.toPort, f.fromPort
	}
	b := binary.BigEndian.AppendUint16(nil, seed)
	b = append(b, f.from.AsSlice()...)
	b = append(b, f.to.AsSlice()...)
	b = append(b, f.protocol, 0)
	if f.ports {
		b = binary.BigEndian.AppendUint16(b, f.fromPort)
		b = binary.BigEndian.AppendUint16(b, f.toPort)
	}
	sum := sha1.Sum(b)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}
