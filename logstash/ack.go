package logstash

import (
	"encoding/binary"
	"fmt"
)

// ackFrame is the size of the only frame that servers send: version, 'A', seq.
const ackFrame = 6

// ackParser puts ack frames together from bytes that arrive in any pieces.
type ackParser struct {
	frame [ackFrame]byte
	n     int
}

// next takes one frame from the beginning of data. It returns the rest of data,
// and false when data ended before the frame did.
func (p *ackParser) next(data []byte) (seq uint32, rest []byte, ok bool, err error) {
	for len(data) > 0 {
		b := data[0]
		if p.n == 0 && b != '1' && b != '2' || p.n == 1 && b != codeAck {
			return 0, data, false, foreignAnswer(p.n, b)
		}
		p.frame[p.n] = b
		p.n++
		data = data[1:]
		if p.n == ackFrame {
			p.n = 0
			return binary.BigEndian.Uint32(p.frame[2:]), data, true, nil
		}
	}
	return 0, nil, false, nil
}

// foreignAnswer guesses who answers with byte b as its first (at 0) or second.
func foreignAnswer(at int, b byte) error {
	switch {
	case at == 0 && b == 0x15: // TLS alert record, RFC 8446 section 5.1
		return errServerSpeaksTLS
	case at == 0 && b == 'H':
		return &protocolError{"the server answers like a web server (HTTP); correct the port to that of Logstash's beats input"}
	}
	return &protocolError{fmt.Sprintf("the server answers with byte 0x%02x where an ack should be; "+
		"is Logstash's beats input on this port?", b)}
}
