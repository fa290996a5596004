package recorder

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is the network connection below an MQTT library. It knows the frames of
// MQTT 3.1.1 and 5 (sections 2 and 3) and so does what the libraries can't do
// for a recorder:
//
//   - it stops reading at a PUBLISH while the queue is full, without blocking
//     anything else;
//   - it reads messages by itself (publish), and cuts what is above the limits
//     before it is in memory; the libraries see no PUBLISH;
//   - it keeps the connection alive by itself, also while it does not read;
//   - it tells about the session before the first message can arrive;
//   - it sends a group's acknowledgements in one write.
type link struct {
	net.Conn
	key        sessionKey
	version    string
	keepAlive  time.Duration
	silence    time.Duration // 0: off
	maxPayload int64
	queue      *queue
	deliver    func(Record) // takes what came; it must not block

	in      *bufio.Reader
	head    [5]byte      // a control frame's header still to be handed on
	headN   int          // its length
	headI   int          // how much of it has been handed on
	left    int64        // bytes of the frame still to be handed on
	topic   []byte       // room for the topic of a message
	expect  atomic.Int32 // return codes that the next SUBACK must have; 3.1.1 only
	greeted bool         // CONNACK has passed

	paused    atomic.Bool  // reading waits for the queue
	received  atomic.Int64 // bytes
	lastRead  atomic.Int64 // when bytes came, on the clock of now
	lastWrite atomic.Int64
	lastData  atomic.Int64 // when a PUBLISH came
	born      time.Time

	mu        sync.Mutex // for writing
	started   bool       // CONNECT has been sent
	ackBuf    []byte
	closing   sync.Once
	done      chan struct{} // closed with the connection
	reason    error         // why; to be read after done
	keepAlong sync.WaitGroup
}

// writeTimeout is how long the broker may take no bytes.
const writeTimeout = 15 * time.Second

// readBuffer holds many small messages.
const readBuffer = 32 << 10

var (
	errProtocol = errors.New("the broker breaks MQTT")
	errGone     = errors.New("the broker closed the connection")
)

func newLink(conn net.Conn, key sessionKey, cfg *MQTTConfig, q *queue, deliver func(Record)) *link {
	l := &link{
		Conn: conn, key: key, version: cfg.Version, keepAlive: cfg.KeepAlive, silence: cfg.SilenceTimeout,
		maxPayload: cfg.MaxPayload, queue: q, deliver: deliver, born: time.Now(), done: make(chan struct{}),
	}
	l.in = bufio.NewReaderSize(counter{l}, readBuffer)
	return l
}

// breach is an error of the broker's.
func (l *link) breach(format string, args ...any) error {
	return fmt.Errorf("%w %s: %s", errProtocol, l.version, fmt.Sprintf(format, args...))
}

// now is the time since the link was made; it never jumps.
func (l *link) now() int64 { return int64(time.Since(l.born)) }

// counter counts what is read.
type counter struct{ l *link }

func (c counter) Read(p []byte) (int, error) {
	n, err := c.l.Conn.Read(p)
	c.l.received.Add(int64(n))
	c.l.lastRead.Store(c.l.now())
	return n, err
}

// fail closes the connection once and returns the first reason.
func (l *link) fail(err error) error {
	l.closing.Do(func() {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errGone
		}
		l.reason = err
		close(l.done)
		_ = l.Conn.Close()
	})
	<-l.done
	return l.reason
}

// Close ends the connection; the library of 3.1.1 calls it.
func (l *link) Close() error {
	_ = l.fail(net.ErrClosed)
	return nil
}

// Read hands on one control frame after the other, as the library of 3.1.1 asks
// for the bytes.
func (l *link) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if l.headI == l.headN && l.left == 0 {
		first, length, err := l.frame()
		if err != nil {
			return 0, l.fail(err)
		}
		l.setHead(first, length)
	}
	if l.headI < l.headN {
		n := copy(p, l.head[l.headI:l.headN])
		l.headI += n
		return n, nil
	}
	n, err := l.in.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if err != nil {
		return n, l.fail(err)
	}
	return n, nil
}

// setHead prepares the header of a frame with length further bytes.
func (l *link) setHead(first byte, length int64) {
	l.head[0], l.headN, l.headI, l.left = first, 1, 0, length
	l.headN = len(binary.AppendUvarint(l.head[:1], uint64(length)))
}

// Packet types (table 2.1).
const (
	typeConnect    = 1
	typeConnack    = 2
	typePublish    = 3
	typePubrel     = 6
	typeSuback     = 9
	typeUnsuback   = 11
	typePingresp   = 13
	typeDisconnect = 14
	typeAuth       = 15
)

// maxControl bounds every frame but PUBLISH: a SUBACK has a byte per topic.
const maxControl = 1 << 20

// frame reads up to the header of the next frame that is not the link's own
// affair, and checks it.
func (l *link) frame() (first byte, length int64, err error) {
	for {
		if first, err = l.in.ReadByte(); err == nil {
			length, err = l.readLength()
		}
		if err != nil {
			return 0, 0, err
		}
		kind := first >> 4
		switch {
		case !l.greeted:
			return first, length, l.greet(kind, length)
		case kind == typePublish:
			err = l.publish(first, length)
		case length > maxControl:
			err = l.breach("packet type %d of %d bytes", kind, length)
		case kind == typePingresp && length == 0:
		default:
			return first, length, l.check(kind, length)
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// check looks at the header of a control packet after CONNACK.
func (l *link) check(kind byte, length int64) error {
	switch {
	case kind == typeSuback && l.version != version5 && length != int64(l.expect.Load())+2:
		return l.breach("a SUBACK with %d bytes for %d topics", length, l.expect.Load())
	case kind == typePubrel || kind == typeSuback || kind == typeUnsuback:
		if length < 2 {
			return l.breach("packet type %d of %d bytes", kind, length)
		}
		return nil
	case l.version == version5 && (kind == typeDisconnect || kind == typeAuth):
		return nil
	}
	return l.breach("unexpected packet type %d", kind)
}

// discard drops bytes.
func (l *link) discard(n int64) error {
	for n > 0 {
		done, err := l.in.Discard(int(min(n, 1<<20)))
		n -= int64(done)
		if err != nil {
			return err
		}
	}
	return nil
}

// readLength reads the remaining length (2.2.3): at most four bytes.
func (l *link) readLength() (int64, error) {
	var length int64
	for shift := 0; shift < 28; shift += 7 {
		b, err := l.in.ReadByte()
		if err != nil {
			return 0, err
		}
		length |= int64(b&0x7f) << shift
		if b < 0x80 {
			return length, nil
		}
	}
	return 0, l.breach("a length of more than four bytes")
}

// greet looks at the broker's answer to CONNECT (3.2).
func (l *link) greet(kind byte, length int64) error {
	if l.version == version5 {
		if kind != typeConnack && kind != typeAuth && kind != typeDisconnect || length > maxControl {
			return l.breach("packet type %d of %d bytes instead of CONNACK", kind, length)
		}
		l.greeted = kind == typeConnack
		return nil // client5 reads it, and begins
	}
	if kind != typeConnack || length != 2 {
		return l.breach("packet type %d of %d bytes instead of CONNACK", kind, length)
	}
	answer, err := l.in.Peek(2)
	if err != nil {
		return err
	}
	l.greeted = true
	if answer[1] == 0 { // else it is refused; paho tells
		l.begin(answer[0]&1 != 0)
	}
	return nil
}

// begin is called once the broker has taken the session, before anything else
// is read.
func (l *link) begin(present bool) {
	l.lastData.Store(l.now())
	l.queue.put(Record{kind: kindConnected, Time: time.Now(), Retained: present, from: l})
	l.keepAlong.Go(l.keep)
}

// waitRoom blocks while the queue is full. Only the reading goroutine stands
// still; the connection is kept alive by keep.
func (l *link) waitRoom() error {
	for room := l.queue.blocked(); room != nil; room = l.queue.blocked() {
		l.paused.Store(true)
		select {
		case <-room:
		case <-l.done:
			return l.reason
		}
	}
	if l.paused.Load() {
		l.lastRead.Store(l.now())
		l.lastData.Store(l.now())
		l.paused.Store(false)
	}
	return nil
}

// Write sends a packet of the library's. Into the first one, CONNECT, goes the
// keepalive time: the library of 3.1.1 does not know it, or it would ping by itself and take
// our not reading for a dead broker.
func (l *link) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		l.started = true
		p = withKeepAlive(p, l.keepAlive)
	}
	if err := l.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// withKeepAlive fills in the keepalive time of a CONNECT (3.1.2.10); it is at the
// same place in both versions.
func withKeepAlive(p []byte, keepAlive time.Duration) []byte {
	i := 1
	for i < len(p) && p[i] >= 0x80 {
		i++
	}
	i += 1 + 2 + len("MQTT") + 2
	if i+2 > len(p) || p[0]>>4 != 1 {
		return p
	}
	seconds := uint16(keepAlive / time.Second)
	p = append([]byte(nil), p...)
	p[i], p[i+1] = byte(seconds>>8), byte(seconds)
	return p
}

// write needs mu.
func (l *link) write(p []byte) error {
	select {
	case <-l.done:
		return l.reason
	default:
	}
	err := l.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = l.Conn.Write(p)
	}
	if err != nil && p[0]>>4 == typeConnect {
		err = l.verdict(err)
	}
	l.lastWrite.Store(l.now())
	if err != nil {
		return l.fail(fmt.Errorf("send to the broker: %w", err))
	}
	return nil
}

// verdictWait is how long a TLS alert may take that was sent before the
// connection was reset.
const verdictWait = time.Second

// verdict is why CONNECT could not be sent. With TLS 1.3 a server refuses our
// certificate only after our end of the handshake: its alert waits to be read
// while the write fails with a mere reset. Nothing else reads yet.
func (l *link) verdict(err error) error {
	if l.Conn.SetReadDeadline(time.Now().Add(verdictWait)) != nil {
		return err
	}
	var alert *net.OpError
	if _, readErr := l.Conn.Read(make([]byte, 1)); errors.As(readErr, &alert) && alert.Op == "remote error" {
		return readErr
	}
	return err
}

func (l *link) session() sessionKey { return l.key }

// ack sends PUBACK (3.4) or PUBREC (3.5), in the order of the records, in one
// write.
func (l *link) ack(records []Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
		return false
	default:
	}
	buf := l.ackBuf[:0]
	for i := range records {
		switch r := &records[i]; r.QoS {
		case 1:
			buf = append(buf, 0x40, 2, byte(r.ID>>8), byte(r.ID))
		case 2:
			buf = append(buf, 0x50, 2, byte(r.ID>>8), byte(r.ID))
		}
	}
	l.ackBuf = buf
	if len(buf) > 0 {
		_ = l.write(buf) // a lost connection is found by its reader
	}
	return true
}
