package recorder

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is the network connection as paho sees it. It knows the frames of MQTT
// 3.1.1 (sections 2 and 3) and so does what paho can't do for a recorder:
//
//   - it stops reading at a PUBLISH while the queue is full, without blocking
//     anything else in paho;
//   - it keeps the connection alive by itself, also while it does not read;
//   - it cuts payloads above the limit before they are in memory;
//   - it tells about the session before the first message can arrive;
//   - it sends a group's acknowledgements in one write.
type link struct {
	net.Conn
	key        sessionKey
	keepAlive  time.Duration
	silence    time.Duration // 0: off
	maxPayload int64
	queue      *queue
	onSession  func(present bool) // called before the first message

	in    *bufio.Reader
	head  [9]byte // a frame's header still to be handed on
	headN int     // its length
	headI int     // how much of it has been handed on
	left  int64   // bytes of the frame still to be handed on
	skip  int64   // bytes of the frame to be dropped after that
	cut   sizes   // original sizes of the payloads that were cut

	accepted  bool         // CONNACK has passed
	expect    atomic.Int32 // return codes that the next SUBACK must have
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

// readBuffer holds many small messages: paho itself reads three times for each.
const readBuffer = 32 << 10

var (
	errProtocol = errors.New("the broker breaks MQTT 3.1.1")
	errGone     = errors.New("the broker closed the connection")
)

func newLink(conn net.Conn, key sessionKey, cfg *MQTTConfig, q *queue, onSession func(bool)) *link {
	l := &link{
		Conn: conn, key: key, keepAlive: cfg.KeepAlive, silence: cfg.SilenceTimeout, maxPayload: cfg.MaxPayload,
		queue: q, onSession: onSession, born: time.Now(), done: make(chan struct{}),
	}
	l.in = bufio.NewReaderSize(counter{l}, readBuffer)
	return l
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
		if errors.Is(err, io.EOF) {
			err = errGone
		}
		l.reason = err
		close(l.done)
		_ = l.Conn.Close()
	})
	<-l.done
	return l.reason
}

// Close ends the connection; paho calls it.
func (l *link) Close() error {
	_ = l.fail(net.ErrClosed)
	return nil
}

// Read hands on one frame after the other, as paho asks for the bytes.
func (l *link) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if l.headI < l.headN {
			n := copy(p, l.head[l.headI:l.headN])
			l.headI += n
			return n, nil
		}
		if l.left > 0 {
			n, err := l.in.Read(p[:min(int64(len(p)), l.left)])
			l.left -= int64(n)
			if err != nil {
				return n, l.fail(err)
			}
			return n, nil
		}
		if l.skip > 0 {
			n, err := l.in.Discard(int(min(l.skip, 1<<20)))
			l.skip -= int64(n)
			if err != nil {
				return 0, l.fail(err)
			}
			continue
		}
		if err := l.nextFrame(); err != nil {
			return 0, l.fail(err)
		}
	}
}

// Packet types (MQTT 3.1.1, table 2.1).
const (
	typeConnect  = 1
	typeConnack  = 2
	typePublish  = 3
	typePubrel   = 6
	typeSuback   = 9
	typeUnsuback = 11
	typePingresp = 13
)

// maxControl bounds every frame but PUBLISH: a SUBACK has a byte per topic.
const maxControl = 1 << 20

// nextFrame reads a frame's header and decides what becomes of the frame.
func (l *link) nextFrame() error {
	first, err := l.in.ReadByte()
	if err != nil {
		return err
	}
	length, err := l.readLength()
	if err != nil {
		return err
	}
	kind := first >> 4
	switch {
	case !l.accepted:
		if kind != typeConnack || length != 2 {
			return fmt.Errorf("%w: packet type %d of %d bytes instead of CONNACK", errProtocol, kind, length)
		}
		if err := l.connack(); err != nil {
			return err
		}
	case kind == typePublish:
		return l.publish(first, length)
	case length > maxControl:
		return fmt.Errorf("%w: packet type %d of %d bytes", errProtocol, kind, length)
	case kind == typePingresp:
		l.skip = length
		return nil
	case kind == typeSuback && length != int64(l.expect.Load())+2:
		return fmt.Errorf("%w: a SUBACK with %d bytes for %d topics", errProtocol, length, l.expect.Load())
	case kind != typePubrel && kind != typeSuback && kind != typeUnsuback:
		return fmt.Errorf("%w: unexpected packet type %d", errProtocol, kind)
	}
	l.setHead(first, length)
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
	return 0, fmt.Errorf("%w: a length of more than four bytes", errProtocol)
}

// setHead prepares the header of a frame with length further bytes.
func (l *link) setHead(first byte, length int64) {
	l.head[0], l.headN, l.headI, l.left = first, 1, 0, length
	for {
		b := byte(length & 0x7f)
		if length >>= 7; length > 0 {
			b |= 0x80
		}
		l.head[l.headN] = b
		l.headN++
		if length == 0 {
			return
		}
	}
}

// connack looks at the broker's answer before paho does (3.2).
func (l *link) connack() error {
	answer, err := l.in.Peek(2)
	if err != nil {
		return err
	}
	l.accepted = true
	if answer[1] != 0 {
		return nil // refused; paho tells
	}
	l.lastData.Store(l.now())
	l.onSession(answer[0]&1 != 0)
	l.keepAlong.Go(l.keep)
	return nil
}

// publish waits for room in the queue and cuts a payload that is too long. Cut
// payloads keep one byte more than the limit, so that they are known as such.
func (l *link) publish(first byte, length int64) error {
	if first>>1&3 == 3 {
		return fmt.Errorf("%w: a PUBLISH with QoS 3", errProtocol)
	}
	if err := l.waitRoom(); err != nil {
		return err
	}
	l.lastData.Store(l.now())
	prefix, err := l.in.Peek(2)
	if err != nil {
		return err
	}
	before := 2 + int64(prefix[0])<<8 + int64(prefix[1]) // of the payload
	if first>>1&3 > 0 {
		before += 2
	}
	payload := length - before
	if payload < 0 {
		return fmt.Errorf("%w: a PUBLISH shorter than its topic", errProtocol)
	}
	if payload > l.maxPayload {
		l.cut.push(payload)
		l.skip = payload - l.maxPayload - 1
		length = before + l.maxPayload + 1
	}
	l.setHead(first, length)
	return nil
}

// waitRoom blocks while the queue is full. Only this one goroutine of paho's
// stands still; the connection is kept alive by keep.
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

// Write sends a packet of paho's. Into the first one, CONNECT, goes the
// keepalive time: paho does not know it, or it would ping by itself and take
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

// withKeepAlive fills in the keepalive time of a CONNECT (3.1.2.10).
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

// sizes is a queue of numbers between the reader and the handler.
type sizes struct {
	mu   sync.Mutex
	list []int64
}

func (s *sizes) push(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, n)
}

func (s *sizes) pop() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == 0 {
		return 0
	}
	n := s.list[0]
	s.list = s.list[1:]
	return n
}
