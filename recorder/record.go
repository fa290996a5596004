package recorder

import (
	"context"
	"time"
)

// Record is one payload from a source, before it is a line.
type Record struct {
	// Time is when the recorder received it.
	Time time.Time
	// Topic is the MQTT topic, or the serial port as it is configured.
	Topic string
	// Payload is what is kept of it.
	Payload []byte
	// Size is the payload's original length in bytes; it is longer than Payload
	// when that was cut at max_payload or max_line.
	Size int
	// Properties are those of MQTT 5, as they came (MQTT 5, 2.2.2), checked; nil if
	// there are none. PropertiesCut says that some were left out, since they were
	// longer than 256 KiB.
	Properties    []byte
	PropertiesCut bool
	// ID is the MQTT message id; 0 with QoS 0.
	ID uint16
	// QoS is the MQTT quality of service, 0 to 2.
	QoS byte
	// Retained and Duplicate are the MQTT flags.
	Retained, Duplicate bool
	// Device is what a serial port was resolved to, if it has another name.
	Device string
	// Partial says that the beginning or end of a serial record may be missing.
	Partial bool

	// Boot is the kernel's id of the machine's start, Monotonic the time that
	// had passed since then, and Synced tells whether the wall clock, which
	// Time is from, was synchronised. Empty Boot: nothing is known.
	Boot      string
	Monotonic time.Duration
	Synced    bool

	kind kind
	from acker // whom to tell that it is durable; nil: nobody
	slot int32 // index in the redelivery table; -1: none
}

// Truncated tells whether the payload was cut at max_payload or max_line.
func (r *Record) Truncated() bool { return r.Size > len(r.Payload) }

// once says that nobody sends the record again if it is lost.
func (r *Record) once() bool {
	return r.kind == kindSerial || r.kind == kindEvent || r.kind == kindRecord && r.QoS == 0
}

// kind tells records from the marks that travel among them, so that the writer
// sees both in their order.
type kind uint8

const (
	kindRecord    kind = iota
	kindConnected      // a connection begins; Retained says: with a session that the broker kept
	kindExcluded       // acknowledged, not recorded
	kindEvent          // no source sent it: see newEvent
	kindSerial         // of a serial port
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

// redelivering is a source that is given again what it was not acknowledged.
type redelivering interface {
	source
	// resume hands over what is known of its sessions, before run.
	resume(known *sessions)
	// received is what came over the present connection, in bytes.
	received() int64
}

// overhead is what a waiting record costs beside its topic and payload, in
// bytes.
const overhead = 160

func (r *Record) cost() int64 {
	return int64(len(r.Topic) + len(r.Payload) + len(r.Properties) + overhead)
}
