package recorder

import (
	"context"
	"time"
)

// Record is one payload from a source, before it is a line.
type Record struct {
	// Time is when the recorder received it.
	Time time.Time
	// Topic is the MQTT topic, or the name of the serial port.
	Topic string
	// Payload is what is kept of it.
	Payload []byte
	// Size is the payload's original length in bytes; it is longer than Payload
	// when that was cut at max_payload.
	Size int
	// ID is the MQTT message id; 0 with QoS 0.
	ID uint16
	// QoS is the MQTT quality of service, 0 to 2.
	QoS byte
	// Retained and Duplicate are the MQTT flags.
	Retained, Duplicate bool

	kind kind
	from acker // whom to tell that it is durable; nil: nobody
	slot int32 // index in the redelivery table; -1: none
}

// Truncated tells whether the payload was cut at max_payload.
func (r *Record) Truncated() bool { return r.Size > len(r.Payload) }

// kind tells records from the marks that travel among them, so that the writer
// sees both in their order.
type kind uint8

const (
	kindRecord    kind = iota
	kindConnected      // a connection begins; Retained says: with a session that the broker kept
	kindExcluded       // acknowledged, not recorded
)

// acker is one connection of a source. The writer calls it, in receive order,
// with records that are durable.
type acker interface {
	// ack acknowledges records[i] for all i in order. It reports false when the
	// connection was gone before anything was sent.
	ack(records []Record) bool
	// session says whose message ids the records carry.
	session() sessionKey
}

// source delivers records to a queue until ctx ends; pause makes it stop
// receiving while acknowledgements can still be sent. It is the seam where
// kinds of sources differ.
type source interface {
	run(ctx context.Context)
	pause()
}

// overhead is what a waiting record costs beside its topic and payload, in
// bytes.
const overhead = 160

func (r *Record) cost() int64 { return int64(len(r.Topic) + len(r.Payload) + overhead) }
