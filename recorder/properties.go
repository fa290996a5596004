package recorder

import "encoding/binary"

// properties are the MQTT 5 properties of a message as they came: identifier
// and value, one after the other (MQTT 5, 2.2.2). They are read only when a line
// is written, so that their bytes, order and repeats are those of the sender.
type properties []byte

// Identifiers of the properties that a message can have (MQTT 5, 3.3.2.3).
const (
	propFormat         = 1
	propExpiry         = 2
	propContentType    = 3
	propResponseTopic  = 8
	propCorrelation    = 9
	propSubscription   = 11
	propTopicAlias     = 35
	propUser           = 38
	propertyKinds      = 64 // above all of them
	severalPerMessage  = 1<<propSubscription | 1<<propUser
	forbiddenInMessage = 1 << propTopicAlias // we allow no aliases
)

// property is one of them.
type property struct {
	id     byte
	number uint32 // of propFormat, propExpiry, propSubscription and propTopicAlias
	text   []byte // of the others; the name of propUser
	value  []byte // of propUser
}

// next reads the first property; ok is false when it is incomplete or unknown.
func (p properties) next() (one property, rest properties, ok bool) {
	one.id, rest = p[0], p[1:]
	switch one.id {
	case propFormat:
		one.number, rest, ok = rest.fixed(1)
	case propExpiry:
		one.number, rest, ok = rest.fixed(4)
	case propTopicAlias:
		one.number, rest, ok = rest.fixed(2)
	case propSubscription:
		one.number, rest, ok = rest.variable()
	case propContentType, propResponseTopic, propCorrelation:
		one.text, rest, ok = rest.bytes()
	case propUser:
		if one.text, rest, ok = rest.bytes(); ok {
			one.value, rest, ok = rest.bytes()
		}
	}
	return one, rest, ok
}

func (p properties) fixed(n int) (v uint32, rest properties, ok bool) {
	if len(p) < n {
		return 0, p, false
	}
	for _, b := range p[:n] {
		v = v<<8 | uint32(b)
	}
	return v, p[n:], true
}

func (p properties) variable() (v uint32, rest properties, ok bool) {
	n, used := binary.Uvarint(p[:min(len(p), 4)])
	if used <= 0 {
		return 0, p, false
	}
	return uint32(n), p[used:], true
}

func (p properties) bytes() (b []byte, rest properties, ok bool) {
	n, rest, ok := p.fixed(2)
	if !ok || len(rest) < int(n) {
		return nil, p, false
	}
	return rest[:n], rest[n:], true
}

// check returns the length of the properties that are whole, and what is wrong
// with them; an incomplete one at the end is not.
func (p properties) check() (whole int, fault string) {
	var seen uint64
	for rest := p; len(rest) > 0; {
		id := rest[0]
		bit := uint64(1) << (id % propertyKinds)
		switch {
		case id >= propertyKinds || !known(id):
			return whole, "an unknown property"
		case bit&forbiddenInMessage != 0:
			return whole, "a topic alias, although they are switched off"
		case bit&seen&^severalPerMessage != 0:
			return whole, "a property that is there twice"
		}
		_, after, ok := rest.next()
		if !ok {
			return whole, ""
		}
		seen |= bit
		rest, whole = after, len(p)-len(after)
	}
	return whole, ""
}

func known(id byte) bool {
	switch id {
	case propFormat, propExpiry, propContentType, propResponseTopic, propCorrelation, propSubscription, propTopicAlias, propUser:
		return true
	}
	return false
}

// each calls fn for the properties of an identifier, in order.
func (p properties) each(id byte, fn func(property)) {
	for len(p) > 0 {
		one, rest, ok := p.next()
		if !ok {
			return
		}
		if one.id == id {
			fn(one)
		}
		p = rest
	}
}

// find returns the first property of an identifier; a zero one if there is none.
func (p properties) find(id byte) (property, bool) {
	for len(p) > 0 {
		one, rest, ok := p.next()
		if !ok {
			break
		}
		if one.id == id {
			return one, true
		}
		p = rest
	}
	return property{}, false
}

// lasting calls fn with the bytes of all properties that a message keeps when it
// is delivered again: the time that is left to it and the subscriptions through
// which it comes may be others then.
func (p properties) lasting(fn func([]byte)) {
	for len(p) > 0 {
		one, rest, ok := p.next()
		if !ok {
			return
		}
		if one.id != propExpiry && one.id != propSubscription {
			fn(p[:len(p)-len(rest)])
		}
		p = rest
	}
}
