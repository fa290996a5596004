package recorder

import (
	"encoding/binary"
	"io"
	"time"
)

// maxProperties bounds what is kept of a message's properties, in bytes.
const maxProperties = 256 << 10

// publish reads one message (3.3) and delivers it. It waits for room in the
// queue first. What is longer than the limits is cut while it is read.
func (l *link) publish(first byte, length int64) error {
	r := Record{QoS: first >> 1 & 3, Retained: first&1 != 0, Duplicate: first&8 != 0, from: l}
	if r.QoS == 3 {
		return l.breach("a PUBLISH with QoS 3")
	}
	if err := l.waitRoom(); err != nil {
		return err
	}
	l.lastData.Store(l.now())
	var number [2]byte
	if length < 2 {
		return l.breach("a PUBLISH of %d bytes", length)
	}
	if _, err := io.ReadFull(l.in, number[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(number[:]))
	before := 2 + n // what stands before properties and payload
	if r.QoS > 0 {
		before += 2
	}
	if length -= int64(before); length < 0 {
		return l.breach("a PUBLISH shorter than its topic")
	}
	if err := l.readTopic(&r, n); err != nil {
		return err
	}
	if r.QoS > 0 {
		if _, err := io.ReadFull(l.in, number[:]); err != nil {
			return err
		}
		r.ID = binary.BigEndian.Uint16(number[:])
	}
	if l.version == version5 {
		used, err := l.readProperties(&r, length)
		if err != nil {
			return err
		}
		length -= used
	}
	return l.readPayload(&r, length)
}

// readTopic reads a topic of n bytes. An empty one stands for an alias in MQTT
// 5, and we allow none.
func (l *link) readTopic(r *Record, n int) error {
	if cap(l.topic) < n {
		l.topic = make([]byte, n)
	}
	topic := l.topic[:n]
	if _, err := io.ReadFull(l.in, topic); err != nil {
		return err
	}
	if n == 0 && l.version == version5 {
		return l.breach("a PUBLISH without topic, although topic aliases are switched off")
	}
	r.Topic = string(topic)
	return nil
}

// readPayload reads the last n bytes of a message and delivers it.
func (l *link) readPayload(r *Record, n int64) error {
	r.Size = int(n)
	r.Payload = make([]byte, min(n, l.maxPayload))
	_, err := io.ReadFull(l.in, r.Payload)
	if err == nil {
		err = l.discard(n - int64(len(r.Payload)))
	}
	if err != nil {
		return err
	}
	r.Time = time.Now()
	l.deliver(*r)
	return nil
}

// readProperties reads the properties of a message with length bytes left, and
// tells how many of them they took.
func (l *link) readProperties(r *Record, length int64) (used int64, err error) {
	n, err := l.readLength()
	if err != nil {
		return 0, err
	}
	used = int64(len(binary.AppendUvarint(nil, uint64(n)))) + n
	if used > length {
		return 0, l.breach("a PUBLISH shorter than its properties")
	}
	if n == 0 {
		return used, nil
	}
	kept := make([]byte, min(n, maxProperties))
	if _, err := io.ReadFull(l.in, kept); err != nil {
		return 0, err
	}
	r.PropertiesCut = n > int64(len(kept))
	whole, fault := properties(kept).check()
	if fault != "" || whole < len(kept) && !r.PropertiesCut {
		return 0, l.breach("a PUBLISH with %s", or(fault, "an incomplete property"))
	}
	r.Properties = kept[:whole]
	return used, l.discard(n - int64(len(kept)))
}
